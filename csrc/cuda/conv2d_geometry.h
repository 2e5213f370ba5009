// What the convolution kernels share: the windows along an axis, in numbers that kernels count in.
//
// conv2d.cu             chooses kernels, and describes what they compute
// conv2d_arguments.h    implicit products of matrices, as kernels see them
// conv2d_launch.h       their grids
// conv2d_gemm.h         window loaders for the tiles of gemm_simt.h; conv2d_simt.cu starts them
// conv2d_mma.h          window loaders for those of gemm_mma.h, on tensor cores; conv2d_mma.cu
// conv2d_wgmma.h        boxes of images for the ring of gemm_wgmma.h; conv2d_wgmma.cu, and
//                       conv2d_wgmma_weight.cu for the gradient of the weights; conv2d_boxes.h
// conv2d_depthwise.h    groups of one channel, without tiles
// conv2d_partial.h      adding up what blocks that share a result have summed
#pragma once

#include "cuda/window2d.h"
#include "ops/conv2d.h"

namespace weft::WEFT_GPU {

// Window i of `count` sees the coordinates i * stride - pad + tap * dilation of an image.
struct WindowAxis {
  int size;  // of the image
  int count, taps, stride, dilation, pad;

  __device__ int at(int i, int tap) const { return i * stride - pad + tap * dilation; }
  __device__ bool inside(int coordinate) const {
    return static_cast<unsigned>(coordinate) < static_cast<unsigned>(size);
  }
};

// Strides and dilations that nothing depends on, which may be of any size, become 1.
inline WindowAxis window_axis(const char* axis, int64_t size, int64_t count, int64_t taps,
                              int64_t stride, int64_t dilation, int64_t pad) {
  if (count == 1) stride = 1;
  if (taps == 1) dilation = 1;
  constexpr int64_t kLimit = int64_t{1} << 28;  // a few windows beyond an edge still fit in an int
  check(size + 2 * pad < kLimit && count * stride < kLimit && taps * dilation < kLimit,
        "conv2d: an image with ", size, " ", axis, " and padding of ", pad,
        " is too large for a GPU, whose kernels count up to ", kLimit, " along an axis");
  return {static_cast<int>(size),   static_cast<int>(count),    static_cast<int>(taps),
          static_cast<int>(stride), static_cast<int>(dilation), static_cast<int>(pad)};
}
inline WindowAxis rows_of(const Conv2dParams& p) {
  return window_axis("rows", p.H, p.P, p.R, p.stride_h, p.dilation_h, p.pad_top);
}
inline WindowAxis columns_of(const Conv2dParams& p) {
  return window_axis("columns", p.W, p.Q, p.S, p.stride_w, p.dilation_w, p.pad_left);
}

// The largest of 16, 8, 4, 2, 1 that divides every address of rows of so many bytes.
inline int row_alignment(const void* data, int64_t bytes) {
  const uintptr_t bits = reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(bytes) | 16;
  return static_cast<int>(bits & (~bits + 1));
}

// Blocks that fill the largest GPUs a few times over. Fixed, so that sums are split alike, and have
// the same bits, on every device.
constexpr int64_t kManyBlocks = 1056;

}  // namespace weft::WEFT_GPU
