// What an operation on halves computes in.
#pragma once

#include "core/kernel.h"

namespace weft {

// Halves stay what they are where the slot has kernels for them on this device, as many have on
// GPUs: those hold halves in memory and compute in float32. Elsewhere operations cast.
inline DType kernel_dtype(const KernelSlot& slot, Device device, DType dtype) {
  if (!is_half(dtype) || slot.find(device.type, dtype) != nullptr) return dtype;
  return compute_dtype(dtype);
}

}  // namespace weft
