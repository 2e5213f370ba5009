// The window that all rungs use: 3 x 3, stride 1, one row and column of zeros around the image.
#pragma once

#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTaps = 3;

// Where tap (r, s) of the window over pixel (h, w) lies, and whether that is in the image.
struct Tap {
  int h, w;
  bool inside;
};
__device__ inline Tap tap_at(int h, int w, int r, int s, int H, int W) {
  const int y = h + r - 1, x = w + s - 1;
  return {y, x, y >= 0 && y < H && x >= 0 && x < W};
}

}  // namespace
}  // namespace weft::WEFT_GPU
