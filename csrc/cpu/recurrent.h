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

// Memory that is needed soon, fetched a few lines at a time while products keep the arithmetic
// busy: what the forward pass saved has long left the caches (waiting for it was half of the time
// of the gates' gradients on Zen 4), and a core can only wait for some twenty lines at once.
class Prefetch {
 public:
  void add(const void* data, int64_t bytes) {
    ranges_[count_++] = {static_cast<const char*>(data), bytes};
    lines_ += (bytes + kLine - 1) / kLine;
  }
  int64_t lines() const { return lines_; }
  WEFT_INLINE void fetch(int64_t lines) {
    for (; lines > 0 && next_ < count_; lines--) {
      __builtin_prefetch(ranges_[next_].data + at_);
      at_ += kLine;
      if (at_ >= ranges_[next_].bytes) {
        at_ = 0;
        next_++;
      }
    }
  }

 private:
  static constexpr int64_t kLine = 64;
  struct Range {
    const char* data;
    int64_t bytes;
  };
  Range ranges_[4];
  int count_ = 0, next_ = 0;
  int64_t at_ = 0, lines_ = 0;
};

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
                bool accumulate, Prefetch ahead = {}) const {
    multiply_first(k_, rows, a, lda, c, ldc, bias, accumulate, ahead);
  }
  // The same with the first k columns of a and rows of B only.
  void multiply_first(int64_t k, int64_t rows, const T* a, int64_t lda, T* c, int64_t ldc,
                      const T* bias, bool accumulate, Prefetch ahead = {}) const {
    if (n_ == 0) return;
    // As gemm/driver.h: a tile of A stays in L1. Shorter runs leave more places to fetch from.
    const int64_t longest = (ahead.lines() > 0 ? 256 : 1024) / static_cast<int64_t>(sizeof(T));
    const int64_t passes = k <= longest ? 1 : (k + longest - 1) / longest;
    const int64_t depth = (k + passes - 1) / passes;
    const RowTiles tiles(rows);
    const int64_t calls = passes * gemm::panel_count<T>(n_) * tiles.count;
    const int64_t share = (ahead.lines() + calls - 1) / calls;
    gemm::Tile<T> t;
    t.lda = lda;
    t.ldc = ldc;
    for (int64_t pass = 0; pass < passes; pass++) {
      const int64_t begin = pass * depth;
      t.k = begin + depth < k ? depth : k - begin;
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
          ahead.fetch(share);
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

// The sequences in blocks that go through the steps together. While the weights of a step stay in
// the second-level cache a block is one tile high; larger ones are read from further away, and then
// used by several tiles.
class Blocks {
 public:
  Blocks(int64_t sequences, int64_t weight_bytes)
      : tiles_(sequences), together_(weight_bytes <= kCachedBytes ? 1 : kTilesOfLarge) {}
  int64_t count() const { return (tiles_.count + together_ - 1) / together_; }
  int64_t begin(int64_t block) const {
    const int64_t tile = block * together_;
    return tiles_.begin(tile < tiles_.count ? tile : tiles_.count);
  }
  int64_t most_rows() const { return together_ * gemm::kMaxRows; }

 private:
  static constexpr int64_t kCachedBytes = 512 * 1024, kTilesOfLarge = 5;
  RowTiles tiles_;
  int64_t together_;
};

// body(first, last) for every block, in parallel.
template <class Body>
void for_each_block(int64_t sequences, int64_t weight_bytes, const Body& body) {
  const Blocks blocks(sequences, weight_bytes);
  parallel_for(blocks.count(), 1, [&](int64_t block, int64_t end) {
    for (; block < end; block++) body(blocks.begin(block), blocks.begin(block + 1));
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

// The gradient of the weights, a^T @ dz over all steps, in parts that each belong to a few blocks
// of sequences, so that it does not depend on threads. A block collects the rows of a and dz of
// several steps while they are in the cache, those of dz in the panels of gemm/pack.h, and
// multiplies them.
template <class T>
class WeightGradient {
 public:
  // Rows of the tile: at most so many in `steps` steps of `rows` rows.
  WeightGradient(int64_t m, int64_t n) : m_(m), n_(n), ld_(tile_stride<T>(n)) {}
  int64_t part_size() const { return m_ * ld_ + n_; }  // elements; the sums of dz come last

  static constexpr int64_t steps_together(int64_t rows, int64_t steps) {
    constexpr int64_t kRows = 112;  // of dz, so that its panels and one of c fit beside B in L2
    const int64_t most = kRows / rows > 1 ? kRows / rows : 1;
    const int64_t groups = (steps + most - 1) / most;
    return groups > 0 ? (steps + groups - 1) / groups : 1;
  }

  // Row `at` and following of packed rows = rows of the tile dz.
  void append(const T* dz, int64_t lddz, int64_t rows, int64_t at, int64_t capacity,
              T* packed) const {
    constexpr int64_t kColumns = gemm::kPanelColumns<T>;
    const int64_t stride = gemm::panel_stride<T>(capacity);
    for (int64_t first = 0; first < n_; first += kColumns, packed += stride) {
      const int64_t columns = n_ - first < kColumns ? n_ - first : kColumns;
      const int64_t ld = gemm::packed_ld<T>(columns), whole = columns / kLanes<T> * kLanes<T>;
      const int rest = static_cast<int>(columns - whole);
      T* to = packed + at * ld;
      const T* from = dz + first;
      for (int64_t row = 0; row < rows; row++, to += ld, from += lddz) {
        for (int64_t j = 0; j < whole; j += kLanes<T>) simd::store(to + j, simd::load(from + j));
        if (rest > 0) simd::store(to + whole, simd::load_partial(from + whole, rest));
      }
    }
  }

  // Adds the sums over the rows of the tile dz.
  void add_sums(const T* dz, int64_t lddz, int64_t rows, T* part) const {
    T* sums = part + m_ * ld_;
    for_each_vector<T>(n_, [&](int64_t i, auto load, auto store) {
      simd::Vec<T> sum{};
      for (int64_t row = 0; row < rows; row++) sum += load(dz + row * lddz + i);
      store(sums + i, load(sums + i) + sum);
    });
  }

  // Adds a^T @ packed, the first `rows` rows of both: row `first_row` and following of the
  // gradient, for `columns` columns of a.
  void add(const T* a, int64_t lda, int64_t columns, int64_t first_row, int64_t rows,
           int64_t capacity, const T* packed, T* part) const {
    if (rows == 0 || columns == 0) return;
    const RowTiles tiles(columns);
    gemm::Tile<T> t;
    t.k = rows;
    t.lda = lda;
    t.ldc = ld_;
    t.accumulate = true;
    for (int64_t p = 0; p < gemm::panel_count<T>(n_); p++) {
      const int64_t column = p * gemm::kPanelColumns<T>, rest = n_ - column;
      const int width =
          static_cast<int>(rest < gemm::kPanelColumns<T> ? rest : gemm::kPanelColumns<T>);
      t.b = packed + p * gemm::panel_stride<T>(capacity);
      t.ldb = gemm::packed_ld<T>(width);
      for (int64_t r = 0; r < tiles.count; r++) {
        t.a = a + tiles.begin(r);
        t.c = part + (first_row + tiles.begin(r)) * ld_ + column;
        gemm::run_tile(t, tiles.rows(r), width, gemm::ALayout::columns, gemm::BRows::padded);
      }
    }
  }

  // The sum of all parts, in their order.
  void finish(const T* parts, int64_t count, T* weights, T* bias) const {
    parallel_for(m_ + 1, 64, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        T* to = row < m_ ? weights + row * n_ : bias;
        for_each_vector<T>(n_, [&](int64_t i, auto load, auto store) {
          simd::Vec<T> sum = load(parts + row * ld_ + i);
          for (int64_t part = 1; part < count; part++)
            sum += load(parts + part * part_size() + row * ld_ + i);
          store(to + i, sum);
        });
      }
    });
  }

 private:
  int64_t m_, n_, ld_;
};

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

// body(first, last, part) for every block, in parallel; then the sum of all parts, if `weights` is
// there to take it.
template <class T, class Body>
void add_up_blocks(const Blocks& blocks, const WeightGradient<T>& gradient, const Body& body,
                   T* weights, T* bias) {
  constexpr int64_t kMostParts = 8;
  const int64_t count = blocks.count(), parts = count < kMostParts ? count : kMostParts;
  const int64_t size = gradient.part_size();
  const Scratch<T> memory(weights != nullptr ? parts * size : 1);
  parallel_for(parts, 1, [&](int64_t part, int64_t end) {
    for (; part < end; part++) {
      T* own = weights != nullptr ? memory.get() + part * size : nullptr;
      if (own != nullptr) fill_row(own, T(0), size);
      const int64_t last = count * (part + 1) / parts;
      for (int64_t block = count * part / parts; block < last; block++)
        body(blocks.begin(block), blocks.begin(block + 1), own);
    }
  });
  if (weights != nullptr) gradient.finish(memory.get(), parts, weights, bias);
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
