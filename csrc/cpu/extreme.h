// Joining elements to the largest or smallest, with NaN as NumPy has it: one NaN makes the result
// NaN.
//
// Vectors of floats are joined by the hardware's instruction alone, which may lose a NaN; that
// there was one is noted on the side, one comparison for two vectors, and the result is mended at
// the end. A join that keeps NaN takes four instructions that wait for each other.
#pragma once

#include "cpu/horizontal.h"

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

// The lanes in which a NaN was seen.
template <class T>
struct NanLanes {
  using V = simd::Vec<T>;
#if defined(__AVX512F__)
  __mmask16 lanes = 0;

  WEFT_INLINE void note(V a, V b) {
    if constexpr (sizeof(T) == 4)
      lanes |= _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q);
    else
      lanes |= _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_UNORD_Q);
  }
  bool any() const { return lanes != 0; }
  WEFT_INLINE V mark(V v) const {
    const V nan = simd::broadcast(static_cast<T>(__builtin_nan("")));
    if constexpr (sizeof(T) == 4)
      return (V)_mm512_mask_mov_ps((__m512)v, lanes, (__m512)nan);
    else
      return (V)_mm512_mask_mov_pd((__m512d)v, static_cast<__mmask8>(lanes), (__m512d)nan);
  }
#else
  simd::Mask<T> lanes{};

  WEFT_INLINE void note(V a, V b) {
#if defined(__AVX2__)
    if constexpr (sizeof(T) == 4)
      lanes |= (simd::Mask<T>)_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q);
    else
      lanes |= (simd::Mask<T>)_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_UNORD_Q);
#elif defined(__x86_64__)
    if constexpr (sizeof(T) == 4)
      lanes |= (simd::Mask<T>)_mm_cmpunord_ps((__m128)a, (__m128)b);
    else
      lanes |= (simd::Mask<T>)_mm_cmpunord_pd((__m128d)a, (__m128d)b);
#else
    lanes |= (a != a) | (b != b);
#endif
  }
  WEFT_INLINE bool any() const {
#if defined(__AVX2__)
    return _mm256_movemask_epi8((__m256i)lanes) != 0;
#elif defined(__x86_64__)
    return _mm_movemask_epi8((__m128i)lanes) != 0;
#else
    for (int i = 0; i < simd::kLanes<T>; i++)
      if (lanes[i]) return true;
    return false;
#endif
  }
  // All bits of a lane set are a NaN.
  WEFT_INLINE V mark(V v) const { return (V)((simd::Mask<T>)v | lanes); }
#endif
};

// The extreme of kVectors vectors, with the NaN among them noted in `nan`.
template <class Op, int kVectors, class T>
WEFT_INLINE simd::Vec<T> pick_among(simd::Vec<T>* v, NanLanes<T>& nan) {
  if constexpr (kVectors == 1) {
    nan.note(v[0], v[0]);
    return v[0];
  } else {
#pragma GCC unroll 8
    for (int k = 0; k < kVectors; k += 2) nan.note(v[k], v[k + 1]);
#pragma GCC unroll 4
    for (int width = kVectors / 2; width > 0; width /= 2)
#pragma GCC unroll 8
      for (int k = 0; k < width; k++) v[k] = Op::pick(v[k], v[k + width]);
    return v[0];
  }
}

// In every lane the extreme of all lanes, NaN if there is one.
template <class Op, class T, int kDistance = simd::kLanes<T> / 2>
WEFT_INLINE simd::Vec<T> pick_lanes(simd::Vec<T> v) {
  v = Op::pick(v, exchange_lanes<T, kDistance>(v));
  if constexpr (kDistance > 1)
    return pick_lanes<Op, T, kDistance / 2>(v);
  else
    return v;
}

// n contiguous floats.
template <class Op, class T = typename Op::In>
inline T extreme_of(const T* x, int64_t n) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const V identity = simd::broadcast(Op::identity);
  NanLanes<T> nan;
  V total = identity;
  int64_t i = 0;
  if (n >= 8 * L) {
    V a[8];
    for (int k = 0; k < 8; k++) a[k] = identity;
    for (; i + 8 * L <= n; i += 8 * L) {
#pragma GCC unroll 4
      for (int k = 0; k < 8; k += 2) {
        const V first = simd::load(x + i + k * L), second = simd::load(x + i + (k + 1) * L);
        nan.note(first, second);
        a[k] = Op::pick(first, a[k]);  // skips a NaN
        a[k + 1] = Op::pick(second, a[k + 1]);
      }
    }
#pragma GCC unroll 3
    for (int width = 4; width > 0; width /= 2)
#pragma GCC unroll 4
      for (int k = 0; k < width; k++) a[k] = Op::pick(a[k], a[k + width]);
    total = a[0];
  }
  for (; i + L <= n; i += L) {
    const V v = simd::load(x + i);
    nan.note(v, v);
    total = Op::pick(v, total);
  }
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    const V v = simd::load_partial(x + i, rest);  // the lanes beyond are 0, and no NaN
    nan.note(v, v);
    total = Op::pick(simd::select(first_lanes<T>(rest), v, identity), total);
  }
  return nan.any() ? static_cast<T>(__builtin_nan("")) : pick_lanes<Op, T>(total)[0];
}

template <class T, bool kMax>
struct Extreme {
  using In = T;
  using Part = T;
  using Out = T;
  static constexpr bool kExact = true;
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
  // --- floats alone ---
  // The hardware's instruction: where either is NaN, b.
  template <class V>
  static WEFT_INLINE V pick(V a, V b) {
    return kMax ? simd::max(a, b) : simd::min(a, b);
  }
  static T join_block(const T* x, int64_t n)
    requires kIsFloatingType<T>
  {
    return extreme_of<Extreme>(x, n);
  }
  // part with kRows more vectors, which are overwritten.
  template <int kRows, class V>
  static WEFT_INLINE V join_group(V part, V* v)
    requires kIsFloatingType<T>
  {
    NanLanes<T> nan;
    const V best = pick_among<Extreme, kRows>(v, nan);
    return nan.mark(pick(best, part));  // pick keeps a NaN of part
  }

  static void absorb(Acc& acc, T part) { acc.value = join(acc.value, part); }
  static void merge(Acc& acc, const Acc& other) { absorb(acc, other.value); }
  static T finish(const Acc& acc, int64_t) { return acc.value; }
};

}  // namespace weft::cpu::WEFT_ISA
