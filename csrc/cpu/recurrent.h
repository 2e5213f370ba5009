// What the recurrent kernels share.
//
// Sequences do not depend on each other, so a block of them goes through all steps at once: what a
// step needs of it stays in the first-level cache, the weights, packed once, in the second, and
// threads meet only at the end. For each step one product of the tile [x, h] with the stacked
// kernels gives all gates; copying x beside the state costs less than a second product that has to
// add to the results of the first.
#pragma once

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/copy.h"
#include "cpu/gemm/pack.h"
#include "cpu/simd_math.h"
#include "ops/recurrent.h"

namespace weft::cpu::WEFT_ISA::recurrent {

using gemm::RowTiles;
using simd::kLanes;

// Row stride of a tile in scratch memory: an odd number of cache lines, so that its rows do not
// fall into the same sets of the first-level cache.
template <class T>
WEFT_INLINE int64_t tile_stride(int64_t columns) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  return ((columns + kLine - 1) / kLine | 1) * kLine;
}

// B (k x n) in the panels of gemm/pack.h; nothing for n = 0.
template <class T>
class PackedMatrix {
 public:
  // B(row, column) = b[row * row_stride + column * column_stride], one of the strides being 1.
  PackedMatrix(int64_t k, int64_t n, const T* b, int64_t row_stride, int64_t column_stride)
      : data_(gemm::packed_size<T>(k, n) + 1), k_(k), n_(n) {
    const int64_t stride = gemm::panel_stride<T>(k);
    parallel_for(gemm::panel_count<T>(n), 8, [&](int64_t begin, int64_t end) {
      const int64_t column = begin * gemm::kPanelColumns<T>, last = end * gemm::kPanelColumns<T>;
      gemm::pack_b(k, (last < n ? last : n) - column, b + column * column_stride, row_stride,
                   column_stride, data_.get() + begin * stride);
    });
  }

  // c (rows x n) = a (rows x k) @ B + bias, or that added to c. `a` and `c` are tiles of scratch.
  void multiply(int64_t rows, const T* a, int64_t lda, T* c, int64_t ldc, const T* bias,
                bool accumulate) const {
    if (n_ == 0) return;
    constexpr int64_t kDepth = 1024 / sizeof(T);  // as gemm/driver.h: a tile of A stays in L1
    const int64_t passes = k_ <= kDepth ? 1 : (k_ + kDepth - 1) / kDepth;
    const int64_t depth = (k_ + passes - 1) / passes;
    const RowTiles tiles(rows);
    gemm::Tile<T> t;
    t.lda = lda;
    t.ldc = ldc;
    for (int64_t pass = 0; pass < passes; pass++) {
      const int64_t begin = pass * depth;
      t.k = begin + depth < k_ ? depth : k_ - begin;
      t.accumulate = accumulate || pass > 0;
      // Panels outside: with several tiles a panel is read once from where it lies.
      for (int64_t p = 0; p < gemm::panel_count<T>(n_); p++) {
        const int64_t column = p * gemm::kPanelColumns<T>, rest = n_ - column;
        const int columns =
            static_cast<int>(rest < gemm::kPanelColumns<T> ? rest : gemm::kPanelColumns<T>);
        t.ldb = gemm::packed_ld<T>(columns);
        t.b = data_.get() + p * gemm::panel_stride<T>(k_) + begin * t.ldb;
        t.bias = bias != nullptr && pass == 0 ? bias + column : nullptr;
        for (int64_t r = 0; r < tiles.count; r++) {
          t.a = a + tiles.begin(r) * lda + begin;
          t.c = c + tiles.begin(r) * ldc + column;
          gemm::run_tile(t, tiles.rows(r), columns, gemm::ALayout::rows, gemm::BRows::padded);
        }
      }
    }
  }

 private:
  Scratch<T> data_;
  int64_t k_, n_;
};

// The rows of two matrices, one below the other: the kernel (F x width) and the recurrent kernel (U
// x width).
template <class T>
class Stacked {
 public:
  Stacked(const T* top, int64_t top_rows, const T* bottom, int64_t bottom_rows, int64_t width)
      : data_((top_rows + bottom_rows) * width) {
    if (top_rows > 0) memcpy(data_.get(), top, static_cast<size_t>(top_rows * width) * sizeof(T));
    memcpy(data_.get() + top_rows * width, bottom,
           static_cast<size_t>(bottom_rows * width) * sizeof(T));
  }
  const T* get() const { return data_.get(); }

