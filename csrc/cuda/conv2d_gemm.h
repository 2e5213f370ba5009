// Convolution as implicit products of matrices: the tiles of gemm_simt.h, fed by loaders that find
// the elements of the matrix of windows in the image, where they are read in place.
//
//   tile     threads  per lane  depth  used for
//   128x64   128      8x8       8      float32, more than 32 columns that fill the device
//   64x64    128      8x4       16     float32
//   128x32   128      8x4       16     float32, at most 32 columns
//   64x64    128      8x4       8      float64
// Bound by arithmetic, 2 m n k operations (67 TFLOP/s in float32 on an H200), where channels are
// many: a block reads its rows and columns of k once, 16 bytes at a time where channels allow (the
// channels of a tap are contiguous in NHWC), and the R * S reads of a pixel meet in L1 and L2.
#pragma once

#include "cuda/conv2d_arguments.h"
#include "cuda/gemm_simt.h"

namespace weft::WEFT_GPU {

// Loads lines that are contiguous along the channels within k: pixels with their windows, or (not
// kWindowed) rows of weights. 8 lanes take one element of 8 ks where vectors are not possible,
// which keeps both global reads and transposing stores to shared memory dense.
template <class T, class Tile, int kOuter, int kThreads, int kWidth, bool kWindowed>
class WindowLoader {
 public:
  static constexpr int kLanes = kWidth > 1 ? Tile::kDepth / kWidth : 8;
  static constexpr int kRounds = Tile::kDepth / (kLanes * kWidth);
  static constexpr int kLinesAtOnce = kThreads / kLanes, kLines = kOuter / kLinesAtOnce;
  static_assert(kLines * kLinesAtOnce == kOuter && kRounds * kLanes * kWidth == Tile::kDepth);
  struct Values {
    T at[kLines * kRounds][kWidth] = {};
  };

  // Both live in the kernel's parameter; `columns` is how many taps a row of the window has.
  __device__ WindowLoader(const WindowTaps& taps, const Divisor& columns, int k_end)
      : taps_(taps), columns_(columns), k_end_(k_end) {}

  static __device__ __forceinline__ int line(int i) {
    return static_cast<int>(threadIdx.x) / kLanes + i * kLinesAtOnce;
  }
  // Line i of this thread starts at `data`, the pixel (h, w); a line of zeros: absent.
  __device__ __forceinline__ void set_line(int i, const T* data, int h, int w) {
    lines_[i] = {data, h, w};
  }
  __device__ __forceinline__ void set_absent(int i) { lines_[i] = {nullptr, kOutside, 0}; }

  __device__ __forceinline__ void fetch(int k, Values& values) const {
    UNROLL for (int round = 0; round < kRounds; round++) {
      const auto at = static_cast<uint32_t>(k + first_k() + round * kLanes);
      const WindowStep tap = tap_of(taps_, columns_, at);
      const bool valid = static_cast<int>(at) < k_end_;
      UNROLL for (int i = 0; i < kLines; i++) {
        T(&to)[kWidth] = values.at[i * kRounds + round];
        UNROLL for (int j = 0; j < kWidth; j++) to[j] = T(0);
        if (valid && is_inside(lines_[i], tap.h, tap.w)) {
          const auto vector = load_values<T, kWidth>(lines_[i].data + tap.offset);
          UNROLL for (int j = 0; j < kWidth; j++) to[j] = vector[j];
        }
      }
    }
  }

  __device__ __forceinline__ void put(const Values& values, T* shared) const {
    UNROLL for (int i = 0; i < kLines; i++) {
      UNROLL for (int round = 0; round < kRounds; round++) {
        UNROLL for (int j = 0; j < kWidth; j++)
            shared[Tile::index(first_k() + round * kLanes + j, line(i))] =
                values.at[i * kRounds + round][j];
      }
    }
  }

 private:
  struct Line {
    const T* data;
    int h, w;
  };
  static __device__ __forceinline__ int first_k() {
    return static_cast<int>(threadIdx.x) % kLanes * kWidth;
  }
  __device__ __forceinline__ bool is_inside(const Line& at, int h, int w) const {
    if constexpr (!kWindowed) return at.h >= 0;
    return taps_.inside(at.h + h, at.w + w);
  }

