// One thread computes one row: its largest value, the sum of the exponentials, the quotients. The
// 32 lanes of a warp read 32 rows at a time, each with a sector of its own, of which 4 of 32 bytes
// are used. And every row is read three times.
#include <math.h>

#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 32;

__global__ void softmax_thread_per_row(const float* x, float* y, int columns) {
  const int row = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  x += row * columns;
  y += row * columns;
  float top = -INFINITY, sum = 0;
  for (int i = 0; i < columns; i++) top = fmaxf(top, x[i]);
  for (int i = 0; i < columns; i++) sum += expf(x[i] - top);
  for (int i = 0; i < columns; i++) y[i] = expf(x[i] - top) / sum;
}

void launch(const SoftmaxProblem& p) {
  wants(p.rows % kThreads == 0, "rows in multiples of 32");
  gpu::launch(softmax_thread_per_row, dim3(p.rows / kThreads), dim3(kThreads), 0, stream(), p.x,
              p.y, p.columns);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(softmax, 1, launch)
