// The largest value and the sum are found in one pass (Milakov and Gimelshein, 2018): when a larger
// value turns up, the sum so far is scaled by exp(old - new). Two such pairs join by the same rule,
// so the lanes' pairs meet in a tree as before. The row is read twice instead of three times.
#include <math.h>

#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kRows = 4, kLanes = 32;

// The sum of exp(v - top) over the values seen so far.
struct Exponentials {
  float top, sum;
};
__device__ Exponentials join(Exponentials a, Exponentials b) {
  const float top = fmaxf(a.top, b.top);
  return {top, a.sum * expf(a.top - top) + b.sum * expf(b.top - top)};
}

__global__ void softmax_online(const float* x, float* y, int columns) {
  const int row = static_cast<int>(blockIdx.x * kRows + threadIdx.x / kLanes);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  x += row * columns;
  y += row * columns;
  Exponentials all{x[lane], 1};
  for (int i = lane + kLanes; i < columns; i += kLanes) all = join(all, {x[i], 1});
  for (int distance = 16; distance > 0; distance /= 2)
    all = join(all, {__shfl_xor_sync(gpu::kAllLanes, all.top, distance),
                     __shfl_xor_sync(gpu::kAllLanes, all.sum, distance)});
  for (int i = lane; i < columns; i += kLanes) y[i] = expf(x[i] - all.top) / all.sum;
}

void launch(const SoftmaxProblem& p) {
  wants(p.rows % kRows == 0 && p.columns >= kLanes,
        "rows in multiples of 4, and at least 32 columns");
  gpu::launch(softmax_online, dim3(p.rows / kRows), dim3(kRows * kLanes), 0, stream(), p.x, p.y,
              p.columns);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(softmax, 4, launch)
