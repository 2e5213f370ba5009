// Losses of one prediction against one target, with the mean over a row and the gradient fused:
//
//   loss[n] = scale * sum_c f(y[n,c], x[n,c])        dx[n,c] = dloss[n] * scale * df/dx
//
// Saves: y and x.
// Cost: 8 FLOPs for each of the N C pairs, in the backward pass again; y and x are read, loss or dx
// written.
// Error: each f within 4 ULP (exp and log as in cpu/simd_math.h); of a sum at most 4096 / lanes
// roundings in its own dtype follow each other, then float64 takes over.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

enum class PointwiseLoss : int32_t {
  squared_error,          // (x - y)^2
  absolute_error,         // |x - y|
  huber,                  // e^2 / 2 up to |e| = delta, then delta |e| - delta^2 / 2
  log_cosh,               // log cosh(x - y)
  hinge,                  // max(1 - y x, 0)
  squared_hinge,          // max(1 - y x, 0)^2
  sigmoid_cross_entropy,  // -y log s(x) - (1 - y) log(1 - s(x)), x a logit
  binary_cross_entropy,   // the same of a probability x, cut to [epsilon, 1 - epsilon]
  kl_divergence,          // y log(y / x), both cut to [epsilon, 1]
  poisson,                // x - y log(x + epsilon)
};

struct PointwiseLossParams {
  PointwiseLoss kind;
  int64_t N, C;   // rows and their length
  double scale;   // 1 / C for a mean, 1 for a sum
  double number;  // huber: delta; the cross entropies of probabilities: epsilon
};

namespace kernels {
// Operands: y (N, C), x (N, C), loss (N,).
extern Kernel<PointwiseLossParams> pointwise_loss;
// Operands: dloss (N,) of any stride, y, x, dx.
extern Kernel<PointwiseLossParams> pointwise_loss_backward;
}  // namespace kernels

// What the losses of y and x of shape (..., C) are reduced to: not at all, one for each row (...),
// or one number, the mean over the rows.
enum class LossReduction { elements, rows, mean };

Tensor pointwise_loss(std::string_view kind, const Tensor& y, const Tensor& x, double number,
                      LossReduction reduction);
Tensor pointwise_loss_backward(std::string_view kind, const Tensor& dloss, const Tensor& y,
                               const Tensor& x, double number, LossReduction reduction);

}  // namespace weft
