// A convolution is a product of matrices: rows are pixels, columns filters, and what is summed over
// are the taps and channels. The matrix of windows is never written down; the loader of a tile
// finds its values in the image. So all of the matmul ladder applies: register tiles, vectors, a
// layout without conflicts.
#include "window.h"

namespace weft::WEFT_GPU {
namespace {

using Four = gpu::Vector<float, 4>;
constexpr int kPixels = 64, kFilters = 32, kDepth = 8;  // of a block; channels at a time
constexpr int kThreads = 128, kEach = 4;                // a thread's pixels, and filters
constexpr int kPadded = kPixels + 4;

struct Place {
  int image, h, w;
};
__device__ Place place_of(int pixel, const Conv2dProblem& p) {
  return {pixel / (p.W * p.H), pixel / p.W % p.H, pixel % p.W};
}

// Tap (r, s), channels from c on: 64 pixels x 8 channels, one vector per thread, stored turned.
__device__ void fetch_windows(const Conv2dProblem& p, const Place& at, int r, int s, int c,
                              float (&tile)[kDepth][kPadded]) {
  const int thread = static_cast<int>(threadIdx.x), channel = thread % 2 * 4;
  const Tap tap = tap_at(at.h, at.w, r, s, p.H, p.W);
  Four values{};
  if (tap.inside)
    values =
        gpu::load_vec<Four>(p.x + ((at.image * p.H + tap.h) * p.W + tap.w) * p.C + c + channel);
  UNROLL for (int e = 0; e < 4; e++) tile[channel + e][thread / 2] = values[e];
}

__device__ void fetch_weights(const Conv2dProblem& p, int r, int s, int c, int first,
                              float (&tile)[kDepth][kFilters]) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread >= kDepth * kFilters / 4) return;
  const int line = thread / (kFilters / 4), k = thread % (kFilters / 4) * 4;
  const float* const from = p.w + ((r * kTaps + s) * p.C + c + line) * p.K + first + k;
  gpu::store_vec(&tile[line][k], gpu::load_vec<Four>(from));
}

__global__ void __launch_bounds__(kThreads) convolve_implicit_product(Conv2dProblem p) {
  __shared__ __align__(16) float windows[kDepth][kPadded], weights[kDepth][kFilters];
  const int thread = static_cast<int>(threadIdx.x);
  const int first_pixel = static_cast<int>(blockIdx.x) * kPixels;
  const int first_filter = static_cast<int>(blockIdx.y) * kFilters;
  const int row = thread / 8 * kEach, column = thread % 8 * kEach;
  const Place fetched = place_of(first_pixel + thread / 2, p);
  float sum[kEach][kEach] = {};
  for (int r = 0; r < kTaps; r++) {
    for (int s = 0; s < kTaps; s++) {
      for (int c = 0; c < p.C; c += kDepth) {
        fetch_windows(p, fetched, r, s, c, windows);
        fetch_weights(p, r, s, c, first_filter, weights);
        __syncthreads();
        for (int i = 0; i < kDepth; i++) {
          const Four x = gpu::load_vec<Four>(&windows[i][row]);
          const Four y = gpu::load_vec<Four>(&weights[i][column]);
          UNROLL for (int e = 0; e < kEach; e++) {
            UNROLL for (int f = 0; f < kEach; f++) sum[e][f] += x[e] * y[f];
          }
        }
        __syncthreads();
      }
    }
  }
  UNROLL for (int e = 0; e < kEach; e++) {
    const Four four{sum[e][0], sum[e][1], sum[e][2], sum[e][3]};
    gpu::store_vec(p.y + (first_pixel + row + e) * p.K + first_filter + column, four);
  }
}

void launch(const Conv2dProblem& p) {
  const int pixels = p.N * p.H * p.W;
  wants(pixels % kPixels == 0 && p.C % kDepth == 0 && p.K % kFilters == 0,
        "N * H * W in multiples of 64, C of 8, K of 32");
  gpu::launch(convolve_implicit_product, dim3(pixels / kPixels, p.K / kFilters), dim3(kThreads), 0,
              stream(), p);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(conv2d, 5, launch)
