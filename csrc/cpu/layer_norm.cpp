// One row at a time, which stays in cache between its statistics and its result. Large results go
// past the caches (cpu/streaming.h).
#include "ops/layer_norm.h"

#include "cpu/moments.h"
#include "cpu/streaming.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements
constexpr int64_t kRowsAdded = 32;     // rows added in T before float64 takes over

// y[i] = f(i, load) for a row; `load` knows how many elements are left. Rows begin anywhere in a
// line: those that a row shares with its neighbours are written by ordinary stores.
template <bool kStream, class T, class F>
WEFT_INLINE void store_row(T* y, int64_t n, const F& f) {
  constexpr int L = simd::kLanes<T>;
  int64_t i = 0;
  const auto store_rest = [&](int64_t end) {
    const int rest = static_cast<int>(end - i);
    const auto load = [rest](const T* p) { return simd::load_partial(p, rest); };
    simd::store_partial(y + i, f(i, load), rest);
    i = end;
  };
  if constexpr (kStream)
    if (const int64_t before = elements_before_alignment(y, n); before > 0) store_rest(before);
  for (; i + L <= n; i += L)
    store_or_stream<kStream>(y + i, f(i, [](const T* p) { return simd::load(p); }));
  if (i < n) store_rest(n);
}

// y = (x - mean) * rstd * gamma + beta for one row. What is absent costs nothing.
template <class T, bool kGamma, bool kBeta, bool kStream>
void normalize_row(const T* x, const T* gamma, const T* beta, T* y, int64_t n, T mean, T rstd) {
  using V = simd::Vec<T>;
  const V center = simd::broadcast(mean), scale = simd::broadcast(rstd);
  store_row<kStream>(y, n, [&](int64_t i, auto load) __attribute__((always_inline)) {
    V v = (load(x + i) - center) * scale;
    if constexpr (kGamma) v = v * load(gamma + i);
    if constexpr (kBeta) v = v + load(beta + i);
    return v;
  });
}

template <class T, bool kGamma, bool kBeta, bool kStream>
void forward_rows(const LayerNormParams& p, const Operand* operands) {
  const T *x = operands[0].as<T>(), *gamma = operands[1].as<T>(), *beta = operands[2].as<T>();
  T *y = operands[3].as<T>(), *mean = operands[4].as<T>(), *rstd = operands[5].as<T>();
  const int64_t n = p.features;
  const double inverse = 1 / static_cast<double>(n);
  parallel_for(p.rows, kGrain / n, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const T origin = x[row * n];
      const Moments m = row_moments(x + row * n, n, origin);
      mean[row] = static_cast<T>(static_cast<double>(origin) + m.mean);
      rstd[row] = static_cast<T>(1 / __builtin_sqrt(m.m2 * inverse + p.epsilon));
      normalize_row<T, kGamma, kBeta, kStream>(x + row * n, gamma, beta, y + row * n, n, mean[row],
                                               rstd[row]);
    }
    if constexpr (kStream) finish_streaming();
  });
}

// Input and result together are too large for the caches.
template <class T>
bool is_streamed(const LayerNormParams& p) {
  return 2 * p.rows * p.features * static_cast<int64_t>(sizeof(T)) >= kStreamedFrom;
}

template <class T, bool kStream>
void forward_of(const LayerNormParams& p, const Operand* operands) {
  const bool gamma = operands[1].present, beta = operands[2].present;
  if (gamma && beta) return forward_rows<T, true, true, kStream>(p, operands);
  if (gamma) return forward_rows<T, true, false, kStream>(p, operands);
  if (beta) return forward_rows<T, false, true, kStream>(p, operands);
  forward_rows<T, false, false, kStream>(p, operands);
}

template <class T>
void forward(const LayerNormParams& p, const Operand* operands) {
  is_streamed<T>(p) ? forward_of<T, true>(p, operands) : forward_of<T, false>(p, operands);
}

