// Means and sums of squared deviations, one reading of the data, without cancellation.
//
// Rows are taken in blocks that stay in L1: the block's mean first, then the deviations from it.
// Columns are taken in chunks of kMomentRows rows: deviations from the mean of the chunk's first
// 32 rows, corrected at its end. That first mean is at most sqrt(kMomentRows / 32) standard
// deviations of the chunk away from the chunk's own, so the correction costs at most 5 bits even
// for hostile data. Blocks and chunks are joined in float64 by Chan's formula; their means are kept
// relative to an origin, an element of the row or column, so that data far from 0 lose nothing.
#pragma once

#include "cpu/narrow.h"
#include "cpu/reduction.h"

namespace weft::cpu::WEFT_ISA {

inline constexpr int64_t kMomentRows = 1024;
inline constexpr int64_t kMomentColumns = 256;

struct Moments {
  double n = 0, mean = 0, m2 = 0;  // m2: sum of squared deviations from the mean

  void merge(double other_n, double other_mean, double other_m2) {
    const double total = n + other_n;
    if (total == 0) return;
    const double delta = other_mean - mean;
    mean += delta * (other_n / total);
    m2 += other_m2 + delta * delta * (n * other_n / total);
    n = total;
  }
};

struct Adding {
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
};

// At most kRowBlock contiguous elements; the mean is relative to `origin`.
template <class T>
inline Moments block_moments(const T* x, int64_t n, T origin) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  // Four chains each, so that the latency of an addition is hidden.
  V sum[4] = {};
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) sum[k] += simd::load(x + i + k * L);
  for (; i < n; i += L)
    sum[0] += simd::load_partial(x + i, static_cast<int>(n - i < L ? n - i : L));
  const T mean = reduce_lanes<Adding, T>((sum[0] + sum[1]) + (sum[2] + sum[3])) / static_cast<T>(n);
  // The sum of the deviations is what rounding left of the mean.
  V first[4] = {}, second[4] = {};
  const V center = simd::broadcast(mean);
  for (i = 0; i + 4 * L <= n; i += 4 * L)
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
      const V d = simd::load(x + i + k * L) - center;
      first[k] += d;
      second[k] += d * d;
    }
  for (; i < n; i += L) {
    const int rest = static_cast<int>(n - i < L ? n - i : L);
    const V d = simd::select(first_lanes<T>(rest), simd::load_partial(x + i, rest) - center, V{});
    first[0] += d;
    second[0] += d * d;
  }
  const V firsts = (first[0] + first[1]) + (first[2] + first[3]);
  const V seconds = (second[0] + second[1]) + (second[2] + second[3]);
  const double rows = static_cast<double>(n), lost = reduce_lanes<Adding, T>(firsts);
  return {rows, (static_cast<double>(mean) - static_cast<double>(origin)) + lost / rows,
          static_cast<double>(reduce_lanes<Adding, T>(seconds)) - lost * lost / rows};
}

template <class T>
inline Moments row_moments(const T* x, int64_t n, T origin) {
  Moments total = block_moments(x, n < kRowBlock ? n : kRowBlock, origin);
  for (int64_t i = kRowBlock; i < n; i += kRowBlock) {
    const Moments block = block_moments(x + i, n - i < kRowBlock ? n - i : kRowBlock, origin);
    total.merge(block.n, block.mean, block.m2);
  }
  return total;
}

// Moments of neighbouring columns; all have the same count. Means are relative to an origin.
struct ColumnMoments {
  double* mean;
  double* m2;
  double n = 0;

  void merge(const double* other_mean, const double* other_m2, double other_n, int64_t cols) {
    const double total = n + other_n, part = other_n / total, both = n * part;
    for (int64_t c = 0; c < cols; c++) {
      const double delta = other_mean[c] - mean[c];
      mean[c] += delta * part;
      m2[c] += other_m2[c] + delta * delta * both;
    }
    n = total;
  }
};

template <class T>
struct Deviations {  // of one chunk of rows
  alignas(64) T center[kMomentColumns], first[kMomentColumns], second[kMomentColumns];
  alignas(64) double total_first[kMomentColumns], total_second[kMomentColumns];
};

// first += x - center, second += (x - center)^2 for kRows rows and the columns from c on.
template <int kRows, class T>
WEFT_INLINE void add_deviations(Deviations<T>& d, const T* x, int64_t stride, int64_t cols) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const int64_t ahead = prefetch_distance<T>(stride);
  for (int64_t c = 0; c < cols; c += L) {
    const V center = simd::load(d.center + c);
    V first = simd::load(d.first + c), second = simd::load(d.second + c);
    if (c + L <= cols) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; r++) {
        const V v = simd::load(x + r * stride + c) - center;
        if (kRows > 1 && ahead) __builtin_prefetch(x + r * stride + c + ahead);
        first += v;
        second += v * v;
      }
    } else {
      const int rest = static_cast<int>(cols - c);
      for (int r = 0; r < kRows; r++) {
        const V v = simd::load_partial(x + r * stride + c, rest) - center;
        first += v;
        second += v * v;
      }
    }
    simd::store(d.first + c, first);
    simd::store(d.second + c, second);
  }
}

