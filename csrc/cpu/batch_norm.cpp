// Two readings of x forward (statistics, then the result) and two of x and dy backward, each in the
// order of memory. Rows of few channels are folded (cpu/narrow.h); wider rows under kWide are read
// as rows `fold` times as wide too, with the per-channel numbers repeated, so that vectors are full
// for any number of channels. Large results go past the caches (cpu/streaming.h).
#include "ops/batch_norm.h"

#include "core/tail.h"
#include "cpu/moments.h"
#include "cpu/streaming.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kWide = 256;
constexpr int64_t kGrain = 32 * 1024;   // elements
constexpr int64_t kTailed = 32 * 1024;  // elements of a part for the tail: they are still in L1
constexpr int64_t kRowsAdded = 32;      // rows added in T before float64 takes over

template <class T>
using Vec = simd::Vec<T>;

// x as rows of C * fold elements, the last one shorter.
template <class T>
struct Rows {
  int64_t width, count, last;  // `count` includes the last row, of `last` elements
  bool narrow;

  explicit Rows(const BatchNormParams& p) {
    const int64_t total = p.M * p.C, registers = narrow_fold<T>(p.C);
    const int64_t fold = registers > 0 ? registers : p.C < kWide ? kWide / p.C : 1;
    width = p.C * fold;
    count = (total + width - 1) / width;
    last = total - (count - 1) * width;
    narrow = is_narrow<T>(width);
  }
  int64_t length(int64_t row) const { return row + 1 < count ? width : last; }
  int64_t whole() const { return last == width ? count : count - 1; }
};

// Per-channel numbers repeated to the width of a row.
template <class T, class F>
void repeat(T* out, int64_t width, int64_t C, F&& value) {
  for (int64_t c = 0; c < C; c++) out[c] = static_cast<T>(value(c));
  for (int64_t i = C; i < width; i++) out[i] = out[i - C];
}

template <class T>
T at_or(const Operand& t, int64_t c, T otherwise) {
  return t.present ? t.as<T>()[c] : otherwise;
}

// body(load, store, i): one vector of the row at element i, a partial one at its end.
template <class T, class Body>
WEFT_INLINE void for_each_vector(int64_t n, Body&& body) {
  constexpr int L = simd::kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L)
    body(
        i, [](const T* p) { return simd::load(p); },
        [](T* p, simd::Vec<T> v) { simd::store(p, v); });
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    body(
        i, [rest](const T* p) { return simd::load_partial(p, rest); },
        [rest](T* p, simd::Vec<T> v) { simd::store_partial(p, v, rest); });
  }
}

// An output of a vector is F::of(inputs, constants); F says how many of each there are. Constants
// are per channel, as wide as a row and one after the other.
template <class T, class F>
struct RowMap {
  const T* in[F::kInputs];
  const T* constants;
  T* out;
};

// y = (x - mean) * scale + beta
struct Normalized {
  static constexpr int kInputs = 1, kConstants = 3;
  template <class V>
  static WEFT_INLINE V of(const V* in, const V* c) {
    return (in[0] - c[0]) * c[1] + c[2];
  }
};

// dx = scale (dy - mean(dy) - (x - mean) rstd^2 mean(dy (x - mean))) of dy, x
struct Gradient {
  static constexpr int kInputs = 2, kConstants = 4;
  template <class V>
  static WEFT_INLINE V of(const V* in, const V* c) {
    return (in[0] - c[3] - (in[1] - c[0]) * c[2]) * c[1];
  }
};

template <int kVectors, bool kStream, class T, class F>
[[gnu::noinline]] void map_narrow(const RowMap<T, F>& map, int64_t begin, int64_t end) {
  constexpr int L = simd::kLanes<T>;
  constexpr int64_t W = kVectors * L;
  Vec<T> constants[kVectors][F::kConstants];
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; k++)
#pragma GCC unroll 4
    for (int c = 0; c < F::kConstants; c++)
      constants[k][c] = simd::load(map.constants + c * W + k * L);
  for (int64_t at = begin * W; at < end * W; at += W)
