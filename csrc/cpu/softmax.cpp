// Along the last axis: rows that fit in a few registers are read once; longer ones three times,
// from cache. Along another axis: a vector of neighbours side by side.
#include "ops/softmax.h"

#include "cpu/moments.h"
#include "cpu/simd_math.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kGrain = 8 * 1024;  // elements

struct Largest {
  template <class V>
  static V join(V a, V b) {
    return simd::max(a, b);
  }
};

template <class T>
constexpr T kLowest = static_cast<T>(-__builtin_inf());

// A row as kVectors vectors; beyond its end the lanes hold `beyond`.
template <class T, int kVectors>
WEFT_INLINE void load_row(const T* x, int n, T beyond, simd::Vec<T>* v) {
  constexpr int L = simd::kLanes<T>;
  constexpr int kLast = kVectors - 1;
#pragma GCC unroll 4
  for (int k = 0; k < kLast; k++) v[k] = simd::load(x + k * L);
  const int rest = n - kLast * L;
  v[kLast] = simd::select(first_lanes<T>(rest), simd::load_partial(x + kLast * L, rest),
                          simd::broadcast(beyond));
}
template <class T, int kVectors>
WEFT_INLINE void store_row(T* y, int n, const simd::Vec<T>* v) {
  constexpr int L = simd::kLanes<T>;
  constexpr int kLast = kVectors - 1;
#pragma GCC unroll 4
  for (int k = 0; k < kLast; k++) simd::store(y + k * L, v[k]);
  simd::store_partial(y + kLast * L, v[kLast], n - kLast * L);
}
template <class Op, int kVectors, class V>
WEFT_INLINE V join_row(const V* v) {
  V total = v[0];
#pragma GCC unroll 4
  for (int k = 1; k < kVectors; k++) total = Op::join(total, v[k]);
  return join_lanes<Op, simd::Lane<V>>(total);
}

template <class T, bool kLog, int kVectors>
void short_rows(const T* x, T* y, int64_t rows, int64_t n) {
  using V = simd::Vec<T>;
  const int length = static_cast<int>(n);
  for (int64_t row = 0; row < rows; row++) {
    V v[kVectors], e[kVectors];
    load_row<T, kVectors>(x + row * n, length, kLowest<T>, v);
    const V top = join_row<Largest, kVectors>(v);
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; k++) {
      v[k] = v[k] - top;
      e[k] = simd::exp(v[k]);
    }
    const V sum = join_row<Adding, kVectors>(e);
    const V factor = kLog ? simd::log(sum) : simd::broadcast(T(1)) / sum;
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; k++) v[k] = kLog ? v[k] - factor : e[k] * factor;
    store_row<T, kVectors>(y + row * n, length, v);
  }
}

template <class T>
WEFT_INLINE simd::Vec<T> load_or(const T* p, int64_t i, int64_t n, T beyond) {
  constexpr int L = simd::kLanes<T>;
  if (i + L <= n) return simd::load(p + i);
  const int rest = static_cast<int>(n - i);
  return simd::select(first_lanes<T>(rest), simd::load_partial(p + i, rest),
                      simd::broadcast(beyond));
}
template <class T>
WEFT_INLINE void store_some(T* p, int64_t i, int64_t n, simd::Vec<T> v) {
  constexpr int L = simd::kLanes<T>;
  if (i + L <= n)
    simd::store(p + i, v);
  else
    simd::store_partial(p + i, v, static_cast<int>(n - i));
}

template <class T>
T row_max(const T* x, int64_t n) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  V a[4];
  for (V& v : a) v = simd::broadcast(kLowest<T>);
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) a[k] = simd::max(a[k], simd::load(x + i + k * L));
  for (; i < n; i += L) a[0] = simd::max(a[0], load_or(x, i, n, kLowest<T>));
  return join_row<Largest, 4>(a)[0];
}

// sum(exp(x - top)), blocks added in float64; keep(i, exp) sees every vector.
template <class T, class Keep>
WEFT_INLINE double sum_exp(const T* x, int64_t n, T top, Keep&& keep) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const V shift = simd::broadcast(top);
  double total = 0;
  for (int64_t block = 0; block < n; block += kRowBlock) {
    const int64_t end = block + kRowBlock < n ? block + kRowBlock : n;
    V sum[2] = {};
    int64_t i = block;
    for (; i + 2 * L <= end; i += 2 * L)
#pragma GCC unroll 2
      for (int k = 0; k < 2; k++) {
        const V e = simd::exp(simd::load(x + i + k * L) - shift);
        keep(i + k * L, e);
        sum[k] += e;
      }
    for (; i < end; i += L) {
      const V e = simd::exp(load_or(x, i, end, kLowest<T>) - shift);
      keep(i, e);
      sum[0] += e;
    }
    total += static_cast<double>(join_row<Adding, 2>(sum)[0]);
  }
  return total;
}

