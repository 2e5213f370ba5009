// Batch normalisation over all axes but the last (the channels).
//   y[m, c] = (x[m, c] - mean[c]) * rstd[c] * gamma[c] + beta[c]
//
// Saves: x, gamma, mean and rstd.
// Cost: 8 FLOPs for each element, x read twice and y written; with given statistics 3 FLOPs, x read
// once; backward 10 FLOPs, dy and x read twice and dx written.
// Error: statistics as in variance.h, rounded once from float64, which moves y by up to eps / 2
// |mean| rstd |gamma|; y adds 4 roundings. Sums of gradients: at most 32 rows in their own dtype,
// then in float64.
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
