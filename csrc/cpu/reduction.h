// The loops of every reduction: along rows (the reduced axis is contiguous), down columns (a kept
// axis is contiguous), or over any strides. What is computed is an Op:
//
//   In, Part, Acc, Out    element; result of a short block; exact accumulator of blocks; result
//   identity              a Part that changes nothing
//   lift(x)               In to Part      (for vectors as well where In == Part is a float)
//   join(a, b)            two Parts       (likewise)
//   absorb(acc, part), merge(acc, other), finish(acc, n)
//   join_block(x, n), join_group<kRows>(part, rows)
//                         where joining many at once is faster than one after the other (optional)
//   kExact               joining does not round: blocks may be of any length (optional)
//
// Blocks, and the parts that threads share, are cut by sizes alone: the same bits for any number
// of threads.
#pragma once

#include "core/parallel.h"
#include "core/reduction.h"
#include "core/scratch.h"
#include "cpu/horizontal.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

inline constexpr int64_t kReduceGrain = 32 * 1024;  // elements: about 10 us of reading
inline constexpr int64_t kReducePart = 64 * 1024;   // elements that one thread takes of a long sum
inline constexpr int64_t kRowBlock = 1024;          // 8 vectors of 16 lanes, 8 steps each
inline constexpr int64_t kColumnBlock = 32;         // rows added in In before they become an Acc
// Columns: partial results stay in L1, and rows of 4 KiB are read in the order of memory.
inline constexpr int64_t kColumnTile = 1024;
inline constexpr int64_t kColumnPart =
    128 * 1024;                                // elements that one thread takes of long columns
inline constexpr int64_t kFewReductions = 16;  // below this many results, long sums are cut

template <class Op>
inline constexpr bool kUsesVectors = __is_same(typename Op::In, typename Op::Part);
// Rows of few vectors have loops of their own for the types that models compute with.
template <class Op>
inline constexpr bool kHasNarrowBlocks =
    kUsesVectors<Op> && (__is_same(typename Op::In, float) || __is_same(typename Op::In, double));

template <class Op>
inline constexpr int64_t kRowsInPart = requires { Op::kExact; } ? int64_t{1} << 48 : kColumnBlock;

template <class Op, class T>
WEFT_INLINE simd::Vec<T> lift_partial(const T* x, int n, simd::Vec<T> identity) {
  const simd::Vec<T> v = Op::lift(simd::load_partial(x, n));
  return simd::select(first_lanes<T>(n), v, identity);
}

// At most kRowBlock contiguous elements.
template <class Op>
inline typename Op::Part reduce_block(const typename Op::In* x, int64_t n) {
  using T = typename Op::In;
  if constexpr (requires { Op::join_block(x, n); }) {
    return Op::join_block(x, n);
  } else if constexpr (kUsesVectors<Op>) {
    using V = simd::Vec<T>;
    constexpr int L = simd::kLanes<T>;
    const V identity = simd::broadcast(Op::identity);
    if (n < L) return reduce_lanes<Op, T>(lift_partial<Op>(x, static_cast<int>(n), identity));
    V total = identity;
    int64_t i = 0;
    if (n >= 8 * L) {
      V a[8];
      for (int k = 0; k < 8; k++) a[k] = Op::lift(simd::load(x + k * L));
      for (i = 8 * L; i + 8 * L <= n; i += 8 * L)
#pragma GCC unroll 8
        for (int k = 0; k < 8; k++) a[k] = Op::join(a[k], Op::lift(simd::load(x + i + k * L)));
      total = Op::join(Op::join(Op::join(a[0], a[1]), Op::join(a[2], a[3])),
                       Op::join(Op::join(a[4], a[5]), Op::join(a[6], a[7])));
    }
    V rest = identity;
    for (; i + L <= n; i += L) rest = Op::join(rest, Op::lift(simd::load(x + i)));
    if (i < n) total = Op::join(total, lift_partial<Op>(x + i, static_cast<int>(n - i), identity));
    return reduce_lanes<Op, T>(Op::join(total, rest));
  } else {
    // A fixed number of lanes that the compiler turns into vectors of whatever Part is.
    constexpr int L = 64;
    typename Op::Part lanes[L], total = Op::identity;
    int64_t i = 0;
    if (n >= L) {
      for (int k = 0; k < L; k++) lanes[k] = Op::lift(x[k]);
      for (i = L; i + L <= n; i += L)
        for (int k = 0; k < L; k++) lanes[k] = Op::join(lanes[k], Op::lift(x[i + k]));
      for (int width = L / 2; width > 0; width /= 2)
        for (int k = 0; k < width; k++) lanes[k] = Op::join(lanes[k], lanes[k + width]);
      total = lanes[0];
    }
    for (; i < n; i++) total = Op::join(total, Op::lift(x[i]));
    return total;
  }
}

