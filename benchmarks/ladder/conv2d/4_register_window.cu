// A thread computes 8 neighbouring pixels of one filter. The 8 windows overlap, so the 10 pixels
// and 3 weights of a row of taps, once in registers, give 24 multiply-adds. Weights, which the rung
// before read for every pixel, come from global memory once for 8 of them.
#include "window.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kLanes = 32, kRows = 4, kColumns = 8, kChannels = 16;
constexpr int kThreads = kLanes * kRows;  // a warp computes one of the block's rows
constexpr int kHeight = kRows + 2, kWidth = kColumns + 2;

__device__ void fetch(const Conv2dProblem& p, int image, int h, int w, int c,
                      float (&pixels)[kHeight][kWidth][kChannels]) {
  constexpr int kValues = kHeight * kWidth * kChannels;
  for (int i = static_cast<int>(threadIdx.x); i < kValues; i += kThreads) {
    const int channel = i % kChannels, column = i / kChannels % kWidth;
    const int row = i / kChannels / kWidth;
    const Tap tap = tap_at(h, w, row, column, p.H, p.W);
    const float* const x = p.x + ((image * p.H + tap.h) * p.W + tap.w) * p.C + c;
    pixels[row][column][channel] = tap.inside ? x[channel] : 0;
  }
}

__global__ void __launch_bounds__(kThreads) convolve_register_window(Conv2dProblem p) {
  __shared__ float pixels[kHeight][kWidth][kChannels];
  const int lane = static_cast<int>(threadIdx.x) % 32, row = static_cast<int>(threadIdx.x) / 32;
  const int across = p.W / kColumns, down = p.H / kRows;
  const int tile = static_cast<int>(blockIdx.x), image = tile / (across * down);
  const int h = tile / across % down * kRows, w = tile % across * kColumns;
  const int k = static_cast<int>(blockIdx.y) * kLanes + lane;
  float sum[kColumns] = {};
  for (int c = 0; c < p.C; c += kChannels) {
    __syncthreads();
    fetch(p, image, h, w, c, pixels);
    __syncthreads();
    for (int r = 0; r < kTaps; r++) {
      const float* const filter = p.w + (r * kTaps * p.C + c) * p.K + k;
      for (int i = 0; i < kChannels; i++) {
        float x[kWidth], weight[kTaps];
        UNROLL for (int j = 0; j < kWidth; j++) x[j] = pixels[row + r][j][i];
        UNROLL for (int s = 0; s < kTaps; s++) weight[s] = filter[(s * p.C + i) * p.K];
        UNROLL for (int j = 0; j < kColumns; j++) {
          UNROLL for (int s = 0; s < kTaps; s++) sum[j] += x[j + s] * weight[s];
        }
      }
    }
  }
  UNROLL for (int j = 0; j < kColumns; j++) p.y[((image * p.H + h + row) * p.W + w + j) * p.K + k] =
      sum[j];
}

void launch(const Conv2dProblem& p) {
  wants(p.H % kRows == 0 && p.W % kColumns == 0 && p.C % kChannels == 0 && p.K % kLanes == 0,
        "H in multiples of 4, W of 8, C of 16, K of 32");
  const int tiles = p.N * (p.H / kRows) * (p.W / kColumns);
  gpu::launch(convolve_register_window, dim3(tiles, p.K / kLanes), dim3(kThreads), 0, stream(), p);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(conv2d, 4, launch)
