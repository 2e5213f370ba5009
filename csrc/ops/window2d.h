// The sliding window that convolution and pooling share: its size, stride, dilation and padding.
#pragma once

#include <cstdint>

#include "core/dims.h"

namespace weft {

// Window (p, q) covers rows p * stride_h - pad_top + r * dilation_h, r < R, and columns likewise.
struct Window2d {
  int64_t R, S;
  int64_t stride_h, stride_w;
  int64_t dilation_h, dilation_w;
  int64_t pad_top, pad_bottom, pad_left, pad_right;

  int64_t extent_h() const { return (R - 1) * dilation_h + 1; }
  int64_t extent_w() const { return (S - 1) * dilation_w + 1; }
};

// size (R, S), strides and dilation (height, width), padding (top, bottom, left, right).
// ValueError for anything below 1 (padding: below 0).
Window2d make_window2d(const char* op, const Dims& size, const Dims& strides, const Dims& dilation,
                       const Dims& padding);

// How many windows fit into an (H, W) image: (P, Q). ValueError when not even one does.
Dims count_windows(const char* op, const Window2d& window, int64_t H, int64_t W);

}  // namespace weft
