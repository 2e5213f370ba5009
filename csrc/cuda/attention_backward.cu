// Backward on the ordinary units, weights computed anew from lse: one kernel goes over the keys for
// each 64 queries (dquery), one over the queries for each 64 keys (dkey, dvalue). No sum is shared
// between blocks, so there are no atomics, and results do not depend on scheduling; the price is
// that scores are computed twice (7 products of tiles in place of 5). Of gradients larger than 64
// numbers each block computes 64.
#include "cuda/attention.h"
#include "cuda/block.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

using namespace attending;

// A warp for each row.
template <class X>
__global__ void __launch_bounds__(kThreads)
    row_dots(const __grid_constant__ BackwardArguments<X> a) {
  using C = Compute<X>;
  const AttentionParams& p = a.scores.p;
  const int64_t row = int64_t{blockIdx.x} * (kThreads / gpu::kWarp) + threadIdx.x / gpu::kWarp;
  C sum = 0;
  if (row < p.N * p.heads * p.T) {
    const int64_t t = row % p.T, number = row / p.T, n = number / p.heads, h = number % p.heads;
    const X *dy = a.dy.rows(n, h, p.T, p.E).row(t), *y = a.y.rows(n, h, p.T, p.E).row(t);
    for (int64_t c = threadIdx.x % gpu::kWarp; c < p.E; c += gpu::kWarp)
      sum += static_cast<C>(dy[c]) * static_cast<C>(y[c]);
  }
  UNROLL for (int lane = 16; lane > 0; lane /= 2) sum += __shfl_xor_sync(gpu::kAllLanes, sum, lane);
  if (row < p.N * p.heads * p.T && threadIdx.x % gpu::kWarp == 0) a.delta[row] = sum;
}

// Scores become weights (times what dropout makes of them), products dy value^T the slopes of the
// scores. `tile` is free.
template <class X>
__device__ void differentiate(const BackwardArguments<X>& a, Sums<Compute<X>>& s,
                              Sums<Compute<X>>& slopes, int64_t n, int64_t h, int64_t query,
                              int64_t key, Compute<X>* tile) {
  using C = Compute<X>;
  const AttentionParams& p = a.scores.p;
  a.scores.finish(s, n, h, query, key);
  const bool drops = a.scores.random != nullptr;
  if (drops) {
    a.scores.chances(tile, n, h, query, key);
    slopes.multiply_by(tile);
  }
  UNROLL for (int i = 0; i < 4; i++) {
    const int64_t t = query + thread_row() + i;
    const int64_t at = (n * p.heads + h) * p.T + (t < p.T ? t : p.T - 1);
    const C lse = a.lse[at], delta = a.delta[at];
    UNROLL for (int j = 0; j < 4; j++) {
      s.at[i][j] = s.at[i][j] == kLowest<C> ? C(0) : Math::exp(s.at[i][j] - lse);
      slopes.at[i][j] = s.at[i][j] * (slopes.at[i][j] - delta);
    }
  }
  if (drops) {
    s.multiply_by(tile);
    __syncthreads();  // each thread has read its own
  }
}

template <class X>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm<X>)
    query_kernel(const __grid_constant__ BackwardArguments<X> a) {
  using C = Compute<X>;
  DYN_SMEM(C, shared);
  C *query_tile = shared, *other_tile = shared + kTileElements,
    *slope_tile = shared + 2 * kTileElements;
  const AttentionParams& p = a.scores.p;
  const int64_t tiles = (p.T + kTile - 1) / kTile;
  const int64_t number = blockIdx.x / tiles, n = number / p.heads, h = number % p.heads;
  const int64_t first = (tiles - 1 - blockIdx.x % tiles) * kTile, kv = h / (p.heads / p.kv_heads);
  const int column = static_cast<int>(blockIdx.y) * kTile;
  const Rows<const X> query = a.query.rows(n, h, p.T, p.D), key = a.key.rows(n, kv, p.S, p.D),
                      dy = a.dy.rows(n, h, p.T, p.E), value = a.value.rows(n, kv, p.S, p.E);
  const bool writes_bias = a.dbias != nullptr && column == 0;
  const int64_t seen = p.causal && !writes_bias && first + kTile < p.S ? first + kTile : p.S;
  Sums<C> sums;
  sums.clear();
  for (int64_t k = 0; k < seen; k += kTile) {
    Sums<C> s, slopes;
    s.clear();
    slopes.clear();
    add_scores<X>(s, query, first, key, k, query_tile, other_tile, false);
    add_scores<X>(slopes, dy, first, value, k, query_tile, other_tile, false);
    differentiate(a, s, slopes, n, h, first, k, slope_tile);
    if (writes_bias) {
      X* to = a.dbias + number * p.T * p.S + k;
      const int keys = static_cast<int>(p.S - k < kTile ? p.S - k : kTile);
      slopes.store(Rows<X>{to, p.S, p.T, keys, false}, first, 0, C(1));
    }
    slopes.store_transposed(slope_tile);
    __syncthreads();
    load_tile(key, k, column, other_tile);
    __syncthreads();
    sums.add_product(slope_tile, other_tile, static_cast<int>(seen - k < kTile ? seen - k : kTile));
  }
  sums.store(a.dquery.rows(n, h, p.T, p.D), first, column, static_cast<C>(p.scale));
}