// The same for any number of rows without gaps, in the order of memory.
template <int kVectors, class T>
[[gnu::noinline]] void add_narrow_deviations(Deviations<T>& d, const T* x, int64_t rows) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  V center[kVectors], first[kVectors], second[kVectors];
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; k++) {
    center[k] = simd::load(d.center + k * L);
    first[k] = simd::load(d.first + k * L);
    second[k] = simd::load(d.second + k * L);
  }
  for (int64_t r = 0; r < rows; r++, x += kVectors * L)
#pragma GCC unroll 8
    for (int k = 0; k < kVectors; k++) {
      const V v = simd::load(x + k * L) - center[k];
      first[k] += v;
      second[k] += v * v;
    }
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; k++) {
    simd::store(d.first + k * L, first[k]);
    simd::store(d.second + k * L, second[k]);
  }
}

template <class T>
inline void add_all_deviations(Deviations<T>& d, const T* x, int64_t rows, int64_t stride,
                               int64_t cols) {
  if (stride == cols && is_narrow<T>(cols)) {
    with_vectors<T>(cols, [&]<int kVectors>() { add_narrow_deviations<kVectors>(d, x, rows); });
    return;
  }
  int64_t r = 0;
  for (; r + 8 <= rows; r += 8) add_deviations<8>(d, x + r * stride, stride, cols);
  for (; r < rows; r++) add_deviations<1>(d, x + r * stride, stride, cols);
}

template <class T>
struct SumOfColumns {
  using In = T;
  using Part = T;
  static constexpr T identity = 0;
  template <class V>
  static V lift(V x) {
    return x;
  }
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
};

// At most kMomentRows rows of at most kMomentColumns columns join `moments`.
template <class T>
inline void chunk_moments(ColumnMoments& moments, const T* origin, const T* x, int64_t rows,
                          int64_t stride, int64_t cols) {
  Deviations<T> d;
  const int64_t sampled = rows < kColumnBlock ? rows : kColumnBlock;
  for (int64_t c = 0; c < kMomentColumns; c++) {
    d.center[c] = d.first[c] = d.second[c] = 0;
    d.total_first[c] = d.total_second[c] = 0;
  }
  int64_t r = 0;
  for (; r + 8 <= sampled; r += 8)
    join_rows<SumOfColumns<T>, 8>(d.center, x + r * stride, stride, cols);
  for (; r < sampled; r++) join_rows<SumOfColumns<T>, 1>(d.center, x + r * stride, stride, cols);
  const T scale = T(1) / static_cast<T>(sampled);
  for (int64_t c = 0; c < cols; c++) d.center[c] *= scale;

  for (int64_t row = 0; row < rows; row += kColumnBlock) {
    const int64_t end = row + kColumnBlock < rows ? row + kColumnBlock : rows;
    add_all_deviations(d, x + row * stride, end - row, stride, cols);
    for (int64_t c = 0; c < cols; c++) {
      d.total_first[c] += static_cast<double>(d.first[c]);
      d.total_second[c] += static_cast<double>(d.second[c]);
      d.first[c] = d.second[c] = 0;
    }
  }
  const double n = static_cast<double>(rows), inverse = 1 / n;
  for (int64_t c = 0; c < cols; c++) {
    const double shift = d.total_first[c] * inverse;
    d.total_second[c] -= d.total_first[c] * shift;
    d.total_first[c] = (static_cast<double>(d.center[c]) - static_cast<double>(origin[c])) + shift;
  }
  moments.merge(d.total_first, d.total_second, n, cols);
}

// write(y_offset, mean, m2) for every kept element of the plan.
template <class T, class Write>
void moments_of_rows(const ReductionPlan& plan, const T* x, Write&& write) {
  const AxisGroup &kept = plan.kept, &reduced = plan.reduced;
  const int64_t n = reduced.size(), step = reduced.x_step();
  parallel_for(kept.size(), kReduceGrain / n, [&](int64_t begin, int64_t end) {
    for_each_run(kept, begin, end, [&](int64_t at, int64_t y_at, int64_t count) {
      for (int64_t i = 0; i < count; i++) {
        Moments total;
        const T* row = x + at + i * kept.x_step();
        const T origin = row[0];
        for_each_run(reduced, 0, n, [&](int64_t from, int64_t, int64_t length) {
          const T* run = row + from;
          if (step == 1) {
            const Moments m = row_moments(run, length, origin);
            total.merge(m.n, m.mean, m.m2);
            return;
          }
          T block[kRowBlock];
          for (int64_t k = 0; k < length; k += kRowBlock) {
            const int64_t some = length - k < kRowBlock ? length - k : kRowBlock;
            for (int64_t j = 0; j < some; j++) block[j] = run[(k + j) * step];
            const Moments m = block_moments(block, some, origin);
            total.merge(m.n, m.mean, m.m2);
          }
        });
        write(y_at + i * kept.y_step(), static_cast<double>(origin) + total.mean, total.m2);
      }
    });
  });
}

