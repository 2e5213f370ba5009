// Convolution as implicit products of matrices on tensor cores: loaders that find the elements of
// the matrix of windows in the image and bring them to the ring of gemm_mma.h by cp.async. Windows
// that reach beyond the image are copies that read nothing and leave zeros.
//
// How far the windows of a tile's rows (or, for the gradient of the weights, its taps) lie from the
// start of x is computed once per block and kept in shared memory, 16 bytes each: in registers they
// would not fit beside the accumulators. A thread always copies the same place of k, so that it
// finds its tap once for all of its rows.
//
// Where channels are a multiple of 16 bytes, copies are of 16 bytes. Else, as in the first layer of
// a network for images of three channels, they are words of 4 bytes, or, with an odd number of
// halves, pairs of loads through registers: about 1000 cycles of every processor's schedulers for a
// step of 64 that keeps its tensor cores busy for 1700, where ordinary units would multiply for
// 8200 and casts to float32 would move three times the bytes.
#pragma once

#include "cuda/conv2d_arguments.h"
#include "cuda/gemm_mma.h"

namespace weft::WEFT_GPU {

// The part of a loader that copies: one 16-byte unit of elements that are contiguous in the tile.
// `address(e)` is where element e comes from, null for a zero.
template <class T>
struct MmaCopy {
  static constexpr int kElements = kUnit / sizeof(T), kWordElements = 4 / sizeof(T);

  // `readable`: any address of global memory, for copies that read nothing.
  static __device__ __forceinline__ void unit(unsigned char* to, const T* from,
                                              const void* readable) {
    ptx::cp_async<kUnit>(to, from != nullptr ? from : readable, from != nullptr ? kUnit : 0);
  }
  static __device__ __forceinline__ void word(unsigned char* to, const T* from,
                                              const void* readable) {
    ptx::cp_async<4>(to, from != nullptr ? from : readable, from != nullptr ? 4 : 0);
  }
  static __device__ __forceinline__ void pair(unsigned char* to, const T* first, const T* second) {
    gpu::Vector<T, 2> values;
    values[0] = first != nullptr ? *first : T(0.0f);
    values[1] = second != nullptr ? *second : T(0.0f);
    gpu::store_vec(to, values);
  }
};

// Brings rows that are contiguous along the channels within k = (r, s, channel): the windows of
// pixels, or (not kWindowed) rows of weights.
template <class Tile, int kThreads, bool kWindowed>
class MmaTapLoader {
 public:
  using T = typename Tile::Stored;
  using Copy = MmaCopy<T>;
  static constexpr int kUnitsPerRow = Tile::kRowBytes / kUnit;
  static constexpr int kRowStep = kThreads / kUnitsPerRow, kUnits = Tile::kOuter / kRowStep;
  static_assert(Tile::kAlongK && kUnits * kRowStep == Tile::kOuter);

  // Row i starts windows[i] behind data; `columns` is how many taps a row of the window has.
  __device__ MmaTapLoader(const WindowTaps& taps, const Divisor& columns, const void* data,
                          int alignment, const WindowStep* windows, int k_end)
      : taps_(taps),
        columns_(columns),
        data_(static_cast<const T*>(data)),
        windows_(windows),
        alignment_(alignment),
        k_end_(k_end) {}
  // Rows of weights, `stride` elements apart, of which there are `rows`.
  __device__ MmaTapLoader(const WindowTaps& taps, const Divisor& columns, const GemmMatrix& weights,
                          int64_t first, int rows, int k_end)
      : taps_(taps),
        columns_(columns),
        data_(static_cast<const T*>(weights.data) + first),
        stride_(weights.outer_stride),
        rows_(rows),
        alignment_(weights.alignment),
        k_end_(k_end) {}

  __device__ __forceinline__ void fetch(unsigned char* tile, int k) const {
    if (alignment_ < kUnit) return fetch_words(tile, k);
    const WindowStep tap = tap_at(k + along());
    UNROLL for (int i = 0; i < kUnits; i++) {
      const int at = row() + i * kRowStep;
      Copy::unit(tile + Tile::offset(at, along()), address(at, tap), data_);
    }
  }

 private:
  static __device__ __forceinline__ int row() {
    return static_cast<int>(threadIdx.x) / kUnitsPerRow;
  }
  static __device__ __forceinline__ int along() {
    return static_cast<int>(threadIdx.x) % kUnitsPerRow * Copy::kElements;
  }
  // Beyond the last k: outside of every image.
  __device__ __forceinline__ WindowStep tap_at(int k) const {
    WindowStep tap = tap_of(taps_, columns_, static_cast<uint32_t>(k));
    if (k >= k_end_) tap.h = kOutside;
    return tap;
  }
  __device__ __forceinline__ const T* address(int row, const WindowStep& tap) const {
    if constexpr (kWindowed) {
      const auto window = gpu::load_vec<WindowStep>(windows_ + row);
      const bool inside = taps_.inside(window.h + tap.h, window.w + tap.w);
      return inside ? data_ + window.offset + tap.offset : nullptr;
    } else {
      return row < rows_ && tap.h >= 0 ? data_ + row * stride_ + tap.offset : nullptr;
    }
  }