template <class X>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm<X>)
    key_kernel(const __grid_constant__ BackwardArguments<X> a) {
  using C = Compute<X>;
  DYN_SMEM(C, shared);
  C *query_tile = shared, *other_tile = shared + kTileElements,
    *weight_tile = shared + 2 * kTileElements;
  const AttentionParams& p = a.scores.p;
  const int64_t tiles = (p.S + kTile - 1) / kTile, group = p.heads / p.kv_heads;
  const int64_t number = blockIdx.x / tiles, n = number / p.kv_heads, kv = number % p.kv_heads;
  const int64_t first = blockIdx.x % tiles * kTile;
  const int column = static_cast<int>(blockIdx.y) * kTile;
  const Rows<const X> key = a.key.rows(n, kv, p.S, p.D), value = a.value.rows(n, kv, p.S, p.E);
  Sums<C> dkey, dvalue;
  dkey.clear();
  dvalue.clear();
  for (int64_t h = kv * group; h < (kv + 1) * group; h++) {
    const Rows<const X> query = a.query.rows(n, h, p.T, p.D), dy = a.dy.rows(n, h, p.T, p.E);
    for (int64_t t = p.causal ? first : 0; t < p.T; t += kTile) {
      Sums<C> s, slopes;
      s.clear();
      slopes.clear();
      add_scores<X>(s, query, t, key, first, query_tile, other_tile, false);
      add_scores<X>(slopes, dy, t, value, first, query_tile, other_tile, false);
      differentiate(a, s, slopes, n, h, t, first, weight_tile);
      const int queries = static_cast<int>(p.T - t < kTile ? p.T - t : kTile);
      s.store_plain(weight_tile);
      __syncthreads();
      load_tile(dy, t, column, other_tile);
      __syncthreads();
      dvalue.add_product(weight_tile, other_tile, queries);
      __syncthreads();
      slopes.store_plain(weight_tile);
      load_tile(query, t, column, other_tile);
      __syncthreads();
      dkey.add_product(weight_tile, other_tile, queries);
    }
  }
  dkey.store(a.dkey.rows(n, kv, p.S, p.D), first, column, static_cast<C>(p.scale));
  dvalue.store(a.dvalue.rows(n, kv, p.S, p.E), first, column, C(1));
}

template <class X>
void backward(const AttentionParams& p, const Operand* o) {
  const int64_t rows = p.N * p.heads * p.T;
  const DeviceScratch<Compute<X>> delta(rows);
  // What was drawn has the layout of a stream.
  const auto* random = reinterpret_cast<const RandomStream*>(o[8].data);
  const BackwardArguments<X> a{{p, {o[6], o[7]}, o[8].present ? random : nullptr},
                               o[0],
                               o[1],
                               o[2],
                               o[3],
                               o[4],
                               o[9],
                               o[10],
                               o[11],
                               o[12].present ? o[12].as<X>() : nullptr,
                               o[5].as<Compute<X>>(),
                               delta.get()};
  constexpr int kRows = kThreads / gpu::kWarp;
  constexpr size_t kShared = 3 * kTileElements * sizeof(Compute<X>);
  gpu::launch(row_dots<X>, dim3(static_cast<uint32_t>((rows + kRows - 1) / kRows)), dim3(kThreads),
              0, stream(), a);
  if constexpr (!std::is_same_v<X, double>) {
    if (fits_mma(p, {&o[0], &o[1], &o[2], &o[3], &o[9], &o[10], &o[11]})) return launch_mma(a);
  }
  const uint32_t columns = static_cast<uint32_t>(tiles_of(p.D)),
                 all_columns = static_cast<uint32_t>(tiles_of(p.D > p.E ? p.D : p.E));
  gpu::launch(query_kernel<X>, dim3(static_cast<uint32_t>(p.N * p.heads * tiles_of(p.T)), columns),
              dim3(kThreads), kShared, stream(), a);
  gpu::launch(key_kernel<X>,
              dim3(static_cast<uint32_t>(p.N * p.kv_heads * tiles_of(p.S)), all_columns),
              dim3(kThreads), kShared, stream(), a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define ATTENTION(T) kernel_entry<&backward<T>>(kernels::attention_backward, dtype_of<T>)
WEFT_GPU_KERNELS(attention_backward, ATTENTION(float), ATTENTION(double), ATTENTION(Float16),
                 ATTENTION(BFloat16))
