// Rows without gaps: copies of short ones, for which a call of memcpy takes longer than the copy,
// and one value repeated.
#pragma once

#include <string.h>

#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

// n elements without gaps. A row that is no whole number of vectors ends with one that overlaps.
template <class T>
WEFT_INLINE void copy_row(const T* x, T* y, int64_t n) {
  constexpr size_t kStep = simd::kVectorBytes, kLongest = 1024;
  const size_t bytes = static_cast<size_t>(n) * sizeof(T);
  if (bytes < kStep || bytes > kLongest) {
    memcpy(y, x, bytes);
    return;
  }
  const uint8_t* from = reinterpret_cast<const uint8_t*>(x);
  uint8_t* to = reinterpret_cast<uint8_t*>(y);
#pragma GCC unroll 4
  for (size_t i = 0; i + kStep < bytes; i += kStep) simd::store(to + i, simd::load(from + i));
  simd::store(to + bytes - kStep, simd::load(from + bytes - kStep));
}

template <int kBytes>
struct BitsOf;
template <>
struct BitsOf<1> {
  using type = uint8_t;
};
template <>
struct BitsOf<2> {
  using type = uint16_t;
};
template <>
struct BitsOf<4> {
  using type = uint32_t;
};
template <>
struct BitsOf<8> {
  using type = uint64_t;
};

template <class T>
inline void fill_row(T* y, T value, int64_t n) {
  using Bits = typename BitsOf<sizeof(T)>::type;
  constexpr int64_t L = simd::kLanes<Bits>;
  Bits bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  Bits* to = reinterpret_cast<Bits*>(y);
  const simd::Vec<Bits> v = simd::broadcast(bits);
  if (n < L) {
    for (int64_t i = 0; i < n; i++) y[i] = value;
    return;
  }
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) simd::store(to + i + k * L, v);
  for (; i + L <= n; i += L) simd::store(to + i, v);
  simd::store(to + n - L, v);
}

}  // namespace weft::cpu::WEFT_ISA