// One row of dx, and its share of dgamma and dbeta:
//   dx = rstd (g - mean(g) - xhat mean(g xhat)),  g = dy gamma,  xhat = (x - mean) rstd
template <class T, bool kGamma, bool kStream>
void backward_row(const T* dy, const T* x, const T* gamma, T mean, T rstd, int64_t n, T* dx,
                  T* dgamma, T* dbeta) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const V center = simd::broadcast(mean), scale = simd::broadcast(rstd);
  double plain = 0, scaled = 0;
  for (int64_t block = 0; block < n; block += kRowBlock) {
    const int64_t end = block + kRowBlock < n ? block + kRowBlock : n;
    V sum[2] = {}, sum_hat[2] = {};
    const auto add = [&](int64_t i, int k, auto load, auto store) {
      const V d = load(dy + i);  // lanes beyond the end have d = 0
      const V hat = (load(x + i) - center) * scale, weighted = d * hat;
      store(dgamma + i, load(dgamma + i) + weighted);
      store(dbeta + i, load(dbeta + i) + d);
      if constexpr (kGamma) {
        const V g = load(gamma + i);
        sum[k] += d * g;
        sum_hat[k] += weighted * g;
      } else {
        sum[k] += d;
        sum_hat[k] += weighted;
      }
    };
    const auto load = [](const T* p) { return simd::load(p); };
    const auto store = [](T* p, V v) { simd::store(p, v); };
    int64_t i = block;
    for (; i + 2 * L <= end; i += 2 * L) {
      add(i, 0, load, store);
      add(i + L, 1, load, store);
    }
    for (; i < end; i += L) {
      const int rest = static_cast<int>(end - i < L ? end - i : L);
      add(
          i, 0, [rest](const T* p) { return simd::load_partial(p, rest); },
          [rest](T* p, V v) { simd::store_partial(p, v, rest); });
    }
    plain += static_cast<double>(reduce_lanes<Adding, T>(sum[0] + sum[1]));
    scaled += static_cast<double>(reduce_lanes<Adding, T>(sum_hat[0] + sum_hat[1]));
  }
  const V shift = simd::broadcast(static_cast<T>(plain / static_cast<double>(n)));
  const V slope = simd::broadcast(static_cast<T>(scaled / static_cast<double>(n)));
  store_row<kStream>(dx, n, [&](int64_t i, auto load) __attribute__((always_inline)) {
    V g = load(dy + i);
    if constexpr (kGamma) g = g * load(gamma + i);
    const V hat = (load(x + i) - center) * scale;
    return (g - shift - hat * slope) * scale;
  });
}

template <class T>
void backward(const LayerNormParams& p, const Operand* operands) {
  const T *dy = operands[0].as<T>(), *x = operands[1].as<T>(), *gamma = operands[2].as<T>(),
          *mean = operands[3].as<T>(), *rstd = operands[4].as<T>();
  T *dx = operands[5].as<T>(), *dgamma = operands[6].as<T>(), *dbeta = operands[7].as<T>();
  const int64_t n = p.features, wanted = kReducePart / n;
  const int64_t part_rows = wanted > kRowsAdded ? wanted / kRowsAdded * kRowsAdded : kRowsAdded;
  const int64_t parts = (p.rows + part_rows - 1) / part_rows;
  Scratch<double> totals(parts * 2 * n);
  const bool stream = is_streamed<T>(p);
  const auto one = stream  ? gamma ? &backward_row<T, true, true> : &backward_row<T, false, true>
                   : gamma ? &backward_row<T, true, false>
                           : &backward_row<T, false, false>;
  // Both sums begin with a line: vectors that cross lines are stored twice.
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t second = (n + kLine - 1) / kLine * kLine;
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> added(second + n);
    for (int64_t part = begin; part < end; part++) {
      double* total = totals.get() + part * 2 * n;
      for (int64_t i = 0; i < 2 * n; i++) total[i] = 0;
      const int64_t stop = (part + 1) * part_rows < p.rows ? (part + 1) * part_rows : p.rows;
      for (int64_t block = part * part_rows; block < stop; block += kRowsAdded) {
        for (int64_t i = 0; i < second + n; i++) added[i] = 0;
        for (int64_t row = block; row < stop && row < block + kRowsAdded; row++) {
          const int64_t at = row * n;
          one(dy + at, x + at, gamma, mean[row], rstd[row], n, dx + at, added.get(),
              added.get() + second);
        }
        for (int64_t i = 0; i < n; i++) {
          total[i] += static_cast<double>(added[i]);
          total[n + i] += static_cast<double>(added[second + i]);
        }
      }
    }
    if (stream) finish_streaming();
  });
  for (int64_t i = 0; i < n; i++) {
    double gamma_sum = 0, beta_sum = 0;
    for (int64_t part = 0; part < parts; part++) {
      gamma_sum += totals[part * 2 * n + i];
      beta_sum += totals[part * 2 * n + n + i];
    }
    dgamma[i] = static_cast<T>(gamma_sum);
    dbeta[i] = static_cast<T>(beta_sum);
  }
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define LAYER_NORM(T)                                          \
  kernel_entry<&forward<T>>(kernels::layer_norm, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::layer_norm_backward, dtype_of<T>)
WEFT_CPU_KERNELS(layer_norm, LAYER_NORM(float), LAYER_NORM(double))
