// A block computes 4 x 8 pixels of 32 filters. It first copies the 6 x 10 pixels under their
// windows into shared memory, 16 channels at a time and zeros where the image ends: each value then
// comes from global memory once per block, not nine times, and the inner loop asks nothing about
// borders.
#include "window.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kLanes = 32, kRows = 4, kColumns = 8, kChannels = 16;
constexpr int kThreads = 256, kWarps = kThreads / 32, kEach = kRows * kColumns / kWarps;
constexpr int kHeight = kRows + 2, kWidth = kColumns + 2;

// The pixels around (h, w), channels from c on.
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

__global__ void __launch_bounds__(kThreads) convolve_shared_window(Conv2dProblem p) {
  __shared__ float pixels[kHeight][kWidth][kChannels];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int across = p.W / kColumns, down = p.H / kRows;
  const int tile = static_cast<int>(blockIdx.x), image = tile / (across * down);
  const int h = tile / across % down * kRows, w = tile % across * kColumns;
  const int k = static_cast<int>(blockIdx.y) * kLanes + lane;
  float sum[kEach] = {};  // a warp's pixels: every 8th of the block
  for (int c = 0; c < p.C; c += kChannels) {
    __syncthreads();
    fetch(p, image, h, w, c, pixels);
    __syncthreads();
    for (int r = 0; r < kTaps; r++) {
      for (int s = 0; s < kTaps; s++) {
        const float* const filter = p.w + ((r * kTaps + s) * p.C + c) * p.K + k;
        for (int e = 0; e < kEach; e++) {
          const float* const x = pixels[e + r][warp + s];
          for (int i = 0; i < kChannels; i++) sum[e] += x[i] * filter[i * p.K];
        }
      }
    }
  }
  for (int e = 0; e < kEach; e++) p.y[((image * p.H + h + e) * p.W + w + warp) * p.K + k] = sum[e];
}

void launch(const Conv2dProblem& p) {
  wants(p.H % kRows == 0 && p.W % kColumns == 0 && p.C % kChannels == 0 && p.K % kLanes == 0,
        "H in multiples of 4, W of 8, C of 16, K of 32");
  const int tiles = p.N * (p.H / kRows) * (p.W / kColumns);
  gpu::launch(convolve_shared_window, dim3(tiles, p.K / kLanes), dim3(kThreads), 0, stream(), p);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(conv2d, 3, launch)
