// The row stays in the registers of its warp, 16 bytes loaded at a time: it is read once, written
// once, and that is the least any softmax can do. The number of values per lane is known when the
// kernel is compiled, because registers have no index at run time; longer rows want more lanes.
#include <math.h>

#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

using Four = gpu::Vector<float, 4>;
constexpr int kRows = 4, kLanes = 32, kVectors = 8;
constexpr int kColumns = kLanes * kVectors * 4;

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

__global__ void softmax_registers(const float* x, float* y) {
  const int row = static_cast<int>(blockIdx.x * kRows + threadIdx.x / kLanes);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  x += row * kColumns;
  y += row * kColumns;
  Four v[kVectors];
  float top = -INFINITY, sum = 0;
  UNROLL for (int i = 0; i < kVectors; i++) {
    v[i] = gpu::load_vec<Four>(x + (i * kLanes + lane) * 4);
    UNROLL for (int e = 0; e < 4; e++) top = fmaxf(top, v[i][e]);
  }
  top = warp_max(top);
  UNROLL for (int i = 0; i < kVectors; i++) {
    UNROLL for (int e = 0; e < 4; e++) {
      v[i][e] = expf(v[i][e] - top);
      sum += v[i][e];
    }
  }
  const float factor = 1 / warp_sum(sum);
  UNROLL for (int i = 0; i < kVectors; i++) {
    UNROLL for (int e = 0; e < 4; e++) v[i][e] *= factor;
    gpu::store_vec(y + (i * kLanes + lane) * 4, v[i]);
  }
}

void launch(const SoftmaxProblem& p) {
  wants(p.rows % kRows == 0 && p.columns == kColumns, "rows in multiples of 4, and 1024 columns");
  gpu::launch(softmax_registers, dim3(p.rows / kRows), dim3(kRows * kLanes), 0, stream(), p.x, p.y);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(softmax, 5, launch)
