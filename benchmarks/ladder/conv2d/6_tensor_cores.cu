// The same product on the tensor cores, fed by asynchronous copies. A copy of 16 bytes may be told
// to read none of them, and then writes zeros: the border of the image costs neither a branch nor a
// padded copy of it. Products are tf32, as on the matmul ladder.
#include "cuda/ptx.h"
#include "window.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kPixels = 64, kFilters = 32, kDepth = 16;
constexpr int kThreads = 128;           // 4 warps of 32 x 16 results
constexpr int kRows = 2, kColumns = 2;  // a warp's products of 16 x 8

struct Buffer {
  float windows[kPixels][kDepth + 4], weights[kDepth][kFilters + 8];
};

// Step `step` of the sum: its tap and first channel, 16 of which are one step.
__device__ void start_fetch(const Conv2dProblem& p, int step, Buffer& to) {
  const int chunks = p.C / kDepth, tap = step / chunks, c = step % chunks * kDepth;
  for (int i = static_cast<int>(threadIdx.x); i < kPixels * kDepth / 4; i += kThreads) {
    const int line = i / (kDepth / 4), channel = i % (kDepth / 4) * 4;
    const int pixel = static_cast<int>(blockIdx.x) * kPixels + line;
    const int image = pixel / (p.W * p.H);
    const Tap at = tap_at(pixel / p.W % p.H, pixel % p.W, tap / kTaps, tap % kTaps, p.H, p.W);
    const float* const from = p.x + ((image * p.H + at.h) * p.W + at.w) * p.C + c + channel;
    ptx::cp_async<16>(&to.windows[line][channel], at.inside ? from : p.x, at.inside ? 16 : 0);
  }
  for (int i = static_cast<int>(threadIdx.x); i < kDepth * kFilters / 4; i += kThreads) {
    const int line = i / (kFilters / 4), k = i % (kFilters / 4) * 4;
    ptx::cp_async<16>(&to.weights[line][k],
                      p.w + (tap * p.C + c + line) * p.K + blockIdx.y * kFilters + k);
  }
  ptx::cp_async_commit();
}

__device__ __forceinline__ void multiply(const Buffer& tile, int row, int column,
                                         float (&sum)[kRows][kColumns][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  row += lane / 4;
  column += lane / 4;
  UNROLL for (int k = lane % 4; k < kDepth; k += 8) {
    uint32_t a[kRows][4], b[kColumns][2];
    UNROLL for (int r = 0; r < kRows; r++) {
      UNROLL for (int i = 0; i < 4; i++) a[r][i] =
          ptx::tf32_bits(tile.windows[row + r * 16 + i % 2 * 8][k + i / 2 * 4]);
    }
    UNROLL for (int s = 0; s < kColumns; s++) {
      UNROLL for (int i = 0; i < 2; i++) b[s][i] =
          ptx::tf32_bits(tile.weights[k + i * 4][column + s * 8]);
    }
    UNROLL for (int r = 0; r < kRows; r++) {
      UNROLL for (int s = 0; s < kColumns; s++) ptx::mma_tf32(sum[r][s], a[r], b[s]);
    }
  }
}

__global__ void __launch_bounds__(kThreads) convolve_tensor_cores(Conv2dProblem p) {
  __shared__ __align__(16) Buffer buffers[2];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = warp / 2 * 32, column = warp % 2 * 16;
  const int steps = kTaps * kTaps * (p.C / kDepth);
  float sum[kRows][kColumns][4] = {};
  start_fetch(p, 0, buffers[0]);
  for (int step = 0; step < steps; step++) {
    ptx::cp_async_wait_all();
    __syncthreads();
    if (step + 1 < steps) start_fetch(p, step + 1, buffers[(step + 1) % 2]);
    multiply(buffers[step % 2], row, column, sum);
  }
  const int pixel = static_cast<int>(blockIdx.x) * kPixels + row + lane / 4;
  float* const y = p.y + pixel * p.K + blockIdx.y * kFilters + column + lane % 4 * 2;
  UNROLL for (int r = 0; r < kRows; r++) {
    UNROLL for (int s = 0; s < kColumns; s++) {
      const gpu::Vector<float, 2> upper{sum[r][s][0], sum[r][s][1]};
      const gpu::Vector<float, 2> lower{sum[r][s][2], sum[r][s][3]};
      gpu::store_vec(y + r * 16 * p.K + s * 8, upper);
      gpu::store_vec(y + (r * 16 + 8) * p.K + s * 8, lower);
    }
  }
}

void launch(const Conv2dProblem& p) {
  const int pixels = p.N * p.H * p.W;
  wants(pixels % kPixels == 0 && p.C % kDepth == 0 && p.K % kFilters == 0,
        "N * H * W in multiples of 64, C of 16, K of 32");
  gpu::launch(convolve_tensor_cores, dim3(pixels / kPixels, p.K / kFilters), dim3(kThreads), 0,
              stream(), p);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(conv2d, 6, launch)
