// Batch normalisation over all axes but the last (the channels).
//   y[m, c] = (x[m, c] - mean[c]) * rstd[c] * gamma[c] + beta[c]
#pragma once

#include <optional>
#include <tuple>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

// x: (M, C), row-major. Per-channel operands have C elements.
struct BatchNormParams {
  int64_t M, C;
  double epsilon;
};

namespace kernels {
// Operands: x, gamma?, beta?, y, mean, variance (biased), rstd = 1 / sqrt(variance + epsilon).
// Statistics as those of `variance`: read once, without cancellation.
extern Kernel<BatchNormParams> batch_norm;
// Operands: x, mean, variance, gamma?, beta?, y: the given statistics are used.
extern Kernel<BatchNormParams> batch_norm_inference;
// Operands: dy, x, gamma?, mean, rstd, dx, dgamma, dbeta: gradients through the statistics.
extern Kernel<BatchNormParams> batch_norm_backward;
}  // namespace kernels

// (y, mean, variance, rstd); x: (..., C).
std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm(const Tensor& x,
                                                      const std::optional<Tensor>& gamma,
                                                      const std::optional<Tensor>& beta,
                                                      double epsilon);
Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance,
                            const std::optional<Tensor>& gamma, const std::optional<Tensor>& beta,
                            double epsilon);
// (dx, dgamma, dbeta)
std::tuple<Tensor, Tensor, Tensor> batch_norm_backward(const Tensor& dy, const Tensor& x,
                                                       const std::optional<Tensor>& gamma,
                                                       const Tensor& mean, const Tensor& rstd);

}  // namespace weft
