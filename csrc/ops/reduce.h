// y = the sum, product, extreme, ... of x over some of its axes.
//
// Saves: nothing of sums and means; x of products and of sums of squares; x and y of extremes.
// Cost: one FLOP for each element of x; x is read, y written.
// Error: see below, at the kernels; extremes, any and all are exact. Products round once for each
// element.
#pragma once

#include <optional>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct ReduceParams {
  uint32_t axes;  // bit i: axis i of x is reduced
};

namespace kernels {
// Operands: x (any strides, not empty), y (x's shape with 1 for the reduced axes). Chosen by x's
// dtype. Sums are cut into blocks by size alone (same bits for any number of threads); within a
// block at most 12 roundings in x's dtype follow each other, blocks are added in float64, for
// float64 with compensation: the error is below 1e-6 (float32) or 2e-15 (float64) of sum(|x|).
extern Kernel<ReduceParams> sum;          // ints and bool to 64 bits, floats to themselves
extern Kernel<ReduceParams> mean;         // ints and bool to float32
extern Kernel<ReduceParams> sum_squares;  // floats: sum of x * x
extern Kernel<ReduceParams> prod;         // dtypes as sum
extern Kernel<ReduceParams> max;          // NaN wins
extern Kernel<ReduceParams> min;          // NaN wins
extern Kernel<ReduceParams> any;          // to bool; NaN is true
extern Kernel<ReduceParams> all;
}  // namespace kernels

// Where a reduction goes: the checked axes as bits, the shape with and without the reduced axes.
struct ReducedShape {
  uint32_t axes = 0;
  int64_t count = 1;  // elements of x behind one element of y
  Shape kept;         // 1 for each reduced axis
  Shape dropped;      // without the reduced axes
};
// Without `axes` all are reduced. IndexError for an axis out of range, ValueError for one given
// twice.
ReducedShape reduced_shape(const Shape& x, const std::optional<Dims>& axes, const char* op);
// y (of shape `kept`) without its reduced axes, unless keepdims.
Tensor drop_axes(const Tensor& y, const ReducedShape& shape, bool keepdims);

// NumPy's dtype of a sum: integers and bool become 64 bits wide.
DType sum_dtype(DType x);

Tensor sum(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);
Tensor mean(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);
Tensor sum_squares(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);
Tensor prod(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);
Tensor max(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);
Tensor min(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);
Tensor any(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);
Tensor all(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);

}  // namespace weft
