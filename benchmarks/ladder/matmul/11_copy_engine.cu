// One thread asks for a whole box of the matrix: the copy engine (TMA) finds its addresses, fetches
// it and lays it down with exchanged units, while all the others do nothing for it. A barrier in
// shared memory (mbarrier) counts its bytes, and who waits for the barrier has the tile. What a
// matrix looks like, the engine reads from a tensor map that the host has made.
#include "warpgroup.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = kGroups * kGroup, kStages = 3;

struct Shared {
  Tiles ring[kStages];
  uint64_t full[kStages];
};

// By one thread.
__device__ __forceinline__ void start_fetch(const ptx::TensorMap& a, const ptx::TensorMap& b,
                                            int row, int column, int k, Tiles& to, uint64_t* full) {
  ptx::mbarrier_arrive_expect_bytes(full, sizeof(Tiles));
  ptx::tma_load_2d(to.a, &a, full, k, row);
  UNROLL for (int p = 0; p < 2; p++) ptx::tma_load_2d(to.b[p], &b, full, column + p * kDepth, k);
}

__global__ void __launch_bounds__(kThreads, 2)
    multiply_copy_engine(const __grid_constant__ ptx::TensorMap a,
                         const __grid_constant__ ptx::TensorMap b, float* c, int n, int k) {
  DYN_SMEM(Shared, shared);
  const int group = static_cast<int>(threadIdx.x) / kGroup;
  const int row = static_cast<int>(blockIdx.y) * kTile;
  const int column = static_cast<int>(blockIdx.x) * kTile;
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; s++) ptx::mbarrier_init(&shared->full[s], 1);
    ptx::fence_mbarrier_init();
    for (int s = 0; s < kStages - 1 && s * kDepth < k; s++)
      start_fetch(a, b, row, column, s * kDepth, shared->ring[s], &shared->full[s]);
  }
  __syncthreads();  // the barriers are there for all
  float sums[kSums] = {};
  uint32_t phase = 0;
  for (int first = 0, stage = 0; first < k; first += kDepth) {
    const int next = first + (kStages - 1) * kDepth, other = (stage + kStages - 1) % kStages;
    if (threadIdx.x == 0 && next < k)
      start_fetch(a, b, row, column, next, shared->ring[other], &shared->full[other]);
    ptx::mbarrier_wait(&shared->full[stage], phase);
    start_multiply(shared->ring[stage], group, sums);
    ptx::wgmma_wait<0>();
    ptx::hold_registers(sums);
    __syncthreads();  // both warpgroups are done with the tile
    stage = (stage + 1) % kStages;
    if (stage == 0) phase ^= 1;
  }
  store(c + row * n + column, n, group, sums);
}

void launch(const HalfMatmulProblem& p) {
  wants_tiles(p);
  gpu::launch(multiply_copy_engine, dim3(p.n / kTile, p.m / kTile), dim3(kThreads), sizeof(Shared),
              stream(), map_of(p.a, p.m, p.k, kTile), map_of(p.b, p.k, p.n, kDepth), p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 11, launch)
