// Views that need more than one line of Python: no copies, the storage is shared.
//
// Shapes: x of any shape; the comments below say which axes the result has.
// Saves: nothing but the axes.
// Cost: none; no element is touched.
// Error: none.
#pragma once

#include "core/tensor.h"

namespace weft {

Tensor flip(const Tensor& x, const Dims& axes);
Tensor expand_dims(const Tensor& x, const Dims& axes);  // positions in the result
Tensor squeeze(const Tensor& x, const Dims& axes);      // ValueError where the size is not 1
Tensor squeeze_all(const Tensor& x);
// The diagonal `offset` above the main one of the axes, as a new last axis.
Tensor diagonal(const Tensor& x, int64_t offset, int64_t axis1, int64_t axis2);

}  // namespace weft
