// Backward on tensor cores, weights computed anew from lse. As on the ordinary units one kernel
// goes over the keys for every 64 queries (dquery, dbias) and one over the queries for every 64
// keys (dkey, dvalue): no sum is shared between blocks, so there are no atomics, and results do
// not depend on scheduling. The second computes scores transposed, so that weights and slopes are
// in registers what its products take as their first operand.
//
// Expected bound on an H200: 7 products of T x S scores with a head's rows in place of the 5 that
// atomics would allow, at the 62 % of 990 TFLOP/s that mma.sync reaches. A warp has 16 rows, which
// a fragment from shared memory serves but once: its port is the bound, 1.4 times the cycles of the
// tensor cores in both kernels, so 200 to 250 TFLOP/s as the 5 products count.
#include "cuda/attention_mma.h"
#include "cuda/stream.h"

namespace weft::WEFT_GPU {
namespace {

using namespace attending;

// A block has kRows rows of one side (16 for each warp) and passes over tiles of the other side,
// the next of which arrives while one is used.
template <class T_, int kSize_, bool kOverKeys>
struct BackwardShape {
  using T = T_;
  static constexpr bool kHalf = MmaElement<T>::kHalf;
  static constexpr int kSize = kSize_, kRows = kMmaWarps * 16;
  // More would not fit the registers beside the gradients of keys and values.
  static constexpr int kSteps = kHalf && (kOverKeys || kSize <= 64) ? 64 : 32;
  using Own = HeadTile<T, kRows, kSize>;
  using Other = HeadTile<T, kSteps, kSize>;
  using X = typename Own::X;
  using Bias = BiasTile<1, kSteps / 8, !kOverKeys>;
  static constexpr int kNumbersBytes = kOverKeys ? 0 : 2 * kSteps * 4;  // lse and delta
  static constexpr int kStageBytes = 2 * Other::kBytes + kNumbersBytes;
  static constexpr int kWarpBytes = 16 * kSize * 4;  // of gradients
  static constexpr int kSharedBytes = 2 * Own::kBytes + 2 * kStageBytes;
  static constexpr int kBlocksPerSm = kHalf || kSize <= 64 ? 2 : 1;
  static_assert(kMmaWarps * kWarpBytes <= kSharedBytes);
};

// Scores become weights, products of dy and values become slopes of the scores. `lse_of` and
// `delta_of` give what belongs to the query of number e of fragment j.
template <class X, int kN, bool kTransposed, class Numbers>
__device__ __forceinline__ void differentiate(const Scores<X>& scores, float (&s)[1][kN][4],
                                              float (&slopes)[1][kN][4],
                                              const ScorePlace<kTransposed>& at,
                                              unsigned char* bias_tile, const Numbers& numbers) {
  finish_scores(scores, s, at, bias_tile);
  ScoreBits<1, kN, kTransposed> kept;
  const bool drops = scores.random != nullptr;
  if (drops) {
    kept.draw(scores, at);
    kept.apply(slopes, 0.0f);
  }
  const float keep_scale = static_cast<float>(scores.p.keep_scale);
  UNROLL for (int j = 0; j < kN; j++) {
    UNROLL for (int e = 0; e < 4; e++) {
      s[0][j][e] = ptx::exp2_approximate(s[0][j][e] - numbers.lse(j, e) * kLog2OfE);
      slopes[0][j][e] = s[0][j][e] * (slopes[0][j][e] * keep_scale - numbers.delta(j, e));
    }
  }
  if (drops) kept.apply(s, 0.0f);
}

// Of the queries of a tile, in shared memory.
struct NumbersOfColumns {
  const float *lse_, *delta_;
  __device__ __forceinline__ float lse(int j, int e) const { return lse_[fragment_column(j, e)]; }
  __device__ __forceinline__ float delta(int j, int e) const {
    return delta_[fragment_column(j, e)];
  }
};
// Of the queries of a warp's rows.
struct NumbersOfRows {
  float lse_[2], delta_[2];
  template <class X>
  __device__ __forceinline__ void load(const BackwardArguments<X>& a, int64_t start, int query) {
    UNROLL for (int half = 0; half < 2; half++) {
      const int t = query + fragment_row(0, 2 * half), last = static_cast<int>(a.scores.p.T) - 1;
      lse_[half] = a.lse[start + (t < last ? t : last)];
      delta_[half] = a.delta[start + (t < last ? t : last)];
    }
  }
  __device__ __forceinline__ float lse(int, int e) const { return lse_[e / 2]; }
  __device__ __forceinline__ float delta(int, int e) const { return delta_[e / 2]; }
};

// What the key kernel fetches: turn after turn a tile of queries and of dy, with their numbers.
template <class S>
struct QueryTurns {
  const BackwardArguments<typename S::X>& a;
  const Rows<const typename S::X>&query, &dy;  // of the group's first head
  unsigned char* stages;
  int first_number, begin, per_head;  // of heads; of queries; turns