// Rows without gaps that are read as one.
template <class T>
inline int64_t moments_fold_of(const ReductionPlan& plan) {
  const int64_t cols = plan.kept.inner();
  const bool dense = plan.reduced.ndim == 1 && plan.reduced.x[0] == cols;
  if (const int64_t fold = dense ? narrow_fold<T>(cols) : 0;
      fold > 0 && plan.reduced.inner() >= 4 * fold)
    return fold;
  return fold_of(plan);
}

// The same where kept neighbours are neighbours in memory.
template <class T, class Write>
void moments_of_columns(const ReductionPlan& plan, const T* x, Write&& write) {
  const AxisGroup &kept = plan.kept, &reduced = plan.reduced;
  const int64_t cols = kept.inner(), n = reduced.size(), fold = moments_fold_of<T>(plan);
  const int64_t wide = kMomentColumns / fold, tile = cols < wide ? cols : wide;
  const int64_t tiles = (cols + tile - 1) / tile, strips = kept.size() / cols * tiles;
  // One part is one chunk of rows, `fold` of them side by side.
  const int64_t part_rows = kMomentRows * fold, parts = (n + part_rows - 1) / part_rows;
  const int64_t width = tile * fold;
  const auto accumulate = [&](ColumnMoments& m, const T* from, int64_t first, int64_t rows,
                              int64_t count) {
    T origin[kMomentColumns];
    for (int64_t c = 0; c < width; c++) origin[c] = c < count ? from[c] : origin[c - count];
    if (fold == 1) {
      for_each_run(reduced, first, first + rows, [&](int64_t at, int64_t, int64_t some) {
        chunk_moments(m, origin, from + at, some, reduced.x_step(), count);
      });
      return;
    }
    from += first * cols;
    if (rows >= fold) chunk_moments(m, origin, from, rows / fold, width, width);
    for (int64_t k = 1; k < fold && rows >= fold; k++) {
      ColumnMoments side{m.mean, m.m2, m.n * static_cast<double>(k)};
      side.merge(m.mean + k * cols, m.m2 + k * cols, m.n, cols);
    }
    m.n *= static_cast<double>(fold);
    if (const int64_t rest = rows % fold; rest > 0)
      chunk_moments(m, origin, from + (rows - rest) * cols, rest, cols, cols);
  };
  Scratch<double> partial(strips * parts * width * 2);
  Scratch<double> counts(strips * parts);
  parallel_for(strips * parts, kReduceGrain / (part_rows * tile) + 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; task++) {
                   const int64_t strip = task / parts, first = task % parts * part_rows;
                   const int64_t column = strip % tiles * tile;
                   int64_t y_at = 0;
                   const int64_t at = offset_of(kept, strip / tiles * cols + column, y_at);
                   double* mean = partial.get() + task * width * 2;
                   for (int64_t c = 0; c < 2 * width; c++) mean[c] = 0;
                   ColumnMoments m{mean, mean + width};
                   accumulate(m, x + at, first, first + part_rows < n ? part_rows : n - first,
                              cols - column < tile ? cols - column : tile);
                   counts[task] = m.n;
                 }
               });
  for (int64_t strip = 0; strip < strips; strip++) {
    const int64_t column = strip % tiles * tile;
    const int64_t count = cols - column < tile ? cols - column : tile;
    int64_t y_at = 0;
    const int64_t at = offset_of(kept, strip / tiles * cols + column, y_at);
    double* mean = partial.get() + strip * parts * width * 2;
    ColumnMoments total{mean, mean + width, counts[strip * parts]};
    for (int64_t p = 1; p < parts; p++) {
      const double* other = mean + p * width * 2;
      total.merge(other, other + width, counts[strip * parts + p], count);
    }
    for (int64_t c = 0; c < count; c++)
      write(y_at + c, static_cast<double>(x[at + c]) + total.mean[c], total.m2[c]);
  }
}

template <class T, class Write>
void moments_of(const ReductionPlan& plan, const T* x, Write&& write) {
  const bool columns = plan.kept.x_step() == 1 && plan.kept.y_step() == 1;
  if (columns && plan.reduced.x_step() != 1)
    moments_of_columns(plan, x + plan.x_offset, write);
  else
    moments_of_rows(plan, x + plan.x_offset, write);
}

}  // namespace weft::cpu::WEFT_ISA
