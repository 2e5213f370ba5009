#include "ops/window2d.h"

namespace weft {
namespace {

void check_pair(const char* op, const char* what, const Dims& values, int count, int64_t least) {
  bool good = values.size() == count;
  for (int64_t v : values) good = good && v >= least;
  check(good, op, ": ", what, " must be ", count, " integers, each at least ", least, ", got ",
        values);
}

}  // namespace

Window2d make_window2d(const char* op, const Dims& size, const Dims& strides, const Dims& dilation,
                       const Dims& padding) {
  check_pair(op, "the window size", size, 2, 1);
  check_pair(op, "strides", strides, 2, 1);
  check_pair(op, "the dilation rate", dilation, 2, 1);
  check_pair(op, "padding (top, bottom, left, right)", padding, 4, 0);
  return {size[0],     size[1],    strides[0], strides[1], dilation[0],
          dilation[1], padding[0], padding[1], padding[2], padding[3]};
}

Dims count_windows(const char* op, const Window2d& window, int64_t H, int64_t W) {
  const int64_t height = H + window.pad_top + window.pad_bottom;
  const int64_t width = W + window.pad_left + window.pad_right;
  if (window.extent_h() > height || window.extent_w() > width) [[unlikely]] {
    const bool padded = height != H || width != W;
    const bool dilated = window.extent_h() != window.R || window.extent_w() != window.S;
    fail(ErrorKind::value, op, ": the window of ", window.extent_h(), " x ", window.extent_w(),
         dilated ? " (with dilation)" : "", " is larger than the ", padded ? "padded " : "",
         "image of ", height, " x ", width,
         "; use a smaller window, a larger image or padding=\"same\"");
  }
  return {(height - window.extent_h()) / window.stride_h + 1,
          (width - window.extent_w()) / window.stride_w + 1};
}

}  // namespace weft