template <class Op>
[[gnu::noinline]] void reduce_run(typename Op::Acc& acc, const typename Op::In* x, int64_t n,
                                  int64_t stride) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; i += kRowBlock)
      Op::absorb(acc, reduce_block<Op>(x + i, n - i < kRowBlock ? n - i : kRowBlock));
    return;
  }
  // Four chains hide the latency of the additions; few roundings follow each other.
  constexpr int64_t kBlock = 64;
  for (int64_t i = 0; i < n; i += kBlock) {
    typename Op::Part chains[4] = {Op::identity, Op::identity, Op::identity, Op::identity};
    const int64_t end = i + kBlock < n ? i + kBlock : n;
    for (int64_t k = i; k < end; k++)
      chains[k & 3] = Op::join(chains[k & 3], Op::lift(x[k * stride]));
    Op::absorb(acc, Op::join(Op::join(chains[0], chains[1]), Op::join(chains[2], chains[3])));
  }
}

// Elements [begin, end) of several reduced axes, seen from x.
template <class Op>
[[gnu::noinline]] void reduce_runs(typename Op::Acc& acc, const typename Op::In* x,
                                   const AxisGroup& reduced, int64_t begin, int64_t end) {
  for_each_run(reduced, begin, end, [&](int64_t at, int64_t, int64_t n) {
    reduce_run<Op>(acc, x + at, n, reduced.x_step());
  });
}

template <class Op>
inline void reduce_span(typename Op::Acc& acc, const typename Op::In* x, const AxisGroup& reduced,
                        int64_t begin, int64_t end) {
  if (reduced.ndim == 1)
    reduce_run<Op>(acc, x + begin * reduced.x[0], end - begin, reduced.x[0]);
  else
    reduce_runs<Op>(acc, x, reduced, begin, end);
}

[[gnu::noinline]] inline int64_t offset_of(const AxisGroup& axes, int64_t index,
                                           int64_t& y_offset) {
  int64_t x_offset = 0;
  for_each_run(axes, index, index + 1, [&](int64_t x, int64_t y, int64_t) {
    x_offset = x;
    y_offset = y;
  });
  return x_offset;
}

template <class Op>
void reduce_rows(const ReductionPlan& plan, const typename Op::In* x, typename Op::Out* y) {
  using Acc = typename Op::Acc;
  const AxisGroup &kept = plan.kept, &reduced = plan.reduced;
  const int64_t results = kept.size(), n = reduced.size();
  if (results >= kFewReductions || n <= kReducePart) {
    parallel_for(results, kReduceGrain / n, [&](int64_t begin, int64_t end) {
      for_each_run(kept, begin, end, [&](int64_t at, int64_t y_at, int64_t count) {
        for (int64_t i = 0; i < count; i++) {
          Acc acc{};
          reduce_span<Op>(acc, x + at + i * kept.x_step(), reduced, 0, n);
          y[y_at + i * kept.y_step()] = Op::finish(acc, n);
        }
      });
    });
    return;
  }
  const int64_t parts = (n + kReducePart - 1) / kReducePart;
  Scratch<Acc> partial(results * parts);
  parallel_for(results * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      int64_t y_at;
      const int64_t at = offset_of(kept, task / parts, y_at), from = task % parts * kReducePart;
      Acc acc{};
      reduce_span<Op>(acc, x + at, reduced, from, from + kReducePart < n ? from + kReducePart : n);
      partial[task] = acc;
    }
  });
  for (int64_t r = 0; r < results; r++) {
    for (int64_t p = 1; p < parts; p++) Op::merge(partial[r * parts], partial[r * parts + p]);
    int64_t y_at;
    offset_of(kept, r, y_at);
    y[y_at] = Op::finish(partial[r * parts], n);
  }
}

