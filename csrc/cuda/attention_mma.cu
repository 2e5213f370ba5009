// Forward on tensor cores. A block has 128 queries of one head (64 of small heads and of floats),
// each of its warps 32 (16) of them. Tiles of 32 keys and values (64 of halves up to 64 numbers)
// take turns in a ring, so that two to four are on their way while one is multiplied. Two blocks
// per SM: 41 to 80 KB of shared memory and at most 255 registers.
//
// Expected bound on an H200: mma.sync reaches about 62 % of 990 TFLOP/s, and 2 T S (D + E)
// multiply-adds take their time only where nothing else does. For 32 keys and heads of 128 numbers
// the four warps (128 queries) take 830 cycles of the tensor cores, 640 of the port of shared
// memory (a fragment of keys or values serves 32 queries), 256 of the exponentials' unit and about
// 550 of issuing instructions; two blocks overlap them, incompletely: 300 to 400 TFLOP/s are to be
// expected. Memory sees queries and results once, and keys and values once for every 128 queries,
// mostly from L2: 128 FLOP for each byte of it. Of a mask each warp reads every byte once, of a
// bias every number.
#include "cuda/attention_mma.h"
#include "cuda/stream.h"

namespace weft::WEFT_GPU {
namespace {

using namespace attending;

template <class T_, int kSize_>
struct ForwardShape {
  using T = T_;
  static constexpr bool kHalf = MmaElement<T>::kHalf;
  static constexpr int kSize = kSize_, kBlocksPerSm = 2;
  static constexpr int kM = kHalf && kSize > 32 ? 2 : 1, kQueries = kMmaWarps * 16 * kM;
  static constexpr bool kNarrow = !kHalf || kSize > 64;  // more keys would not fit registers
  static constexpr int kKeys = kNarrow ? 32 : 64;
  static constexpr int kAhead = kNarrow ? 2 : 1, kStages = 2 * kAhead + 1;
  using QueryTile = HeadTile<T, kQueries, kSize>;
  using KeyTile = HeadTile<T, kKeys, kSize>;
  using X = typename QueryTile::X;
  static constexpr int kWarpBytes = 16 * kM * kSize * 4;  // of results
  static constexpr int kSharedBytes = QueryTile::kBytes + kStages * KeyTile::kBytes;
  static_assert(kMmaWarps * kWarpBytes <= kSharedBytes);
};

// Over the 4 lanes that share rows.
__device__ __forceinline__ float largest_of_quad(float v) {
  v = fmaxf(v, __shfl_xor_sync(gpu::kAllLanes, v, 1));
  return fmaxf(v, __shfl_xor_sync(gpu::kAllLanes, v, 2));
}
__device__ __forceinline__ float sum_of_quad(float v) {
  v += __shfl_xor_sync(gpu::kAllLanes, v, 1);
  return v + __shfl_xor_sync(gpu::kAllLanes, v, 2);
}

// What a warp knows of its queries.
template <class S>
struct Passing {
  float sums[S::kM][S::kSize / 8][4];
  float top[S::kM][2], total[S::kM][2];  // largest score so far; this lane's part of the sum

  __device__ __forceinline__ void begin() {
    UNROLL for (int i = 0; i < S::kM; i++) {
      UNROLL for (int half = 0; half < 2; half++) {
        top[i][half] = kLowest<float>;
        total[i][half] = 0;
      }
      UNROLL for (int j = 0; j < S::kSize / 8; j++) UNROLL for (int e = 0; e < 4; e++)
          sums[i][j][e] = 0;
    }
  }
  // Scores become exp2(score - top), and the sums so far shrink by as much as top grew.
  template <int kN>
  __device__ __forceinline__ void weigh(float (&s)[S::kM][kN][4]) {
    UNROLL for (int i = 0; i < S::kM; i++) {
      UNROLL for (int half = 0; half < 2; half++) weigh_row(i, half * 2, s[i]);
    }
  }

