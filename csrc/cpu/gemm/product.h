// What a matrix product is, for the ways to compute it: tiled.h, swapped.h, narrow.h.
#pragma once

#include "core/tail.h"
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
  // C is dense and the rows of a result from first_row on, whose parts have work behind them.
  const TailOfKernel* tail = nullptr;
  int64_t first_row = 0;

  // The tail of these rows and columns of C, which are finished.
  void run_tail(int64_t row, int64_t end_row, int64_t column, int64_t end_column) const {
    if (tail != nullptr) (*tail)(first_row + row, first_row + end_row, column, end_column);
  }
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
  if (g.accumulate) sum += *c;
  if (g.bias != nullptr) sum += g.bias[column];
  *c = g.relu && sum < T(0) ? T(0) : sum;  // NaN stays NaN
}

}  // namespace detail
}  // namespace weft::cpu::WEFT_ISA::gemm
