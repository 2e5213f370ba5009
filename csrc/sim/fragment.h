// Elements of tensor-core operands as floats.
#pragma once

#include <bit>
#include <cstdint>

#include "core/half.h"
#include "sim/async_state.h"

namespace weft::simulator {

// Tensor cores read tf32 by ignoring the low 13 bits of a float.
constexpr uint32_t kTf32Mask = ~0x1fffu;

template <MmaType type>
inline float element_of(uint32_t word, int half) {
  if constexpr (type == MmaType::tf32) return std::bit_cast<float>(word & kTf32Mask);
  const uint16_t bits = static_cast<uint16_t>(word >> 16 * half);
  if constexpr (type == MmaType::f16) return Float16::to_float(bits);
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

}  // namespace weft::simulator
