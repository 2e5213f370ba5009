// A block of threads shares a row: its lanes read neighbours, so every sector is used in full. What
// the threads have found is joined in shared memory, halving the number of values again and again,
// with a barrier each time: 2 x 8 of them per row, at which everybody waits for the slowest.
#include <math.h>

#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

__device__ float larger(float a, float b) { return fmaxf(a, b); }
__device__ float added(float a, float b) { return a + b; }

// The values of all threads joined by a tree; every thread gets the result.
template <float (*join)(float, float)>
__device__ float join_block(float value) {
  __shared__ float values[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  values[thread] = value;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (thread < half) values[thread] = join(values[thread], values[thread + half]);
    __syncthreads();
  }
  return values[0];
}

__global__ void softmax_block_per_row(const float* x, float* y, int columns) {
  const int row = static_cast<int>(blockIdx.x), first = static_cast<int>(threadIdx.x);
  x += row * columns;
  y += row * columns;
  float top = -INFINITY, sum = 0;
  for (int i = first; i < columns; i += kThreads) top = fmaxf(top, x[i]);
  top = join_block<larger>(top);
  for (int i = first; i < columns; i += kThreads) sum += expf(x[i] - top);
  sum = join_block<added>(sum);
  for (int i = first; i < columns; i += kThreads) y[i] = expf(x[i] - top) / sum;
}

void launch(const SoftmaxProblem& p) {
  gpu::launch(softmax_block_per_row, dim3(p.rows), dim3(kThreads), 0, stream(), p.x, p.y,
              p.columns);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(softmax, 2, launch)
