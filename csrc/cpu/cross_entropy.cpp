// Two passes over a row while it is in the first cache: the largest logit, then the sum of
// exponentials. The backward pass computes the exponentials again, which is cheaper than writing
// and reading the probabilities.
#include "ops/cross_entropy.h"

#include <math.h>

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/simd.h"
#include "cpu/simd_math.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using simd::Vec;

constexpr int64_t kGrain = 16 * 1024;  // logits in a chunk

template <class T>
struct Statistics {
  T largest, scale;  // scale = sum(t) / sum(exp(x - largest))
};

// f(v, at, n) for each vector of a row: n is the number of lanes filled, the last may be fewer.
template <class T, class F>
WEFT_INLINE void for_each_vector(int64_t C, F&& f) {
  constexpr int kLanes = simd::kLanes<T>;
  int64_t c = 0;
  for (; c + kLanes <= C; c += kLanes) f(c, kLanes);
  if (c < C) f(c, static_cast<int>(C - c));
}

// n logits; the lanes beyond them hold minus infinity, whose exponential is 0.
template <class T>
WEFT_INLINE Vec<T> load_logits(const T* x, int n) {
  constexpr int kLanes = simd::kLanes<T>;
  if (n == kLanes) return simd::load(x);
  simd::Mask<T> lane;
  for (int i = 0; i < kLanes; i++) lane[i] = i;
  const auto filled = lane < static_cast<typename simd::SignedOf<T>::type>(n);
  return simd::select(filled, simd::load_partial(x, n), simd::broadcast(T(-INFINITY)));
}
template <class T>
WEFT_INLINE Vec<T> load_some(const T* p, int n) {
  return n == simd::kLanes<T> ? simd::load(p) : simd::load_partial(p, n);
}
template <class T>
WEFT_INLINE void store_some(T* p, Vec<T> v, int n) {
  if (n == simd::kLanes<T>)
    simd::store(p, v);
  else
    simd::store_partial(p, v, n);
}

template <class T>
WEFT_INLINE T largest_of(const T* x, int64_t C) {
  Vec<T> largest = simd::broadcast(T(-INFINITY));
  // A NaN in the row may be lost here; it comes back through the sum of exponentials.
  for_each_vector<T>(
      C, [&](int64_t c, int n) { largest = simd::max(load_logits(x + c, n), largest); });
  return simd::reduce_max<T>(largest);
}

// Reads a class number of any dtype; -1 for what is no integer.
struct Labels {
  const void* data;
  DType dtype;

  template <class F>
  static int64_t whole(F value) {
    const double d = static_cast<double>(value);
    return d >= 0 && d < 9e15 && d == floor(d) ? static_cast<int64_t>(d) : -1;
  }
  int64_t operator[](int64_t i) const {
    switch (dtype) {
      case DType::boolean: return static_cast<const bool*>(data)[i];
      case DType::uint8: return static_cast<const uint8_t*>(data)[i];
      case DType::uint16: return static_cast<const uint16_t*>(data)[i];
      case DType::uint32: return static_cast<const uint32_t*>(data)[i];
      case DType::uint64: return static_cast<const int64_t*>(data)[i];
      case DType::int8: return static_cast<const int8_t*>(data)[i];
      case DType::int16: return static_cast<const int16_t*>(data)[i];
      case DType::int32: return static_cast<const int32_t*>(data)[i];
      case DType::int64: return static_cast<const int64_t*>(data)[i];
      case DType::float16: return whole(static_cast<float>(static_cast<const Float16*>(data)[i]));
      case DType::bfloat16: return whole(static_cast<float>(static_cast<const BFloat16*>(data)[i]));
      case DType::float32: return whole(static_cast<const float*>(data)[i]);
      case DType::float64: return whole(static_cast<const double*>(data)[i]);
    }
    return -1;
  }
};