 private:
  template <int kN>
  __device__ __forceinline__ void weigh_row(int i, int e, float (&s)[kN][4]) {
    float largest = top[i][e / 2];
    UNROLL for (int j = 0; j < kN; j++) largest = fmaxf(fmaxf(largest, s[j][e]), s[j][e + 1]);
    largest = largest_of_quad(largest);
    const float shift = largest == kLowest<float> ? 0.0f : largest;
    const float shrink = ptx::exp2_approximate(top[i][e / 2] - shift);
    float sum = 0;
    UNROLL for (int j = 0; j < kN; j++) {
      UNROLL for (int c = e; c < e + 2; c++) {
        s[j][c] = ptx::exp2_approximate(s[j][c] - shift);
        sum += s[j][c];
      }
    }
    top[i][e / 2] = largest;
    total[i][e / 2] = total[i][e / 2] * shrink + sum;
    UNROLL for (int j = 0; j < S::kSize / 8; j++) UNROLL for (int c = e; c < e + 2; c++)
        sums[i][j][c] *= shrink;
  }
};

// Keys and values, taking turns.
template <class S>
struct Turns {
  unsigned char* ring;
  int slot;

  __device__ __forceinline__ const unsigned char* current() const {
    return ring + slot * S::KeyTile::kBytes;
  }
  // Waits for the next tile; that before it makes room for another.
  __device__ __forceinline__ void arrive(const HeadFetcher<typename S::KeyTile>& rows, int first,
                                         int end) {
    ptx::cp_async_wait<S::kStages - 2>();
    __syncthreads();
    const int free = slot < 0 ? S::kStages - 1 : slot;
    slot = slot + 1 == S::kStages ? 0 : slot + 1;
    if (first < end) rows.fetch(ring + free * S::KeyTile::kBytes, first);
    ptx::cp_async_commit();
  }
};

// Scores of a warp's queries and a tile of keys become weights.
template <class S, class X, int kN>
__device__ __forceinline__ void weigh_tile(Passing<S>& passing, const Scores<X>& scores,
                                           float (&s)[S::kM][kN][4], const ScorePlace<false>& at,
                                           unsigned char* bias_tile) {
  finish_scores(scores, s, at, bias_tile);
  passing.weigh(s);
  if (scores.random != nullptr) {
    ScoreBits<S::kM, kN, false> kept;
    kept.draw(scores, at);
    kept.apply(s, 0.0f);
  }
}

// Sums become results.
template <class S, class X>
__device__ __forceinline__ void finish_rows(Passing<S>& passing, const AttentionParams& p,
                                            const Rows<X>& y, float* lse, int query,
                                            unsigned char* staging) {
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  UNROLL for (int i = 0; i < S::kM; i++) {
    UNROLL for (int e = 0; e < 4; e += 2) {
      const float total = sum_of_quad(passing.total[i][e / 2]), top = passing.top[i][e / 2];
      const float factor = total == 0.0f ? 0.0f : 1.0f / total;
      UNROLL for (int j = 0; j < S::kSize / 8; j++) UNROLL for (int c = e; c < e + 2; c++)
          passing.sums[i][j][c] *= factor;
      const int row = query + fragment_row(i, e);
      if (lane % 4 == 0 && row < p.T)
        lse[row] = total == 0.0f ? -kLowest<float> : (top + log2f(total)) * kLnOf2;
    }
  }
  write_rows(passing.sums, y, query, static_cast<float>(p.keep_scale), staging);
}

template <class S>
__global__ void __launch_bounds__(kMmaThreads, S::kBlocksPerSm)
    mma_forward(const __grid_constant__ ForwardArguments<typename S::X> a) {
  using QueryTile = typename S::QueryTile;
  using KeyTile = typename S::KeyTile;
  DYN_SMEM(unsigned char, shared);
  const AttentionParams& p = a.scores.p;
  __shared__ Rows<const typename S::X> query_rows, key_rows, value_rows;
  const int T = static_cast<int>(p.T), heads = static_cast<int>(p.heads);
  const int tiles = tiles_in(T, S::kQueries);
  const int number = static_cast<int>(blockIdx.x) / tiles, n = number / heads, h = number % heads;
  // The last queries see the most keys when causal: they begin first.
  const int first = (tiles - 1 - static_cast<int>(blockIdx.x) % tiles) * S::kQueries;
  const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp, row = warp * 16 * S::kM;
  const int kv = h / (heads / static_cast<int>(p.kv_heads)), S_ = static_cast<int>(p.S);
  const int seen = p.causal && first + S::kQueries < S_ ? first + S::kQueries : S_;

  if (threadIdx.x == 0) {
    query_rows = a.query.rows(n, h, T, p.D);
    key_rows = a.key.rows(n, kv, seen, p.D);
    value_rows = a.value.rows(n, kv, seen, p.E);
  }
  __syncthreads();
  const HeadFetcher<KeyTile> keys(key_rows), values(value_rows);
  Turns<S> turns{shared + QueryTile::kBytes, -1};
  HeadFetcher<QueryTile>(query_rows).fetch(shared, first);
  _Pragma("unroll 1") for (int tile = 0; tile < S::kAhead; tile++) {
    unsigned char* const to = turns.ring + 2 * tile * KeyTile::kBytes;
    const bool exists = tile * S::kKeys < seen;
    if (exists) keys.fetch(to, tile * S::kKeys);
    ptx::cp_async_commit();
    if (exists) values.fetch(to + KeyTile::kBytes, tile * S::kKeys);
    ptx::cp_async_commit();
  }

  Passing<S> passing;
  passing.begin();
  for (int key = 0; key < seen; key += S::kKeys) {
    const ScorePlace<false> at{n, h, first + row, key};
    // Uniform in a warp: it has queries, and the last of them sees the first key.
    const bool looks = at.query < T && !(p.causal && key >= at.query + 16 * S::kM);
    float s[S::kM][S::kKeys / 8][4] = {};
    turns.arrive(keys, key + S::kAhead * S::kKeys, seen);
    if (looks) {
      add_row_products<QueryTile, KeyTile>(s, shared, row, turns.current());
      weigh_tile(passing, a.scores, s, at,
                 shared + S::kSharedBytes + warp * BiasTile<S::kM, S::kKeys / 8, false>::kBytes);
    }
    turns.arrive(values, key + S::kAhead * S::kKeys, seen);
    if (looks) add_weighted_rows<KeyTile>(passing.sums, s, turns.current());
  }
  __syncthreads();
  if (first + row < T)
    finish_rows(passing, p, a.y.rows(n, h, T, p.E), a.lse + int64_t{number} * T, first + row,
                shared + warp * S::kWarpBytes);
}

template <class T, int kSize>
void launch_shape(const ForwardArguments<typename MmaElement<T>::Stored>& a) {
  using S = ForwardShape<T, kSize>;
  const AttentionParams& p = a.scores.p;
  const int64_t tiles = ceil_div(p.T, S::kQueries);
  constexpr size_t kBiasBytes = kMmaWarps * BiasTile<S::kM, S::kKeys / 8, false>::kBytes;
  const size_t shared = S::kSharedBytes + (a.scores.terms.bias != nullptr ? kBiasBytes : 0);
  gpu::launch(mma_forward<S>, dim3(static_cast<uint32_t>(p.N * p.heads * tiles)), dim3(kMmaThreads),
              shared, stream(), a);
}

template <class T>
void launch_sizes(const ForwardArguments<typename MmaElement<T>::Stored>& a) {
  const int64_t size = a.scores.p.D > a.scores.p.E ? a.scores.p.D : a.scores.p.E;
  if (size <= 32) return launch_shape<T, 32>(a);
  if (size <= 64) return launch_shape<T, 64>(a);
  launch_shape<T, kLargestMmaHead>(a);
}

bool rows_fit(const Operand& o, int64_t element) {
  bool fits = reinterpret_cast<uintptr_t>(o.data) % kUnit == 0;
  for (int axis = 0; axis < 3; axis++)
    fits = fits && (o.shape[axis] == 1 || o.strides[axis] * element % kUnit == 0);
  return fits;
}

}  // namespace

namespace attending {

bool fits_mma(const AttentionParams& p, std::initializer_list<const Operand*> heads) {
  constexpr int64_t kMost = 1 << 30;
  if (p.D > kLargestMmaHead || p.E > kLargestMmaHead || p.D % 8 != 0 || p.E % 8 != 0) return false;
  const int64_t steps = p.T > p.S ? p.T : p.S;
  if (steps > kMost || p.N * p.heads * ceil_div(steps, 64) > kMost) return false;
  for (const Operand* o : heads) {
    if (o->dtype == DType::float32 && p.precision == MatmulPrecision::float32) return false;
    if (!rows_fit(*o, o->dtype == DType::float32 ? 4 : 2)) return false;
  }
  return true;
}

void launch_mma(const ForwardArguments<float>& a) { launch_sizes<ptx::Tf32>(a); }
void launch_mma(const ForwardArguments<Float16>& a) { launch_sizes<Float16>(a); }
void launch_mma(const ForwardArguments<BFloat16>& a) { launch_sizes<BFloat16>(a); }

}  // namespace attending
}  // namespace weft::WEFT_GPU