#pragma GCC unroll 8
    for (int k = 0; k < kVectors; k++) {
      Vec<T> in[F::kInputs];
      for (int i = 0; i < F::kInputs; i++) in[i] = simd::load(map.in[i] + at + k * L);
      store_or_stream<kStream>(map.out + at + k * L, F::of(in, constants[k]));
    }
}

template <bool kStream, class T, class F>
void map_wide(const RowMap<T, F>& map, const Rows<T>& rows, int64_t begin, int64_t end) {
  const int64_t W = rows.width;
  for (int64_t row = begin; row < end; row++)
    for_each_vector<T>(rows.length(row), [&](int64_t i, auto load, auto store) {
      Vec<T> in[F::kInputs], constants[F::kConstants];
      for (int k = 0; k < F::kInputs; k++) in[k] = load(map.in[k] + row * W + i);
      for (int c = 0; c < F::kConstants; c++) constants[c] = load(map.constants + c * W + i);
      if constexpr (kStream)
        store_past_caches(map.out + row * W + i, F::of(in, constants));
      else
        store(map.out + row * W + i, F::of(in, constants));
    });
}

template <bool kStream, class T, class F>
void map_rows(const RowMap<T, F>& map, const Rows<T>& rows, int64_t begin, int64_t end) {
  const int64_t whole = end < rows.whole() ? end : rows.whole();
  if (!rows.narrow) {
    map_wide<kStream>(map, rows, begin, whole);
  } else if (begin < whole) {
    with_vectors<T>(rows.width,
                    [&]<int kVectors>() { map_narrow<kVectors, kStream>(map, begin, whole); });
  }
  if constexpr (kStream) finish_streaming();
  if (whole < end) map_wide<false>(map, rows, whole < begin ? begin : whole, end);
}

// The second reading goes backwards over blocks of rows: what was read last is still in cache.
// Large inputs are read in longer blocks: what the hardware fetches beyond a block is in vain.
template <class T, class F>
void map_from_the_end(const RowMap<T, F>& map, const Rows<T>& rows, const TailOfKernel& tail) {
  constexpr int64_t L = simd::kLanes<T>;
  const int64_t bytes = rows.count * rows.width * static_cast<int64_t>(sizeof(T));
  const int64_t grain = bytes * 2 < kStreamedFrom ? kGrain : 4 * kGrain;
  const bool stream =
      !tail && 2 * bytes >= kStreamedFrom && rows.width % L == 0 && is_vector_aligned(map.out);
  const int64_t part = tail ? kTailed / rows.width + 1 : rows.count;
  parallel_for(rows.count, grain / rows.width, [&](int64_t begin, int64_t end) {
    for (int64_t first = rows.count - end; first < rows.count - begin; first += part) {
      const int64_t most = rows.count - begin, stop = first + part < most ? first + part : most;
      if (stream)
        map_rows<true>(map, rows, first, stop);
      else
        map_rows<false>(map, rows, first, stop);
      tail(first * rows.width, (stop - 1) * rows.width + rows.length(stop - 1));
    }
  });
}