// Keeps the smallest row that was ever reported, whichever thread sees it first.
void report_row(int64_t* bad_row, int64_t row) {
  int64_t seen = __atomic_load_n(bad_row, __ATOMIC_RELAXED);
  while (
      (seen < 0 || row < seen) &&
      !__atomic_compare_exchange_n(bad_row, &seen, row, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

// Exponentials are kept at `kept`, unless it is null.
template <class T>
WEFT_INLINE T sparse_row(const CrossEntropyParams& p, const T* x, int64_t label,
                         Statistics<T>& statistics, T* kept) {
  const T largest = largest_of(x, p.C);
  const Vec<T> shift = simd::broadcast(largest);
  Vec<T> sum{}, shifted{};
  if (p.off == 0 && kept != nullptr) {
    for_each_vector<T>(p.C, [&](int64_t c, int n) {
      const Vec<T> e = simd::exp(load_logits(x + c, n) - shift);
      store_some(kept + c, e, n);
      sum += e;
    });
  } else if (p.off == 0) {
    for_each_vector<T>(p.C,
                       [&](int64_t c, int n) { sum += simd::exp(load_logits(x + c, n) - shift); });
  } else {
    for_each_vector<T>(p.C, [&](int64_t c, int n) {
      const Vec<T> v = load_logits(x + c, n) - shift;
      const Vec<T> e = simd::exp(v);
      if (kept != nullptr) store_some(kept + c, e, n);
      sum += e;
      // Missing lanes are minus infinity and must not count; so must no real one (0 * inf).
      shifted += simd::select(v == simd::broadcast(T(-INFINITY)), Vec<T>{}, v);
    });
  }
  const T total = simd::reduce_add<T>(sum);
  const T on = static_cast<T>(p.on), off = static_cast<T>(p.off);
  const T target_sum = static_cast<T>(p.on + p.off * static_cast<double>(p.C));
  statistics = {largest, target_sum / total};
  const T log_total = static_cast<T>(log(static_cast<double>(total)));
  T loss = target_sum * log_total - on * (x[label] - largest);
  if (p.off != 0) loss -= off * simd::reduce_add<T>(shifted);
  return loss;
}

template <class T>
WEFT_INLINE T dense_row(const CrossEntropyParams& p, const T* x, const T* y,
                        Statistics<T>& statistics) {
  const T largest = largest_of(x, p.C);
  const Vec<T> shift = simd::broadcast(largest), on = simd::broadcast(static_cast<T>(p.on)),
               off = simd::broadcast(static_cast<T>(p.off));
  Vec<T> sum{}, weights{}, product{};
  for_each_vector<T>(p.C, [&](int64_t c, int n) {
    const Vec<T> v = load_logits(x + c, n) - shift;
    sum += simd::exp(v);
    Vec<T> t = on * load_some(y + c, n) + off;
    if (n < simd::kLanes<T>) t = simd::select(v == simd::broadcast(T(-INFINITY)), Vec<T>{}, t);
    weights += t;
    product += simd::select(t == Vec<T>{}, Vec<T>{}, t * v);  // 0 * inf is 0 here
  });
  const T total = simd::reduce_add<T>(sum), target_sum = simd::reduce_add<T>(weights);
  statistics = {largest, target_sum / total};
  return target_sum * static_cast<T>(log(static_cast<double>(total))) -
         simd::reduce_add<T>(product);
}

constexpr int64_t kFewClasses = 32;

// As many rows of few classes as a vector has lanes, one row a lane: horizontal sums and a scalar
// logarithm for each row would cost five times as much as the exponentials themselves.
template <class T>
void sparse_rows_of_few_classes(const CrossEntropyParams& p, const T* x, const int64_t* label,
                                T* loss, Statistics<T>* statistics, T* dx) {
  constexpr int kLanes = simd::kLanes<T>;
  T columns[kFewClasses * kLanes];
  for (int i = 0; i < kLanes; i++)
    for (int64_t c = 0; c < p.C; c++) columns[c * kLanes + i] = x[i * p.C + c];
  Vec<T> largest = simd::load(columns);
  for (int64_t c = 1; c < p.C; c++) largest = simd::max(simd::load(columns + c * kLanes), largest);
  Vec<T> sum{};
  for (int64_t c = 0; c < p.C; c++) {
    const Vec<T> e = simd::exp(simd::load(columns + c * kLanes) - largest);
    simd::store(columns + c * kLanes, e);
    sum += e;
  }
  const Vec<T> logarithm = simd::log(sum);
  for (int i = 0; i < kLanes; i++) {
    loss[i] = logarithm[i] - (x[i * p.C + label[i]] - largest[i]);
    statistics[i] = {largest[i], 1 / sum[i]};
  }
  if (dx == nullptr) return;
  const T g = static_cast<T>(p.dloss_scale), on = g * static_cast<T>(p.on);
  for (int i = 0; i < kLanes; i++) {
    const T scale = g * statistics[i].scale;
    for (int64_t c = 0; c < p.C; c++) dx[i * p.C + c] = scale * columns[c * kLanes + i];
    dx[i * p.C + label[i]] -= on;
  }
}

// Rows from `begin` on as long as whole groups of them have valid labels; gives the next row.
template <class T>
int64_t sparse_groups(const CrossEntropyParams& p, const T* x, const Labels& labels, T* loss,
                      Statistics<T>* statistics, T* dx, int64_t begin, int64_t end) {
  constexpr int kLanes = simd::kLanes<T>;
  int64_t row = begin;
  for (; row + kLanes <= end; row += kLanes) {
    int64_t label[kLanes];
    for (int i = 0; i < kLanes; i++) {
      label[i] = labels[row + i];
      if (label[i] < 0 || label[i] >= p.C) return row;
    }
    sparse_rows_of_few_classes(p, x + row * p.C, label, loss + row, statistics + row,
                               dx == nullptr ? nullptr : dx + row * p.C);
  }
  return row;
}

template <class T>
WEFT_INLINE T sum_of(const T* p, int64_t C) {
  Vec<T> sum{};
  for_each_vector<T>(C, [&](int64_t c, int n) { sum += load_some(p + c, n); });
  return simd::reduce_add<T>(sum);
}

// Rows of probabilities. The statistics are 1 / sum(p) and the target's weight that was not cut.
template <class T>
WEFT_INLINE T sparse_probabilities(const CrossEntropyParams& p, const T* x, int64_t label,
                                   Statistics<T>& statistics) {
  const T inverse = 1 / sum_of(x, p.C), low = static_cast<T>(p.epsilon), high = 1 - low;
  const T q = x[label] * inverse;
  statistics = {inverse, q >= low && q <= high ? T(1) : T(0)};
  const T cut = q < low ? low : q > high ? high : q;
  return -static_cast<T>(log(static_cast<double>(cut)));
}

template <class T>
WEFT_INLINE T dense_probabilities(const CrossEntropyParams& p, const T* x, const T* y,
                                  Statistics<T>& statistics) {
  const T inverse = 1 / sum_of(x, p.C);
  const Vec<T> low = simd::constant<Vec<T>>(p.epsilon), high = simd::constant<Vec<T>>(1) - low,
               on = simd::constant<Vec<T>>(p.on), off = simd::constant<Vec<T>>(p.off);
  Vec<T> loss{}, kept{};
  for_each_vector<T>(p.C, [&](int64_t c, int n) {
    const Vec<T> q = load_some(x + c, n) * inverse;
    Vec<T> t = on * load_some(y + c, n) + off;
    if (n < simd::kLanes<T>) {
      const Vec<T> filled = load_logits(x + c, n);  // minus infinity beyond the row
      t = simd::select(filled == simd::broadcast(T(-INFINITY)), Vec<T>{}, t);
    }
    loss -= t * simd::log(simd::max(low, simd::min(high, q)));
    kept += simd::select((q >= low) & (q <= high), t, Vec<T>{});
  });
  statistics = {inverse, simd::reduce_add<T>(kept)};
  return simd::reduce_add<T>(loss);
}

template <class T>
void write_mean(const T* loss, int64_t N, const Operand& mean) {
  if (!mean.present) return;
  double sum = 0;
  for (int64_t row = 0; row < N; row++) sum += static_cast<double>(loss[row]);
  *mean.as<T>() = static_cast<T>(sum / static_cast<double>(N));
}

// The gradient of a row from the exponentials that `sparse_row` left at dx: while they are in the
// first cache this takes a sixth of the time of computing them again. Streaming stores past the
// caches were slower, and so was a row of exponentials elsewhere.
template <class T>
WEFT_INLINE void scale_exponentials(const CrossEntropyParams& p, int64_t label,
                                    const Statistics<T>& statistics, T* dx) {
  const T g = static_cast<T>(p.dloss_scale);
  const Vec<T> scale = simd::broadcast(g * statistics.scale),
               off = simd::broadcast(g * static_cast<T>(p.off));
  for_each_vector<T>(
      p.C, [&](int64_t c, int n) { store_some(dx + c, scale * load_some(dx + c, n) - off, n); });
  dx[label] -= g * static_cast<T>(p.on);
}

// dx = g * (scale * exp(x - largest) - off) of one row, with the label's part.
template <class T>
WEFT_INLINE void sparse_row_backward(const CrossEntropyParams& p, const T* x, T g, int64_t label,
                                     const Statistics<T>& statistics, T* dx) {
  if (p.epsilon > 0) {
    const Vec<T> everywhere = simd::broadcast(g * statistics.largest * statistics.scale);
    for_each_vector<T>(p.C, [&](int64_t c, int n) { store_some(dx + c, everywhere, n); });
    if (statistics.scale != 0) dx[label] -= g / x[label];
    return;
  }
  const Vec<T> shift = simd::broadcast(statistics.largest),
               scale = simd::broadcast(g * statistics.scale),
               off = simd::broadcast(g * static_cast<T>(p.off));
  for_each_vector<T>(p.C, [&](int64_t c, int n) {
    store_some(dx + c, scale * simd::exp(load_some(x + c, n) - shift) - off, n);
  });
  dx[label] -= g * static_cast<T>(p.on);
}

template <class T>
void sparse(const CrossEntropyParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  const Labels labels{operands[1].data, operands[1].dtype};
  T* loss = operands[2].as<T>();
  auto* statistics = operands[3].as<Statistics<T>>();
  int64_t* bad_row = operands[5].as<int64_t>();
  T* dx = operands[6].present ? operands[6].as<T>() : nullptr;
  *bad_row = -1;
  const bool grouped = p.C <= kFewClasses && p.off == 0 && p.epsilon == 0 && !p.ignores;
  parallel_for(p.N, kGrain / p.C, [&](int64_t begin, int64_t end) {
    if (grouped) begin = sparse_groups(p, x, labels, loss, statistics, dx, begin, end);
    for (int64_t row = begin; row < end; row++) {
      const int64_t label = labels[row];
      loss[row] = 0;
      statistics[row] = {};
      const bool ignored = p.ignores && label == p.ignored;
      if (ignored || label < 0 || label >= p.C) {
        if (!ignored) report_row(bad_row, row);
        for (int64_t c = 0; dx != nullptr && c < p.C; c++) dx[row * p.C + c] = 0;
        continue;
      }
      const T* logits = x + row * p.C;
      T* slope = dx == nullptr ? nullptr : dx + row * p.C;
      if (p.epsilon > 0) {
        loss[row] = sparse_probabilities(p, logits, label, statistics[row]);
        if (slope != nullptr)
          sparse_row_backward(p, logits, static_cast<T>(p.dloss_scale), label, statistics[row],
                              slope);
      } else {
        loss[row] = sparse_row(p, logits, label, statistics[row], slope);
        if (slope != nullptr) scale_exponentials(p, label, statistics[row], slope);
      }
    }
  });
  write_mean(loss, p.N, operands[4]);
}

template <class T>
void dense(const CrossEntropyParams& p, const Operand* operands) {
  const T *x = operands[0].as<T>(), *y = operands[1].as<T>();
  T* loss = operands[2].as<T>();
  auto* statistics = operands[3].as<Statistics<T>>();
  parallel_for(p.N, kGrain / p.C, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++)
      loss[row] = p.epsilon > 0
                      ? dense_probabilities(p, x + row * p.C, y + row * p.C, statistics[row])
                      : dense_row(p, x + row * p.C, y + row * p.C, statistics[row]);
  });
  write_mean(loss, p.N, operands[4]);
}

template <class T>
void sparse_backward(const CrossEntropyParams& p, const Operand* operands) {
  const T *dloss = operands[0].as<T>(), *x = operands[1].as<T>();
  const int64_t stride = operands[0].strides[0];
  const T dloss_scale = static_cast<T>(p.dloss_scale);
  const Labels labels{operands[2].data, operands[2].dtype};
  const auto* statistics = operands[3].as<const Statistics<T>>();
  T* dx = operands[4].as<T>();
  parallel_for(p.N, kGrain / p.C, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t label = labels[row];
      T* out = dx + row * p.C;
      // The forward pass has refused every other label but the ignored one.
      if (label >= 0 && label < p.C && !(p.ignores && label == p.ignored))
        sparse_row_backward(p, x + row * p.C, dloss[row * stride] * dloss_scale, label,
                            statistics[row], out);
      else
        for (int64_t c = 0; c < p.C; c++) out[c] = 0;
    }
  });
}

