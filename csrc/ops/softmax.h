// y = exp(x) / sum(exp(x)) along an axis, its logarithm, and the logarithm of the sum.
#pragma once

#include <optional>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

// x as (outer, n, inner), row-major; the softmax runs along n.
struct SoftmaxParams {
  int64_t outer, n, inner;
};

namespace kernels {
// The largest element is subtracted first, so that nothing overflows. exp and log as in
// cpu/simd_math.h (1.1 and 1.5 ULP). A row of nothing but -inf gives NaN, as it has no maximum
// to be relative to.
extern Kernel<SoftmaxParams> softmax;               // operands: x, y
extern Kernel<SoftmaxParams> log_softmax;           // operands: x, y
extern Kernel<SoftmaxParams> softmax_backward;      // operands: dy, y, dx = y (dy - sum(dy y))
extern Kernel<SoftmaxParams> log_softmax_backward;  // operands: dy, y, dx = dy - e^y sum(dy)
extern Kernel<SoftmaxParams> logsumexp;             // operands: x, y (outer, inner)
}  // namespace kernels

Tensor softmax(const Tensor& x, int64_t axis);
Tensor log_softmax(const Tensor& x, int64_t axis);
Tensor softmax_backward(const Tensor& dy, const Tensor& y, int64_t axis);
Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, int64_t axis);
Tensor logsumexp(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);

}  // namespace weft
