// A block adds its 256 values in shared memory as a tree: neighbours first, then pairs of pairs. No
// queue, few roundings one after the other, the same order every time. But which threads are at
// work is decided by a remainder, so that in every warp some are and most are not, and the warp
// takes its time for all of them.
#include "rounds.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

__global__ void sum_tree(const float* x, float* sums, int n) {
  __shared__ float values[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int i = static_cast<int>(blockIdx.x) * kThreads + thread;
  values[thread] = i < n ? x[i] : 0;
  __syncthreads();
  for (int step = 1; step < kThreads; step *= 2) {
    if (thread % (2 * step) == 0) values[thread] += values[thread + step];
    __syncthreads();
  }
  if (thread == 0) sums[blockIdx.x] = values[0];
}

void launch(const ReduceProblem& p) { reduce_in_rounds(sum_tree, p, kThreads, kThreads); }

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(reduce, 2, launch)
