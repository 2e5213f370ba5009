// Forward: a tile of as many queries as the micro-kernel has rows passes over blocks of keys. Its
// scores (14 x 256 floats, 14 KB) and its sums stay in the first-level cache from the first product
// through the exponentials to the second. Keys and values are packed once for a head.
#include "cpu/attention.h"

#include "core/parallel.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using namespace attending;

constexpr int64_t kKeys = 256;  // in one block; a multiple of every panel's width
constexpr int64_t kTaskFlops = 1 << 20;

struct Largest {
  template <class V>
  static V join(V a, V b) {
    return simd::max(a, b);
  }
};
struct Sum {
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
};

// One head of one sample.
template <class T>
struct Head {
  Rows<const T> query;
  Panels<T> keys, values;
  Terms<T> terms;
  Chances chances;
  Rows<T> y;
  T* lse;
};

// A tile of queries on its way through the keys.
template <class T>
struct Passing {
  T top[gemm::kMaxRows];    // largest score so far
  T total[gemm::kMaxRows];  // sum of exp(score - top)
  Rows<T> weights, sums;    // sums: of exp(score - top) * value
};

// weights = exp(score * scale - shift) in place, gives their sum. Whole vectors: what lies behind
// the n scores is -inf.
template <class T>
T exponentials(T* scores, int64_t n, T scale, T shift) {
  using V = simd::Vec<T>;
  constexpr int L = kLanes<T>;
  const V factor = simd::broadcast(scale), top = simd::broadcast(shift);
  V sum{}, more{};
  int64_t j = 0;
  for (; j + 2 * L <= n; j += 2 * L) {
    const V a = simd::exp(simd::load(scores + j) * factor - top);
    const V b = simd::exp(simd::load(scores + j + L) * factor - top);
    simd::store(scores + j, a);
    simd::store(scores + j + L, b);
    sum += a;
    more += b;
  }
  for (; j < n; j += L) {
    const V a = simd::exp(simd::load(scores + j) * factor - top);
    simd::store(scores + j, a);
    sum += a;
  }
  return reduce_lanes<Sum, T>(sum + more);
}

template <class T>
T largest_score(const T* scores, int64_t n, T scale) {
  using V = simd::Vec<T>;
  const V factor = simd::broadcast(scale);
  V top = simd::broadcast(kLowest<T>);
  for (int64_t j = 0; j < n; j += kLanes<T>) top = simd::max(top, simd::load(scores + j) * factor);
  return reduce_lanes<Largest, T>(top);
}

template <class T>
void scale_row(T* row, int64_t n, T by) {
  const simd::Vec<T> factor = simd::broadcast(by);
  for (int64_t j = 0; j < n; j += kLanes<T>) simd::store(row + j, simd::load(row + j) * factor);
}

template <class T>
T exp_of(T x) {
  return simd::exp(simd::broadcast(x))[0];
}

// Scores of row i become weights relative to the largest score so far; keys [key, key + keys), of
// which the query sees the first n.
template <class T>
void weigh(const AttentionParams& p, const Head<T>& head, Passing<T>& t, int i, int64_t query,
           int64_t key, int64_t n, int64_t keys) {
  T* scores = t.weights.row(i);
  T scale = static_cast<T>(p.scale);
  if (!head.terms.none() || !(scale > T(0))) {
    head.terms.apply(scores, n, scale, query, key);
    scale = T(1);
  }
  const int64_t whole = round_up(n, kLanes<T>);
  for (int64_t j = n; j < whole; j++) scores[j] = kLowest<T>;
  for (int64_t j = whole; j < keys; j++) scores[j] = T(0);
  const T before = key > 0 ? t.top[i] : kLowest<T>, here = largest_score(scores, n, scale);
  const T top = before > here ? before : here, shift = top == kLowest<T> ? T(0) : top;
  const T sum = exponentials(scores, n, scale, shift);
  if (key == 0) {
    t.total[i] = sum;
  } else if (before != top) {
    const T shrink = exp_of(before - shift);
    t.total[i] = t.total[i] * shrink + sum;
    scale_row(t.sums.row(i), p.E, shrink);
  } else {
    t.total[i] += sum;
  }
  t.top[i] = top;
  if (head.chances.used && n > 0) {
    uint32_t words[kKeys + 8];
    T factors[kKeys];
    head.chances.factors(query, key, n, p.keep_scale, words, factors);
    for (int64_t j = 0; j < n; j++) scores[j] *= factors[j];
  }
}

