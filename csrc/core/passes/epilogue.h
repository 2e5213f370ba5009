// What passes know of kernels that finish their result before they write it: with a bias, with an
// activation. An op says it of its kernels in its own file.
#pragma once

#include "core/kernel.h"

namespace weft {

// The kernel adds the bias to its finished sums and applies the activation last, so that every bit
// is that of one launch after the other.
struct Epilogue {
  size_t bias;  // which operand; absent when there is none
  // Whether a launch with these parameters adds a bias: `dtype` is that of the result.
  bool (*can_add)(const void* params, DType dtype);
  // Makes it apply a ReLU. False when it cannot.
  bool (*add_relu)(void* params, DType dtype);
  // Elementwise launches: of a bias to the last axis, and of a ReLU.
  const KernelSlot *add, *relu;
};

// Null for a kernel without.
const Epilogue* epilogue_of(const KernelSlot& slot);

// A constant of namespace scope, beside the slot.
class HasEpilogue {
 public:
  HasEpilogue(const KernelSlot& slot, const Epilogue& epilogue);
};

}  // namespace weft
