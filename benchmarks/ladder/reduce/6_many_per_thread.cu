// A thread first adds 16 values on its own, four loads of 16 bytes that are under way at the same
// time. Memory is kept busy, and the tree, which moves nothing, is paid once for 16 times the
// values: a sum is bound by memory, so this is the rung where it begins to run at its limit.
#include "rounds.h"

namespace weft::WEFT_GPU {
namespace {

using Four = gpu::Vector<float, 4>;
constexpr int kThreads = 256, kWarps = kThreads / 32, kLoads = 4;
constexpr int kPerBlock = kThreads * kLoads * 4;

__device__ float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(gpu::kAllLanes, value, distance);
  return value;
}

__global__ void sum_many_per_thread(const float* x, float* sums, int n) {
  __shared__ float of_warp[kWarps];
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int first = static_cast<int>(blockIdx.x) * kPerBlock;
  Four v[kLoads];
  UNROLL for (int i = 0; i < kLoads; i++) {
    const int at = first + (i * kThreads + thread) * 4;
    if (at + 4 <= n)
      v[i] = gpu::load_vec<Four>(x + at);
    else
      UNROLL for (int e = 0; e < 4; e++) v[i][e] = at + e < n ? x[at + e] : 0;
  }
  float sum = 0;
  UNROLL for (int i = 0; i < kLoads; i++) sum += (v[i][0] + v[i][1]) + (v[i][2] + v[i][3]);
  sum = warp_sum(sum);
  if (lane == 0) of_warp[warp] = sum;
  __syncthreads();
  if (warp != 0) return;
  sum = warp_sum(lane < kWarps ? of_warp[lane] : 0);
  if (lane == 0) sums[blockIdx.x] = sum;
}

void launch(const ReduceProblem& p) {
  reduce_in_rounds(sum_many_per_thread, p, kThreads, kPerBlock);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(reduce, 6, launch)
