// Backward: for a block of keys all queries go by in blocks. With the weights w computed anew,
//   dvalue = w^T dy,  ds = w (dy value^T - sum(dy y)) scale,  dquery = ds key,  dkey = ds^T query,
// five products on the micro-kernels; scores and their gradients are 64 x 128 numbers at a time.
#include "core/parallel.h"
#include "cpu/attention.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using namespace attending;

constexpr int64_t kKeys = 128, kQueries = 64;  // in one block; keys: a multiple of a panel's width
constexpr int64_t kTaskFlops = 1 << 20;

struct Sum {
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
};

// One query head; dkey and dvalue belong to all heads that read the same keys.
template <class T>
struct Head {
  Rows<const T> query, dy, y;
  const T* lse;
  Terms<T> terms;
  Chances chances;
  Rows<T> dquery, dbias;
  T* delta;  // of each query: sum(dy y)
};

// Memory of one task.
template <class T>
struct Workspace {
  int64_t stride;
  Scratch<T> weights, slopes;                // kQueries x keys
  Scratch<T> key_columns, value_columns;     // panels whose columns are keys
  Scratch<T> key_rows, query_rows, dy_rows;  // panels whose steps are keys, or queries
  Scratch<T> delta;

  explicit Workspace(const AttentionParams& p)
      : Workspace(p, p.S < kKeys ? p.S : kKeys, p.T < kQueries ? p.T : kQueries) {}

 private:
  Workspace(const AttentionParams& p, int64_t keys, int64_t queries)
      : stride(row_stride<T>(keys)),
        weights(queries * stride),
        slopes(queries * stride),
        key_columns(gemm::packed_size<T>(p.D, keys)),
        value_columns(gemm::packed_size<T>(p.E, keys)),
        key_rows(gemm::packed_size<T>(keys, p.D)),
        query_rows(gemm::packed_size<T>(queries, p.D)),
        dy_rows(gemm::packed_size<T>(queries, p.E)),
        delta(p.heads / p.kv_heads * p.T) {}
};

// delta[t] = sum(dy y) of each query.
template <class T>
void row_dots(const AttentionParams& p, const Head<T>& head) {
  constexpr int L = kLanes<T>;
  for (int64_t t = 0; t < p.T; t++) {
    const T *a = head.dy.row(t), *b = head.y.row(t);
    simd::Vec<T> sum{};
    int64_t j = 0;
    for (; j + L <= p.E; j += L) sum += simd::load(a + j) * simd::load(b + j);
    if (j < p.E) {
      const int rest = static_cast<int>(p.E - j);
      sum += simd::load_partial(a + j, rest) * simd::load_partial(b + j, rest);
    }
    head.delta[t] = reduce_lanes<Sum, T>(sum);
  }
}

// A row of raw scores becomes the weights, its row of dy value^T the slopes of the scores; keys
// [key, key + keys), of which the query sees the first n.
template <class T>
void differentiate(const AttentionParams& p, const Head<T>& head, T* weights, T* slopes,
                   int64_t query, int64_t key, int64_t n, int64_t keys) {
  using V = simd::Vec<T>;
  const T given = static_cast<T>(p.scale);
  T scale = given;
  if (!head.terms.none()) {
    head.terms.apply(weights, n, scale, query, key);
    scale = T(1);
  }
  T factors[kKeys];
  uint32_t words[kKeys + 8];
  const bool drops = head.chances.used;
  if (drops) {
    head.chances.factors(query, key, n, p.keep_scale, words, factors);
    for (int64_t j = 0; j < n; j++) slopes[j] *= factors[j];
  }
  const V factor = simd::broadcast(scale), lse = simd::broadcast(head.lse[query]),
          delta = simd::broadcast(head.delta[query]);
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const V w = simd::exp(simd::load(weights + j) * factor - lse);
    simd::store(weights + j, w);
    simd::store(slopes + j, w * (simd::load(slopes + j) - delta));
  }
  for (int64_t j = n; j < keys; j++) weights[j] = slopes[j] = T(0);
  if (head.dbias.data != nullptr)
    memcpy(head.dbias.row(query) + key, slopes, static_cast<size_t>(keys) * sizeof(T));
  const V by = simd::broadcast(given);
  for (int64_t j = 0; j < n; j += kLanes<T>) simd::store(slopes + j, simd::load(slopes + j) * by);
  if (drops)
    for (int64_t j = 0; j < n; j++) weights[j] *= factors[j];
}

// A block of keys and what gradients it gets.
template <class T>
struct KeyBlock {
  int64_t first, count;
  Panels<T> key_columns, value_columns, key_rows;
  Rows<T> dkey, dvalue;  // of the first key on
  bool reached = false;  // whether a query has seen it
};