  const WindowTaps& taps_;
  const Divisor& columns_;
  int k_end_;
  Line lines_[kLines];
};

// ---- forward and backward input -----------------------------------------------------------------

template <class Shape, class T>
__device__ __forceinline__ void store_correlation(const Correlation& g,
                                                  const T (&sums)[Shape::kRows][Shape::kColumns]) {
  constexpr int kGroup = Shape::kGroup;
  const CorrelationTile tile =
      correlation_tile<Shape::kTileM, Shape::kTileN>(g, anew(blockIdx.x), anew(blockIdx.z));
  const int64_t pixels = pixels_of(g, tile);
  const int thread = static_cast<int>(anew(threadIdx.x));
  const int first_row = Shape::first_row(thread);
  const int first_column = tile.n + Shape::first_column(thread);
  auto epilogue = correlation_epilogue<T, T>(g, tile.group);
  UNROLL for (int i = 0; i < Shape::kRows; i++) {
    const int64_t m = tile.m + first_row + Shape::row(i);
    if (m >= pixels) break;
    epilogue.c = static_cast<T*>(g.y) + blockIdx.y * g.part_size + output_offset(g, tile, m);
    UNROLL for (int part = 0; part < Shape::kColumns / kGroup; part++) {
      T group[kGroup];
      UNROLL for (int j = 0; j < kGroup; j++) group[j] = sums[i][part * kGroup + j];
      epilogue.store(0, first_column + Shape::column(part * kGroup), group);
    }
  }
}

// kTurned: the weights are read as (r, s, filter) x channels.
template <class T, class Shape, int kWidth, bool kTurned, int kBlocksPerSm>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksPerSm)
    correlate_kernel(const __grid_constant__ Correlation g) {
  using Windows =
      WindowLoader<T, typename Shape::TileA, Shape::kTileM, Shape::kThreads, kWidth, true>;
  T sums[Shape::kRows][Shape::kColumns] = {};
  {
    const CorrelationTile tile =
        correlation_tile<Shape::kTileM, Shape::kTileN>(g, blockIdx.x, blockIdx.z);
    const CorrelationAxis &rows = g.rows[tile.row_phase], &columns = g.columns[tile.column_phase];
    const int64_t pixels = pixels_of(g, tile);
    if (tile.m >= pixels) return;  // the whole block: other phases have more pixels
    const int depth = rows.taps * columns.taps * g.inputs;
    const int k_begin = static_cast<int>(blockIdx.y) * g.k_per_part;
    const int k_end = depth - k_begin < g.k_per_part ? depth : k_begin + g.k_per_part;
    const int64_t weights = rows.weights + columns.weights + tile.group * g.group_weights;
    Windows a(g.taps, columns.tap, k_end);
    UNROLL for (int i = 0; i < Windows::kLines; i++) {
      const int64_t m = tile.m + Windows::line(i);
      const WindowStep window = window_of(g, tile, m);
      if (m < pixels)  // `window` knows it too, but that would take registers that are not left
        a.set_line(i, static_cast<const T*>(g.x) + window.offset, window.h, window.w);
      else
        a.set_absent(i);
    }
    if constexpr (kTurned) {
      using Weights =
          WindowLoader<T, typename Shape::TileB, Shape::kTileN, Shape::kThreads, kWidth, false>;
      Weights b(g.weight_taps, columns.tap, k_end);
      UNROLL for (int i = 0; i < Weights::kLines; i++) {
        const int n = tile.n + Weights::line(i);
        const T* const data = static_cast<const T*>(g.weights.data) + weights;
        if (n < g.outputs)
          b.set_line(i, data + n * g.weights.outer_stride, 0, 0);
        else
          b.set_absent(i);
      }
      simt_main_loop<Shape>(a, b, k_begin, k_end, sums);
    } else {
      using Weights = MatrixLoader<T, T, typename Shape::TileB, Shape::kTileN, Shape::kThreads,
                                   Contiguous::outer>;
      const Weights b(g.weights, weights, tile.n, g.outputs, k_end);
      simt_main_loop<Shape>(a, b, k_begin, k_end, sums);
    }
  }
  store_correlation<Shape>(g, sums);
}

// ---- backward weight ----------------------------------------------------------------------------

