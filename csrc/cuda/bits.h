// Numbers by their bits: what all integers of a size share a kernel with.
#pragma once

#include "cuda/gpu.h"

namespace weft::WEFT_GPU {

template <int kBytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<2> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<4> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<8> {
  using type = uint64_t;
};
template <class T>
using Bits = typename UnsignedOf<sizeof(T)>::type;

// 0 for what has no sign.
template <class T>
inline constexpr uint64_t kSignBit = std::is_unsigned_v<T> ? 0 : uint64_t{1} << (8 * sizeof(T) - 1);

// 64 bits of the same value. `sign` is the sign bit of the type meant, or 0 where it has none.
template <class U>
__device__ inline uint64_t widened(U x, uint64_t sign) {
  return (static_cast<uint64_t>(x) ^ sign) - sign;
}

}  // namespace weft::WEFT_GPU