template <class T, bool kLog>
void long_row(const T* x, T* y, int64_t n) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const T top = row_max(x, n);
  if constexpr (kLog) {
    const double sum = sum_exp(x, n, top, [](int64_t, V) {});
    const V shift = simd::broadcast(top), log_sum = simd::log(simd::broadcast(static_cast<T>(sum)));
    for (int64_t i = 0; i < n; i += L)
      store_some(y, i, n, load_or(x, i, n, T(0)) - shift - log_sum);
  } else {
    const double sum = sum_exp(x, n, top, [&](int64_t i, V e) { store_some(y, i, n, e); });
    const V factor = simd::broadcast(static_cast<T>(1 / sum));
    for (int64_t i = 0; i < n; i += L) store_some(y, i, n, load_or(y, i, n, T(0)) * factor);
  }
}

template <class T, bool kLog>
void rows_forward(const T* x, T* y, int64_t rows, int64_t n) {
  constexpr int L = simd::kLanes<T>;
  if (n <= L) return short_rows<T, kLog, 1>(x, y, rows, n);
  if (n <= 2 * L) return short_rows<T, kLog, 2>(x, y, rows, n);
  if (n <= 3 * L) return short_rows<T, kLog, 3>(x, y, rows, n);
  if (n <= 4 * L) return short_rows<T, kLog, 4>(x, y, rows, n);
  for (int64_t row = 0; row < rows; row++) long_row<T, kLog>(x + row * n, y + row * n, n);
}

// term(0) + ... + term(n - 1), in blocks so that few roundings follow each other.
template <class V, class Term>
WEFT_INLINE V sum_blocks(int64_t n, Term&& term) {
  constexpr int64_t kBlock = 64;
  V total{};
  for (int64_t block = 0; block < n; block += kBlock) {
    V sum{};
    for (int64_t r = block; r < n && r < block + kBlock; r++) sum += term(r);
    total += sum;
  }
  return total;
}

// Neighbours [0, width) of one strip, the softmax running over `stride`.
template <class T, bool kLog>
void strip_forward(const T* x, T* y, int64_t n, int64_t stride, int64_t width) {
  using V = simd::Vec<T>;
  for (int64_t c = 0; c < width; c += simd::kLanes<T>) {
    V top = simd::broadcast(kLowest<T>);
    for (int64_t r = 0; r < n; r++) top = simd::max(top, load_or(x + r * stride, c, width, T(0)));
    const V sum = sum_blocks<V>(n, [&](int64_t r) {
      const V e = simd::exp(load_or(x + r * stride, c, width, T(0)) - top);
      if constexpr (!kLog) store_some(y + r * stride, c, width, e);
      return e;
    });
    const V factor = kLog ? simd::log(sum) : simd::broadcast(T(1)) / sum;
    for (int64_t r = 0; r < n; r++) {
      const V v = kLog ? load_or(x + r * stride, c, width, T(0)) - top - factor
                       : load_or(y + r * stride, c, width, T(0)) * factor;
      store_some(y + r * stride, c, width, v);
    }
  }
}

// rows(first, count) when the axis is contiguous, else strip(offset, width).
template <class Rows, class Strip>
void for_each_softmax(const SoftmaxParams& p, Rows&& rows, Strip&& strip) {
  if (p.inner == 1) {
    parallel_for(p.outer, kGrain / p.n,
                 [&](int64_t begin, int64_t end) { rows(begin, end - begin); });
    return;
  }
  constexpr int64_t kStrip = 64;
  const int64_t strips = (p.inner + kStrip - 1) / kStrip;
  const int64_t widest = p.inner < kStrip ? p.inner : kStrip;
  parallel_for(p.outer * strips, kGrain / (p.n * widest), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t first = task % strips * kStrip;
      strip(task / strips * p.n * p.inner + first,
            p.inner - first < kStrip ? p.inner - first : kStrip);
    }
  });
}

template <class T, bool kLog>
void forward(const SoftmaxParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[1].as<T>();
  for_each_softmax(
      p,
      [&](int64_t row, int64_t count) {
        rows_forward<T, kLog>(x + row * p.n, y + row * p.n, count, p.n);
      },
      [&](int64_t at, int64_t width) {
        strip_forward<T, kLog>(x + at, y + at, p.n, p.inner, width);
      });
}

// dx = y (dy - sum(dy y)), or dy - exp(y) sum(dy) for the logarithm.
template <class T, bool kLog>
WEFT_INLINE simd::Vec<T> term(simd::Vec<T> dy, simd::Vec<T> y) {
  return kLog ? dy : dy * y;
}
template <class T, bool kLog>
WEFT_INLINE simd::Vec<T> gradient(simd::Vec<T> dy, simd::Vec<T> y, simd::Vec<T> sum) {
  return kLog ? dy - simd::exp(y) * sum : y * (dy - sum);
}

