// The lanes of a warp are neighbouring filters of the same pixel. Weights and outputs lie side by
// side for them, and all want the same value of the image, which is one sector for the whole warp.
// Nothing is moved in vain any more, but every pixel is still read nine times, and for every 32
// filters anew.
#include "window.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kLanes = 32, kPixels = 4;  // of a block

__global__ void convolve_along_filters(Conv2dProblem p) {
  const int pixel = static_cast<int>(blockIdx.x * kPixels + threadIdx.y);
  const int k = static_cast<int>(blockIdx.y * kLanes + threadIdx.x);
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
  wants(pixels % kPixels == 0 && p.K % kLanes == 0,
        "N * H * W in multiples of 4, K in multiples of 32");
  gpu::launch(convolve_along_filters, dim3(pixels / kPixels, p.K / kLanes), dim3(kLanes, kPixels),
              0, stream(), p);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(conv2d, 2, launch)