// Eight narrow rows at a time are not the order that the hardware's prefetch expects: how many
// elements to ask for ahead. Rows of a kilobyte and more are streams of their own.
template <class T>
WEFT_INLINE int64_t prefetch_distance(int64_t stride) {
  return stride * static_cast<int64_t>(sizeof(T)) <= 1024 ? 16 * stride : 0;
}

// part with kRows more, pairs first.
template <class Op, int kRows, class V>
WEFT_INLINE V join_tree(V part, V* v) {
#pragma GCC unroll 3
  for (int width = kRows / 2; width > 0; width /= 2)
#pragma GCC unroll 4
    for (int r = 0; r < width; r++) v[r] = Op::join(v[r], v[r + width]);
  return Op::join(part, v[0]);
}
template <class Op, int kRows, class V>
WEFT_INLINE V join_group(V part, V* v) {
  if constexpr (requires { Op::template join_group<kRows>(part, v); })
    return Op::template join_group<kRows>(part, v);
  else
    return join_tree<Op, kRows>(part, v);
}

// part[c] takes in x[r][c] of kRows rows. Several rows at a time save loads and stores of `part`.
template <class Op, int kRows>
WEFT_INLINE void join_rows(typename Op::Part* __restrict part, const typename Op::In* __restrict x,
                           int64_t stride, int64_t cols) {
  using T = typename Op::In;
  const int64_t ahead = prefetch_distance<T>(stride);
  if constexpr (kUsesVectors<Op>) {
    using V = simd::Vec<T>;
    constexpr int L = simd::kLanes<T>;
    int64_t c = 0;
    V v[kRows];
    for (; c + L <= cols; c += L) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; r++) {
        v[r] = Op::lift(simd::load(x + r * stride + c));
        if (kRows > 1 && ahead) __builtin_prefetch(x + r * stride + c + ahead);
      }
      simd::store(part + c, join_group<Op, kRows>(simd::load(part + c), v));
    }
    if (c == cols) return;
    const int rest = static_cast<int>(cols - c);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; r++) v[r] = Op::lift(simd::load_partial(x + r * stride + c, rest));
    const V before = simd::load_partial(part + c, rest);
    simd::store_partial(part + c, join_group<Op, kRows>(before, v), rest);
  } else {
    for (int64_t c = 0; c < cols; c++) {
      typename Op::Part v[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; r++) v[r] = Op::lift(x[r * stride + c]);
      part[c] = join_tree<Op, kRows>(part[c], v);
    }
  }
}

// acc[c] takes in x[r][c] for all rows.
template <class Op>
[[gnu::noinline]] void reduce_columns_block(typename Op::Acc* __restrict acc,
                                            const typename Op::In* x, int64_t rows, int64_t stride,
                                            int64_t cols) {
  typename Op::Part part[kColumnTile];
  for (int64_t row = 0; row < rows; row += kRowsInPart<Op>) {
    const int64_t end = rows - row > kRowsInPart<Op> ? row + kRowsInPart<Op> : rows;
    for (int64_t c = 0; c < cols; c++) part[c] = Op::identity;
    int64_t r = row;
    for (; r + 4 <= end; r += 4) join_rows<Op, 4>(part, x + r * stride, stride, cols);
    for (; r < end; r++) join_rows<Op, 1>(part, x + r * stride, stride, cols);
    for (int64_t c = 0; c < cols; c++) Op::absorb(acc[c], part[c]);
  }
}

