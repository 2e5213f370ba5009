// Products that packing would slow down: a single row, and few rows times a matrix whose columns
// are contiguous (x @ w^T). Both read every operand once, where it lies.
#pragma once

#include "core/parallel.h"
#include "cpu/gemm/microkernel.h"

namespace weft::cpu::WEFT_ISA::gemm {

// C(i, j) = dot(x + i * ldx, w + j * ldw) for i < m, j < n.
template <class T>
struct Dots {
  int64_t m, n, k;
  const T* x;
  int64_t ldx;
  const T* w;
  int64_t ldw;
};

namespace detail {

// Tiles of dot products: kDotRows x kDotColumns sums, each a vector along k. 16 sums and 8 loads
// per step keep AVX-512's FMA unit busier than its load ports; 8 sums fit AVX2's registers.
inline constexpr int kDotRows = kManyRegisters ? 4 : 2;
inline constexpr int kDotColumns = 4;
// A single row: two tiles' worth of columns, else there are too few sums to hide FMA latency.
inline constexpr int kDotColumnsOfOneRow = 8;

template <class T>
WEFT_INLINE T sum_of_lanes(simd::Vec<T> v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return _mm512_reduce_add_ps((__m512)v);
  else
    return _mm512_reduce_add_pd((__m512d)v);
#else
  return simd::reduce_add<T>(v);
#endif
}

// out[i] = the sum over the lanes of v[i]. `out` has room for a whole vector, which is stored
// unmasked: loads of single results would wait for a masked store to reach the cache.
template <class T, int kCount>
WEFT_INLINE void sums_of_lanes(const simd::Vec<T> (&v)[kCount], T* out) {
#if defined(__AVX512F__)
  // Sixteen sums together take 30 shuffles and 15 additions, one by one each takes 4 and 4.
  if constexpr (sizeof(T) == 4 && kCount > 2) {
    static_assert(kCount <= 16);
    const auto at = [&](int i) __attribute__((always_inline)) {
      return i < kCount ? (__m512)v[i] : _mm512_setzero_ps();
    };
    const auto pairs = [&](int i) __attribute__((always_inline)) {
      const __m512 a = at(i), b = at(i + 1);
      return _mm512_castps_pd(_mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b));
    };
    const auto fours = [&](int i) __attribute__((always_inline)) {
      const __m512d a = pairs(i), b = pairs(i + 2);
      return _mm512_castpd_ps(_mm512_unpacklo_pd(a, b)) +
             _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    };
    const auto quarters = [](__m512 a, __m512 b) __attribute__((always_inline)) {
      return _mm512_shuffle_f32x4(a, b, 0x88) + _mm512_shuffle_f32x4(a, b, 0xdd);
    };
    const __m512 low = quarters(fours(0), kCount > 4 ? fours(4) : _mm512_setzero_ps());
    const __m512 high = kCount > 8 ? quarters(fours(8), fours(12)) : _mm512_setzero_ps();
    return simd::store(out, (simd::Vec<T>)quarters(low, high));
  }
#endif
#pragma GCC unroll 16
  for (int i = 0; i < kCount; i++) out[i] = sum_of_lanes<T>(v[i]);
}

// Every sum adds its products in the same order whatever the tile, so tiles can be cut anywhere.
template <int kRows, int kColumns, class T, class Finish>
WEFT_INLINE void dot_tile(const Dots<T>& d, int64_t row, int64_t column, const Finish& finish) {
  using simd::Vec;
  // Beyond what the hardware looks ahead: further along long columns, else the next tile's columns.
  constexpr int64_t kAhead = 512 / sizeof(T);
  const int64_t ahead = d.k > 4 * kAhead ? kAhead : kColumns * d.ldw;
  Vec<T> sums[kRows * kColumns] = {};
  const T* x = d.x + row * d.ldx;
  const T* w = d.w + column * d.ldw;
  const auto step = [&](const auto& load_at) __attribute__((always_inline)) {
    Vec<T> a[kRows];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; i++) a[i] = load_at(x + i * d.ldx);
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; j++) {
      const Vec<T> b = load_at(w + j * d.ldw);
      if constexpr (kRows == 1 || kManyRegisters) __builtin_prefetch(w + j * d.ldw + ahead);
#pragma GCC unroll 8
      for (int i = 0; i < kRows; i++) sums[i * kColumns + j] += a[i] * b;
    }
    x += kLanes<T>;
    w += kLanes<T>;
  };
  int64_t k = d.k;
  for (; k >= kLanes<T>; k -= kLanes<T>)
    step([](const T* p) __attribute__((always_inline)) { return simd::load(p); });
  if (k > 0) {
    const int rest = static_cast<int>(k);
    step([rest](const T* p) __attribute__((always_inline)) { return simd::load_partial(p, rest); });
  }
  T results[kRows * kColumns + kLanes<T>];
  sums_of_lanes<T>(sums, results);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++)
    finish(row + i, column, *reinterpret_cast<const T(*)[kColumns]>(results + i * kColumns));
}

