// Every thread adds its value to the one sum in memory. Atomic means that none gets lost, because
// they are added one after the other: n threads queue for one word. Their order is not the same
// twice, so neither are the roundings, and with one running sum there are many of them.
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

__global__ void sum_one_atomic(const float* x, float* sum, int n) {
  const int i = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (i < n) atomicAdd(sum, x[i]);
}

void launch(const ReduceProblem& p) {
  cudaMemsetAsync(p.sum, 0, sizeof(float), stream());
  gpu::launch(sum_one_atomic, dim3((p.n + kThreads - 1) / kThreads), dim3(kThreads), 0, stream(),
              p.x, p.sum, p.n);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(reduce, 1, launch)
