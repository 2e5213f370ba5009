// Everything moves 16 bytes at a time, and lies where that is free of conflicts. A thread's 8
// columns are two groups of 4, so that 8 neighbouring lanes read 128 bytes in a row, which is what
// the banks deliver at once. Tile a is stored turned, with k as its rows: a thread's rows are then
// neighbours, too, and 4 words of padding spread the turning stores over all banks.
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

using Four = gpu::Vector<float, 4>;
constexpr int kTile = 128, kDepth = 8, kEach = 8;
constexpr int kSide = kTile / kEach, kThreads = kSide * kSide;
constexpr int kPadded = kTile + 4;

// Where a thread's e-th row or column is: 4 neighbours, and 4 more half a tile on.
__device__ int place(int position, int e) { return position * 4 + e / 4 * (kTile / 2) + e % 4; }

// One vector of a and of b per thread.
__device__ void fetch(const float* a, const float* b, int n, int k,
                      float (&tile_a)[kDepth][kPadded], float (&tile_b)[kDepth][kTile]) {
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / 2, depth = thread % 2 * 4;
  const Four from_a = gpu::load_vec<Four>(a + row * k + depth);
  UNROLL for (int e = 0; e < 4; e++) tile_a[depth + e][row] = from_a[e];
  const int line = thread / 32, column = thread % 32 * 4;
  gpu::store_vec(&tile_b[line][column], gpu::load_vec<Four>(b + line * n + column));
}

__global__ void __launch_bounds__(kThreads)
    multiply_vector_loads(const float* a, const float* b, float* c, int n, int k) {
  __shared__ __align__(16) float tile_a[kDepth][kPadded], tile_b[kDepth][kTile];
  const int row = static_cast<int>(threadIdx.x) / kSide;
  const int column = static_cast<int>(threadIdx.x) % kSide;
  a += blockIdx.y * kTile * k;
  b += blockIdx.x * kTile;
  float sum[kEach][kEach] = {};
  for (int first = 0; first < k; first += kDepth) {
    fetch(a + first, b + first * n, n, k, tile_a, tile_b);
    __syncthreads();
    for (int i = 0; i < kDepth; i++) {
      Four x[2], y[2];
      UNROLL for (int g = 0; g < 2; g++) {
        x[g] = gpu::load_vec<Four>(&tile_a[i][place(row, g * 4)]);
        y[g] = gpu::load_vec<Four>(&tile_b[i][place(column, g * 4)]);
      }
      UNROLL for (int r = 0; r < kEach; r++) {
        UNROLL for (int s = 0; s < kEach; s++) sum[r][s] += x[r / 4][r % 4] * y[s / 4][s % 4];
      }
    }
    __syncthreads();
  }
  c += blockIdx.y * kTile * n + blockIdx.x * kTile;
  UNROLL for (int r = 0; r < kEach; r++) {
    UNROLL for (int g = 0; g < 2; g++) {
      const Four four{sum[r][g * 4], sum[r][g * 4 + 1], sum[r][g * 4 + 2], sum[r][g * 4 + 3]};
      gpu::store_vec(c + place(row, r) * n + place(column, g * 4), four);
    }
  }
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kDepth == 0,
        "m and n in multiples of 128, k of 8");
  gpu::launch(multiply_vector_loads, dim3(p.n / kTile, p.m / kTile), dim3(kThreads), 0, stream(),
              p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 5, launch)
