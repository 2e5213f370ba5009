// y = the tensors one after the other along an axis.
//
// Shapes: x_i (n0, ..., a_i, ...); the result (n0, ..., sum of a_i, ...). stack: x_i (n0, ...); the
// result (n0, ..., count, ...).
// Saves: nothing but the sizes.
// Cost: no FLOPs; every element is read and written once.
// Error: none but that of the promotion, see cast.h.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace weft {

// Every size but that of `axis` must agree; the result has the promoted dtype.
Tensor concatenate(const std::vector<Tensor>& tensors, int64_t axis);
Tensor stack(const std::vector<Tensor>& tensors, int64_t axis);  // along a new axis

}  // namespace weft
