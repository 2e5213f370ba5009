// What describes a convolution to the kernels of tiles, whatever the tiles compute in: implicit
// products of matrices, whose elements are found in the images.
//
//   product          m                     n               k                    also
//   forward          pixels of y           filters         (r, s, channel)
//   backward input   pixels of dx          channels of x   (r, s, filter)       phases
//   backward weight  (r, s, channel)       filters         pixels of y
// Groups, and phases, are a batch along the grid's z. Where tiles are too few to fill the device, k
// is split along the grid's y, and conv2d_partial.h adds up the parts.
#pragma once

#include "cuda/conv2d_geometry.h"
#include "cuda/gemm.h"

namespace weft::WEFT_GPU {

// How far the k-th column of the matrix of windows, k = (r, s, channel), is from a window's start.
struct WindowTaps {
  Divisor channels;
  int64_t row_step, column_step;  // elements from tap to tap; may be negative
  int dilation_h, dilation_w, H, W;

  __device__ __forceinline__ bool inside(int h, int w) const {
    return static_cast<unsigned>(h) < static_cast<unsigned>(H) &&
           static_cast<unsigned>(w) < static_cast<unsigned>(W);
  }
};

// How far something is from another place, in elements and along both axes.
struct alignas(16) WindowStep {
  int64_t offset;
  int h, w;
};
constexpr int kOutside = -(1 << 30);  // a row that no image has, whatever is added

// `columns` is how many taps a row of the window has.
__device__ __forceinline__ WindowStep tap_of(const WindowTaps& taps, const Divisor& columns,
                                             uint32_t k) {
  const uint32_t tap = taps.channels.quotient(k), r = columns.quotient(tap);
  const auto s = static_cast<int>(tap - r * columns.value);
  return {
      static_cast<int>(r) * taps.row_step + s * taps.column_step + (k - tap * taps.channels.value),
      static_cast<int>(r) * taps.dilation_h, s * taps.dilation_w};
}

// The index along the fastest of the axes that `number` counts; the others are left.
__device__ __forceinline__ int take_index(const Divisor& count, uint32_t& number) {
  const uint32_t rest = count.quotient(number), index = number - rest * count.value;
  number = rest;
  return static_cast<int>(index);
}

// ---- forward and backward input -----------------------------------------------------------------

// Output i of `count` along an axis is coordinate first + i * stride of y; its tap j sees the
// coordinate start + i * step + j * dilation of x.
struct CorrelationAxis {
  int first, start, taps;
  int64_t weights;  // elements to the weights of tap 0
  Divisor tap;      // into taps
  WideDivisor count;
};
constexpr int kMaxPhases = 8;  // of an axis, in one launch

// y = the correlation of x with weights. In backward input x and y are dy and dx.
struct Correlation {
  const void *x, *bias;
  void* y;
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
  int x_alignment, y_alignment, tiles_n, groups, first_group;
  int k_per_part;     // k is cut along the grid's y; a multiple of the tile's depth
  int64_t part_size;  // elements from part to part of y
  bool writes_all;    // this launch makes all of y
  bool relu;
  bool y_is_sum;  // y and the bias have the type of the sums, not that of x
};

// Of which phase, group, rows and columns of the result a block makes its tile.
struct CorrelationTile {
  int row_phase, column_phase, group, n;
  int64_t m;
};
template <int kTileM, int kTileN>
__device__ __forceinline__ CorrelationTile correlation_tile(const Correlation& g, unsigned block,
                                                            unsigned batch) {
  const auto groups = static_cast<unsigned>(g.groups), tiles = static_cast<unsigned>(g.tiles_n);
  const auto phases = static_cast<unsigned>(g.column_phases);
  const unsigned phase = batch / groups;
  return {static_cast<int>(phase / phases), static_cast<int>(phase % phases),
          static_cast<int>(batch % groups) + g.first_group,
          static_cast<int>(block % tiles) * kTileN, int64_t{block / tiles} * kTileM};
}

// Rows that the result has in the tile's phase.
__device__ __forceinline__ int64_t pixels_of(const Correlation& g, const CorrelationTile& tile) {
  return g.N * g.rows[tile.row_phase].count.value * g.columns[tile.column_phase].count.value;
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

// The window of row m: its start from that of x; a row of zeros: outside.
__device__ __forceinline__ WindowStep window_of(const Correlation& g, const CorrelationTile& tile,
                                                int64_t m) {
  const CorrelationAxis &rows = g.rows[tile.row_phase], &columns = g.columns[tile.column_phase];
  const OutputPlace at = output_place(rows, columns, m);
  const int h = rows.start + at.i * g.step_h, w = columns.start + at.j * g.step_w;
  const int64_t pixel = (at.n * g.taps.H + h) * g.taps.W + w;
  return {pixel * g.x_pixel + int64_t{tile.group} * g.inputs, at.n < g.N ? h : kOutside, w};
}

// Where row m of the result begins in y.
__device__ __forceinline__ int64_t output_offset(const Correlation& g, const CorrelationTile& tile,
                                                 int64_t m) {
  const CorrelationAxis &rows = g.rows[tile.row_phase], &columns = g.columns[tile.column_phase];
  const OutputPlace at = output_place(rows, columns, m);
  const int64_t h = rows.first + int64_t{at.i} * g.out_step_h;
  const int64_t w = columns.first + int64_t{at.j} * g.out_step_w;
  return ((at.n * g.out_h + h) * g.out_w + w) * g.y_pixel + int64_t{tile.group} * g.outputs;
}

// What is done to rows of y; their address is filled in.
template <class Y, class Sum>
__device__ __forceinline__ Epilogue<Y, Sum> correlation_epilogue(const Correlation& g, int group) {
  const Y* const bias = static_cast<const Y*>(g.bias);
  return {nullptr,   bias == nullptr ? nullptr : bias + int64_t{group} * g.outputs,
          0,         1,
          g.outputs, g.y_alignment,
          false,     g.relu};
}

// ---- backward weight ----------------------------------------------------------------------------

struct WeightGradient {
  const void* x;
  void* out;  // dw, or the first of its parts
  WindowAxis h, w;
  WideDivisor rows, columns;      // of dy
  Divisor channels, tap_columns;  // into m = (r, s, channel)
  int m, n, tiles_n;              // of a group
  int64_t C, K, pixels, pixels_per_part, part_size;
  GemmMatrix dy;
  int first_group;
  int x_alignment, out_alignment;  // bytes, as GemmMatrix::alignment
  bool out_is_sum;                 // `out` has the type of the sums, not that of x
};

// Row m of the gradient, (r, s, channel), from the start of a window; beyond the last: outside.
__device__ __forceinline__ WindowStep gradient_tap(const WeightGradient& g, uint32_t m, int group) {
  const uint32_t tap = g.channels.quotient(m), r = g.tap_columns.quotient(tap);
  const auto s = static_cast<int>(tap - r * g.tap_columns.value);
  const int h = g.h.at(0, static_cast<int>(r)), w = g.w.at(0, s);
  return {(int64_t{h} * g.w.size + w) * g.C + int64_t{group} * g.channels.value +
              (m - tap * g.channels.value),
          static_cast<int>(m) < g.m ? h : kOutside, w};
}

// Where the window of a pixel of y would start, without padding.
__device__ __forceinline__ WindowStep gradient_pixel(const WeightGradient& g, int64_t number) {
  const int64_t line = g.columns.quotient(number), n = g.rows.quotient(line);
  const int h = static_cast<int>(line - n * g.rows.value) * g.h.stride;
  const int w = static_cast<int>(number - line * g.columns.value) * g.w.stride;
  return {((n * g.h.size + h) * g.w.size + w) * g.C, h, w};
}

template <class Out, class Sum>
__device__ __forceinline__ Epilogue<Out, Sum> gradient_epilogue(const WeightGradient& g,
                                                                unsigned part, int64_t group) {
  return {static_cast<Out*>(g.out) + part * g.part_size + group * g.n,
          nullptr,
          g.K,
          g.m,
          g.n,
          g.out_alignment,
          false,
          false};
}

}  // namespace weft::WEFT_GPU