template <class T>
void finish(const AttentionParams& p, const Head<T>& head, const Passing<T>& t, int i,
            int64_t query) {
  constexpr int L = kLanes<T>;
  const T* from = t.sums.row(i);
  T* to = head.y.row(query);
  const bool blind = t.total[i] == T(0);
  const simd::Vec<T> factor = simd::broadcast(T(1) / t.total[i]);
  for (int64_t j = 0; j < p.E; j += L) {
    const simd::Vec<T> v = blind ? simd::Vec<T>{} : simd::load(from + j) * factor;
    if (j + L <= p.E)
      simd::store(to + j, v);
    else
      simd::store_partial(to + j, v, static_cast<int>(p.E - j));
  }
  head.lse[query] = blind ? -kLowest<T> : t.top[i] + simd::log(simd::broadcast(t.total[i]))[0];
}

// Queries [begin, end) of one head.
template <class T>
void attend(const AttentionParams& p, const Head<T>& head, int64_t begin, int64_t end) {
  const int64_t widest = p.S < kKeys ? p.S : kKeys;
  const int64_t weight_stride = row_stride<T>(widest), sum_stride = row_stride<T>(p.E);
  const Scratch<T> weights(gemm::kMaxRows * weight_stride), sums(gemm::kMaxRows * sum_stride);
  Passing<T> t;
  t.weights = {weights.get(), weight_stride};
  t.sums = {sums.get(), sum_stride};
  const gemm::RowTiles tiles(end - begin);
  for (int64_t tile = 0; tile < tiles.count; tile++) {
    const int64_t first = begin + tiles.begin(tile);
    const int rows = tiles.rows(tile);
    const int64_t seen = p.causal && first + rows < p.S ? first + rows : p.S;
    for (int64_t key = 0; key < seen; key += kKeys) {
      const int64_t keys = seen - key < kKeys ? seen - key : kKeys;
      multiply<T>({head.query.row(first), head.query.stride, ALayout::rows}, rows, head.keys, 0,
                  p.D, key, keys, t.weights, false);
      for (int i = 0; i < rows; i++) {
        const int64_t own = p.causal ? first + i + 1 - key : keys;
        weigh(p, head, t, i, first + i, key, own < 0 ? 0 : own < keys ? own : keys, keys);
      }
      multiply<T>({t.weights.data, t.weights.stride, ALayout::rows}, rows, head.values, key, keys,
                  0, p.E, t.sums, key > 0);
    }
    for (int i = 0; i < rows; i++) finish(p, head, t, i, first + i);
  }
}

// Queries of one task: all of a head unless there are few heads and many queries. By size only.
int64_t queries_per_task(const AttentionParams& p) {
  constexpr int64_t kEnoughTasks = 8, kFewest = 128;
  const int64_t heads = p.N * p.heads, pieces = (kEnoughTasks + heads - 1) / heads;
  const int64_t share = round_up((p.T + pieces - 1) / pieces, 4);
  return share < kFewest ? (p.T < kFewest ? p.T : kFewest) : share;
}

template <class T>
void forward(const AttentionParams& p, const Operand* o) {
  const Operand &mask = o[3], &bias = o[4], &state = o[5], &lse = o[7], &drawn = o[8];
  Chances chances;
  if (state.present) {
    const RandomStream stream = take_blocks(state, blocks_of_chances(p));
    drawn.as<uint64_t>()[0] = chances.seed = stream.seed;
    drawn.as<uint64_t>()[1] = chances.counter = stream.counter;
    chances.threshold = static_cast<uint32_t>(p.keep_threshold);
    chances.used = true;
    chances.keys = p.S;
  }
  const int64_t queries = queries_per_task(p), pieces = (p.T + queries - 1) / queries;
  const int64_t flops = 2 * queries * p.S * (p.D + p.E) + 1;
  parallel_for(p.N * p.heads * pieces, kTaskFlops / flops, [&](int64_t task, int64_t last) {
    const Scratch<T> key_panels(gemm::packed_size<T>(p.D, p.S)),
        value_panels(gemm::packed_size<T>(p.S, p.E));
    for (; task < last; task++) {
      const int64_t number = task / pieces, n = number / p.heads, h = number % p.heads;
      const int64_t begin = task % pieces * queries, kv = h / (p.heads / p.kv_heads);
      const int64_t end = begin + queries < p.T ? begin + queries : p.T;
      const int64_t seen = p.causal && end < p.S ? end : p.S;
      const Head<T> head{
          head_of<const T>(o[0], n, h),
          Panels<T>::of_columns(head_of<const T>(o[1], n, kv), p.D, seen, key_panels.get()),
          Panels<T>::of_rows(head_of<const T>(o[2], n, kv), seen, p.E, value_panels.get()),
          Terms<T>(mask, bias, n, h),
          [&] {
            Chances own = chances;
            own.first = number * p.T * p.S;
            return own;
          }(),
          head_of<T>(o[6], n, h),
          lse.as<T>() + number * p.T};
      attend(p, head, begin, end);
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

WEFT_CPU_KERNELS(attention, kernel_entry<&forward<float>>(kernels::attention, DType::float32),
                 kernel_entry<&forward<double>>(kernels::attention, DType::float64))
