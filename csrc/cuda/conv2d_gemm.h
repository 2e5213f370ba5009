// Convolution as implicit products of matrices: the tiles of gemm_simt.h, fed by loaders that find
// the elements of the matrix of windows in the image, where they are read in place.
//
//   product          m                     n               k                    also
//   forward          pixels of y           filters         (r, s, channel)
//   backward input   pixels of dx          channels of x   (r, s, filter)       phases
//   backward weight  (r, s, channel)       filters         pixels of y
// Groups, and phases, are a batch along the grid's z. Where tiles are too few to fill the device, k
// is split along the grid's y, and conv2d_partial.h adds up the parts.
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

#include "cuda/conv2d_geometry.h"
#include "cuda/gemm_simt.h"

namespace weft::WEFT_GPU {

// How far the k-th column of the matrix of windows, k = (r, s, channel), is from a window's start.
struct WindowTaps {
  Divisor channels;
  int64_t row_step, column_step;  // elements from tap to tap; may be negative
  int dilation_h, dilation_w, H, W;
};

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
  __device__ __forceinline__ void set_absent(int i) { lines_[i] = {nullptr, -(1 << 30), 0}; }

  __device__ __forceinline__ void fetch(int k, Values& values) const {
    UNROLL for (int round = 0; round < kRounds; round++) {
      const auto at = static_cast<uint32_t>(k + first_k() + round * kLanes);
      const uint32_t tap = taps_.channels.quotient(at), r = columns_.quotient(tap);
      const auto s = static_cast<int>(tap - r * columns_.value);
      const int64_t offset = static_cast<int>(r) * taps_.row_step + s * taps_.column_step +
                             (at - tap * taps_.channels.value);
      const int h = static_cast<int>(r) * taps_.dilation_h, w = s * taps_.dilation_w;
      const bool valid = static_cast<int>(at) < k_end_;
      UNROLL for (int i = 0; i < kLines; i++) {
        T(&to)[kWidth] = values.at[i * kRounds + round];
        UNROLL for (int j = 0; j < kWidth; j++) to[j] = T(0);
        if (valid && is_inside(lines_[i], h, w)) {
          const auto vector = load_values<T, kWidth>(lines_[i].data + offset);
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
    return static_cast<unsigned>(at.h + h) < static_cast<unsigned>(taps_.H) &&
           static_cast<unsigned>(at.w + w) < static_cast<unsigned>(taps_.W);
  }

  const WindowTaps& taps_;
  const Divisor& columns_;
  int k_end_;
  Line lines_[kLines];
};

// ---- forward and backward input -----------------------------------------------------------------

// Output i of `count` along an axis is coordinate first + i * stride of y; its tap j sees the
// coordinate start + i * step + j * dilation of x.
struct CorrelationAxis {
  int first, start, taps;
  int64_t weights;  // elements to the weights of tap 0
  Divisor tap;      // into taps
  PixelDivisor count;
};
constexpr int kMaxPhases = 8;  // of an axis, in one launch

// y = the correlation of x with weights. In backward input x and y are dy and dx.
template <class T>
struct Correlation {
  const T *x, *bias;
  T* y;
  CorrelationAxis rows[kMaxPhases], columns[kMaxPhases];
  int row_phases, column_phases;
  int64_t N;
  WindowTaps taps, weight_taps;
  int step_h, step_w;  // in x, from output to output
  int out_h, out_w, out_step_h, out_step_w;
  int64_t x_pixel, y_pixel;  // elements from pixel to pixel
  int inputs, outputs;       // channels of a group in x and y
  GemmMatrix weights;
  int64_t group_weights;  // elements from group to group of the weights
  int y_alignment, tiles_n, groups, first_group;
  int k_per_part;     // k is cut along the grid's y; a multiple of the tile's depth
  int64_t part_size;  // elements from part to part of y
  bool writes_all;    // this launch makes all of y
  bool relu;
};

// Of which phase, group, rows and columns of the result a block makes its tile.
struct CorrelationTile {
  int row_phase, column_phase, group, n;
  int64_t m;
};
template <class Shape, class T>
__device__ __forceinline__ CorrelationTile correlation_tile(const Correlation<T>& g, unsigned block,
                                                            unsigned batch) {
  const auto groups = static_cast<unsigned>(g.groups), tiles = static_cast<unsigned>(g.tiles_n);
  const auto phases = static_cast<unsigned>(g.column_phases);
  const unsigned phase = batch / groups;
  return {static_cast<int>(phase / phases), static_cast<int>(phase % phases),
          static_cast<int>(batch % groups) + g.first_group,
          static_cast<int>(block % tiles) * Shape::kTileN, int64_t{block / tiles} * Shape::kTileM};
}

// Row m of the result: image n, output (i, j) of the phase.
struct OutputPlace {
  int64_t n;
  int i, j;
};
__device__ __forceinline__ OutputPlace output_place(const CorrelationAxis& rows,
                                                    const CorrelationAxis& columns, int64_t m) {
  const int64_t line = columns.count.quotient(m), n = rows.count.quotient(line);
  return {n, static_cast<int>(line - n * rows.count.value),
          static_cast<int>(m - line * columns.count.value)};
}

template <class Loader, class T>
__device__ __forceinline__ void set_window_lines(Loader& loader, const Correlation<T>& g,
                                                 const CorrelationTile& tile, int64_t pixels) {
  const CorrelationAxis &rows = g.rows[tile.row_phase], &columns = g.columns[tile.column_phase];
  UNROLL for (int i = 0; i < Loader::kLines; i++) {
    const int64_t m = tile.m + Loader::line(i);
    const OutputPlace at = output_place(rows, columns, m);
    const int h = rows.start + at.i * g.step_h, w = columns.start + at.j * g.step_w;
    const int64_t pixel = (at.n * g.taps.H + h) * g.taps.W + w;
    if (m < pixels)
      loader.set_line(i, g.x + pixel * g.x_pixel + int64_t{tile.group} * g.inputs, h, w);
    else
      loader.set_absent(i);
  }
}

template <class Shape, class T>
__device__ __forceinline__ void store_correlation(const Correlation<T>& g,
                                                  const T (&sums)[Shape::kRows][Shape::kColumns]) {
  constexpr int kGroup = Shape::kGroup;
  const CorrelationTile tile = correlation_tile<Shape>(g, anew(blockIdx.x), anew(blockIdx.z));
  const CorrelationAxis &rows = g.rows[tile.row_phase], &columns = g.columns[tile.column_phase];
  const int64_t pixels = g.N * rows.count.value * columns.count.value;
  const int thread = static_cast<int>(anew(threadIdx.x));
  const int first_row = Shape::first_row(thread);
  const int first_column = tile.n + Shape::first_column(thread);
  const int64_t channel = int64_t{tile.group} * g.outputs;
  Epilogue<T, T> epilogue{nullptr,   g.bias == nullptr ? nullptr : g.bias + channel,
                          0,         1,
                          g.outputs, g.y_alignment,
                          false,     g.relu};
  UNROLL for (int i = 0; i < Shape::kRows; i++) {
    const int64_t m = tile.m + first_row + Shape::row(i);
    if (m >= pixels) break;
    const OutputPlace at = output_place(rows, columns, m);
    const int64_t h = rows.first + int64_t{at.i} * g.out_step_h;
    const int64_t w = columns.first + int64_t{at.j} * g.out_step_w;
    epilogue.c =
        g.y + blockIdx.y * g.part_size + ((at.n * g.out_h + h) * g.out_w + w) * g.y_pixel + channel;
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
    correlate_kernel(const __grid_constant__ Correlation<T> g) {
  using Windows =
      WindowLoader<T, typename Shape::TileA, Shape::kTileM, Shape::kThreads, kWidth, true>;
  T sums[Shape::kRows][Shape::kColumns] = {};
  {
    const CorrelationTile tile = correlation_tile<Shape>(g, blockIdx.x, blockIdx.z);
    const CorrelationAxis &rows = g.rows[tile.row_phase], &columns = g.columns[tile.column_phase];
    const int64_t pixels = g.N * rows.count.value * columns.count.value;
    if (tile.m >= pixels) return;  // the whole block: other phases have more pixels
    const int depth = rows.taps * columns.taps * g.inputs;
    const int k_begin = static_cast<int>(blockIdx.y) * g.k_per_part;
    const int k_end = depth - k_begin < g.k_per_part ? depth : k_begin + g.k_per_part;
    const int64_t weights = rows.weights + columns.weights + tile.group * g.group_weights;
    Windows a(g.taps, columns.tap, k_end);
    set_window_lines(a, g, tile, pixels);
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

template <class T>
struct WeightGradient {
  const T* x;
  T* out;  // dw, or the first of its parts
  WindowAxis h, w;
  PixelDivisor rows, columns;     // of dy
  Divisor channels, tap_columns;  // into m = (r, s, channel)
  int m, n, tiles_n;              // of a group
  int64_t C, K, pixels, pixels_per_part, part_size;
  GemmMatrix dy;
  int first_group, alignment;
};

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

  __device__ PixelLoader(const WeightGradient<T>& g, int first_m, int group, int64_t first_pixel,
                         int k_end)
      : g_(g), first_pixel_(first_pixel), k_end_(k_end) {
    const auto m = static_cast<uint32_t>(first_m + outer());
    const uint32_t tap = g.channels.quotient(m), r = g.tap_columns.quotient(tap);
    const auto s = static_cast<int>(tap - r * g.tap_columns.value);
    h_ = static_cast<int>(m) < g.m ? g.h.at(0, static_cast<int>(r)) : -(1 << 30);
    w_ = g.w.at(0, s);
    data_ = g.x + int64_t{group} * g.channels.value + (m - tap * g.channels.value);
  }

  __device__ __forceinline__ void fetch(int k, Values& values) const {
    UNROLL for (int v = 0; v < kVectors; v++) {
      const int at = k + pixel(v);
      const int64_t number = first_pixel_ + at;
      const int64_t line = g_.columns.quotient(number), n = g_.rows.quotient(line);
      const int h = h_ + static_cast<int>(line - n * g_.rows.value) * g_.h.stride;
      const int w = w_ + static_cast<int>(number - line * g_.columns.value) * g_.w.stride;
      UNROLL for (int j = 0; j < kWidth; j++) values.at[v][j] = T(0);
      if (at < k_end_ && g_.h.inside(h) && g_.w.inside(w)) {
        const int64_t offset = ((n * g_.h.size + h) * g_.w.size + w) * g_.C;
        const auto vector = load_values<T, kWidth>(data_ + offset);
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

  const WeightGradient<T>& g_;  // the kernel's parameter: constant memory
  int64_t first_pixel_;
  int k_end_, h_, w_;
  const T* data_;
};

// Tiles along x, parts of the pixels along y, groups along z.
template <class T, class Shape, int kWidth, int kBlocksPerSm>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksPerSm)
    weight_gradient_kernel(const __grid_constant__ WeightGradient<T> g) {
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
  const Epilogue<T, T> epilogue{g.out + blockIdx.y * g.part_size + group * g.n,
                                nullptr,
                                g.K,
                                g.m,
                                g.n,
                                g.alignment,
                                false,
                                false};
  simt_store<Shape>(epilogue, origin, sums);
}

}  // namespace weft::WEFT_GPU