// acc[c] takes in x[r][c] for all rows of kVectors whole vectors without gaps: the partial results
// stay in registers and memory is read straight through.
template <class Op, int kVectors>
[[gnu::noinline]] void reduce_narrow_block(typename Op::Acc* __restrict acc,
                                           const typename Op::In* x, int64_t rows) {
  using T = typename Op::In;
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  constexpr int64_t kWidth = kVectors * L;
  for (int64_t row = 0; row < rows; row += kRowsInPart<Op>) {
    const int64_t end = rows - row > kRowsInPart<Op> ? row + kRowsInPart<Op> : rows;
    V a[kVectors];
    for (int k = 0; k < kVectors; k++) a[k] = simd::broadcast(Op::identity);
    int64_t r = row;
    for (; r + 4 <= end; r += 4)
#pragma GCC unroll 8
      for (int k = 0; k < kVectors; k++) {
        const T* from = x + r * kWidth + k * L;
        V v[4] = {Op::lift(simd::load(from)), Op::lift(simd::load(from + kWidth)),
                  Op::lift(simd::load(from + 2 * kWidth)), Op::lift(simd::load(from + 3 * kWidth))};
        a[k] = join_group<Op, 4>(a[k], v);
      }
    for (; r < end; r++)
      for (int k = 0; k < kVectors; k++) {
        V v[1] = {Op::lift(simd::load(x + r * kWidth + k * L))};
        a[k] = join_group<Op, 1>(a[k], v);
      }
    T part[kWidth];
    for (int k = 0; k < kVectors; k++) simd::store(part + k * L, a[k]);
    for (int64_t c = 0; c < kWidth; c++) Op::absorb(acc[c], part[c]);
  }
}

// Rows of `width` columns without gaps.
template <class Op>
inline void reduce_dense_block(typename Op::Acc* acc, const typename Op::In* x, int64_t rows,
                               int64_t width) {
  if constexpr (kHasNarrowBlocks<Op>) {
    if (constexpr int64_t L = simd::kLanes<typename Op::In>; width % L == 0) switch (width / L) {
        case 5: return reduce_narrow_block<Op, 5>(acc, x, rows);
        case 6: return reduce_narrow_block<Op, 6>(acc, x, rows);
        case 7: return reduce_narrow_block<Op, 7>(acc, x, rows);
        case 8: return reduce_narrow_block<Op, 8>(acc, x, rows);
      }
  }
  reduce_columns_block<Op>(acc, x, rows, width, width);
}

// Narrow rows without gaps are read as rows `fold` times as wide, whose columns are merged at the
// end, so that vectors are full.
inline int64_t fold_of(const ReductionPlan& plan) {
  const int64_t cols = plan.kept.inner();
  const bool dense = plan.reduced.ndim == 1 && plan.reduced.x[0] == cols;
  return dense && cols < 64 && plan.reduced.inner() >= 512 / cols ? 256 / cols : 1;
}

// The same, but five to eight whole vectors wide where that is possible.
template <class Op>
inline int64_t whole_fold_of(const ReductionPlan& plan) {
  const int64_t cols = plan.kept.inner(), rows = plan.reduced.inner();
  if constexpr (kHasNarrowBlocks<Op>) {
    constexpr int64_t L = simd::kLanes<typename Op::In>;
    int64_t fold = L;  // the fewest rows that make whole vectors
    while (fold > 1 && cols * fold / 2 % L == 0) fold /= 2;
    const int64_t vectors = cols * fold / L;
    const bool dense = plan.reduced.ndim == 1 && plan.reduced.x[0] == cols;
    if (dense && vectors <= 8 && rows * vectors >= 32 * fold) return fold * (8 / vectors);
  }
  return fold_of(plan);
}