template <class T, bool kLog, int kVectors>
void short_rows_backward(const T* dy, const T* y, T* dx, int64_t rows, int64_t n) {
  using V = simd::Vec<T>;
  const int length = static_cast<int>(n);
  for (int64_t at = 0; at < rows * n; at += n) {
    V d[kVectors], v[kVectors], terms[kVectors];
    load_row<T, kVectors>(dy + at, length, T(0), d);
    load_row<T, kVectors>(y + at, length, T(0), v);
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; k++) terms[k] = term<T, kLog>(d[k], v[k]);
    const V sum = join_row<Adding, kVectors>(terms);
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; k++) d[k] = gradient<T, kLog>(d[k], v[k], sum);
    store_row<T, kVectors>(dx + at, length, d);
  }
}

template <class T, bool kLog>
void row_backward(const T* dy, const T* y, T* dx, int64_t n) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  double sum_of_blocks = 0;
  for (int64_t block = 0; block < n; block += kRowBlock) {
    const int64_t end = block + kRowBlock < n ? block + kRowBlock : n;
    V sum{}, more{};
    int64_t i = block;
    for (; i + 2 * L <= end; i += 2 * L) {
      sum += term<T, kLog>(simd::load(dy + i), simd::load(y + i));
      more += term<T, kLog>(simd::load(dy + i + L), simd::load(y + i + L));
    }
    for (; i < end; i += L)
      sum += term<T, kLog>(load_or(dy, i, end, T(0)), load_or(y, i, end, T(0)));
    sum_of_blocks += static_cast<double>(reduce_lanes<Adding, T>(sum + more));
  }
  const V total = simd::broadcast(static_cast<T>(sum_of_blocks));
  for (int64_t i = 0; i < n; i += L)
    store_some(dx, i, n, gradient<T, kLog>(load_or(dy, i, n, T(0)), load_or(y, i, n, T(0)), total));
}

template <class T, bool kLog>
void rows_backward(const T* dy, const T* y, T* dx, int64_t rows, int64_t n) {
  constexpr int L = simd::kLanes<T>;
  if (n <= L) return short_rows_backward<T, kLog, 1>(dy, y, dx, rows, n);
  if (n <= 2 * L) return short_rows_backward<T, kLog, 2>(dy, y, dx, rows, n);
  if (n <= 3 * L) return short_rows_backward<T, kLog, 3>(dy, y, dx, rows, n);
  if (n <= 4 * L) return short_rows_backward<T, kLog, 4>(dy, y, dx, rows, n);
  for (int64_t at = 0; at < rows * n; at += n) row_backward<T, kLog>(dy + at, y + at, dx + at, n);
}

template <class T, bool kLog>
void strip_backward(const T* dy, const T* y, T* dx, int64_t n, int64_t stride, int64_t width) {
  using V = simd::Vec<T>;
  for (int64_t c = 0; c < width; c += simd::kLanes<T>) {
    const V sum = sum_blocks<V>(n, [&](int64_t r) {
      return term<T, kLog>(load_or(dy + r * stride, c, width, T(0)),
                           load_or(y + r * stride, c, width, T(0)));
    });
    for (int64_t at = 0; at < n * stride; at += stride)
      store_some(dx + at, c, width,
                 gradient<T, kLog>(load_or(dy + at, c, width, T(0)),
                                   load_or(y + at, c, width, T(0)), sum));
  }
}

template <class T, bool kLog>
void backward(const SoftmaxParams& p, const Operand* operands) {
  const T *dy = operands[0].as<T>(), *y = operands[1].as<T>();
  T* dx = operands[2].as<T>();
  for_each_softmax(
      p,
      [&](int64_t row, int64_t count) {
        const int64_t at = row * p.n;
        rows_backward<T, kLog>(dy + at, y + at, dx + at, count, p.n);
      },
      [&](int64_t at, int64_t width) {
        strip_backward<T, kLog>(dy + at, y + at, dx + at, p.n, p.inner, width);
      });
}

template <class T>
void logsumexp(const SoftmaxParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[1].as<T>();
  parallel_for(p.outer, kGrain / p.n, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const T largest = row_max(x + row * p.n, p.n);
      // An infinite maximum is the result; without a shift it comes out, and so does NaN.
      const T top = __builtin_isfinite(largest) ? largest : T(0);
      const double sum = sum_exp(x + row * p.n, p.n, top, [](int64_t, simd::Vec<T>) {});
      y[row] = top + simd::log(simd::broadcast(static_cast<T>(sum)))[0];
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define SOFTMAX(T)                                                                  \
  kernel_entry<&forward<T, false>>(kernels::softmax, dtype_of<T>),                  \
      kernel_entry<&forward<T, true>>(kernels::log_softmax, dtype_of<T>),           \
      kernel_entry<&backward<T, false>>(kernels::softmax_backward, dtype_of<T>),    \
      kernel_entry<&backward<T, true>>(kernels::log_softmax_backward, dtype_of<T>), \
      kernel_entry<&logsumexp<T>>(kernels::logsumexp, dtype_of<T>)
WEFT_CPU_KERNELS(softmax, SOFTMAX(float), SOFTMAX(double))