  __device__ __forceinline__ unsigned char* stage(int turn) const {
    return stages + turn % 2 * S::kStageBytes;
  }
  __device__ __forceinline__ int first_query(int turn) const {
    return begin + turn % per_head * S::kSteps;
  }
  __device__ __forceinline__ void fetch(int turn) const {
    const int head = turn / per_head, first = first_query(turn);
    unsigned char* const to = stage(turn);
    HeadFetcher<typename S::Other>(query).fetch(to, first, head * a.query.head);
    HeadFetcher<typename S::Other>(dy).fetch(to + S::Other::kBytes, first, head * a.dy.head);
    const int thread = static_cast<int>(anew(threadIdx.x)), t = first + thread % S::kSteps;
    const int T = static_cast<int>(a.scores.p.T);
    if (thread >= 2 * S::kSteps) return;
    const float* const from = thread < S::kSteps ? a.lse : a.delta;
    const int64_t at = int64_t{first_number + head} * T + t;
    ptx::cp_async<4>(to + 2 * S::Other::kBytes + thread * 4, t < T ? from + at : from,
                     t < T ? 4 : 0);
  }
  __device__ __forceinline__ NumbersOfColumns numbers(int turn) const {
    const auto* lse = reinterpret_cast<const float*>(stage(turn) + 2 * S::Other::kBytes);
    return {lse, lse + S::kSteps};
  }
};

template <class S>
__global__ void __launch_bounds__(kMmaThreads, S::kBlocksPerSm)
    mma_key_gradients(const __grid_constant__ BackwardArguments<typename S::X> a) {
  using Own = typename S::Own;
  using Other = typename S::Other;
  DYN_SMEM(unsigned char, shared);
  __shared__ Rows<const typename S::X> key_rows, value_rows, query_rows, dy_rows;
  const AttentionParams& p = a.scores.p;
  const int T = static_cast<int>(p.T), kv_heads = static_cast<int>(p.kv_heads);
  const int tiles = tiles_in(static_cast<int>(p.S), S::kRows);
  const int group = static_cast<int>(p.heads) / kv_heads;
  const int number = static_cast<int>(blockIdx.x) / tiles, n = number / kv_heads;
  const int kv = number % kv_heads, first = static_cast<int>(blockIdx.x) % tiles * S::kRows;
  const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp, row = warp * 16;
  if (threadIdx.x == 0) {
    key_rows = a.key.rows(n, kv, p.S, p.D);
    value_rows = a.value.rows(n, kv, p.S, p.E);
    query_rows = a.query.rows(n, kv * group, T, p.D);
    dy_rows = a.dy.rows(n, kv * group, T, p.E);
  }
  __syncthreads();
  const int begin = p.causal ? first : 0;
  const int per_head = begin < T ? tiles_in(T - begin, S::kSteps) : 0;
  const int turns = group * per_head;
  const QueryTurns<S> queries{a,     query_rows, dy_rows, shared + 2 * Own::kBytes, number * group,
                              begin, per_head};
  HeadFetcher<Own>(key_rows).fetch(shared, first);
  HeadFetcher<Own>(value_rows).fetch(shared + Own::kBytes, first);
  if (turns > 0) queries.fetch(0);

  float dkey[1][S::kSize / 8][4] = {}, dvalue[1][S::kSize / 8][4] = {};
  _Pragma("unroll 1") for (int turn = 0; turn < turns; turn++) {
    ptx::cp_async_wait_all();
    __syncthreads();  // and all are done with the tiles before
    if (turn + 1 < turns) queries.fetch(turn + 1);
    const ScorePlace<true> at{n, kv * group + turn / per_head, queries.first_query(turn),
                              first + row};
    // Uniform in a warp: it has keys, and the last query sees the first of them.
    if (at.key >= p.S || (p.causal && at.query + S::kSteps <= at.key)) continue;
    const unsigned char *query = queries.stage(turn), *dy = query + Other::kBytes;
    float s[1][S::kSteps / 8][4] = {}, slopes[1][S::kSteps / 8][4] = {};
    add_row_products<Own, Other>(s, shared, row, query);
    add_row_products<Own, Other>(slopes, shared + Own::kBytes, row, dy);
    differentiate(a.scores, s, slopes, at, shared + S::kSharedBytes + warp * S::Bias::kBytes,
                  queries.numbers(turn));
    add_weighted_rows<Other>(dvalue, s, dy);
    add_weighted_rows<Other>(dkey, slopes, query);
  }
  ptx::cp_async_wait_all();
  __syncthreads();
  if (first + row >= p.S) return;
  unsigned char* const staging = shared + warp * S::kWarpBytes;
  write_rows(dkey, a.dkey.rows(n, kv, p.S, p.D), first + row, static_cast<float>(p.scale), staging);
  write_rows(dvalue, a.dvalue.rows(n, kv, p.S, p.E), first + row, static_cast<float>(p.keep_scale),
             staging);
}

// Slopes of a warp's scores to dbias, through the shared memory that the bias came through.
template <class S, int kN>
__device__ __forceinline__ void write_slopes(const BackwardArguments<typename S::X>& a,
                                             const float (&slopes)[1][kN][4],
                                             const ScorePlace<false>& at, unsigned char* tile) {
  const AttentionParams& p = a.scores.p;
  const typename S::Bias staged{tile};
  __syncwarp();
  UNROLL for (int j = 0; j < kN; j++) {
    UNROLL for (int e = 0; e < 4; e += 2)
        gpu::store_vec(staged.at(fragment_row(0, e), fragment_column(j, e)),
                       gpu::Vector<float, 2>{{slopes[0][j][e], slopes[0][j][e + 1]}});
  }
  __syncwarp();
  typename S::X* to = a.dbias + ((int64_t{at.n} * p.heads + at.h) * p.T + at.query) * p.S + at.key;
  _Pragma("unroll 1") for (int row = 0; row < 16 && at.query + row < p.T; row++) {
    for (int c = fresh_lane(); c < kN * 8 && at.key + c < p.S; c += gpu::kWarp)
      to[c] = static_cast<typename S::X>(*staged.at(row, c));
    to += p.S;
  }
}

template <class S>
__global__ void __launch_bounds__(kMmaThreads, S::kBlocksPerSm)
    mma_query_gradients(const __grid_constant__ BackwardArguments<typename S::X> a) {
  using Own = typename S::Own;
  using Other = typename S::Other;
  DYN_SMEM(unsigned char, shared);
  __shared__ Rows<const typename S::X> key_rows, value_rows, query_rows, dy_rows;
  const AttentionParams& p = a.scores.p;
  const int T = static_cast<int>(p.T), heads = static_cast<int>(p.heads);
  const int tiles = tiles_in(T, S::kRows);
  const int number = static_cast<int>(blockIdx.x) / tiles, n = number / heads, h = number % heads;
  const int first = (tiles - 1 - static_cast<int>(blockIdx.x) % tiles) * S::kRows;
  const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp, row = warp * 16;
  const int kv = h / (heads / static_cast<int>(p.kv_heads)), all = static_cast<int>(p.S);
  // Of what is not seen the bias has slopes too: zeros.
  const bool skips = p.causal && a.dbias == nullptr;
  const int seen = skips && first + S::kRows < all ? first + S::kRows : all;
  if (threadIdx.x == 0) {
    key_rows = a.key.rows(n, kv, seen, p.D);
    value_rows = a.value.rows(n, kv, seen, p.E);
    query_rows = a.query.rows(n, h, T, p.D);
    dy_rows = a.dy.rows(n, h, T, p.E);
  }
  __syncthreads();
  const HeadFetcher<Other> keys(key_rows), values(value_rows);
  unsigned char *reading = shared + 2 * Own::kBytes, *writing = reading + S::kStageBytes;
  HeadFetcher<Own>(query_rows).fetch(shared, first);
  HeadFetcher<Own>(dy_rows).fetch(shared + Own::kBytes, first);
  keys.fetch(reading, 0);
  values.fetch(reading + Other::kBytes, 0);

  NumbersOfRows numbers;
  numbers.load(a, int64_t{number} * T, first + row);
  float dquery[1][S::kSize / 8][4] = {};
  _Pragma("unroll 1") for (int key = 0; key < seen; key += S::kSteps) {
    ptx::cp_async_wait_all();
    __syncthreads();  // and all are done with the tiles before
    if (key + S::kSteps < seen) {
      keys.fetch(writing, key + S::kSteps);
      values.fetch(writing + Other::kBytes, key + S::kSteps);
    }
    const unsigned char *const key_tile = reading, *const value_tile = reading + Other::kBytes;
    reading = writing;
    writing = const_cast<unsigned char*>(key_tile);
    const ScorePlace<false> at{n, h, first + row, key};
    if (at.query >= T || (skips && key >= at.query + 16)) continue;  // uniform in a warp
    float s[1][S::kSteps / 8][4] = {}, slopes[1][S::kSteps / 8][4] = {};
    add_row_products<Own, Other>(s, shared, row, key_tile);
    add_row_products<Own, Other>(slopes, shared + Own::kBytes, row, value_tile);
    unsigned char* const bias_tile = shared + S::kSharedBytes + warp * S::Bias::kBytes;
    differentiate(a.scores, s, slopes, at, bias_tile, numbers);
    if (a.dbias != nullptr) write_slopes<S>(a, slopes, at, bias_tile);
    add_weighted_rows<Other>(dquery, slopes, key_tile);
  }
  __syncthreads();
  if (first + row < T)
    write_rows(dquery, a.dquery.rows(n, h, T, p.D), first + row, static_cast<float>(p.scale),
               shared + warp * S::kWarpBytes);
}

template <class S>
size_t shared_bytes(bool biased) {
  return S::kSharedBytes + (biased ? kMmaWarps * S::Bias::kBytes : 0);
}

template <class T, int kSize>
void launch_shape(const BackwardArguments<typename MmaElement<T>::Stored>& a) {
  using OverKeys = BackwardShape<T, kSize, true>;
  using OverQueries = BackwardShape<T, kSize, false>;
  const AttentionParams& p = a.scores.p;
  const bool biased = a.scores.terms.bias != nullptr;
  const int64_t query_blocks = p.N * p.heads * ceil_div(p.T, OverKeys::kRows),
                key_blocks = p.N * p.kv_heads * ceil_div(p.S, OverQueries::kRows);
  gpu::launch(mma_query_gradients<OverKeys>, dim3(static_cast<uint32_t>(query_blocks)),
              dim3(kMmaThreads), shared_bytes<OverKeys>(biased), stream(), a);
  gpu::launch(mma_key_gradients<OverQueries>, dim3(static_cast<uint32_t>(key_blocks)),
              dim3(kMmaThreads), shared_bytes<OverQueries>(biased), stream(), a);
}

template <class T>
void launch_sizes(const BackwardArguments<typename MmaElement<T>::Stored>& a) {
  const int64_t size = a.scores.p.D > a.scores.p.E ? a.scores.p.D : a.scores.p.E;
  if (size <= 32) return launch_shape<T, 32>(a);
  if (size <= 64) return launch_shape<T, 64>(a);
  launch_shape<T, kLargestMmaHead>(a);
}

}  // namespace

namespace attending {

void launch_mma(const BackwardArguments<float>& a) { launch_sizes<ptx::Tf32>(a); }
void launch_mma(const BackwardArguments<Float16>& a) { launch_sizes<Float16>(a); }
void launch_mma(const BackwardArguments<BFloat16>& a) { launch_sizes<BFloat16>(a); }

}  // namespace attending
}  // namespace weft::WEFT_GPU
