// Four warps multiply together, straight from shared memory: wgmma (Hopper) does 64 x 128 x 16 at
// once and reads both factors where they lie, so that no fragment is loaded into registers any
// more. It runs beside the threads, which wait for it as for copies. The layout is the hardware's:
// rows of 128 bytes, units exchanged by row. Threads that have written shared memory must say so
// before it is read in this way (fence_proxy_async).
#include "warpgroup.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = kGroups * kGroup, kStages = 3;

__device__ void start_fetch(const BFloat16* a, const BFloat16* b, int n, int k, Tiles& to) {
  constexpr int kUnit = 8, kUnits = kLine / 16;
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kUnits; i += kThreads) {
    const int row = i / kUnits, unit = i % kUnits;
    ptx::cp_async<16>(to.a[row] + (unit ^ row % 8) * 16, a + row * k + unit * kUnit);
    const int panel = row / kDepth, line = row % kDepth;
    ptx::cp_async<16>(to.b[panel][line] + (unit ^ line % 8) * 16,
                      b + line * n + panel * kDepth + unit * kUnit);
  }
}

__global__ void __launch_bounds__(kThreads, 2)
    multiply_warpgroups(const BFloat16* a, const BFloat16* b, float* c, int n, int k) {
  DYN_SMEM(Tiles, ring);
  const int group = static_cast<int>(threadIdx.x) / kGroup;
  a += blockIdx.y * kTile * k;
  b += blockIdx.x * kTile;
  float sums[kSums] = {};
  for (int stage = 0; stage < kStages - 1; stage++) {
    const int first = stage * kDepth;
    if (first < k) start_fetch(a + first, b + first * n, n, k, ring[stage]);
    ptx::cp_async_commit();
  }
  for (int first = 0, stage = 0; first < k; first += kDepth, stage = (stage + 1) % kStages) {
    ptx::cp_async_wait<kStages - 2>();
    ptx::fence_proxy_async();
    __syncthreads();
    const int next = first + (kStages - 1) * kDepth;
    if (next < k) start_fetch(a + next, b + next * n, n, k, ring[(stage + kStages - 1) % kStages]);
    ptx::cp_async_commit();
    start_multiply(ring[stage], group, sums);
    ptx::wgmma_wait<0>();
    ptx::hold_registers(sums);
  }
  store(c + blockIdx.y * kTile * n + blockIdx.x * kTile, n, group, sums);
}

void launch(const HalfMatmulProblem& p) {
  wants_tiles(p);
  gpu::launch(multiply_warpgroups, dim3(p.n / kTile, p.m / kTile), dim3(kThreads),
              kStages * sizeof(Tiles), stream(), p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 10, launch)
