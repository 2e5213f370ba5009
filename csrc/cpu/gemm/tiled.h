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
#include "cpu/gemm/pack.h"
#include "cpu/gemm/product.h"

namespace weft::cpu::WEFT_ISA::gemm {

namespace detail {

// Steps of K per pass: an A tile of 14 rows then fills 14 KB, half of a 32 KB L1. 1.5 KB a row was
// within the noise of it on Zen 4 (interleaved runs), and slower on Cascade Lake.
template <class T>
inline constexpr int64_t kDepth = 1024 / sizeof(T);
// Columns per block of packed B: with kDepth steps 512 KB, half of a 1 MB L2. Larger blocks were
// slower on Cascade Lake; on Zen 4 half and twice the width differ by less than the noise (5 %).
template <class T>
inline constexpr int64_t kBlockColumns = 16 * kPanelColumns<T>;
template <class T>
inline constexpr int64_t kBlockElements = kDepth<T> * kBlockColumns<T>;

// Of B per pass where it comes from memory: 128 KB, for this pass and the next to fit into L2.
template <class T>
inline constexpr int64_t kStreamedElements = (128 << 10) / sizeof(T);
template <class T>
inline constexpr int64_t kBeyondSecondLevel = (2 << 20) / sizeof(T);  // elements

// One task should take ~10 us: shorter ones lose to the pool's 0.3 us and to cache misses.
constexpr int64_t kTaskFlops = 1 << 20;
constexpr int64_t kTasks = 8;  // at least so many where size allows, for an even share
constexpr int64_t kPackTaskBytes = 128 * 1024;
constexpr int64_t kFewRows = 3 * kMaxRows;
constexpr int64_t kTilesTogether = 8;  // of a by columns, packed: 115 KB of a second-level cache

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

  // Up to `together` row tiles in a task, as far as enough tasks are left.
  void take_rows(int64_t together, int64_t row_tiles) {
    together = at_most(together, divide_up(row_tiles, kTasks));
    if (rows_per_task < together) rows_per_task = together;
    row_tasks = divide_up(row_tiles, rows_per_task);
  }
};

// Scratch memory, or nothing (null) for 0 elements.
template <class T>
class OptionalScratch {
 public:
  explicit OptionalScratch(int64_t count)
      : data_(count > 0 ? static_cast<T*>(scratch_acquire(static_cast<size_t>(count) * sizeof(T)))
                        : nullptr) {}
  ~OptionalScratch() {
    if (data_ != nullptr) scratch_release(data_);
  }
  OptionalScratch(const OptionalScratch&) = delete;
  OptionalScratch& operator=(const OptionalScratch&) = delete;
  T* get() const { return data_; }

