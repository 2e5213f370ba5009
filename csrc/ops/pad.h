// y = x with a border of one value around it.
//
// Shapes: x (n0, n1, ...); the result (before[0] + n0 + after[0], ...).
// Saves: nothing but the widths.
// Cost: no FLOPs; x is read, every element of the result written once.
// Error: none.
#pragma once

#include "core/tensor.h"

namespace weft {

// before[i] and after[i] elements of `value` are put around axis i.
Tensor pad(const Tensor& x, const Dims& before, const Dims& after, double value);

}  // namespace weft