template <class T>
void forward(const BatchNormParams& p, const Operand* operands) {
  const TailOfKernel tail;
  const Operand &x = operands[0], &gamma = operands[1], &beta = operands[2];
  T *y = operands[3].as<T>(), *mean = operands[4].as<T>(), *variance = operands[5].as<T>(),
    *rstd = operands[6].as<T>();
  Operand matrix = x, row = x;
  matrix.shape = {p.M, p.C};
  matrix.strides = {p.C, 1};
  row.shape = {1, p.C};
  row.strides = {p.C, 1};
  moments_of(make_reduction_plan(matrix, row, 1), x.as<T>(), [&](int64_t c, double m, double m2) {
    const double v = m2 / static_cast<double>(p.M);
    mean[c] = static_cast<T>(m);
    variance[c] = static_cast<T>(v);
    rstd[c] = static_cast<T>(1 / __builtin_sqrt(v + p.epsilon));
  });
  const Rows<T> rows(p);
  Scratch<T> wide(3 * rows.width);
  T *centers = wide.get(), *scales = centers + rows.width, *shifts = scales + rows.width;
  repeat(centers, rows.width, p.C, [&](int64_t c) { return mean[c]; });
  repeat(scales, rows.width, p.C, [&](int64_t c) { return rstd[c] * at_or(gamma, c, T(1)); });
  repeat(shifts, rows.width, p.C, [&](int64_t c) { return at_or(beta, c, T(0)); });
  map_from_the_end(RowMap<T, Normalized>{{x.as<T>()}, wide.get(), y}, rows, tail);
}

template <class T>
void inference(const BatchNormParams& p, const Operand* operands) {
  const TailOfKernel tail;
  const T *x = operands[0].as<T>(), *mean = operands[1].as<T>(), *variance = operands[2].as<T>();
  const Operand &gamma = operands[3], &beta = operands[4];
  const Rows<T> rows(p);
  Scratch<T> wide(3 * rows.width);
  T *centers = wide.get(), *scales = centers + rows.width, *shifts = scales + rows.width;
  repeat(centers, rows.width, p.C, [&](int64_t c) { return mean[c]; });
  repeat(scales, rows.width, p.C, [&](int64_t c) {
    const double rstd = 1 / __builtin_sqrt(static_cast<double>(variance[c]) + p.epsilon);
    return rstd * static_cast<double>(at_or(gamma, c, T(1)));
  });
  repeat(shifts, rows.width, p.C, [&](int64_t c) { return at_or(beta, c, T(0)); });
  map_from_the_end(RowMap<T, Normalized>{{x}, wide.get(), operands[5].as<T>()}, rows, tail);
}

// part[i] += sum of dy, part[W + i] += sum of dy * (x - mean), for the rows [begin, end).
template <int kVectors, class T>
[[gnu::noinline]] void add_narrow(const T* dy, const T* x, const T* mean, int64_t begin,
                                  int64_t end, T* part) {
  constexpr int L = simd::kLanes<T>;
  constexpr int64_t W = kVectors * L;
  Vec<T> center[kVectors], plain[kVectors] = {}, scaled[kVectors] = {};
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; k++) center[k] = simd::load(mean + k * L);
  for (int64_t at = begin * W; at < end * W; at += W)
#pragma GCC unroll 8
    for (int k = 0; k < kVectors; k++) {
      const Vec<T> g = simd::load(dy + at + k * L);
      plain[k] += g;
      scaled[k] += g * (simd::load(x + at + k * L) - center[k]);
    }
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; k++) {
    simd::store(part + k * L, plain[k]);
    simd::store(part + W + k * L, scaled[k]);
  }
}

template <class T>
void add_wide(const Rows<T>& rows, const T* dy, const T* x, const T* mean, int64_t begin,
              int64_t end, T* part) {
  const int64_t W = rows.width;
  for (int64_t i = 0; i < 2 * W; i++) part[i] = 0;
  int64_t r = begin;
  for (; r + 4 <= end && r + 4 < rows.count; r += 4) {
    const T *d = dy + r * W, *v = x + r * W;
    for_each_vector<T>(W, [&](int64_t i, auto load, auto store) {
      const auto center = load(mean + i);
      auto plain = load(part + i), scaled = load(part + W + i);
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) {
        const auto g = load(d + k * W + i);
        plain += g;
        scaled += g * (load(v + k * W + i) - center);
      }
      store(part + i, plain);
      store(part + W + i, scaled);
    });
  }
  for (; r < end; r++)
    for_each_vector<T>(rows.length(r), [&](int64_t i, auto load, auto store) {
      const auto g = load(dy + r * W + i);
      store(part + i, load(part + i) + g);
      store(part + W + i, load(part + W + i) + g * (load(x + r * W + i) - load(mean + i)));
    });
}