 private:
  T* data_;
};

// Everything of a tile but its position: set once, then only a, b and c move.
template <class T>
WEFT_INLINE Tile<T> first_tile(const Gemm<T>& g) {
  Tile<T> t;
  t.lda = layout_of_a(g) == ALayout::rows ? g.a_row_stride : g.a_column_stride;
  t.ldc = g.ldc;
  // Stores wait for lines of C as loads do (3072x32x512 took 1.5 times as long, 1024 x 1024 x 1024
  // 1.03 times); a C in L2 would pay for the requests only (784x32x128: 3 %).
  t.fetches_c = g.m * g.n > kBeyondSecondLevel<T> / 2;
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

// Whether tiles of A are copied before use: where the rows of a tile fall into the same sets of L1
// (4 KB apart or multiples of it), or each step of K touches another page. From 1 KB on steps are
// too far apart for the prefetchers, which tells once A comes from L3 (512x2048x128, A transposed:
// 22 GF/s where it lies, 81 copied). Up to two panels of columns use a tile too little to pay for
// its copy.
template <class T>
WEFT_INLINE bool should_pack_a(const Gemm<T>& g) {
  constexpr int64_t kPage = 4096 / static_cast<int64_t>(sizeof(T));  // elements
  const int64_t lda = first_tile(g).lda;
  if (g.n <= 2 * kPanelColumns<T> || g.k <= 64) return false;
  if (layout_of_a(g) == ALayout::rows) return lda % kPage == 0;
  return lda >= (g.m * g.k > kBeyondSecondLevel<T> ? kPage / 4 : kPage);
}
template <class T>
WEFT_INLINE int64_t tiles_together(const Gemm<T>& g) {
  return layout_of_a(g) == ALayout::columns ? kTilesTogether : 1;
}

// Whether B is packed. On Zen 4 few rows never paid for it, and a B that stays in L2 only where its
// rows are pages apart (128x784x128: 113 GF/s unpacked, 108 packed; 500x500x500: 106 and 107).
template <class T>
WEFT_INLINE bool should_pack_b(const Gemm<T>& g) {
  constexpr int64_t kPage = 4096 / static_cast<int64_t>(sizeof(T));
  if (g.b_column_stride != 1 && g.n != 1) return true;
  if (!kMaskedLoadsAreFree && g.n % kLanes<T> != 0 && g.m > 2) return true;
  if (g.m <= kFewRows) return false;
  return g.k * g.n > kBlockElements<T> || g.b_row_stride >= kPage || should_pack_a(g);
}

// Rows of B of the next pass, the columns of one task: asked for in pieces while this pass
// computes. A panel is a narrow strip of B, line by line from other pages, and few rows of A leave
// no time to wait for memory (32x3072x512, an array of NumPy: 6.0 ms without it and with passes of
// 256 rows, 2.8 with them).
template <class T>
WEFT_INLINE void prefetch_rows(const T* b, int64_t row_stride, int64_t rows, int64_t columns) {
  for (; rows > 0; rows--, b += row_stride)
    for (int64_t j = 0; j < columns; j += 64 / int64_t{sizeof(T)}) __builtin_prefetch(b + j, 0, 2);
}

// B is read where it lies: panel after panel, each used by all rows of the task while it is in L1.
template <class T>
void multiply_unpacked(const Gemm<T>& g) {
  const ALayout layout = layout_of_a(g);
  const RowTiles tiles(g.m);
  const int64_t panels = panel_count<T>(g.n);
  const TaskGrid grid(tiles.count, panels, 2 * g.m * g.n * g.k);
  const int64_t task_columns = at_most(grid.panels_per_task * kPanelColumns<T>, g.n);
  const bool streams_b = g.k * g.n > kBeyondSecondLevel<T> && g.b_column_stride == 1;
  const int64_t deepest =
      streams_b ? at_most(kStreamedElements<T> / task_columns + 1, kDepth<T>) : kDepth<T>;
  const int64_t passes = g.k <= deepest ? 1 : divide_up(g.k, deepest);
  const int64_t depth = divide_up(g.k, passes);
  const bool pack_a_tiles = g.m <= kFewRows && should_pack_a(g);
  const int64_t packed_tile = packed_a_size<T>(depth);
  parallel_for(grid.row_tasks * grid.panel_tasks, 1, [&](int64_t task, int64_t task_end) {
    Tile<T> t = first_tile(g);
    const int64_t lda = t.lda;
    t.ldb = g.b_row_stride;
    const OptionalScratch<T> a_scratch(pack_a_tiles ? grid.rows_per_task * packed_tile : 0);
    for (; task < task_end; task++) {
      const int64_t first_row = task / grid.panel_tasks * grid.rows_per_task;
      const int64_t first_panel = task % grid.panel_tasks * grid.panels_per_task;
      for (int64_t pass = 0; pass < passes; pass++) {
        const int64_t begin = pass * depth;
        set_pass(t, g, begin, begin + depth < g.k ? begin + depth : g.k);
        const auto a_of = [&](int64_t r) {
          return g.a + tiles.begin(r) * g.a_row_stride + begin * g.a_column_stride;
        };
        const int64_t last_row = first_row + grid.rows_per_task < tiles.count
                                     ? first_row + grid.rows_per_task
                                     : tiles.count;
        if (pack_a_tiles)
          for (int64_t r = first_row; r < last_row; r++)
            t.lda = pack_a(tiles.rows(r), t.k, a_of(r), lda, layout,
                           a_scratch.get() + (r - first_row) * packed_tile);
        const int64_t last_panel = at_most(first_panel + grid.panels_per_task, panels);
        for (int64_t p = first_panel; p < last_panel; p++) {
          const int64_t column = p * kPanelColumns<T>;
          if (streams_b) {
            const int64_t left = at_most(g.k - begin - t.k, depth),
                          parts = last_panel - first_panel;
            const int64_t from = left * (p - first_panel) / parts;
            const int64_t to = left * (p - first_panel + 1) / parts;
            prefetch_rows(
                g.b + (begin + t.k + from) * g.b_row_stride + first_panel * kPanelColumns<T>,
                g.b_row_stride, to - from, task_columns);
          }
          const int64_t rest = g.n - column;
          const int columns = static_cast<int>(rest < kPanelColumns<T> ? rest : kPanelColumns<T>);
          t.b = g.b + begin * g.b_row_stride + column;
          t.bias = g.bias != nullptr && begin + t.k == g.k ? g.bias + column : nullptr;
          for (int64_t r = first_row; r < last_row; r++) {
            if (pack_a_tiles) {
              t.a = a_scratch.get() + (r - first_row) * packed_tile;
              if (layout == ALayout::columns) t.lda = tiles.rows(r);
            } else {
              t.a = a_of(r);
            }
            t.c = g.c + tiles.begin(r) * g.ldc + column;
            run_tile(t, tiles.rows(r), columns, layout, BRows::exact);
          }
        }
      }
      g.run_tail(tiles.begin(first_row),
                 tiles.begin(at_most(first_row + grid.rows_per_task, tiles.count)),
                 first_panel * kPanelColumns<T>,
                 at_most((first_panel + grid.panels_per_task) * kPanelColumns<T>, g.n));
    }
  });
}

// Rows of A (of one task) times one packed block of B: K from k_begin, columns from `column`.
template <class T>
struct PackedBlock {
  const T* b;
  int64_t k_begin, depth_total, column, columns;
};

// Tiles [first, first + count) of A, steps [begin, begin + steps): copied one behind the other.
template <class T>
void pack_a_tiles(const Gemm<T>& g, const RowTiles& tiles, int64_t first, int64_t count,
                  int64_t begin, int64_t steps, T* out) {
  const int64_t lda = first_tile(g).lda;
  const T* a = g.a + tiles.begin(first) * g.a_row_stride + begin * g.a_column_stride;
  int rows[kTilesTogether];
  for (int64_t i = 0; i < count; i++) rows[i] = tiles.rows(first + i);
  if (layout_of_a(g) == ALayout::columns)
    pack_a_columns(rows, static_cast<int>(count), steps, a, lda, out, packed_a_size<T>(kDepth<T>));
  else
    pack_a(rows[0], steps, a, lda, ALayout::rows, out);
}

template <class T>
void multiply_block(const Gemm<T>& g, const PackedBlock<T>& block, const RowTiles& tiles,
                    const TaskGrid& grid, int64_t task, T* a_scratch) {
  const ALayout layout = layout_of_a(g);
  const int64_t panels = panel_count<T>(block.columns);
  const int64_t stride = panel_stride<T>(block.depth_total);
  const int64_t first_row = task / grid.panel_tasks * grid.rows_per_task;
  const int64_t last_row = at_most(first_row + grid.rows_per_task, tiles.count);
  const int64_t first_panel = task % grid.panel_tasks * grid.panels_per_task;
  const int64_t last_panel = at_most(first_panel + grid.panels_per_task, panels);
  const int64_t passes = divide_up(block.depth_total, kDepth<T>);
  const int64_t depth = divide_up(block.depth_total, passes);
  const int64_t together = a_scratch != nullptr ? tiles_together(g) : 1;
  Tile<T> t = first_tile(g);
  for (int64_t first = first_row; first < last_row; first += together) {
    const int64_t last = at_most(first + together, last_row);
    for (int64_t from = 0; from < block.depth_total; from += depth) {
      const int64_t begin = block.k_begin + from;
      set_pass(t, g, begin, begin + at_most(depth, block.depth_total - from));
      if (a_scratch != nullptr) pack_a_tiles(g, tiles, first, last - first, begin, t.k, a_scratch);
      for (int64_t r = first; r < last; r++) {
        const int64_t row = tiles.begin(r);
        const int rows = tiles.rows(r);
        t.a = g.a + row * g.a_row_stride + begin * g.a_column_stride;
        if (a_scratch != nullptr) {
          t.a = a_scratch + (r - first) * packed_a_size<T>(kDepth<T>);
          t.lda = layout == ALayout::columns ? rows : packed_a_ld<T>(t.k);
        }
        for (int64_t p = first_panel; p < last_panel; p++) {
          const int64_t column = p * kPanelColumns<T>;
          const int columns = static_cast<int>(at_most(block.columns - column, kPanelColumns<T>));
          t.ldb = packed_ld<T>(columns);
          t.b = block.b + p * stride + from * t.ldb;
          t.c = g.c + row * g.ldc + block.column + column;
          t.bias =
              g.bias != nullptr && begin + t.k == g.k ? g.bias + block.column + column : nullptr;
          run_tile(t, rows, columns, layout, BRows::padded);
        }
      }
    }
    if (block.k_begin + block.depth_total == g.k)
      g.run_tail(tiles.begin(first), tiles.begin(last),
                 block.column + first_panel * kPanelColumns<T>,
                 block.column + at_most(last_panel * kPanelColumns<T>, block.columns));
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

// The size of packed blocks of B.
struct BlockSize {
  int64_t depth, width;
};

// Equal blocks: 520 columns are 2 x 260, not 512 + 8. A narrow B takes more of K at once, so that
// small products are packed in one go and C is written once.
template <class T>
WEFT_INLINE BlockSize block_size(const Gemm<T>& g) {
  const int64_t column_blocks = divide_up(g.n, kBlockColumns<T>);
  const int64_t width =
      divide_up(divide_up(g.n, column_blocks), kPanelColumns<T>) * kPanelColumns<T>;
  return {divide_up(g.k, divide_up(g.k, kBlockElements<T> / width)), width};
}

template <class T>
void multiply_packed(const Gemm<T>& g) {
  const auto [depth, width] = block_size(g);
  const RowTiles tiles(g.m);
  const bool packs_a = should_pack_a(g);
  const Scratch<T> packed(packed_size<T>(depth, width));
  for (int64_t column = 0; column < g.n; column += width) {
    for (int64_t k_begin = 0; k_begin < g.k; k_begin += depth) {
      PackedBlock<T> block{packed.get(), k_begin, depth, column, width};
      if (g.k - k_begin < depth) block.depth_total = g.k - k_begin;
      if (g.n - column < width) block.columns = g.n - column;
      pack_b_parallel(g, block, packed.get());
      TaskGrid grid(tiles.count, panel_count<T>(block.columns),
                    2 * g.m * block.columns * block.depth_total);
      if (packs_a) grid.take_rows(tiles_together(g), tiles.count);
      parallel_for(grid.row_tasks * grid.panel_tasks, 1, [&](int64_t begin, int64_t end) {
        const OptionalScratch<T> a_scratch(packs_a ? tiles_together(g) * packed_a_size<T>(kDepth<T>)
                                                   : 0);
        for (; begin < end; begin++)
          multiply_block<T>(g, block, tiles, grid, begin, a_scratch.get());
      });
    }
  }
}

}  // namespace detail

}  // namespace weft::cpu::WEFT_ISA::gemm
