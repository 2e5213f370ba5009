// One row at a time, which stays in cache between its statistics and its result.
#include "ops/layer_norm.h"

#include "cpu/moments.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements
constexpr int64_t kRowsAdded = 32;     // rows added in T before float64 takes over

template <class T>
WEFT_INLINE simd::Vec<T> load_some(const T* p, int64_t i, int64_t n) {
  constexpr int L = simd::kLanes<T>;
  return i + L <= n ? simd::load(p + i) : simd::load_partial(p + i, static_cast<int>(n - i));
}
template <class T>
WEFT_INLINE void store_some(T* p, int64_t i, int64_t n, simd::Vec<T> v) {
  constexpr int L = simd::kLanes<T>;
  if (i + L <= n)
    simd::store(p + i, v);
  else
    simd::store_partial(p + i, v, static_cast<int>(n - i));
}

// y = (x - mean) * rstd * gamma + beta for one row. What is absent costs nothing.
template <class T, bool kGamma, bool kBeta>
void normalize_row(const T* x, const T* gamma, const T* beta, T* y, int64_t n, T mean, T rstd) {
  using V = simd::Vec<T>;
  const V center = simd::broadcast(mean), scale = simd::broadcast(rstd);
  for (int64_t i = 0; i < n; i += simd::kLanes<T>) {
    V v = (load_some(x, i, n) - center) * scale;
    if constexpr (kGamma) v = v * load_some(gamma, i, n);
    if constexpr (kBeta) v = v + load_some(beta, i, n);
    store_some(y, i, n, v);
  }
}

template <class T, bool kGamma, bool kBeta>
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
      normalize_row<T, kGamma, kBeta>(x + row * n, gamma, beta, y + row * n, n, mean[row],
                                      rstd[row]);
    }
  });
}

template <class T>
void forward(const LayerNormParams& p, const Operand* operands) {
  const bool gamma = operands[1].present, beta = operands[2].present;
  if (gamma && beta) return forward_rows<T, true, true>(p, operands);
  if (gamma) return forward_rows<T, true, false>(p, operands);
  if (beta) return forward_rows<T, false, true>(p, operands);
  forward_rows<T, false, false>(p, operands);
}

// One row of dx, and its share of dgamma and dbeta:
//   dx = rstd (g - mean(g) - xhat mean(g xhat)),  g = dy gamma,  xhat = (x - mean) rstd
template <class T, bool kGamma>
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
  for (int64_t i = 0; i < n; i += L) {
    V g = load_some(dy, i, n);
    if constexpr (kGamma) g = g * load_some(gamma, i, n);
    const V hat = (load_some(x, i, n) - center) * scale;
    store_some(dx, i, n, (g - shift - hat * slope) * scale);
  }
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
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> added(2 * n);
    for (int64_t part = begin; part < end; part++) {
      double* total = totals.get() + part * 2 * n;
      for (int64_t i = 0; i < 2 * n; i++) total[i] = 0;
      const int64_t stop = (part + 1) * part_rows < p.rows ? (part + 1) * part_rows : p.rows;
      for (int64_t block = part * part_rows; block < stop; block += kRowsAdded) {
        for (int64_t i = 0; i < 2 * n; i++) added[i] = 0;
        for (int64_t row = block; row < stop && row < block + kRowsAdded; row++) {
          const int64_t at = row * n;
          const auto one = gamma ? &backward_row<T, true> : &backward_row<T, false>;
          one(dy + at, x + at, gamma, mean[row], rstd[row], n, dx + at, added.get(),
              added.get() + n);
        }
        for (int64_t i = 0; i < 2 * n; i++) total[i] += static_cast<double>(added[i]);
      }
    }
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
