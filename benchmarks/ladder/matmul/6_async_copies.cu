// While one tile is multiplied the next is already on its way. cp.async copies from global to
// shared memory without passing through registers and without anybody waiting; two buffers take
// turns, and one barrier per tile is left. A copy cannot turn a tile, so a keeps its rows, 4 values
// of k are read at once, and a thread's rows lie 16 apart so that lanes do not collide.
#include "cuda/ptx.h"
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

using Four = gpu::Vector<float, 4>;
constexpr int kTile = 128, kDepth = 8, kEach = 8;
constexpr int kSide = kTile / kEach, kThreads = kSide * kSide;

struct Buffer {
  float a[kTile][kDepth + 4], b[kDepth][kTile];  // rows of a are padded
};

// Starts this thread's copies of the next tiles, as one group.
__device__ void start_fetch(const float* a, const float* b, int n, int k, Buffer& to) {
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / 2, depth = thread % 2 * 4;
  ptx::cp_async<16>(&to.a[row][depth], a + row * k + depth);
  const int line = thread / 32, column = thread % 32 * 4;
  ptx::cp_async<16>(&to.b[line][column], b + line * n + column);
  ptx::cp_async_commit();
}

// sum += a tile of a times a tile of b, 4 values of k at a time.
__device__ __forceinline__ void multiply(const Buffer& tile, int row, int column,
                                         float (&sum)[kEach][kEach]) {
  for (int first = 0; first < kDepth; first += 4) {
    Four x[kEach];  // 4 values of k of every row
    UNROLL for (int r = 0; r < kEach; r++) x[r] =
        gpu::load_vec<Four>(&tile.a[row + r * kSide][first]);
    UNROLL for (int i = 0; i < 4; i++) {
      const Four y[2] = {gpu::load_vec<Four>(&tile.b[first + i][column * 4]),
                         gpu::load_vec<Four>(&tile.b[first + i][kTile / 2 + column * 4])};
      UNROLL for (int r = 0; r < kEach; r++) {
        UNROLL for (int s = 0; s < kEach; s++) sum[r][s] += x[r][i] * y[s / 4][s % 4];
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    multiply_async_copies(const float* a, const float* b, float* c, int n, int k) {
  __shared__ __align__(16) Buffer buffers[2];
  const int row = static_cast<int>(threadIdx.x) / kSide;
  const int column = static_cast<int>(threadIdx.x) % kSide;
  a += blockIdx.y * kTile * k;
  b += blockIdx.x * kTile;
  float sum[kEach][kEach] = {};
  start_fetch(a, b, n, k, buffers[0]);
  for (int first = 0, turn = 0; first < k; first += kDepth, turn ^= 1) {
    ptx::cp_async_wait_all();
    __syncthreads();  // everybody's copies have landed, and nobody reads the other buffer any more
    const int next = first + kDepth;
    if (next < k) start_fetch(a + next, b + next * n, n, k, buffers[turn ^ 1]);
    multiply(buffers[turn], row, column, sum);
  }
  c += (blockIdx.y * kTile + row) * n + blockIdx.x * kTile + column * 4;
  UNROLL for (int r = 0; r < kEach; r++) {
    UNROLL for (int g = 0; g < 2; g++) {
      const Four four{sum[r][g * 4], sum[r][g * 4 + 1], sum[r][g * 4 + 2], sum[r][g * 4 + 3]};
      gpu::store_vec(c + r * kSide * n + g * (kTile / 2), four);
    }
  }
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kDepth == 0,
        "m and n in multiples of 128, k of 8");
  gpu::launch(multiply_async_copies, dim3(p.n / kTile, p.m / kTile), dim3(kThreads), 0, stream(),
              p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 6, launch)
