// Several tiles are on their way at a time. Two buffers give a copy as long as one tile takes to
// multiply, and tensor cores are faster than memory answers; here three copies are under way in a
// ring of four buffers, and only the oldest is waited for. Groups of copies complete in order, so a
// group is committed every time, even where nothing is left to fetch.
#include "cuda/ptx.h"
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTile = 128, kDepth = 16, kThreads = 256, kStages = 4;
constexpr int kRows = 4, kColumns = 4;

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
}

__device__ __forceinline__ void load_a(const Buffer& tile, int row, int k, uint32_t (&a)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  UNROLL for (int i = 0; i < 4; i++) a[i] =
      ptx::tf32_bits(tile.a[row + lane / 4 + i % 2 * 8][k + lane % 4 + i / 2 * 4]);
}
__device__ __forceinline__ void load_b(const Buffer& tile, int k, int column, uint32_t (&b)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  UNROLL for (int i = 0; i < 2; i++) b[i] =
      ptx::tf32_bits(tile.b[k + lane % 4 + i * 4][column + lane / 4]);
}

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

__global__ void __launch_bounds__(kThreads, 2)
    multiply_ring(const float* a, const float* b, float* c, int n, int k) {
  DYN_SMEM(Buffer, ring);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = warp / 4 * 64, column = warp % 4 * 32;
  a += blockIdx.y * kTile * k;
  b += blockIdx.x * kTile;
  float sum[kRows][kColumns][4] = {};
  for (int stage = 0; stage < kStages - 1; stage++) {
    const int first = stage * kDepth;
    if (first < k) start_fetch(a + first, b + first * n, n, k, ring[stage]);
    ptx::cp_async_commit();
  }
  for (int first = 0, stage = 0; first < k; first += kDepth, stage = (stage + 1) % kStages) {
    ptx::cp_async_wait<kStages - 2>();
    __syncthreads();  // this tile has arrived for all, and all are done with the one before it
    const int next = first + (kStages - 1) * kDepth;
    if (next < k) start_fetch(a + next, b + next * n, n, k, ring[(stage + kStages - 1) % kStages]);
    ptx::cp_async_commit();
    multiply(ring[stage], row, column, sum);
  }
  c += (blockIdx.y * kTile + row + lane / 4) * n + blockIdx.x * kTile + column + lane % 4 * 2;
  UNROLL for (int r = 0; r < kRows; r++) {
    UNROLL for (int s = 0; s < kColumns; s++) {
      UNROLL for (int h = 0; h < 2; h++) {
        const gpu::Vector<float, 2> two{sum[r][s][2 * h], sum[r][s][2 * h + 1]};
        gpu::store_vec(c + (r * 16 + h * 8) * n + s * 8, two);
      }
    }
  }
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kDepth == 0,
        "m and n in multiples of 128, k of 16");
  gpu::launch(multiply_ring, dim3(p.n / kTile, p.m / kTile), dim3(kThreads),
              kStages * sizeof(Buffer), stream(), p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 8, launch)
