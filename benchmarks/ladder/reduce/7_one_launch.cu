// The blocks count, atomically, how many of them are done; the last one adds the sums of all. So
// one launch is enough. A fence before the count makes sure that whoever sees the count also sees
// the sum written before it. Nobody waits for anybody, and the order of additions is still fixed.
#include "cuda/scratch.h"
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

using Four = gpu::Vector<float, 4>;
constexpr int kThreads = 256, kWarps = kThreads / 32, kLoads = 4;
constexpr int kPerBlock = kThreads * kLoads * 4;

// Of all threads; the first thread gets the result.
__device__ float block_sum(float sum) {
  __shared__ float of_warp[kWarps];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  for (int distance = 16; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(gpu::kAllLanes, sum, distance);
  __syncthreads();  // the sums of a former call have been read
  if (lane == 0) of_warp[warp] = sum;
  __syncthreads();
  sum = lane < kWarps ? of_warp[lane] : 0;
  for (int distance = 16; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(gpu::kAllLanes, sum, distance);
  return sum;
}

__global__ void sum_one_launch(const float* x, float* sums, unsigned* done, float* total) {
  __shared__ bool last;
  const int thread = static_cast<int>(threadIdx.x);
  const int first = static_cast<int>(blockIdx.x) * kPerBlock;
  Four v[kLoads];
  UNROLL for (int i = 0; i < kLoads; i++) v[i] =
      gpu::load_vec<Four>(x + first + (i * kThreads + thread) * 4);
  float sum = 0;
  UNROLL for (int i = 0; i < kLoads; i++) sum += (v[i][0] + v[i][1]) + (v[i][2] + v[i][3]);
  sum = block_sum(sum);
  if (thread == 0) {
    sums[blockIdx.x] = sum;
    __threadfence();
    last = atomicAdd(done, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last) return;
  __threadfence();  // the sums of other blocks are not read before their count
  sum = 0;
  for (int i = thread; i < static_cast<int>(gridDim.x); i += kThreads) sum += sums[i];
  sum = block_sum(sum);
  if (thread == 0) *total = sum;
}

void launch(const ReduceProblem& p) {
  wants(p.n % kPerBlock == 0, "n in multiples of 4096");
  const int blocks = p.n / kPerBlock;
  const DeviceScratch<float> sums(blocks);
  const DeviceScratch<unsigned> done(1);
  cudaMemsetAsync(done.get(), 0, sizeof(unsigned), stream());
  gpu::launch(sum_one_launch, dim3(blocks), dim3(kThreads), 0, stream(), p.x, sums.get(),
              done.get(), p.sum);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(reduce, 7, launch)
