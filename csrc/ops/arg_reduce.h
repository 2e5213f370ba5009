// y = where along an axis the largest or smallest element of x is.
//
// Saves: nothing; places have no gradient.
// Cost: a comparison for each element of x; x is read, y written.
// Error: none.
#pragma once

#include <optional>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct ArgReduceParams {
  int32_t axis;
};

namespace kernels {
// Operands: x (its stride along the axis not negative), y (int64; x's shape with 1 for the axis).
// The first of equal elements; the first NaN if there is one.
extern Kernel<ArgReduceParams> argmax;
extern Kernel<ArgReduceParams> argmin;
}  // namespace kernels

// Without an axis: the place in x laid out as one row.
Tensor argmax(const Tensor& x, std::optional<int64_t> axis, bool keepdims);
Tensor argmin(const Tensor& x, std::optional<int64_t> axis, bool keepdims);

}  // namespace weft
