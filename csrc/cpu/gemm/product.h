// What a matrix product is, for the ways to compute it: driver.h, narrow.h, swapped.h.
#pragma once

#include "cpu/gemm/microkernel.h"

namespace weft::cpu::WEFT_ISA::gemm {

// C(i, j) = c[i * ldc + j]. One of the two strides of A is 1 (or its axis has length 1), so with B.
template <class T>
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  int64_t a_row_stride = 0, a_column_stride = 0;
  const T* b = nullptr;
  int64_t b_row_stride = 0, b_column_stride = 0;
  T* c = nullptr;
  int64_t ldc = 0;
  const T* bias = nullptr;
  bool accumulate = false;
  bool relu = false;
  ActivateTile<T> activate = nullptr;
};

namespace detail {

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

template <class T>
WEFT_INLINE ALayout layout_of_a(const Gemm<T>& g) {
  return g.a_column_stride == 1 || g.k == 1 ? ALayout::rows : ALayout::columns;
}

// What is left of the epilogue where results come one by one.
template <class T>
WEFT_INLINE void finish_one(const Gemm<T>& g, T* c, int64_t column, T sum) {
  if (g.bias != nullptr) sum += g.bias[column];
  if (g.accumulate) sum += *c;
  *c = g.relu && sum < T(0) ? T(0) : sum;  // NaN stays NaN
}

}  // namespace detail
}  // namespace weft::cpu::WEFT_ISA::gemm
