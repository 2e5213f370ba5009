// y = x / (1 - rate) where a fair coin of probability 1 - rate falls on keep, else 0.
//
// Saves: the mask, a byte for each element.
// Cost: 20 FLOPs for each element, 1 in the backward pass; x and the mask cross memory once, y is
// written.
// Error: one rounding of x * scale; the share of zeros is exact to 2^-32.
#pragma once

#include <utility>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct DropoutParams {
  uint64_t threshold;  // of 2^32: an element is kept when its 32 random bits are below it
  double scale;        // 1 / (1 - rate)
};
struct DropoutMaskParams {
  double scale;
};

namespace kernels {
// Operands: x (contiguous), state {seed, counter} (see ops/random.h), y, mask (bool), state.
extern Kernel<DropoutParams> dropout;
// Operands: x, mask (bool), y; all contiguous. y = mask ? x * scale : 0: the gradient of dropout.
extern Kernel<DropoutMaskParams> dropout_mask;
}  // namespace kernels

// The result and the mask of what was kept, which the gradient needs.
std::pair<Tensor, Tensor> dropout(const Tensor& x, const Tensor& state, double rate);
Tensor dropout_mask(const Tensor& x, const Tensor& mask, double rate);

}  // namespace weft
