// C = activation(A @ B [+ C] [+ bias]) of any size: cuts the product into tiles for the
// micro-kernels so that each level of cache is read in the order it likes, and shares the tiles
// among threads.
//
// What is where while a tile runs:  C tile in registers, A tile (14 x 256 floats, 14 KB) in L1,
// a packed block of B (512 KB) in L2. Every element of C adds up its K in the same order whatever
// the tile or thread, so the bits do not depend on the number of threads.
#pragma once

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/gemm/microkernel.h"
#include "cpu/gemm/pack.h"

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

// Steps of K per pass: an A tile of 14 rows then fills 14 KB, half of a 32 KB L1.
template <class T>
inline constexpr int64_t kDepth = 1024 / sizeof(T);
// Columns per block of packed B: with kDepth steps 512 KB, half of a 1 MB L2 (the smallest of the
// AVX-512 servers; larger blocks were slower on Cascade Lake and no faster on Zen 4).
template <class T>
inline constexpr int64_t kBlockColumns = 16 * kPanelColumns<T>;
template <class T>
inline constexpr int64_t kBlockElements = kDepth<T> * kBlockColumns<T>;

// One task should take ~10 us: shorter ones lose to the pool's 0.3 us and to cache misses.
constexpr int64_t kTaskFlops = 1 << 20;
constexpr int64_t kTasks = 8;  // at least so many where size allows, for an even share
constexpr int64_t kPackTaskBytes = 128 * 1024;

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Row tiles x panels of one block, cut into tasks by size alone.
struct TaskGrid {
  int64_t rows_per_task, panels_per_task, row_tasks, panel_tasks;

  TaskGrid(int64_t row_tiles, int64_t panels, int64_t flops) {
    const int64_t tiles = row_tiles * panels;
    const int64_t wanted = flops / kTaskFlops < 1 ? 1 : flops / kTaskFlops;
    rows_per_task = row_tiles;
    panels_per_task = panels;
    if (wanted > 1) {
      // Whole rows of tiles if there are enough of them: the A tile stays in L1 the longest.
      const int64_t tiles_per_task = divide_up(tiles, wanted);
      rows_per_task = divide_up(tiles_per_task, panels);
      if (rows_per_task == 1 && row_tiles < kTasks) {
        const int64_t pieces = divide_up(kTasks, row_tiles);
        panels_per_task = divide_up(panels, pieces);
        if (panels_per_task < tiles_per_task) panels_per_task = tiles_per_task;
      }
    }
    row_tasks = divide_up(row_tiles, rows_per_task);
    panel_tasks = divide_up(panels, panels_per_task);
  }
};

template <class T>
WEFT_INLINE ALayout layout_of_a(const Gemm<T>& g) {
  return g.a_column_stride == 1 || g.k == 1 ? ALayout::rows : ALayout::columns;
}

// Everything of a tile but its position: set once, then only a, b and c move.
template <class T>
WEFT_INLINE Tile<T> first_tile(const Gemm<T>& g) {
  Tile<T> t;
  t.lda = layout_of_a(g) == ALayout::rows ? g.a_row_stride : g.a_column_stride;
  t.ldc = g.ldc;
  return t;
}

// C is finished (bias, activation) by the last pass over K and accumulated by all but the first.
template <class T>
WEFT_INLINE void set_pass(Tile<T>& t, const Gemm<T>& g, int64_t begin, int64_t end) {
  t.k = end - begin;
  t.accumulate = g.accumulate || begin > 0;
  const bool last = end == g.k;
  t.relu = last && g.relu;
  t.activate = last ? g.activate : nullptr;
}

// B is read where it lies. For few rows, where packing would cost as much as the product.
template <class T>
void multiply_unpacked(const Gemm<T>& g) {
  const ALayout layout = layout_of_a(g);
  const RowTiles tiles(g.m);
  const int64_t panels = panel_count<T>(g.n);
  const int64_t passes = g.k <= kDepth<T> ? 1 : divide_up(g.k, kDepth<T>);
  const int64_t depth = divide_up(g.k, passes);
  const TaskGrid grid(tiles.count, panels, 2 * g.m * g.n * g.k);
  parallel_for(grid.row_tasks * grid.panel_tasks, 1, [&](int64_t task, int64_t task_end) {
    Tile<T> t = first_tile(g);
    t.ldb = g.b_row_stride;
    for (; task < task_end; task++) {
      const int64_t first_row = task / grid.panel_tasks * grid.rows_per_task;
      const int64_t first_panel = task % grid.panel_tasks * grid.panels_per_task;
      for (int64_t pass = 0; pass < passes; pass++) {
        const int64_t begin = pass * depth;
        set_pass(t, g, begin, begin + depth < g.k ? begin + depth : g.k);
        for (int64_t p = first_panel; p < first_panel + grid.panels_per_task && p < panels; p++) {
          const int64_t column = p * kPanelColumns<T>;
          const int64_t rest = g.n - column;
          const int columns = static_cast<int>(rest < kPanelColumns<T> ? rest : kPanelColumns<T>);
          t.b = g.b + begin * g.b_row_stride + column;
          t.bias = g.bias != nullptr && begin + t.k == g.k ? g.bias + column : nullptr;
          for (int64_t r = first_row; r < first_row + grid.rows_per_task && r < tiles.count; r++) {
            const int64_t row = tiles.begin(r);
            t.a = g.a + row * g.a_row_stride + begin * g.a_column_stride;
            t.c = g.c + row * g.ldc + column;
            run_tile(t, tiles.rows(r), columns, layout, BRows::exact);
          }
        }
      }
    }
  });
}

