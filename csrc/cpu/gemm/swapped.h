// Products computed as C^T = B^T A^T, where the tiles of C itself would be fed badly: few rows
// times a transposed matrix (x @ w^T: the large w would have to be packed, here only x is), and few
// columns (a classifier's last layer: lanes run over the rows, which there are more of).
//
// A block of C^T is summed in scratch memory that stays in the first-level cache, then transposed
// square by square into C.
#pragma once

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/gemm/pack.h"
#include "cpu/gemm/product.h"

namespace weft::cpu::WEFT_ISA::gemm {
namespace detail {

// A block of C^T: the sum for C(row + i, column + j) is sums[j * ld + i]. Up to whole squares there
// is memory behind them.
template <class T>
struct SwappedBlock {
  const T* sums;
  int64_t ld;
  int64_t row, rows, column, columns;
};

// C = activation(sums^T [+ C] [+ bias]), in this order, where the block lies.
template <class T>
void store_swapped(const Gemm<T>& g, const SwappedBlock<T>& block) {
  using simd::Vec;
  constexpr int kSide = kSquare<T>;
  alignas(64) T square[kSide * kSide + kLanes<T>];  // the last row may be read as a whole vector
  const auto whole = [](const T* p, int) __attribute__((always_inline)) { return simd::load(p); };
  const auto part = [](const T* p, int n)
                        __attribute__((always_inline)) { return simd::load_partial(p, n); };
  for (int64_t j = 0; j < block.columns; j += kSide) {
    const int columns = static_cast<int>(at_most(block.columns - j, kSide));
    const int64_t column = block.column + j;
    const auto finish_row = [&](const T* sums, T* c, const auto& load) {
      Vec<T> v = load(sums, columns);
      if (g.accumulate) v += load(c, columns);
      if (g.bias != nullptr) v += load(g.bias + column, columns);
      if (g.relu) v = simd::max(Vec<T>{}, v);  // NaN stays NaN
      if (columns == kLanes<T>)
        simd::store(c, v);
      else
        simd::store_partial(c, v, columns);
    };
    const T* rows[kSide];
    for (int q = 0; q < kSide; q++) rows[q] = block.sums + (j + q) * block.ld;
    for (int64_t i = 0; i < block.rows; i += kSide) {
      const int64_t count = at_most(block.rows - i, kSide);
      transpose_square(rows, i, square, kSide);
      T* c = g.c + (block.row + i) * g.ldc + column;
      for (int64_t r = 0; r < count; r++, c += g.ldc) {
        if (columns == kLanes<T>)
          finish_row(square + r * kSide, c, whole);
        else
          finish_row(square + r * kSide, c, part);
      }
    }
  }
  if (g.activate != nullptr)
    g.activate(g.c + block.row * g.ldc + block.column, g.ldc, static_cast<int>(block.rows),
               static_cast<int>(block.columns));
}

// Of C, the part that one block of K adds: only the last one finishes it.
template <class T>
Gemm<T> with_depth(const Gemm<T>& g, int64_t begin, int64_t end) {
  Gemm<T> part = g;
  part.accumulate = g.accumulate || begin > 0;
  if (end == g.k) return part;
  part.bias = nullptr;
  part.relu = false;
  part.activate = nullptr;
  return part;
}

// x^T, packed, takes at most this much of the second-level cache.
constexpr int64_t kSwappedCache = 256 * 1024;
constexpr int64_t kTilesOfBlock = 8;

// Whether x @ w^T has so few rows that packing w tells (an eighth of the time of 32 rows: 130
// cycles for a square of 16 x 16 that is multiplied in 1024), hardly more lanes than rows, and
// enough of w to pay for packing x and for turning the result around. 32x512x3072: 50 GF/s as dot
// products, 97 so; with k or n of 64 packing w was as fast.
template <class T>
WEFT_INLINE bool should_swap_few_rows(const Gemm<T>& g) {
  constexpr int64_t kEnough = 4 * kPanelColumns<T>;
  if (g.b_row_stride != 1 || g.b_column_stride == 1 || g.a_column_stride != 1) return false;
  if (g.m > 2 * kPanelColumns<T> || g.n < kEnough || g.k < kEnough) return false;
  return 8 * (packed_ld<T>(g.m) - g.m) <= kLanes<T>;
}

// Tiles [first, last) of w's rows times all of x: the panels at `x` hold `steps` steps of it, from
// step `from` on. Where rows of w fall into the same sets of the first-level cache (12 KB apart),
// copying them first was slower (32x3072x512: 73 GF/s copied, 86 as they lie): they are used once.
template <class T>
void multiply_swapped_tiles(const Gemm<T>& g, const T* x, int64_t from, int64_t steps,
                            const RowTiles& tiles, int64_t first, int64_t last, T* sums,
                            int64_t ld) {
  constexpr int64_t kColumns = kPanelColumns<T>;
  Tile<T> t;
  t.k = steps;
  t.lda = g.b_column_stride;
  t.ldc = ld;
  for (int64_t tile = first; tile < last; tile++) {
    t.a = g.b + tiles.begin(tile) * g.b_column_stride + from;
    for (int64_t column = 0; column < g.m; column += kColumns) {
      const int columns = static_cast<int>(at_most(g.m - column, kColumns));
      t.b = x + column / kColumns * panel_stride<T>(steps);
      t.ldb = packed_ld<T>(columns);
      t.c = sums + (tiles.begin(tile) - tiles.begin(first)) * ld + column;
      run_tile(t, tiles.rows(tile), columns, ALayout::rows, BRows::padded);
    }
  }
}

// Rows of w are read as they lie, 14 at a time, and used by all of x at once.
template <class T>
void multiply_few_rows_swapped(const Gemm<T>& g) {
  constexpr int64_t kTaskFlops = 1 << 20;
  const int64_t ld = panel_count<T>(g.m) * kPanelColumns<T>;
  const int64_t most = kSwappedCache / (ld * static_cast<int64_t>(sizeof(T)));
  const int64_t depth = divide_up(g.k, divide_up(g.k, most));
  const RowTiles tiles(g.n);
  // Eight blocks or more where size allows, for an even share of threads.
  const int64_t enough = divide_up(kTaskFlops, 2 * kMaxRows * g.m * depth);
  const int64_t eighth = divide_up(tiles.count, 8);
  const int64_t together = at_most(enough > eighth ? enough : eighth, kTilesOfBlock);
  const Scratch<T> packed(packed_size<T>(depth, g.m));
  for (int64_t from = 0; from < g.k; from += depth) {
    const int64_t steps = at_most(g.k - from, depth);
    const Gemm<T> part = with_depth(g, from, from + steps);
    pack_b(steps, g.m, g.a + from, int64_t{1}, g.a_row_stride, packed.get());
    parallel_for(divide_up(tiles.count, together), 1, [&](int64_t block, int64_t end) {
      const Scratch<T> sums((kTilesOfBlock * kMaxRows + kLanes<T>)*ld);
      for (; block < end; block++) {
        const int64_t first = block * together, last = at_most(first + together, tiles.count);
        multiply_swapped_tiles(g, packed.get(), from, steps, tiles, first, last, sums.get(), ld);
        const int64_t column = tiles.begin(first);
        store_swapped<T>(part, {sums.get(), ld, 0, g.m, column, tiles.begin(last) - column});
      }
    });
  }
}

// x^T @ g with fewer columns than a vector has lanes (the gradient of a classifier's last layer):
// as (g^T @ x)^T all lanes work. With x^T and g both read along their rows nothing is packed.
template <class T>
WEFT_INLINE bool should_swap_few_columns(const Gemm<T>& g) {
  return g.n > 1 && 4 * g.n <= 3 * kLanes<T> && g.m >= 2 * kLanes<T> && g.k >= kLanes<T> &&
         g.a_row_stride == 1 && g.a_column_stride != 1 && g.b_column_stride == 1;
}

template <class T>
void multiply_few_columns_swapped(const Gemm<T>& g) {
  constexpr int64_t kColumns = kPanelColumns<T>;
  constexpr int64_t kTaskFlops = 1 << 20;
  static_assert(3 * kLanes<T> / 4 <= kMaxRows);
  parallel_for(panel_count<T>(g.m), kTaskFlops / (2 * kColumns * g.n * g.k),
               [&](int64_t p, int64_t end) {
                 alignas(64) T sums[kLanes<T> * kColumns];
                 Tile<T> t;
                 t.k = g.k;
                 t.a = g.b;
                 t.lda = g.b_row_stride;
                 t.ldb = g.a_column_stride;
                 t.c = sums;
                 t.ldc = kColumns;
                 for (; p < end; p++) {
                   const int64_t row = p * kColumns, rows = at_most(g.m - row, kColumns);
                   t.b = g.a + row;
                   run_tile(t, static_cast<int>(g.n), static_cast<int>(rows), ALayout::columns,
                            BRows::exact);
                   store_swapped<T>(g, {sums, kColumns, row, rows, 0, g.n});
                 }
               });
}

}  // namespace detail
}  // namespace weft::cpu::WEFT_ISA::gemm
