// Layer normalisation over the last axes (together the features).
//   y[m, i] = (x[m, i] - mean[m]) * rstd[m] * gamma[i] + beta[i]
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