// Whether tiles of A are copied before use: where the rows of a tile would compete for the same
// sets of L1, or each step of K touches another page.
template <class T>
WEFT_INLINE bool should_pack_a(const Gemm<T>& g) {
  constexpr int64_t kAliasing = 1024 / static_cast<int64_t>(sizeof(T));  // elements
  const int64_t lda = first_tile(g).lda;
  if (g.n <= 2 * kPanelColumns<T>) return false;
  if (layout_of_a(g) == ALayout::columns) return true;
  return g.k > 64 && (lda % kAliasing == 0 || lda > 4 * kAliasing);
}

// Rows of A (of one task) times one packed block of B: K from k_begin, columns from `column`.
template <class T>
struct PackedBlock {
  const T* b;
  int64_t k_begin, depth_total, column, columns;
};

template <class T>
void multiply_block(const Gemm<T>& g, const PackedBlock<T>& block, const RowTiles& tiles,
                    const TaskGrid& grid, int64_t task, bool pack_a_tiles, T* a_scratch) {
  const ALayout layout = layout_of_a(g);
  const int64_t panels = panel_count<T>(block.columns);
  const int64_t stride = panel_stride<T>(block.depth_total);
  const int64_t first_row = task / grid.panel_tasks * grid.rows_per_task;
  const int64_t first_panel = task % grid.panel_tasks * grid.panels_per_task;
  const int64_t passes = divide_up(block.depth_total, kDepth<T>);
  const int64_t depth = divide_up(block.depth_total, passes);
  const Tile<T> start = first_tile(g);
  Tile<T> t = start;
  for (int64_t r = first_row; r < first_row + grid.rows_per_task && r < tiles.count; r++) {
    const int64_t row = tiles.begin(r);
    const int rows = tiles.rows(r);
    for (int64_t from = 0; from < block.depth_total; from += depth) {
      const int64_t begin = block.k_begin + from;
      const int64_t steps = from + depth < block.depth_total ? depth : block.depth_total - from;
      set_pass(t, g, begin, begin + steps);
      t.a = g.a + row * g.a_row_stride + begin * g.a_column_stride;
      if (pack_a_tiles) {
        t.lda = pack_a(rows, steps, t.a, start.lda, layout, a_scratch);
        t.a = a_scratch;
      }
      for (int64_t p = first_panel; p < first_panel + grid.panels_per_task && p < panels; p++) {
        const int64_t column = p * kPanelColumns<T>;
        const int64_t rest = block.columns - column;
        const int columns = static_cast<int>(rest < kPanelColumns<T> ? rest : kPanelColumns<T>);
        t.ldb = packed_ld<T>(columns);
        t.b = block.b + p * stride + from * t.ldb;
        t.c = g.c + row * g.ldc + block.column + column;
        t.bias =
            g.bias != nullptr && begin + steps == g.k ? g.bias + block.column + column : nullptr;
        run_tile(t, rows, columns, layout, BRows::padded);
      }
    }
  }
}

template <class T>
void pack_b_parallel(const Gemm<T>& g, const PackedBlock<T>& block, T* out) {
  const int64_t stride = panel_stride<T>(block.depth_total);
  const T* b = g.b + block.k_begin * g.b_row_stride + block.column * g.b_column_stride;
  const int64_t grain = kPackTaskBytes / (stride * static_cast<int64_t>(sizeof(T)));
  parallel_for(panel_count<T>(block.columns), grain, [&](int64_t begin, int64_t end) {
    const int64_t column = begin * kPanelColumns<T>;
    const int64_t last = end * kPanelColumns<T>;
    pack_b(block.depth_total, (last < block.columns ? last : block.columns) - column,
           b + column * g.b_column_stride, g.b_row_stride, g.b_column_stride, out + begin * stride);
  });
}

