// y = exp(x) / sum(exp(x)) along an axis, its logarithm, and the logarithm of the sum.
//
// Saves: y; logsumexp x besides.
// Cost: 16 FLOPs for each element forward, 4 backward; x (or dy and y) is read, the result written.
// Error: a share p is within ((n + |x - max|) / 2 + 4) eps p, log_softmax within (n / 2 + 2) eps +
// 3 eps |y|, logsumexp within (n + 2) eps + eps |y|. Blocks of 1024 elements are added in float64:
// n is at most that.
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
// Operands: as listed, all (outer, n, inner) but the result of logsumexp. The largest element is
// subtracted first, so that nothing overflows. exp and log as in cpu/simd_math.h (1.1 and 1.5 ULP).
// A row of nothing but -inf gives NaN, as it has no maximum to be relative to.
extern Kernel<SoftmaxParams> softmax;               // x, y
extern Kernel<SoftmaxParams> log_softmax;           // x, y
extern Kernel<SoftmaxParams> softmax_backward;      // dy, y, dx = y (dy - sum(dy y))
extern Kernel<SoftmaxParams> log_softmax_backward;  // dy, y, dx = dy - e^y sum(dy)
extern Kernel<SoftmaxParams> logsumexp;             // x, y (outer, inner)
}  // namespace kernels

Tensor softmax(const Tensor& x, int64_t axis);
Tensor log_softmax(const Tensor& x, int64_t axis);
Tensor softmax_backward(const Tensor& dy, const Tensor& y, int64_t axis);
Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, int64_t axis);
Tensor logsumexp(const Tensor& x, const std::optional<Dims>& axes, bool keepdims);

}  // namespace weft
