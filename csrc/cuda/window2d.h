// What pooling and convolution share: which pixel of an NHWC image a thread works on.
#pragma once

#include "cuda/layout.h"

namespace weft::WEFT_GPU {

// A pixel of an image, and `channel` counted in vectors.
struct PixelPlace {
  int64_t n;
  int row, column;
  int64_t channel;
};

// Numbers the vectors of channels of (N, rows, columns, C) images in the order of memory.
struct PixelGrid {
  WideDivisor channels, columns, rows;  // channels: vectors per pixel
  int64_t count = 0;

  PixelGrid() = default;
  PixelGrid(int64_t N, int64_t H, int64_t W, int64_t vectors)
      : channels(vectors), columns(W), rows(H), count(N * H * W * vectors) {}
  __device__ PixelPlace place(int64_t i) const {
    const int64_t pixel = channels.quotient(i), line = columns.quotient(pixel);
    const int64_t n = rows.quotient(line);
    return {n, static_cast<int>(line - n * rows.value),
            static_cast<int>(pixel - line * columns.value), i - pixel * channels.value};
  }
};

// Kernels count along one axis in 32 bits, with room for padding and strides.
inline bool fits_axis(int64_t size) { return size < int64_t{1} << 30; }

// Whether rows of `channels` elements begin at multiples of 16 bytes.
template <class T>
bool is_row_aligned(const void* data, int64_t channels) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && channels * sizeof(T) % 16 == 0;
}

}  // namespace weft::WEFT_GPU
