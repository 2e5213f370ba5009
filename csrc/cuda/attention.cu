// Forward on the ordinary units: a block has 64 queries of one head and passes over the keys, 64 at
// a time; the weights of a tile go through shared memory into the second product. 2 T S (D + E)
// multiply-adds on the ordinary units bound it; memory sees the operands once for each 64 queries,
// mostly from L2. Of a value larger than 64 numbers each block computes 64, with the scores anew.
#include "cuda/attention.h"

#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

using namespace attending;

// What a thread knows of the four queries of its rows.
template <class C>
struct Passing {
  C top[4], total[4];  // largest score so far; sum of exp(score - top)
};

// Over the 16 threads that share rows.
template <class C>
__device__ C largest_of_row(C v) {
  UNROLL for (int lane = 8; lane > 0; lane /= 2) {
    const C other = __shfl_xor_sync(gpu::kAllLanes, v, lane);
    v = other > v ? other : v;
  }
  return v;
}
template <class C>
__device__ C sum_of_row(C v) {
  UNROLL for (int lane = 8; lane > 0; lane /= 2) v += __shfl_xor_sync(gpu::kAllLanes, v, lane);
  return v;
}

// Scores become exp(score - top); gives for each row by how much the sums so far shrink.
template <class C>
__device__ Four<C> weigh(Sums<C>& s, Passing<C>& t) {
  Four<C> shrink;
  UNROLL for (int i = 0; i < 4; i++) {
    C top = s.at[i][0];
    UNROLL for (int j = 1; j < 4; j++) top = s.at[i][j] > top ? s.at[i][j] : top;
    top = largest_of_row(top);
    top = t.top[i] > top ? t.top[i] : top;
    const C shift = top == kLowest<C> ? C(0) : top;
    C sum = 0;
    UNROLL for (int j = 0; j < 4; j++) {
      s.at[i][j] = Math::exp(s.at[i][j] - shift);
      sum += s.at[i][j];
    }
    shrink[i] = Math::exp(t.top[i] - shift);
    t.total[i] = t.total[i] * shrink[i] + sum_of_row(sum);
    t.top[i] = top;
  }
  return shrink;
}

template <class X>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm<X>)
    forward_kernel(const __grid_constant__ ForwardArguments<X> a) {
  using C = Compute<X>;
  DYN_SMEM(C, shared);
  C *query_tile = shared, *other_tile = shared + kTileElements,
    *weight_tile = shared + 2 * kTileElements;
  const AttentionParams& p = a.scores.p;
  const int64_t tiles = (p.T + kTile - 1) / kTile, number = blockIdx.x / tiles;
  const int64_t n = number / p.heads, h = number % p.heads;
  // The last queries see the most keys when causal: they begin first.
  const int64_t first = (tiles - 1 - blockIdx.x % tiles) * kTile;
  const int64_t kv = h / (p.heads / p.kv_heads);
  const int column = static_cast<int>(blockIdx.y) * kTile;
  const Rows<const X> query = a.query.rows(n, h, p.T, p.D), key = a.key.rows(n, kv, p.S, p.D),
                      value = a.value.rows(n, kv, p.S, p.E);
  const int64_t seen = p.causal && first + kTile < p.S ? first + kTile : p.S;
  Passing<C> t;
  UNROLL for (int i = 0; i < 4; i++) {
    t.top[i] = kLowest<C>;
    t.total[i] = 0;
  }
  Sums<C> sums;
  sums.clear();
  for (int64_t k = 0; k < seen; k += kTile) {
    Sums<C> s;
    s.clear();
    add_scores<X>(s, query, first, key, k, query_tile, other_tile, k > 0 && p.D <= kTile);
    a.scores.finish(s, n, h, first, k);
    const Four<C> shrink = weigh(s, t);
    UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < 4; j++) sums.at[i][j] *=
        shrink[i];
    if (a.scores.random != nullptr) {
      a.scores.chances(weight_tile, n, h, first, k);
      s.multiply_by(weight_tile);
      __syncthreads();  // each thread has read its own
    }
    s.store_transposed(weight_tile);
    __syncthreads();
    load_tile(value, k, column, other_tile);
    __syncthreads();
    sums.add_product(weight_tile, other_tile,
                     static_cast<int>(seen - k < kTile ? seen - k : kTile));
  }
  UNROLL for (int i = 0; i < 4; i++) {
    const C factor = t.total[i] == C(0) ? C(0) : C(1) / t.total[i];
    UNROLL for (int j = 0; j < 4; j++) sums.at[i][j] *= factor;
    const int64_t row = first + thread_row() + i;
    if (thread_column() == 0 && column == 0 && row < p.T)
      a.lse[number * p.T + row] =
          t.total[i] == C(0) ? -kLowest<C> : t.top[i] + Math::log(t.total[i]);
  }
  sums.store(a.y.rows(n, h, p.T, p.E), first, column, C(1));
}

__global__ void remember(const RandomStream* taken, uint64_t* drawn) {
  drawn[0] = taken->seed;
  drawn[1] = taken->counter;
}

template <class X>
void run_forward(const AttentionParams& p, const Operand* o, const RandomStream* random) {
  const ForwardArguments<X> a{{p, {o[3], o[4]}, random}, o[0], o[1], o[2], o[6],
                              o[7].as<Compute<X>>()};
  if constexpr (!std::is_same_v<X, double>) {
    if (fits_mma(p, {&o[0], &o[1], &o[2], &o[6]})) return launch_mma(a);
  }
  const dim3 grid(static_cast<uint32_t>(p.N * p.heads * tiles_of(p.T)),
                  static_cast<uint32_t>(tiles_of(p.E)));
  gpu::launch(forward_kernel<X>, grid, dim3(kThreads), 3 * kTileElements * sizeof(Compute<X>),
              stream(), a);
}

template <class X>
void forward(const AttentionParams& p, const Operand* o) {
  if (!o[5].present) return run_forward<X>(p, o, nullptr);
  const TakenBlocks taken(o[5], (p.N * p.heads * p.T * p.S + 3) / 4);
  gpu::launch(remember, dim3(1), dim3(1), 0, stream(), taken.get(), o[8].as<uint64_t>());
  run_forward<X>(p, o, taken.get());
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define ATTENTION(T) kernel_entry<&forward<T>>(kernels::attention, dtype_of<T>)
WEFT_GPU_KERNELS(attention, ATTENTION(float), ATTENTION(double), ATTENTION(Float16),
                 ATTENTION(BFloat16))
