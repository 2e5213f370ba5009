// The tree is folded from the far end: thread i adds the value half the array away. Threads and
// places are both side by side, so all banks deliver one word each. What remains are nine barriers
// for 256 values, most of them for a handful of threads.
#include "rounds.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

__global__ void sum_no_conflicts(const float* x, float* sums, int n) {
  __shared__ float values[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int i = static_cast<int>(blockIdx.x) * kThreads + thread;
  values[thread] = i < n ? x[i] : 0;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (thread < half) values[thread] += values[thread + half];
    __syncthreads();
  }
  if (thread == 0) sums[blockIdx.x] = values[0];
}

void launch(const ReduceProblem& p) { reduce_in_rounds(sum_no_conflicts, p, kThreads, kThreads); }

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(reduce, 4, launch)
