// What pooling and convolution share: which pixel of an NHWC image a thread works on.
#pragma once

#include "cuda/layout.h"

namespace weft::WEFT_GPU {

// Division by a constant chosen at launch of numbers that seldom need more than 31 bits, as those
// of pixels; the branch is the same for whole warps and keeps a product of 64 bits out of most of
// them.
struct PixelDivisor {
  Divisor narrow;
  int64_t value = 1;
  uint64_t reciprocal = ~uint64_t{0};  // of 2^64, rounded down

  PixelDivisor() = default;
  explicit PixelDivisor(int64_t d) : value(d < 1 ? 1 : d) {
    constexpr int64_t kBeyond = int64_t{1} << 31;  // all quotients are 0
    narrow = Divisor(static_cast<uint32_t>(value < kBeyond ? value : kBeyond));
    if (value > 1)
      reciprocal = static_cast<uint64_t>((static_cast<unsigned __int128>(1) << 64) /
                                         static_cast<uint64_t>(value));
  }
  __host__ __device__ int64_t quotient(int64_t n) const {
    if (n >> 31 == 0) return narrow.quotient(static_cast<uint32_t>(n));
#if defined(__CUDA_ARCH__)
    const auto estimate = static_cast<int64_t>(__umul64hi(static_cast<uint64_t>(n), reciprocal));
#else
    const auto estimate = static_cast<int64_t>(
        static_cast<unsigned __int128>(static_cast<uint64_t>(n)) * reciprocal >> 64);
#endif
    return estimate + (n - estimate * value >= value ? 1 : 0);  // at most one too small
  }
};

// A pixel of an image, and `channel` counted in vectors.
struct PixelPlace {
  int64_t n;
  int row, column;
  int64_t channel;
};

// Numbers the vectors of channels of (N, rows, columns, C) images in the order of memory.
struct PixelGrid {
  PixelDivisor channels, columns, rows;  // channels: vectors per pixel
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