template <class T>
void dense_probabilities_backward(const CrossEntropyParams& p, const T* x, const T* y, T g,
                                  const Statistics<T>& statistics, T* dx) {
  using V = Vec<T>;
  const V low = simd::constant<V>(p.epsilon), high = simd::constant<V>(1) - low,
          inverse = simd::broadcast(statistics.largest),
          everywhere = simd::broadcast(g * statistics.largest * statistics.scale),
          on = simd::constant<V>(p.on), off = simd::constant<V>(p.off);
  for_each_vector<T>(p.C, [&](int64_t c, int n) {
    const V v = load_some(x + c, n), q = v * inverse;
    const V t = (on * load_some(y + c, n) + off) * simd::broadcast(g);
    const V own = simd::select((q >= low) & (q <= high), t / v, V{});
    store_some(dx + c, everywhere - own, n);
  });
}

template <class T>
void dense_backward(const CrossEntropyParams& p, const Operand* operands) {
  const T *dloss = operands[0].as<T>(), *x = operands[1].as<T>(), *y = operands[2].as<T>();
  const int64_t stride = operands[0].strides[0];
  const T dloss_scale = static_cast<T>(p.dloss_scale);
  const auto* statistics = operands[3].as<const Statistics<T>>();
  T* dx = operands[4].as<T>();
  parallel_for(p.N, kGrain / p.C, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const T g = dloss[row * stride] * dloss_scale;
      if (p.epsilon > 0) {
        const int64_t at = row * p.C;
        dense_probabilities_backward(p, x + at, y + at, g, statistics[row], dx + at);
        continue;
      }
      const Vec<T> shift = simd::broadcast(statistics[row].largest),
                   scale = simd::broadcast(g * statistics[row].scale),
                   on = simd::broadcast(g * static_cast<T>(p.on)),
                   off = simd::broadcast(g * static_cast<T>(p.off));
      for_each_vector<T>(p.C, [&](int64_t c, int n) {
        const int64_t at = row * p.C + c;
        const Vec<T> probability = scale * simd::exp(load_some(x + at, n) - shift);
        store_some(dx + at, probability - on * load_some(y + at, n) - off, n);
      });
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_ONE_DTYPE(T)                                                                      \
  kernel_entry<&sparse<T>>(kernels::sparse_cross_entropy, dtype_of<T>),                       \
      kernel_entry<&dense<T>>(kernels::dense_cross_entropy, dtype_of<T>),                     \
      kernel_entry<&sparse_backward<T>>(kernels::sparse_cross_entropy_backward, dtype_of<T>), \
      kernel_entry<&dense_backward<T>>(kernels::dense_cross_entropy_backward, dtype_of<T>)
WEFT_CPU_KERNELS(cross_entropy, FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double))
