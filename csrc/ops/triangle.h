// The lower or upper triangle of the last two axes.
//
// Saves: nothing but the diagonal.
// Cost: no FLOPs; x is read, y written.
// Error: none.
#pragma once

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct TriangleParams {
  int64_t diagonal;  // the last one kept (lower) or the first one kept (upper)
  bool upper;
};

namespace kernels {
// Operands: x (..., M, N) contiguous, y (the same). y is x on one side of the diagonal, else 0.
extern Kernel<TriangleParams> triangle;
}  // namespace kernels

Tensor triangle(const Tensor& x, int64_t diagonal, bool upper);

}  // namespace weft
