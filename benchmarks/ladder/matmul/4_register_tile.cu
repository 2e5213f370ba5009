// A thread computes 8 x 8 elements of c in its registers. For every k it reads 8 + 8 values from
// shared memory and does 64 multiply-adds with them: 4 for each value read, where the rung before
// did one half. What it reads is badly laid out: 8 neighbours for each lane put the lanes 8 words
// apart, so that four of them want the same bank at a time, and rows of a collide, too.
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTile = 128, kDepth = 8, kEach = 8;  // of a block; of k at a time; of a thread
constexpr int kSide = kTile / kEach, kThreads = kSide * kSide;

// 256 threads bring 128 x 8 values of a and 8 x 128 of b, 4 of each per thread.
__device__ void fetch(const float* a, const float* b, int n, int k, float (&tile_a)[kTile][kDepth],
                      float (&tile_b)[kDepth][kTile]) {
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kDepth; i += kThreads) {
    tile_a[i / kDepth][i % kDepth] = a[i / kDepth * k + i % kDepth];
    tile_b[i / kTile][i % kTile] = b[i / kTile * n + i % kTile];
  }
}

__global__ void __launch_bounds__(kThreads)
    multiply_register_tile(const float* a, const float* b, float* c, int n, int k) {
  __shared__ float tile_a[kTile][kDepth], tile_b[kDepth][kTile];
  const int row = static_cast<int>(threadIdx.x) / kSide * kEach;  // in the block's tile
  const int column = static_cast<int>(threadIdx.x) % kSide * kEach;
  a += blockIdx.y * kTile * k;
  b += blockIdx.x * kTile;
  float sum[kEach][kEach] = {};
  for (int first = 0; first < k; first += kDepth) {
    fetch(a + first, b + first * n, n, k, tile_a, tile_b);
    __syncthreads();
    for (int i = 0; i < kDepth; i++) {
      float x[kEach], y[kEach];
      UNROLL for (int e = 0; e < kEach; e++) x[e] = tile_a[row + e][i];
      UNROLL for (int e = 0; e < kEach; e++) y[e] = tile_b[i][column + e];
      UNROLL for (int r = 0; r < kEach; r++) {
        UNROLL for (int s = 0; s < kEach; s++) sum[r][s] += x[r] * y[s];
      }
    }
    __syncthreads();
  }
  c += (blockIdx.y * kTile + row) * n + blockIdx.x * kTile + column;
  UNROLL for (int r = 0; r < kEach; r++) {
    UNROLL for (int s = 0; s < kEach; s++) c[r * n + s] = sum[r][s];
  }
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kDepth == 0,
        "m and n in multiples of 128, k of 8");
  gpu::launch(multiply_register_tile, dim3(p.n / kTile, p.m / kTile), dim3(kThreads), 0, stream(),
              p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 4, launch)
