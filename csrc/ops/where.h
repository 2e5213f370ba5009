// y = condition ? a : b, element by element, with broadcasting.
//
// Saves: condition.
// Cost: one FLOP for each element; condition, a and b are read, y written.
// Error: none.
#pragma once

#include "core/kernel.h"
#include "ops/elementwise.h"

namespace weft {

namespace kernels {
// Operands: condition (bool), a, b, y; broadcast to y's shape. Chosen by the dtype of a, b and y.
extern Kernel<NoParams> where;
}  // namespace kernels

// a and b are promoted to one dtype; a number among them does not widen the other.
Tensor where(const Tensor& condition, const ElementwiseInput& a, const ElementwiseInput& b);

}  // namespace weft