 private:
  Scratch<T> data_;
};

// body(first, last) for blocks of sequences, in parallel. While the weights of a step stay in the
// second-level cache a block is one tile high; larger ones are read from further away, and then
// used by several tiles.
template <class Body>
void for_each_block(int64_t sequences, int64_t weight_bytes, const Body& body) {
  constexpr int64_t kCachedBytes = 512 * 1024, kTilesOfLarge = 5;
  const RowTiles tiles(sequences);
  parallel_for(tiles.count, weight_bytes <= kCachedBytes ? 1 : kTilesOfLarge,
               [&](int64_t begin, int64_t end) {
                 for (int64_t tile = begin; tile < end;) {
                   // Without threads all tiles come in one call.
                   const int64_t left = end - tile;
                   const int64_t together = weight_bytes <= kCachedBytes
                                                ? 1
                                                : (left < kTilesOfLarge ? left : kTilesOfLarge);
                   body(tiles.begin(tile), tiles.begin(tile + together));
                   tile += together;
                 }
               });
}

// f(i, load, store) for i = 0, lanes, 2 lanes ... below n; `load` and `store` know how many
// elements are left.
template <class T, class F>
WEFT_INLINE void for_each_vector(int64_t n, const F& f) {
  using V = simd::Vec<T>;
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>)
    f(i, [](const T* p) { return simd::load(p); }, [](T* p, V v) { simd::store(p, v); });
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    f(
        i, [rest](const T* p) { return simd::load_partial(p, rest); },
        [rest](T* p, V v) { simd::store_partial(p, v, rest); });
  }
}

template <class T>
WEFT_INLINE void add_row(const T* x, T* y, int64_t n) {
  for_each_vector<T>(
      n, [&](int64_t i, auto load, auto store) { store(y + i, load(y + i) + load(x + i)); });
}
template <class T>
WEFT_INLINE void copy_or_zero(const T* x, T* y, int64_t n) {
  if (x != nullptr)
    copy_row(x, y, n);
  else
    fill_row(y, T(0), n);
}

// Where step `step` of the computation is in x and in the mask.
WEFT_INLINE int64_t position(const RecurrentParams& p, int64_t step) {
  return p.go_backwards ? p.T - 1 - step : step;
}

// A (N, columns) operand, or null.
template <class T>
WEFT_INLINE T* row_of(const Operand& x, int64_t row, int64_t columns) {
  return x.present ? x.as<T>() + row * columns : nullptr;
}
// Row `row` at a step of a (T, N, columns) operand.
template <class T>
WEFT_INLINE T* row_at(const Operand& x, const RecurrentParams& p, int64_t step, int64_t row,
                      int64_t columns) {
  return x.as<T>() + (step * p.N + row) * columns;
}
WEFT_INLINE bool is_masked(const Operand& mask, const RecurrentParams& p, int64_t row,
                           int64_t step) {
  return mask.present && !mask.as<bool>()[row * p.T + position(p, step)];
}

// x of `rows` sequences from `first` on, as the first columns of the tile.
template <class T>
WEFT_INLINE void load_inputs(const RecurrentParams& p, const Operand& x, int64_t step,
                             int64_t first, int64_t rows, T* tile, int64_t ld) {
  const T* from = x.as<T>() + first * x.strides[0] + position(p, step) * x.strides[1];
  for (int64_t row = 0; row < rows; row++)
    copy_row(from + row * x.strides[0], tile + row * ld, p.F);
}
// The other way: the first columns of the tile are the gradient of x.
template <class T>
WEFT_INLINE void store_inputs(const RecurrentParams& p, const Operand& dx, int64_t step,
                              int64_t first, int64_t rows, const T* tile, int64_t ld) {
  if (!dx.present) return;
  T* to = dx.as<T>() + (first * p.T + position(p, step)) * p.F;
  for (int64_t row = 0; row < rows; row++) copy_row(tile + row * ld, to + row * p.T * p.F, p.F);
}

}  // namespace weft::cpu::WEFT_ISA::recurrent
