// Loops over the channels of an NHWC pixel: whole registers first, then one masked rest.
#pragma once

#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

// The last channels of a pixel are fewer than a register holds when kTail.
template <bool kTail, class T>
WEFT_INLINE simd::Vec<T> load_channels(const T* p, int tail) {
  if constexpr (kTail) return simd::load_partial(p, tail);
  return simd::load(p);
}
template <bool kTail, class T>
WEFT_INLINE void store_channels(T* p, simd::Vec<T> v, int tail) {
  if constexpr (kTail)
    simd::store_partial(p, v, tail);
  else
    simd::store(p, v);
}

// f.template operator()<kVectors, kTail>(channel, tail) for blocks of kMost, then fewer registers.
template <class T, int kMost, class F>
WEFT_INLINE void for_channels(int64_t channels, F&& f) {
  constexpr int64_t L = simd::kLanes<T>;
  int64_t c = 0;
  for (; c + kMost * L <= channels; c += kMost * L) f.template operator()<kMost, false>(c, 0);
  if constexpr (kMost > 2)
    if (c + 2 * L <= channels) {
      f.template operator()<2, false>(c, 0);
      c += 2 * L;
    }
  if constexpr (kMost > 1)
    if (c + L <= channels) {
      f.template operator()<1, false>(c, 0);
      c += L;
    }
  if (c < channels) f.template operator()<1, true>(c, static_cast<int>(channels - c));
}

}  // namespace weft::cpu::WEFT_ISA
