// Half the bytes, twice the speed: factors are bfloat16, sums stay float32. An instruction now
// multiplies 16 x 16 by 16 x 8 values, and ldmatrix fetches fragments: eight lanes name the rows of
// 16 bytes of an 8 x 8 matrix, and each lane of the warp gets its pair; of b, turned on the way.
// Instead of padding, the 16-byte units of a row are exchanged by the row's number, so that eight
// rows lie in different banks, and copies stay whole.
#include "cuda/ptx.h"
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTile = 128, kDepth = 32, kThreads = 256, kStages = 4;
constexpr int kRows = 4, kColumns = 4;  // a warp's products of 16 x 8
constexpr int kUnit = 8;                // halves in 16 bytes

struct Buffer {
  BFloat16 a[kTile * kDepth], b[kDepth * kTile];
};
// Where a unit of a's rows (4 units) and of b's (16 units) lies.
__device__ __forceinline__ int place_a(int row, int unit) {
  return row * kDepth + (unit ^ row / 2 % 4) * kUnit;
}
__device__ __forceinline__ int place_b(int line, int unit) {
  return line * kTile + (unit ^ line % 8) * kUnit;
}

__device__ void start_fetch(const BFloat16* a, const BFloat16* b, int n, int k, Buffer& to) {
  constexpr int kUnitsA = kDepth / kUnit, kUnitsB = kTile / kUnit;
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kUnitsA; i += kThreads) {
    const int row = i / kUnitsA, unit = i % kUnitsA;
    ptx::cp_async<16>(to.a + place_a(row, unit), a + row * k + unit * kUnit);
    const int line = i / kUnitsB, across = i % kUnitsB;
    ptx::cp_async<16>(to.b + place_b(line, across), b + line * n + across * kUnit);
  }
}

__device__ __forceinline__ void multiply(const Buffer& tile, int row, int column,
                                         float (&sum)[kRows][kColumns][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, line = lane % 16, half = lane / 16;
  UNROLL for (int k = 0; k < kDepth; k += 16) {
    uint32_t a[kRows][4], b[kColumns / 2][4];  // of b, two fragments at a time
    UNROLL for (int r = 0; r < kRows; r++)
        ptx::ldmatrix(a[r], tile.a + place_a(row + r * 16 + line, k / kUnit + half));
    UNROLL for (int s = 0; s < kColumns / 2; s++)
        ptx::ldmatrix_trans(b[s], tile.b + place_b(k + line, (column + s * 16) / kUnit + half));
    UNROLL for (int r = 0; r < kRows; r++) {
      UNROLL for (int s = 0; s < kColumns; s++) {
        const uint32_t pair[2] = {b[s / 2][s % 2 * 2], b[s / 2][s % 2 * 2 + 1]};
        ptx::mma_bf16(sum[r][s], a[r], pair);
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads, 2)
    multiply_halves(const BFloat16* a, const BFloat16* b, float* c, int n, int k) {
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
    __syncthreads();
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

void launch(const HalfMatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kDepth == 0,
        "m and n in multiples of 128, k of 32");
  gpu::launch(multiply_halves, dim3(p.n / kTile, p.m / kTile), dim3(kThreads),
              kStages * sizeof(Buffer), stream(), p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 9, launch)
