// A warp takes a row. Its lanes hand each other values from register to register (shuffles): five
// steps join 32 values, without shared memory and without a single barrier. Four rows go to a
// block, because a processor holds more warps than blocks.
#include <math.h>

#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kRows = 4, kLanes = 32;  // of a block, of a row

__device__ float warp_max(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(gpu::kAllLanes, value, distance));
  return value;
}
__device__ float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_xor_sync(gpu::kAllLanes, value, distance);
  return value;
}

__global__ void softmax_warp_per_row(const float* x, float* y, int columns) {
  const int row = static_cast<int>(blockIdx.x * kRows + threadIdx.x / kLanes);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  x += row * columns;
  y += row * columns;
  float top = -INFINITY, sum = 0;
  for (int i = lane; i < columns; i += kLanes) top = fmaxf(top, x[i]);
  top = warp_max(top);
  for (int i = lane; i < columns; i += kLanes) sum += expf(x[i] - top);
  sum = warp_sum(sum);
  for (int i = lane; i < columns; i += kLanes) y[i] = expf(x[i] - top) / sum;
}

void launch(const SoftmaxProblem& p) {
  wants(p.rows % kRows == 0, "rows in multiples of 4");
  gpu::launch(softmax_warp_per_row, dim3(p.rows / kRows), dim3(kRows * kLanes), 0, stream(), p.x,
              p.y, p.columns);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(softmax, 3, launch)
