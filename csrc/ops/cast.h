// y = x, element by element, into another dtype or another memory layout.
//
// Saves: nothing but the dtype of x.
// Cost: no FLOPs; x is read, y written.
// Error: one rounding to nearest even (half an ULP) where y's dtype has fewer digits, else none.
#pragma once

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

namespace kernels {
// Operands: x (any strides), y (same shape). Chosen by x's dtype. Floats are rounded to nearest
// even; to integers they are cut towards zero; anything but 0 becomes true.
extern Kernel<NoParams> cast;
// Operands: value (0-d), y. Every element of y becomes value, which has y's dtype.
extern Kernel<NoParams> fill;
}  // namespace kernels

Tensor cast(const Tensor& x, DType dtype);         // x itself when it has the dtype already
Tensor contiguous_copy(const Tensor& x);           // always new memory
Tensor contiguous(const Tensor& x);                // x itself when it is contiguous
void copy_into(const Tensor& x, const Tensor& y);  // y[...] = x with broadcasting and conversion
Tensor full(const Shape& shape, double value, DType dtype, Device device);

}  // namespace weft
