// C = activation(A @ B [+ C] [+ bias]) of any size: by tiles (tiled.h), by tiles of the transposed
// product (swapped.h), or by what is faster for a few rows or columns (narrow.h).
#pragma once

#include "cpu/gemm/narrow.h"
#include "cpu/gemm/product.h"
#include "cpu/gemm/swapped.h"
#include "cpu/gemm/tiled.h"

namespace weft::cpu::WEFT_ISA::gemm {

namespace detail {

// Up to how many rows x @ w^T is faster as dot products than by packing w. Measured on Zen 4: with
// k = 784 up to 48 rows, with k = 256 below 32, with k = 128 up to 8, since a dot product ends in a
// sum over lanes that a short k does not pay for.
template <class T>
WEFT_INLINE int64_t max_dot_rows(const Gemm<T>& g) {
  if (!kManyRegisters) return 4;
  const int64_t steps = g.k / kLanes<T>;
  return g.n < kLanes<T> || steps > 32 ? 32 : steps;
}

// Up to half of a vector's lanes (128x128x6: 55 GF/s so, 42 in tiles; with 8 columns 43 and 54).
template <class T>
inline constexpr int64_t kMostDotColumns = kLanes<T> < 16 ? kDotRows : 6;

// So few columns that tiles would waste most of their lanes: dot products with the columns of B,
// which are copied to lie in memory one after the other.
template <class T>
void multiply_few_columns(const Gemm<T>& g) {
  const Scratch<T> columns(g.n * g.k);
  for (int64_t step = 0; step < g.k; step++)
    for (int64_t j = 0; j < g.n; j++) columns[j * g.k + step] = g.b[step * g.b_row_stride + j];
  multiply_dots<T>({g.n, g.m, g.k, columns.get(), g.k, g.a, g.a_row_stride},
                   [&]<int kCount>(int64_t j, int64_t i, const T(&sums)[kCount]) {
                     for (int r = 0; r < kCount; r++)
                       finish_one(g, g.c + (i + r) * g.ldc + j, j, sums[r]);
                   });
}

// The dot products of one vector with the rows of A, which play the part of columns.
template <class T>
void multiply_vector(const Gemm<T>& g) {
  multiply_dots<T>({1, g.m, g.k, g.b, 0, g.a, g.a_row_stride},
                   [&]<int kCount>(int64_t, int64_t i, const T(&sums)[kCount]) {
                     for (int r = 0; r < kCount; r++)
                       finish_one(g, g.c + (i + r) * g.ldc, 0, sums[r]);
                   });
}

template <class T>
void multiply_one_row(const Gemm<T>& g) {
  multiply_row(g.n, g.k, g.a, g.a_column_stride, g.b, g.b_row_stride,
               [&](int64_t begin, int64_t end, const T* sums) {
                 for (int64_t j = begin; j < end; j++) finish_one(g, g.c + j, j, sums[j - begin]);
               });
}

template <class T>
void multiply_few_rows(const Gemm<T>& g) {
  multiply_dots<T>({g.m, g.n, g.k, g.a, g.a_row_stride, g.b, g.b_column_stride},
                   [&]<int kCount>(int64_t i, int64_t j, const T(&sums)[kCount]) {
                     T* c = g.c + i * g.ldc + j;
                     if (g.bias == nullptr && !g.accumulate && !g.relu) {
                       memcpy(c, sums, sizeof(sums));
                       return;
                     }
                     for (int q = 0; q < kCount; q++) finish_one(g, c + q, j + q, sums[q]);
                   });
}

enum class Way : int {
  few_rows_swapped,
  few_columns_swapped,
  vector,
  one_row,
  few_columns,
  few_rows,
  packed,
  unpacked
};

template <class T>
Way way_of(const Gemm<T>& g) {
  if (should_swap_few_rows(g)) return Way::few_rows_swapped;
  if (should_swap_few_columns(g)) return Way::few_columns_swapped;
  const bool a_rows = g.a_column_stride == 1, b_columns = g.b_row_stride == 1;
  if (g.activate == nullptr && g.k >= kLanes<T>) {
    if (g.n == 1 && a_rows && b_columns) return Way::vector;
    if (g.m == 1 && g.b_column_stride == 1) return Way::one_row;
    if (a_rows && g.b_column_stride == 1 && g.n <= kMostDotColumns<T> && g.m > kMaxRows &&
        g.k >= 2 * kLanes<T>)
      return Way::few_columns;
    if (a_rows && b_columns && g.b_column_stride != 1 && g.m <= max_dot_rows(g))
      return Way::few_rows;
  }
  return should_pack_b(g) && g.k > 0 ? Way::packed : Way::unpacked;
}

}  // namespace detail

template <class T>
void gemm(const Gemm<T>& given) {
  if (given.m == 0 || given.n == 0) return;
  Gemm<T> g = given;
  if (g.n == 1 && g.m > 1 && g.a_column_stride != 1 && g.ldc == 1 && g.bias == nullptr) {
    // A column is the transpose of x^T A^T, and A^T has contiguous rows.
    g = Gemm<T>{.m = 1,
                .n = given.m,
                .k = given.k,
                .a = given.b,
                .a_row_stride = given.b_column_stride,
                .a_column_stride = given.b_row_stride,
                .b = given.a,
                .b_row_stride = given.a_column_stride,
                .b_column_stride = given.a_row_stride,
                .c = given.c,
                .ldc = given.m,
                .bias = nullptr,
                .accumulate = given.accumulate,
                .relu = given.relu,
                .activate = given.activate};
  }
  using detail::Way;
  switch (detail::way_of(g)) {
    case Way::few_rows_swapped: return detail::multiply_few_rows_swapped(g);
    case Way::few_columns_swapped: return detail::multiply_few_columns_swapped(g);
    case Way::vector: return detail::multiply_vector(g);
    case Way::one_row: return detail::multiply_one_row(g);
    case Way::few_columns: return detail::multiply_few_columns(g);
    case Way::few_rows: return detail::multiply_few_rows(g);
    case Way::packed: return detail::multiply_packed(g);
    case Way::unpacked: return detail::multiply_unpacked(g);
  }
}

// Whether `gemm` calls the tail of such a product. The others have few results, or finish them far
// from each other: swapped ones 112 columns of every row at a time, which with 64x512x8192 (rows a
// multiple of 4 KB apart) made a residual take 1.07 of the time. Where several blocks of K add to a
// result that no cache holds, a pass over it is 2 % of the work and the tail saves none of that
// (1024x1024x4096: 1.01 of the time with a residual, 1.00 scaled; 8192x256x1024: 0.97 scaled).
template <class T>
bool calls_tail(const Gemm<T>& g) {
  if (g.n <= 1) return false;
  const detail::Way way = detail::way_of(g);
  if (way == detail::Way::unpacked) return true;
  constexpr int64_t kLarge = (8 << 20) / sizeof(T);  // elements
  return way == detail::Way::packed && (g.k <= detail::block_size(g).depth || g.m * g.n < kLarge);
}

}  // namespace weft::cpu::WEFT_ISA::gemm
