// Layer normalisation over the last axes (together the features).
//   y[m, i] = (x[m, i] - mean[m]) * rstd[m] * gamma[i] + beta[i]
//
// Saves: x, gamma, mean and rstd.
// Cost: 8 FLOPs for each element, x read and y written; backward 14, dy and x read and dx written.
// Error: statistics as in variance.h, rounded once from float64, which moves y by up to eps / 2
// |mean| rstd |gamma|; y adds 4 roundings. dgamma and dbeta: at most 32 rows in their own dtype,
// then in float64.
#pragma once

#include <optional>
#include <tuple>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct LayerNormParams {
  int64_t rows, features;
  double epsilon;
};

namespace kernels {
// Operands: x, gamma?, beta?, y, mean, rstd = 1 / sqrt(variance + epsilon), one per row.
extern Kernel<LayerNormParams> layer_norm;
// Operands: dy, x, gamma?, mean, rstd, dx, dgamma, dbeta.
extern Kernel<LayerNormParams> layer_norm_backward;
}  // namespace kernels

// (y, mean, rstd); the last `axes` axes are the features, gamma and beta have their shape, mean and
// rstd the shape of the others.
std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& x, const std::optional<Tensor>& gamma,
                                              const std::optional<Tensor>& beta, int64_t axes,
                                              double epsilon);
// (dx, dgamma, dbeta)
std::tuple<Tensor, Tensor, Tensor> layer_norm_backward(const Tensor& dy, const Tensor& x,
                                                       const std::optional<Tensor>& gamma,
                                                       const Tensor& mean, const Tensor& rstd,
                                                       int64_t axes);

}  // namespace weft