template <class Op>
[[gnu::noinline]] void reduce_columns_span(typename Op::Acc* acc, const typename Op::In* x,
                                           const AxisGroup& reduced, int64_t begin, int64_t end,
                                           int64_t cols, int64_t fold) {
  for (int64_t c = 0; c < cols * fold; c++) acc[c] = {};
  if (fold == 1 && (reduced.ndim > 1 || reduced.x_step() != cols)) {
    for_each_run(reduced, begin, end, [&](int64_t at, int64_t, int64_t rows) {
      reduce_columns_block<Op>(acc, x + at, rows, reduced.x_step(), cols);
    });
    return;
  }
  const int64_t wide = (end - begin) / fold, rest = (end - begin) % fold;
  const typename Op::In* from = x + begin * cols;
  reduce_dense_block<Op>(acc, from, wide, cols * fold);
  if (rest > 0) reduce_columns_block<Op>(acc, from + wide * cols * fold, 1, 0, rest * cols);
  for (int64_t k = 1; k < fold; k++)
    for (int64_t c = 0; c < cols; c++) Op::merge(acc[c], acc[k * cols + c]);
}

template <class Op>
void reduce_columns(const ReductionPlan& plan, const typename Op::In* x, typename Op::Out* y) {
  using Acc = typename Op::Acc;
  const AxisGroup &kept = plan.kept, &reduced = plan.reduced;
  const int64_t cols = kept.inner(), n = reduced.size(), fold = whole_fold_of<Op>(plan);
  const int64_t tile = cols < kColumnTile ? cols : kColumnTile;
  const int64_t tiles = (cols + tile - 1) / tile, width = tile * fold;
  const int64_t strips = kept.size() / cols * tiles;
  const int64_t part_rows =
      strips >= kFewReductions || n * tile <= kColumnPart ? n : kColumnPart / tile;
  const int64_t parts = (n + part_rows - 1) / part_rows;
  // Strip s: its first column in x and y, and how many columns it has.
  const auto with_strip = [&](int64_t s, auto&& body) {
    const int64_t first = s % tiles * tile;
    int64_t y_at;
    const int64_t at = offset_of(kept, s / tiles * cols + first, y_at);
    body(at, y_at, cols - first < tile ? cols - first : tile);
  };
  const auto write = [&](const Acc* acc, int64_t y_at, int64_t count) {
    for (int64_t c = 0; c < count; c++) y[y_at + c] = Op::finish(acc[c], n);
  };
  if (parts == 1) {
    parallel_for(strips, kReduceGrain / (n * tile), [&](int64_t begin, int64_t end) {
      Scratch<Acc> acc(width);
      for (int64_t s = begin; s < end; s++)
        with_strip(s, [&](int64_t at, int64_t y_at, int64_t count) {
          reduce_columns_span<Op>(acc.get(), x + at, reduced, 0, n, count, fold);
          write(acc.get(), y_at, count);
        });
    });
    return;
  }
  Scratch<Acc> partial(strips * parts * width);
  parallel_for(strips * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++)
      with_strip(task / parts, [&](int64_t at, int64_t, int64_t count) {
        const int64_t from = task % parts * part_rows;
        reduce_columns_span<Op>(partial.get() + task * width, x + at, reduced, from,
                                from + part_rows < n ? from + part_rows : n, count, fold);
      });
  });
  for (int64_t s = 0; s < strips; s++)
    with_strip(s, [&](int64_t, int64_t y_at, int64_t count) {
      Acc* acc = partial.get() + s * parts * width;
      for (int64_t p = 1; p < parts; p++)
        for (int64_t c = 0; c < count; c++) Op::merge(acc[c], acc[p * width + c]);
      write(acc, y_at, count);
    });
}

template <class Op>
void reduce(const Operand& x, const Operand& y, uint32_t axes) {
  const ReductionPlan plan = make_reduction_plan(x, y, axes);
  const auto* from = x.as<typename Op::In>() + plan.x_offset;
  auto* to = y.as<typename Op::Out>();
  const bool columns = plan.kept.x_step() == 1 && plan.kept.y_step() == 1;
  if (columns && plan.reduced.x_step() != 1)
    reduce_columns<Op>(plan, from, to);
  else
    reduce_rows<Op>(plan, from, to);
}

}  // namespace weft::cpu::WEFT_ISA
