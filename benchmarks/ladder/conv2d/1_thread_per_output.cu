// One thread computes one output: 9 taps times C channels. The lanes of a warp are neighbouring
// pixels, and the channels of a pixel lie together in memory (NHWC), so lanes read and write C and
// K values apart: every access of 4 bytes moves a sector of its own.
#include "window.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 64;

__global__ void convolve_per_output(Conv2dProblem p) {
  const int pixel = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);  // of all images
  const int k = static_cast<int>(blockIdx.y);
  const int h = pixel / p.W % p.H, w = pixel % p.W, image = pixel / (p.W * p.H);
  float sum = 0;
  for (int r = 0; r < kTaps; r++) {
    for (int s = 0; s < kTaps; s++) {
      const Tap tap = tap_at(h, w, r, s, p.H, p.W);
      if (!tap.inside) continue;
      const float* const x = p.x + ((image * p.H + tap.h) * p.W + tap.w) * p.C;
      const float* const filter = p.w + (r * kTaps + s) * p.C * p.K + k;
      for (int c = 0; c < p.C; c++) sum += x[c] * filter[c * p.K];
    }
  }
  p.y[pixel * p.K + k] = sum;
}

void launch(const Conv2dProblem& p) {
  const int pixels = p.N * p.H * p.W;
  wants(pixels % kThreads == 0, "N * H * W in multiples of 64");
  gpu::launch(convolve_per_output, dim3(pixels / kThreads, p.K), dim3(kThreads), 0, stream(), p);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(conv2d, 1, launch)
