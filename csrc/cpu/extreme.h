// Joining elements to the largest or smallest, with NaN as NumPy has it: one NaN makes the result
// NaN.
#pragma once

#include "cpu/isa.h"

namespace weft::cpu::WEFT_ISA {

template <class T>
inline constexpr bool kIsFloatingType = __is_same(T, float) || __is_same(T, double);
template <class T>
inline constexpr bool kIsUnsigned = !__is_same(T, bool) && static_cast<T>(-1) > static_cast<T>(0);

template <class T>
constexpr T lowest() {
  if constexpr (kIsFloatingType<T>)
    return static_cast<T>(-__builtin_inf());
  else if constexpr (static_cast<T>(-1) < static_cast<T>(0))
    return static_cast<T>(uint64_t{1} << (8 * sizeof(T) - 1));
  else
    return 0;
}
template <class T>
constexpr T highest() {
  if constexpr (kIsFloatingType<T>)
    return static_cast<T>(__builtin_inf());
  else
    return static_cast<T>(~lowest<T>());
}

template <class T, bool kMax>
struct Extreme {
  using In = T;
  using Part = T;
  using Out = T;
  static constexpr T identity = kMax ? lowest<T>() : highest<T>();
  struct Acc {
    T value = identity;
  };
  template <class V>
  static V lift(V x) {
    return x;
  }
  template <class V>
  static V join(V a, V b) {
    if constexpr (kIsFloatingType<T>) {  // a NaN of a is kept; the hardware's max(a, b) takes one
                                         // of b
      const V best = kMax ? (a > b ? a : b) : (a < b ? a : b);
      return a == a ? best : a;
    } else {
      return (kMax ? b > a : b < a) ? b : a;
    }
  }
  static void absorb(Acc& acc, T part) { acc.value = join(acc.value, part); }
  static void merge(Acc& acc, const Acc& other) { absorb(acc, other.value); }
  static T finish(const Acc& acc, int64_t) { return acc.value; }
};

}  // namespace weft::cpu::WEFT_ISA