// Loads columns of the matrix of windows: m = (r, s, channel) is contiguous along channels, k are
// pixels of y. The m of a thread stay the same.
template <class T, class Tile, int kOuter, int kThreads, int kWidth>
class PixelLoader {
 public:
  static constexpr int kPerPixel = kOuter / kWidth, kAtOnce = kThreads / kPerPixel;
  static constexpr int kVectors = Tile::kDepth / kAtOnce;
  static_assert(kVectors * kAtOnce == Tile::kDepth);
  struct Values {
    T at[kVectors][kWidth] = {};
  };

  __device__ PixelLoader(const WeightGradient& g, int first_m, int group, int64_t first_pixel,
                         int k_end)
      : g_(g), first_pixel_(first_pixel), k_end_(k_end) {
    const WindowStep tap = gradient_tap(g, static_cast<uint32_t>(first_m + outer()), group);
    data_ = static_cast<const T*>(g.x) + tap.offset;
    h_ = tap.h, w_ = tap.w;
  }

  __device__ __forceinline__ void fetch(int k, Values& values) const {
    UNROLL for (int v = 0; v < kVectors; v++) {
      const int at = k + pixel(v);
      const WindowStep window = gradient_pixel(g_, first_pixel_ + at);
      UNROLL for (int j = 0; j < kWidth; j++) values.at[v][j] = T(0);
      if (at < k_end_ && g_.h.inside(window.h + h_) && g_.w.inside(window.w + w_)) {
        const auto vector = load_values<T, kWidth>(data_ + window.offset);
        UNROLL for (int j = 0; j < kWidth; j++) values.at[v][j] = vector[j];
      }
    }
  }

  __device__ __forceinline__ void put(const Values& values, T* shared) const {
    UNROLL for (int v = 0; v < kVectors; v++) {
      gpu::Vector<T, kWidth> vector;
      UNROLL for (int j = 0; j < kWidth; j++) vector[j] = values.at[v][j];
      store_values(shared + Tile::index(pixel(v), outer()), vector);
    }
  }

 private:
  static __device__ __forceinline__ int outer() {
    return static_cast<int>(threadIdx.x) % kPerPixel * kWidth;
  }
  static __device__ __forceinline__ int pixel(int v) {
    return static_cast<int>(threadIdx.x) / kPerPixel + v * kAtOnce;
  }

  const WeightGradient& g_;  // the kernel's parameter: constant memory
  int64_t first_pixel_;
  int k_end_, h_, w_;
  const T* data_;
};

// Tiles along x, parts of the pixels along y, groups along z.
template <class T, class Shape, int kWidth, int kBlocksPerSm>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksPerSm)
    weight_gradient_kernel(const __grid_constant__ WeightGradient g) {
  using Windows = PixelLoader<T, typename Shape::TileA, Shape::kTileM, Shape::kThreads, kWidth>;
  using Gradients =
      MatrixLoader<T, T, typename Shape::TileB, Shape::kTileN, Shape::kThreads, Contiguous::outer>;
  T sums[Shape::kRows][Shape::kColumns] = {};
  const auto tiles_n = static_cast<unsigned>(g.tiles_n);
  {
    const int m = static_cast<int>(blockIdx.x / tiles_n) * Shape::kTileM;
    const int n = static_cast<int>(blockIdx.x % tiles_n) * Shape::kTileN;
    const int group = static_cast<int>(blockIdx.z) + g.first_group;
    const int64_t begin = blockIdx.y * g.pixels_per_part, left = g.pixels - begin;
    const int k_end = static_cast<int>(left < g.pixels_per_part ? left : g.pixels_per_part);
    const Windows a(g, m, group, begin, k_end);
    const Gradients b(g.dy, begin * g.K + int64_t{group} * g.n, n, g.n, k_end);
    simt_main_loop<Shape>(a, b, 0, k_end, sums);
  }
  const unsigned block = anew(blockIdx.x);
  const TileOrigin origin{static_cast<int>(block / tiles_n) * Shape::kTileM,
                          static_cast<int>(block % tiles_n) * Shape::kTileN};
  const int64_t group = static_cast<int>(anew(blockIdx.z)) + g.first_group;
  simt_store<Shape>(gradient_epilogue<T, T>(g, blockIdx.y, group), origin, sums);
}

}  // namespace weft::WEFT_GPU
