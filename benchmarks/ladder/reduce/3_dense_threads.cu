// The threads at work are now the first ones, side by side: whole warps work or have nothing to do.
// The places they work at are still 2, 4, 8, ... words apart, though, and words 32 apart lie in the
// same bank of shared memory: up to 16 lanes want one bank, and are served one after the other.
#include "rounds.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

__global__ void sum_dense_threads(const float* x, float* sums, int n) {
  __shared__ float values[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int i = static_cast<int>(blockIdx.x) * kThreads + thread;
  values[thread] = i < n ? x[i] : 0;
  __syncthreads();
  for (int step = 1; step < kThreads; step *= 2) {
    const int place = 2 * step * thread;
    if (place < kThreads) values[place] += values[place + step];
    __syncthreads();
  }
  if (thread == 0) sums[blockIdx.x] = values[0];
}

void launch(const ReduceProblem& p) { reduce_in_rounds(sum_dense_threads, p, kThreads, kThreads); }

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(reduce, 3, launch)
