// y[i] = start + i * step.
//
// Saves: nothing; it has no gradient.
// Cost: 2 n FLOPs; y is written.
// Error: float64 computes i * step and the sum, each rounded once; float32 rounds that once more.
// Integers are exact.
#pragma once

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct ArangeParams {
  double start, step;        // for floating dtypes: computed in double, rounded once
  int64_t first, increment;  // for int64
};

namespace kernels {
// Operands: y (n,), contiguous; float32, float64 or int64.
extern Kernel<ArangeParams> arange;
}  // namespace kernels

Tensor arange(double start, double step, int64_t n, DType dtype, Device device);
Tensor arange(int64_t start, int64_t step, int64_t n, DType dtype, Device device);

}  // namespace weft
