// One instruction of a warp multiplies 16 x 8 by 8 x 8 values: mma.sync on the tensor cores. Its
// operands are spread over the lanes in a fixed pattern (fragments), which is how the loads below
// look. The price is precision: tf32 keeps 10 of float32's 23 bits of every factor; sums stay
// float32. Copies and buffers are those of the rung before, the padding suits the pattern.
#include "cuda/ptx.h"
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTile = 128, kDepth = 16, kThreads = 256;  // 8 warps of 64 x 32 elements of c
constexpr int kRows = 4, kColumns = 4;                   // a warp's products of 16 x 8

struct Buffer {
  float a[kTile][kDepth + 4], b[kDepth][kTile + 8];
};

__device__ void start_fetch(const float* a, const float* b, int n, int k, Buffer& to) {
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kDepth / 4; i += kThreads) {
    const int row = i / (kDepth / 4), depth = i % (kDepth / 4) * 4;
    ptx::cp_async<16>(&to.a[row][depth], a + row * k + depth);
    const int line = i / (kTile / 4), column = i % (kTile / 4) * 4;
    ptx::cp_async<16>(&to.b[line][column], b + line * n + column);
  }
  ptx::cp_async_commit();
}

// A lane's part of a 16 x 8 fragment of a and an 8 x 8 fragment of b, rounded to tf32.
__device__ __forceinline__ void load_a(const Buffer& tile, int row, int k, uint32_t (&a)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  row += lane / 4;
  k += lane % 4;
  a[0] = ptx::tf32_bits(tile.a[row][k]);
  a[1] = ptx::tf32_bits(tile.a[row + 8][k]);
  a[2] = ptx::tf32_bits(tile.a[row][k + 4]);
  a[3] = ptx::tf32_bits(tile.a[row + 8][k + 4]);
}
__device__ __forceinline__ void load_b(const Buffer& tile, int k, int column, uint32_t (&b)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  b[0] = ptx::tf32_bits(tile.b[k + lane % 4][column + lane / 4]);
  b[1] = ptx::tf32_bits(tile.b[k + lane % 4 + 4][column + lane / 4]);
}

// sum += a tile of a times a tile of b, for the warp's part of c.
__device__ __forceinline__ void multiply(const Buffer& tile, int row, int column,
                                         float (&sum)[kRows][kColumns][4]) {
  UNROLL for (int k = 0; k < kDepth; k += 8) {
    uint32_t a[kRows][4], b[kColumns][2];
    UNROLL for (int r = 0; r < kRows; r++) load_a(tile, row + r * 16, k, a[r]);
    UNROLL for (int s = 0; s < kColumns; s++) load_b(tile, k, column + s * 8, b[s]);
    UNROLL for (int r = 0; r < kRows; r++) {
      UNROLL for (int s = 0; s < kColumns; s++) ptx::mma_tf32(sum[r][s], a[r], b[s]);
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    multiply_tensor_cores(const float* a, const float* b, float* c, int n, int k) {
  __shared__ __align__(16) Buffer buffers[2];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = warp / 4 * 64, column = warp % 4 * 32;
  a += blockIdx.y * kTile * k;
  b += blockIdx.x * kTile;
  float sum[kRows][kColumns][4] = {};
  start_fetch(a, b, n, k, buffers[0]);
  for (int first = 0, turn = 0; first < k; first += kDepth, turn ^= 1) {
    ptx::cp_async_wait_all();
    __syncthreads();
    const int next = first + kDepth;
    if (next < k) start_fetch(a + next, b + next * n, n, k, buffers[turn ^ 1]);
    multiply(buffers[turn], row, column, sum);
  }
  // Of its 16 x 8 sums a lane has two neighbours in each of two rows.
  c += (blockIdx.y * kTile + row + lane / 4) * n + blockIdx.x * kTile + column + lane % 4 * 2;
  UNROLL for (int r = 0; r < kRows; r++) {
    UNROLL for (int s = 0; s < kColumns; s++) {
      const gpu::Vector<float, 2> upper{sum[r][s][0], sum[r][s][1]};
      const gpu::Vector<float, 2> lower{sum[r][s][2], sum[r][s][3]};
      gpu::store_vec(c + r * 16 * n + s * 8, upper);
      gpu::store_vec(c + (r * 16 + 8) * n + s * 8, lower);
    }
  }
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kDepth == 0,
        "m and n in multiples of 128, k of 16");
  gpu::launch(multiply_tensor_cores, dim3(p.n / kTile, p.m / kTile), dim3(kThreads), 0, stream(),
              p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 7, launch)