  __device__ __forceinline__ void fetch_words(unsigned char* tile, int k) const {
    _Pragma("unroll 1") for (int e = 0; e < Copy::kElements; e += Copy::kWordElements) {
      const int place = along() + e;
      const WindowStep tap = tap_at(k + place);
      if (alignment_ >= 4) {
        UNROLL for (int i = 0; i < kUnits; i++) {
          const int at = row() + i * kRowStep;
          Copy::word(tile + Tile::offset(at, place), address(at, tap), data_);
        }
      } else if constexpr (Copy::kWordElements == 2) {
        const WindowStep next = tap_at(k + place + 1);
        UNROLL for (int i = 0; i < kUnits; i++) {
          const int at = row() + i * kRowStep;
          Copy::pair(tile + Tile::offset(at, place), address(at, tap), address(at, next));
        }
      }
    }
  }

  const WindowTaps& taps_;
  const Divisor& columns_;
  const T* data_;
  const WindowStep* windows_ = nullptr;
  int64_t stride_ = 0;
  int rows_ = 0, alignment_, k_end_;
};

// Brings columns of the matrix of windows: m = (r, s, channel) is contiguous along channels, k are
// pixels of y.
template <class Tile, int kThreads>
class MmaPixelLoader {
 public:
  using T = typename Tile::Stored;
  using Copy = MmaCopy<T>;
  static constexpr int kUnitsPerRow = Tile::kRowBytes / kUnit;
  static constexpr int kRowStep = kThreads / kUnitsPerRow, kUnits = Tile::kDepth / kRowStep;
  static_assert(!Tile::kAlongK && kUnits * kRowStep == Tile::kDepth);

  // Row m of the tile sees x at taps[place(m)] from the start of a window. Taps whose copies start
  // together lie together: in the order of m, reads would meet in the same banks.
  static __device__ __forceinline__ int place(int m) {
    return m % Copy::kElements * kUnitsPerRow + m / Copy::kElements;
  }
  static __device__ __forceinline__ int row_at(int place) {
    return place % kUnitsPerRow * Copy::kElements + place / kUnitsPerRow;
  }
  __device__ MmaPixelLoader(const WeightGradient& g, const WindowStep* taps, int64_t first_pixel,
                            int k_end)
      : g_(g), taps_(taps), first_pixel_(first_pixel), k_end_(k_end) {}

  __device__ __forceinline__ void fetch(unsigned char* tile, int k) const {
    if (g_.x_alignment < kUnit) return fetch_words(tile, k);
    const WindowStep tap = tap_at(along());
    UNROLL for (int i = 0; i < kUnits; i++) {
      const int at = row() + i * kRowStep;
      Copy::unit(tile + Tile::offset(along(), at), address(pixel_at(k + at), tap), g_.x);
    }
  }

 private:
  static __device__ __forceinline__ int row() {
    return static_cast<int>(threadIdx.x) / kUnitsPerRow;
  }
  static __device__ __forceinline__ int along() {
    return static_cast<int>(threadIdx.x) % kUnitsPerRow * Copy::kElements;
  }
  __device__ __forceinline__ WindowStep tap_at(int m) const {
    return gpu::load_vec<WindowStep>(taps_ + place(m));
  }
  // Beyond the last pixel: outside of every image.
  __device__ __forceinline__ WindowStep pixel_at(int k) const {
    WindowStep pixel = gradient_pixel(g_, first_pixel_ + k);
    if (k >= k_end_) pixel.h = kOutside;
    return pixel;
  }
  __device__ __forceinline__ const T* address(const WindowStep& pixel,
                                              const WindowStep& tap) const {
    const bool inside = g_.h.inside(pixel.h + tap.h) && g_.w.inside(pixel.w + tap.w);
    return inside ? static_cast<const T*>(g_.x) + pixel.offset + tap.offset : nullptr;
  }

  __device__ __forceinline__ void fetch_words(unsigned char* tile, int k) const {
    _Pragma("unroll 1") for (int i = 0; i < kUnits; i++) {
      const int at = row() + i * kRowStep;
      const WindowStep pixel = pixel_at(k + at);
      UNROLL for (int e = 0; e < Copy::kElements; e += Copy::kWordElements) {
        const int m = along() + e;
        unsigned char* const to = tile + Tile::offset(m, at);
        const T* const from = address(pixel, tap_at(m));
        if (g_.x_alignment >= 4)
          Copy::word(to, from, g_.x);
        else if constexpr (Copy::kWordElements == 2)
          Copy::pair(to, from, address(pixel, tap_at(m + 1)));
      }
    }
  }

  const WeightGradient& g_;  // the kernel's parameter: constant memory
  const WindowStep* taps_;
  int64_t first_pixel_;
  int k_end_;
};

}  // namespace weft::WEFT_GPU