template <class T>
void multiply_packed(const Gemm<T>& g) {
  // Equal blocks: 520 columns are 2 x 260, not 512 + 8. A narrow B takes more of K at once, so that
  // small products are packed in one go and C is written once.
  const int64_t column_blocks = divide_up(g.n, kBlockColumns<T>);
  const int64_t width =
      divide_up(divide_up(g.n, column_blocks), kPanelColumns<T>) * kPanelColumns<T>;
  const int64_t depth_blocks = divide_up(g.k, kBlockElements<T> / width);
  const int64_t depth = divide_up(g.k, depth_blocks);
  const RowTiles tiles(g.m);
  const bool pack_a_tiles = should_pack_a(g);
  const Scratch<T> packed(packed_size<T>(depth, width));
  for (int64_t column = 0; column < g.n; column += width) {
    for (int64_t k_begin = 0; k_begin < g.k; k_begin += depth) {
      PackedBlock<T> block{packed.get(), k_begin, depth, column, width};
      if (g.k - k_begin < depth) block.depth_total = g.k - k_begin;
      if (g.n - column < width) block.columns = g.n - column;
      pack_b_parallel(g, block, packed.get());
      const TaskGrid grid(tiles.count, panel_count<T>(block.columns),
                          2 * g.m * block.columns * block.depth_total);
      parallel_for(grid.row_tasks * grid.panel_tasks, 1, [&](int64_t begin, int64_t end) {
        if (!pack_a_tiles) {
          for (; begin < end; begin++)
            multiply_block<T>(g, block, tiles, grid, begin, false, nullptr);
          return;
        }
        const Scratch<T> a_scratch(packed_a_size<T>(kDepth<T>));
        for (; begin < end; begin++)
          multiply_block<T>(g, block, tiles, grid, begin, true, a_scratch.get());
      });
    }
  }
}

// c[i] = a row . x, for kRows rows at once: x is loaded once for all of them. The sum of a row is
// the same whichever rows go with it.
template <int kRows, class T>
void dot_rows(int64_t k, const T* a, int64_t lda, const T* x, T* sums) {
  using simd::Vec;
  Vec<T> acc[kRows][2] = {};
  int64_t i = 0;
  for (; i + 2 * kLanes<T> <= k; i += 2 * kLanes<T>)
    for (int half = 0; half < 2; half++) {
      const Vec<T> v = simd::load(x + i + half * kLanes<T>);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; r++)
        acc[r][half] += simd::load(a + r * lda + i + half * kLanes<T>) * v;
    }
  for (; i < k; i += kLanes<T>) {
    const int count = static_cast<int>(k - i < kLanes<T> ? k - i : kLanes<T>);
    const Vec<T> v = simd::load_partial(x + i, count);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; r++) acc[r][0] += simd::load_partial(a + r * lda + i, count) * v;
  }
  for (int r = 0; r < kRows; r++) sums[r] = simd::reduce_add<T>(acc[r][0] + acc[r][1]);
}

// A matrix with contiguous rows times a contiguous vector.
template <class T, class Finish>
void multiply_vector(int64_t m, int64_t k, const T* a, int64_t lda, const T* x,
                     const Finish& finish) {
  const int64_t grain = kPackTaskBytes / (k * static_cast<int64_t>(sizeof(T)) + 1) / 4 * 4;
  parallel_for(m, grain < 4 ? 4 : grain, [&](int64_t row, int64_t end) {
    T sums[4];
    for (; row + 4 <= end; row += 4) {
      dot_rows<4>(k, a + row * lda, lda, x, sums);
      for (int r = 0; r < 4; r++) finish(row + r, sums[r]);
    }
    for (; row < end; row++) {
      dot_rows<1>(k, a + row * lda, lda, x, sums);
      finish(row, sums[0]);
    }
  });
}

// Products with one row or one column. False when the general way is better or needed.
template <class T>
bool multiply_vectors(const Gemm<T>& g) {
  const auto finish = [&](int64_t c_stride, int64_t bias_stride) {
    return [&g, c_stride, bias_stride](int64_t at, T sum) {
      T* c = g.c + at * c_stride;
      if (g.bias != nullptr) sum += g.bias[at * bias_stride];
      if (g.accumulate) sum += *c;
      *c = g.relu && sum < T(0) ? T(0) : sum;
    };
  };
  if (g.k < 2 || g.activate != nullptr) return false;
  if (g.n == 1 && g.a_column_stride == 1 && g.b_row_stride == 1) {
    multiply_vector(g.m, g.k, g.a, g.a_row_stride, g.b, finish(g.ldc, 0));
    return true;
  }
  if (g.m == 1 && g.b_row_stride == 1 && g.b_column_stride != 1 && g.a_column_stride == 1) {
    multiply_vector(g.n, g.k, g.b, g.b_column_stride, g.a, finish(1, 1));
    return true;
  }
  return false;
}

template <class T>
WEFT_INLINE bool should_pack_b(const Gemm<T>& g) {
  if (g.b_column_stride != 1 && g.n != 1) return true;
  if (!kMaskedLoadsAreFree && g.n % kLanes<T> != 0 && g.m > 2) return true;
  if (g.m > 3 * kMaxRows && (g.n > 2 * kPanelColumns<T> || g.b_row_stride > kDepth<T>)) return true;
  // Rows of B a multiple of 2 KB apart fall into two sets of L1; reused often enough, packing pays.
  constexpr int64_t kAliasing = 2048 / static_cast<int64_t>(sizeof(T));
  return g.b_row_stride % kAliasing == 0 && g.k > 32 && g.m > kMaxRows;
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
  if (detail::multiply_vectors(g)) return;
  if (detail::should_pack_b(g) && g.k > 0)
    detail::multiply_packed(g);
  else
    detail::multiply_unpacked(g);
}

}  // namespace weft::cpu::WEFT_ISA::gemm
