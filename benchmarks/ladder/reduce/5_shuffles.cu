// Within a warp values go from register to register: five shuffles add 32 of them, without shared
// memory and without a barrier. The warps' eight sums meet in shared memory, where one warp adds
// them: one barrier instead of nine.
#include "rounds.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;

__device__ float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(gpu::kAllLanes, value, distance);
  return value;
}

__global__ void sum_shuffles(const float* x, float* sums, int n) {
  __shared__ float of_warp[kWarps];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int i = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  float sum = warp_sum(i < n ? x[i] : 0);
  if (lane == 0) of_warp[warp] = sum;
  __syncthreads();
  if (warp != 0) return;
  sum = warp_sum(lane < kWarps ? of_warp[lane] : 0);
  if (lane == 0) sums[blockIdx.x] = sum;
}

void launch(const ReduceProblem& p) { reduce_in_rounds(sum_shuffles, p, kThreads, kThreads); }

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(reduce, 5, launch)
