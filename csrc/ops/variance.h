// y = the variance of x over some of its axes, and its mean.
//
// Saves: x and mean.
// Cost: 4 FLOPs for each element; x is read once, mean and variance are written.
// Error: see below, at the kernel.
#pragma once

#include <optional>
#include <utility>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct VarianceParams {
  uint32_t axes;  // bit i: axis i of x is reduced
  double correction;
};

namespace kernels {
// Operands: x (any strides, not empty), mean, variance (x's shape with 1 for the reduced axes).
// variance = sum((x - mean)^2) / (n - correction), accurate for data far from 0: relative error
// below 64 roundings of x's dtype.
extern Kernel<VarianceParams> variance;
}  // namespace kernels

// (mean, variance). Integers and bool give float32.
std::pair<Tensor, Tensor> moments(const Tensor& x, const std::optional<Dims>& axes,
                                  double correction, bool keepdims);

}  // namespace weft
