// Across the lanes of one vector: sums and extremes in log2(lanes) shuffles, and lane masks.
#pragma once

#include <utility>

#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

// True for the first n lanes.
template <class T>
WEFT_INLINE simd::Mask<T> first_lanes(int n) {
  using I = typename simd::SignedOf<T>::type;
  constexpr int L = simd::kLanes<T>;
  const auto iota = []<int... i>(std::integer_sequence<int, i...>) {
    return simd::Mask<T>{static_cast<I>(i)...};
  }(std::make_integer_sequence<int, L>{});
  return iota < simd::broadcast(static_cast<I>(n));
}

// Lane i of the result is lane i ^ kDistance of v.
template <class T, int kDistance>
WEFT_INLINE simd::Vec<T> exchange_lanes(simd::Vec<T> v) {
  return [&]<int... i>(std::integer_sequence<int, i...>) {
#if defined(__clang__)
    return __builtin_shufflevector(v, v, (i ^ kDistance)...);
#else
    return __builtin_shuffle(v, simd::Mask<T>{(i ^ kDistance)...});
#endif
  }(std::make_integer_sequence<int, simd::kLanes<T>>{});
}

// Op::join over all lanes, in every lane.
template <class Op, class T, int kDistance = simd::kLanes<T> / 2>
WEFT_INLINE simd::Vec<T> join_lanes(simd::Vec<T> v) {
  v = Op::join(v, exchange_lanes<T, kDistance>(v));
  if constexpr (kDistance > 1)
    return join_lanes<Op, T, kDistance / 2>(v);
  else
    return v;
}
template <class Op, class T>
WEFT_INLINE T reduce_lanes(simd::Vec<T> v) {
  return join_lanes<Op, T>(v)[0];
}

}  // namespace weft::cpu::WEFT_ISA