// Queries [first, first + count) of one head against one block of keys.
template <class T>
void join_block(const AttentionParams& p, const Head<T>& head, KeyBlock<T>& block,
                const Workspace<T>& w, int64_t first, int64_t count) {
  const int64_t reach = first + count - block.first;
  const int64_t keys = p.causal && reach < block.count ? reach : block.count;
  if (head.dbias.data != nullptr)
    for (int64_t i = 0; i < count; i++)
      for (int64_t j = keys < 0 ? 0 : keys; j < block.count; j++)
        head.dbias.row(first + i)[block.first + j] = T(0);
  if (keys <= 0) return;
  const Panels<T> query_rows = Panels<T>::of_rows({head.query.row(first), head.query.stride}, count,
                                                  p.D, w.query_rows.get());
  const Panels<T> dy_rows =
      Panels<T>::of_rows({head.dy.row(first), head.dy.stride}, count, p.E, w.dy_rows.get());
  const gemm::RowTiles tiles(count);
  for (int64_t tile = 0; tile < tiles.count; tile++) {
    const int64_t row = tiles.begin(tile), query = first + row;
    const Rows<T> weights{w.weights.get() + row * w.stride, w.stride},
        slopes{w.slopes.get() + row * w.stride, w.stride};
    const int rows = tiles.rows(tile);
    multiply<T>({head.query.row(query), head.query.stride, ALayout::rows}, rows, block.key_columns,
                0, p.D, 0, keys, weights, false);
    multiply<T>({head.dy.row(query), head.dy.stride, ALayout::rows}, rows, block.value_columns, 0,
                p.E, 0, keys, slopes, false);
    for (int i = 0; i < rows; i++) {
      const int64_t own = p.causal ? query + i + 1 - block.first : keys;
      differentiate(p, head, weights.row(i), slopes.row(i), query + i, block.first,
                    own < 0      ? 0
                    : own < keys ? own
                                 : keys,
                    keys);
    }
  }
  multiply<T>({w.slopes.get(), w.stride, ALayout::rows}, count, block.key_rows, 0, keys, 0, p.D,
              {head.dquery.row(first), head.dquery.stride}, block.first > 0);
  multiply<T>({w.slopes.get(), w.stride, ALayout::columns}, keys, query_rows, 0, count, 0, p.D,
              block.dkey, block.reached);
  multiply<T>({w.weights.get(), w.stride, ALayout::columns}, keys, dy_rows, 0, count, 0, p.E,
              block.dvalue, block.reached);
  // Keys behind the reach of this first block of queries have got nothing yet.
  for (int64_t j = block.reached ? block.count : keys; j < block.count; j++) {
    memset(block.dkey.row(j), 0, static_cast<size_t>(p.D) * sizeof(T));
    memset(block.dvalue.row(j), 0, static_cast<size_t>(p.E) * sizeof(T));
  }
  block.reached = true;
}

// All that reads one head of keys in one sample.
template <class T>
void keys_and_their_readers(const AttentionParams& p, const Operand* o, const Head<T>* heads,
                            const Workspace<T>& w, int64_t n, int64_t kv) {
  const Rows<const T> key = head_of<const T>(o[2], n, kv), value = head_of<const T>(o[3], n, kv);
  const Rows<T> dkey = head_of<T>(o[10], n, kv), dvalue = head_of<T>(o[11], n, kv);
  for (int64_t first = 0; first < p.S; first += kKeys) {
    const int64_t count = p.S - first < kKeys ? p.S - first : kKeys;
    const Rows<const T> keys{key.row(first), key.stride}, values{value.row(first), value.stride};
    KeyBlock<T> block{first,
                      count,
                      Panels<T>::of_columns(keys, p.D, count, w.key_columns.get()),
                      Panels<T>::of_columns(values, p.E, count, w.value_columns.get()),
                      Panels<T>::of_rows(keys, count, p.D, w.key_rows.get()),
                      {dkey.row(first), dkey.stride},
                      {dvalue.row(first), dvalue.stride}};
    for (int64_t h = 0; h < p.heads / p.kv_heads; h++)
      for (int64_t query = 0; query < p.T; query += kQueries)
        join_block(p, heads[h], block, w, query, p.T - query < kQueries ? p.T - query : kQueries);
    for (int64_t j = block.reached ? count : 0; j < count; j++) {
      memset(block.dkey.row(j), 0, static_cast<size_t>(p.D) * sizeof(T));
      memset(block.dvalue.row(j), 0, static_cast<size_t>(p.E) * sizeof(T));
    }
  }
}

template <class T>
Head<T> head_at(const AttentionParams& p, const Operand* o, const Workspace<T>& w, int64_t n,
                int64_t h, int64_t in_group) {
  const int64_t number = n * p.heads + h;
  Chances chances;
  if (o[8].present) {
    chances.seed = o[8].as<uint64_t>()[0];
    chances.counter = o[8].as<uint64_t>()[1];
    chances.threshold = static_cast<uint32_t>(p.keep_threshold);
    chances.used = true;
    chances.first = number * p.T * p.S;
    chances.keys = p.S;
  }
  const Rows<T> dbias{o[12].present ? o[12].as<T>() + number * p.T * p.S : nullptr, p.S};
  return {head_of<const T>(o[1], n, h),  head_of<const T>(o[0], n, h),
          head_of<const T>(o[4], n, h),  o[5].as<T>() + number * p.T,
          Terms<T>(o[6], o[7], n, h),    chances,
          head_of<T>(o[9], n, h),        dbias,
          w.delta.get() + in_group * p.T};
}

template <class T>
void backward(const AttentionParams& p, const Operand* o) {
  const int64_t group = p.heads / p.kv_heads;
  const int64_t flops = 2 * group * p.T * p.S * (3 * p.D + 2 * p.E) + 1;
  parallel_for(p.N * p.kv_heads, kTaskFlops / flops, [&](int64_t task, int64_t last) {
    const Workspace<T> w(p);
    const Scratch<Head<T>> heads(group);
    for (; task < last; task++) {
      const int64_t n = task / p.kv_heads, kv = task % p.kv_heads;
      for (int64_t h = 0; h < group; h++) {
        heads[h] = head_at<T>(p, o, w, n, kv * group + h, h);
        row_dots(p, heads[h]);
      }
      keys_and_their_readers(p, o, heads.get(), w, n, kv);
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

WEFT_CPU_KERNELS(attention_backward,
                 kernel_entry<&backward<float>>(kernels::attention_backward, DType::float32),
                 kernel_entry<&backward<double>>(kernels::attention_backward, DType::float64))
