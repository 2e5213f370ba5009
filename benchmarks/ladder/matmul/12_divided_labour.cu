// Who copies does not multiply: a warp of its own keeps the ring full, and two warpgroups empty it.
// They meet at the barriers of a stage alone, "full" and "empty", so no barrier stops the block: a
// warpgroup may be a tile ahead of the other, and copies run as far ahead as there are stages. Each
// warpgroup starts its next products before it waits for those before them, whose stage it then
// gives back: the tensor cores never run dry.
#include "warpgroup.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kProducer = kGroups * kGroup, kThreads = kProducer + gpu::kWarp, kStages = 3;

struct Shared {
  Tiles ring[kStages];
  uint64_t full[kStages], empty[kStages];
};

// By one thread: as far ahead as the ring reaches. A barrier that has never completed lets those
// pass who wait for the phase before its first.
__device__ __forceinline__ void produce(const ptx::TensorMap& a, const ptx::TensorMap& b, int row,
                                        int column, int k, Shared& shared) {
  for (int i = 0; i * kDepth < k; i++) {
    const int stage = i % kStages;
    Tiles& to = shared.ring[stage];
    uint64_t* const full = &shared.full[stage];
    ptx::mbarrier_wait(&shared.empty[stage], static_cast<uint32_t>(i / kStages & 1) ^ 1);
    ptx::mbarrier_arrive_expect_bytes(full, sizeof(Tiles));
    ptx::tma_load_2d(to.a, &a, full, i * kDepth, row);
    UNROLL for (int p = 0; p < 2; p++)
        ptx::tma_load_2d(to.b[p], &b, full, column + p * kDepth, i * kDepth);
  }
}

// By a warpgroup.
__device__ __forceinline__ void consume(int k, Shared& shared, int group, float (&sums)[kSums]) {
  const bool speaks = threadIdx.x % kGroup == 0;
  ptx::hold_registers(sums);  // zeros are there before the first products start
  _Pragma("unroll 1") for (int i = 0; i * kDepth < k; i++) {
    const int stage = i % kStages;
    ptx::mbarrier_wait(&shared.full[stage], static_cast<uint32_t>(i / kStages & 1));
    start_multiply(shared.ring[stage], group, sums);
    ptx::wgmma_wait<1>();
    if (speaks && i > 0) ptx::mbarrier_arrive(&shared.empty[(stage + kStages - 1) % kStages]);
  }
  ptx::wgmma_wait<0>();
  ptx::hold_registers(sums);
}

__global__ void __launch_bounds__(kThreads, 2)
    multiply_divided_labour(const __grid_constant__ ptx::TensorMap a,
                            const __grid_constant__ ptx::TensorMap b, float* c, int n, int k) {
  DYN_SMEM(Shared, shared);
  const int row = static_cast<int>(blockIdx.y) * kTile;
  const int column = static_cast<int>(blockIdx.x) * kTile;
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; s++) {
      ptx::mbarrier_init(&shared->full[s], 1);
      ptx::mbarrier_init(&shared->empty[s], kGroups);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();  // the only one
  if (threadIdx.x >= kProducer) {
    if (threadIdx.x == kProducer) produce(a, b, row, column, k, *shared);
    return;
  }
  const int group = static_cast<int>(threadIdx.x) / kGroup;
  float sums[kSums] = {};
  consume(k, *shared, group, sums);
  store(c + row * n + column, n, group, sums);
}

void launch(const HalfMatmulProblem& p) {
  wants_tiles(p);
  gpu::launch(multiply_divided_labour, dim3(p.n / kTile, p.m / kTile), dim3(kThreads),
              sizeof(Shared), stream(), map_of(p.a, p.m, p.k, kTile), map_of(p.b, p.k, p.n, kDepth),
              p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 12, launch)