template <int kRows, int kColumns, class T, class Finish>
void dot_columns(const Dots<T>& d, int64_t row, int64_t begin, int64_t end, const Finish& finish) {
  for (; begin + kColumns <= end; begin += kColumns)
    dot_tile<kRows, kColumns>(d, row, begin, finish);
  if (begin + 2 <= end) {
    dot_tile<kRows, 2>(d, row, begin, finish);
    begin += 2;
  }
  for (; begin < end; begin++) dot_tile<kRows, 1>(d, row, begin, finish);
}

}  // namespace detail

// finish(i, j, sums) stores the results of row i from column j on: as many as the array holds.
template <class T, class Finish>
void multiply_dots(const Dots<T>& d, const Finish& finish) {
  constexpr int kRows = detail::kDotRows, kColumns = detail::kDotColumns;
  constexpr int64_t kTaskFlops = 1 << 19;  // bound by memory: half the rate of a tiled product
  const int64_t grain = kTaskFlops / (2 * d.m * d.k + 1) / 8 * 8;
  parallel_for(d.n, grain < 8 ? 8 : grain, [&](int64_t begin, int64_t end) {
    if (d.m == 1)
      return detail::dot_columns<1, detail::kDotColumnsOfOneRow>(d, 0, begin, end, finish);
    // A few rows of w stay in L1 while all rows of x pass by.
    for (int64_t from = begin; from < end; from += kColumns) {
      const int64_t to = from + kColumns < end ? from + kColumns : end;
      int64_t row = 0;
      for (; row + kRows <= d.m; row += kRows)
        detail::dot_columns<kRows, kColumns>(d, row, from, to, finish);
      if (d.m - row == 3) detail::dot_columns<3, kColumns>(d, row, from, to, finish);
      if (d.m - row == 2) detail::dot_columns<2, kColumns>(d, row, from, to, finish);
      if (d.m - row == 1) detail::dot_columns<1, kColumns>(d, row, from, to, finish);
    }
  });
}

// c = x @ w for one row x (steps of x_stride) and w with contiguous rows: whole rows of w are
// added up, four at a time and 16 KB of columns wide, so that memory is read in long runs (narrow
// blocks of columns took twice the time). `finish(begin, end, sums)` stores these columns' results.
template <class T, class Finish>
void multiply_row(int64_t n, int64_t k, const T* x, int64_t x_stride, const T* w, int64_t ldw,
                  const Finish& finish) {
  using simd::Vec;
  constexpr int64_t kColumns = 16384 / sizeof(T), kRows = 4;
  // Halves, if each still gives runs of a page.
  int64_t grain = (n / 2 + 63) / 64 * 64;
  if (grain < kColumns / 4) grain = kColumns / 4;
  if (grain > kColumns) grain = kColumns;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    for (; begin < end; begin += kColumns) {
      const int64_t columns = end - begin < kColumns ? end - begin : kColumns;
      const int64_t whole = columns / kLanes<T> * kLanes<T>;
      const int rest = static_cast<int>(columns - whole);
      T sums[kColumns + kLanes<T>];
      for (int64_t j = 0; j <= whole; j += kLanes<T>) simd::store(sums + j, Vec<T>{});
      const T* from = w + begin;
      int64_t row = 0;
      for (; row + kRows <= k; row += kRows, from += kRows * ldw) {
        Vec<T> factors[kRows];
#pragma GCC unroll 8
        for (int r = 0; r < kRows; r++) factors[r] = simd::broadcast(x[(row + r) * x_stride]);
        for (int64_t j = 0; j < whole; j += kLanes<T>) {
          // Two chains of four: the adds of one sum wait for each other.
          Vec<T> a = simd::load(sums + j), b = {};
#pragma GCC unroll 8
          for (int r = 0; r < kRows; r += 2) {
            a += factors[r] * simd::load(from + r * ldw + j);
            b += factors[r + 1] * simd::load(from + (r + 1) * ldw + j);
          }
          simd::store(sums + j, a + b);
        }
        if (rest > 0) {
          Vec<T> a = simd::load(sums + whole), b = {};
#pragma GCC unroll 8
          for (int r = 0; r < kRows; r += 2) {
            a += factors[r] * simd::load_partial(from + r * ldw + whole, rest);
            b += factors[r + 1] * simd::load_partial(from + (r + 1) * ldw + whole, rest);
          }
          simd::store(sums + whole, a + b);
        }
      }
      for (; row < k; row++, from += ldw) {
        const Vec<T> factor = simd::broadcast(x[row * x_stride]);
        for (int64_t j = 0; j < whole; j += kLanes<T>)
          simd::store(sums + j, simd::load(sums + j) + factor * simd::load(from + j));
        if (rest > 0)
          simd::store(sums + whole,
                      simd::load(sums + whole) + factor * simd::load_partial(from + whole, rest));
      }
      finish(begin, begin + columns, sums);
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA::gemm
