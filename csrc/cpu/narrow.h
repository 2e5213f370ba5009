// Matrices without gaps whose rows are few vectors wide: per-column numbers stay in registers and
// memory is read straight through. Rows are folded (several taken as one, the numbers of columns
// repeated) until they are as wide as the registers allow.
//
// Reading straight through is what counts beyond L2: the hardware's prefetch follows one rising
// stream. Of 26 MB, eight rows of 1 KiB side by side were read at 9 to 10 GB/s (Zen 4, with or
// without prefetch instructions), one after the other at 28 to 38.
#pragma once

#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

// Three numbers per column are kept: 24 of 32 registers, or 12 of 16.
inline constexpr int kNarrowVectors = simd::kVectorBytes == 64 ? 8 : 4;

// How many rows of `cols` columns make more than kNarrowVectors / 2 whole vectors, and at most
// kNarrowVectors; 0 where there is no such number.
template <class T>
inline int64_t narrow_fold(int64_t cols) {
  constexpr int64_t L = simd::kLanes<T>;
  if (cols > kNarrowVectors * L) return 0;
  int64_t fold = L;  // the fewest rows that make whole vectors
  while (fold > 1 && cols * fold / 2 % L == 0) fold /= 2;
  return fold * (kNarrowVectors / (cols * fold / L));  // 0 when one is too wide
}

template <class T>
inline bool is_narrow(int64_t width) {
  constexpr int64_t L = simd::kLanes<T>;
  return width % L == 0 && width / L <= kNarrowVectors && width / L > kNarrowVectors / 2;
}

// f.template operator()<kVectors>() for a narrow width.
template <class T, class F>
WEFT_INLINE void with_vectors(int64_t width, F&& f) {
  const int64_t vectors = width / simd::kLanes<T>;
  if constexpr (kNarrowVectors == 8) {
    switch (vectors) {
      case 5: return f.template operator()<5>();
      case 6: return f.template operator()<6>();
      case 7: return f.template operator()<7>();
      default: return f.template operator()<8>();
    }
  } else if (vectors == 3) {
    f.template operator()<3>();
  } else {
    f.template operator()<4>();
  }
}

}  // namespace weft::cpu::WEFT_ISA
