// The block fetches a 32 x 32 tile of a and of b into shared memory, and all of its threads
// multiply from there. Every value comes from global memory once per block instead of once per
// warp. The price is two barriers per tile: nobody may read before all have written, and nobody may
// overwrite before all have read.
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTile = 32;

__global__ void multiply_shared_tile(const float* a, const float* b, float* c, int n, int k) {
  __shared__ float tile_a[kTile][kTile], tile_b[kTile][kTile];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int row = static_cast<int>(blockIdx.y) * kTile + y;
  const int column = static_cast<int>(blockIdx.x) * kTile + x;
  float sum = 0;
  for (int first = 0; first < k; first += kTile) {
    tile_a[y][x] = a[row * k + first + x];
    tile_b[y][x] = b[(first + y) * n + column];
    __syncthreads();
    for (int i = 0; i < kTile; i++) sum += tile_a[y][i] * tile_b[i][x];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kTile == 0, "m, n and k in multiples of 32");
  gpu::launch(multiply_shared_tile, dim3(p.n / kTile, p.m / kTile), dim3(kTile, kTile), 0, stream(),
              p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 3, launch)