// total[i] = sum of dy, total[W + i] = sum of dy * (x - mean), for the rows [begin, end).
template <class T>
void add_rows(const Rows<T>& rows, const T* dy, const T* x, const T* mean, int64_t begin,
              int64_t end, T* part, double* total) {
  const int64_t W = rows.width;
  for (int64_t i = 0; i < 2 * W; i++) total[i] = 0;
  for (int64_t row = begin; row < end; row += kRowsAdded) {
    const int64_t stop = row + kRowsAdded < end ? row + kRowsAdded : end;
    if (rows.narrow && stop <= rows.whole())
      with_vectors<T>(W,
                      [&]<int kVectors>() { add_narrow<kVectors>(dy, x, mean, row, stop, part); });
    else
      add_wide(rows, dy, x, mean, row, stop, part);
    for (int64_t i = 0; i < 2 * W; i++) total[i] += static_cast<double>(part[i]);
  }
}

template <class T>
void backward(const BatchNormParams& p, const Operand* operands) {
  const TailOfKernel tail;
  const T *dy = operands[0].as<T>(), *x = operands[1].as<T>(), *mean = operands[3].as<T>(),
          *rstd = operands[4].as<T>();
  const Operand& gamma = operands[2];
  T *dx = operands[5].as<T>(), *dgamma = operands[6].as<T>(), *dbeta = operands[7].as<T>();
  const Rows<T> rows(p);
  const int64_t W = rows.width;
  Scratch<T> wide(4 * W);
  T *centers = wide.get(), *scales = centers + W, *slopes = scales + W, *shifts = slopes + W;
  repeat(centers, W, p.C, [&](int64_t c) { return mean[c]; });

  const int64_t part_rows =
      kGrain / W > kRowsAdded ? kGrain / W / kRowsAdded * kRowsAdded : kRowsAdded;
  const int64_t parts = (rows.count + part_rows - 1) / part_rows;
  Scratch<double> totals(parts * 2 * W);
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> part(2 * W);
    for (int64_t k = begin; k < end; k++)
      add_rows(rows, dy, x, centers, k * part_rows,
               (k + 1) * part_rows < rows.count ? (k + 1) * part_rows : rows.count, part.get(),
               totals.get() + k * 2 * W);
  });
  double* total = totals.get();
  for (int64_t k = 1; k < parts; k++)
    for (int64_t i = 0; i < 2 * W; i++) total[i] += total[k * 2 * W + i];
  for (int64_t i = p.C; i < W; i++) {
    total[i % p.C] += total[i];
    total[W + i % p.C] += total[W + i];
  }
  for (int64_t c = 0; c < p.C; c++) {
    dbeta[c] = static_cast<T>(total[c]);
    dgamma[c] = static_cast<T>(total[W + c] * static_cast<double>(rstd[c]));
  }
  const double M = static_cast<double>(p.M);
  repeat(scales, W, p.C, [&](int64_t c) { return rstd[c] * at_or(gamma, c, T(1)); });
  repeat(slopes, W, p.C, [&](int64_t c) {
    const double r = static_cast<double>(rstd[c]);
    return r * r * total[W + c] / M;
  });
  repeat(shifts, W, p.C, [&](int64_t c) { return total[c] / M; });
  map_from_the_end(RowMap<T, Gradient>{{dy, x}, wide.get(), dx}, rows, tail);
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define BATCH_NORM(T)                                                          \
  kernel_entry<&forward<T>>(kernels::batch_norm, dtype_of<T>),                 \
      kernel_entry<&inference<T>>(kernels::batch_norm_inference, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::batch_norm_backward, dtype_of<T>)
WEFT_CPU_KERNELS(batch_norm, BATCH_NORM(float), BATCH_NORM(double))
