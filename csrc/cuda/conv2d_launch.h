// The host's side of convolutions as products of matrices: grids, and sums that blocks share.
#pragma once

#include <algorithm>
#include <limits>

#include "cuda/conv2d_arguments.h"
#include "cuda/conv2d_partial.h"

namespace weft::WEFT_GPU {

constexpr int64_t kMaxGridZ = 65535;

struct Conv2dTile {
  int m, n, depth, threads;
  size_t shared_bytes = 0;
};
using CorrelationKernel = void (*)(Correlation);
using WeightGradientKernel = void (*)(WeightGradient);

// A correlation on the host: of what, and its rows in the phase that has most of them.
struct CorrelationProblem {
  DType dtype;
  Conv2dVariant variant;
  bool turned;  // the weights are read as (r, s, filter) x channels
  int64_t pixels, groups;

  int64_t tiles(const Correlation& g, int64_t tile_m, int64_t tile_n) const {
    return ceil_div(pixels, tile_m) * ceil_div(g.outputs, tile_n) * g.row_phases * g.column_phases *
           groups;
  }
};

// Where tiles are too few for the device, and k is long: how many blocks share a tile.
inline int split_correlation(Correlation& g, int64_t blocks, int tile_depth) {
  // At least half a wave of blocks, each of which does far more than write its tile.
  constexpr int64_t kWanted = kManyBlocks / 2, kLeastDepth = 192;
  int row_taps = 0, column_taps = 0;  // of the phase that has most
  for (int i = 0; i < g.row_phases; i++) row_taps = std::max(row_taps, g.rows[i].taps);
  for (int i = 0; i < g.column_phases; i++) column_taps = std::max(column_taps, g.columns[i].taps);
  const int64_t depth = int64_t{row_taps} * column_taps * g.inputs;
  const bool split = g.writes_all && blocks <= kWanted / 2;
  const int64_t wanted = !split ? 1 : parts_of(depth, blocks, kLeastDepth, kWanted);
  const int64_t least = std::max<int64_t>(ceil_div(depth, wanted), 1);
  const int64_t per_part = ceil_div(least, tile_depth) * tile_depth;
  const int parts = wanted == 1 ? 1 : static_cast<int>(ceil_div(depth, per_part));
  g.k_per_part = parts == 1 ? std::numeric_limits<int32_t>::max() : static_cast<int>(per_part);
  g.part_size = g.N * g.out_h * g.out_w * g.y_pixel;
  return parts;
}

// Y: of y and the bias.
template <class Sum, class Y>
void launch_correlation(CorrelationKernel kernel, const Conv2dTile& tile, Correlation g,
                        const CorrelationProblem& p) {
  g.tiles_n = static_cast<int>(ceil_div(g.outputs, tile.n));
  const int64_t phases = int64_t{g.row_phases} * g.column_phases;
  const int64_t tiles = ceil_div(p.pixels, tile.m) * g.tiles_n;
  const int parts = split_correlation(g, p.tiles(g, tile.m, tile.n), tile.depth);
  const DeviceScratch<Sum> scratch(parts == 1 ? 0 : parts * g.part_size);
  Y* const y = static_cast<Y*>(g.y);
  const PartialEpilogue<Y> epilogue{static_cast<const Y*>(g.bias), WideDivisor(g.y_pixel), g.relu};
  if (parts > 1) {
    g.y = scratch.get(), g.bias = nullptr, g.relu = false, g.y_is_sum = true;
    g.y_alignment = row_alignment(g.y, g.outputs * static_cast<int64_t>(sizeof(Sum)));
  }
  const int64_t most = kMaxGridZ / phases;
  for (int64_t first = 0; first < p.groups; first += most) {
    g.first_group = static_cast<int>(first);
    g.groups = static_cast<int>(std::min(most, p.groups - first));
    gpu::launch(kernel,
                dim3(static_cast<uint32_t>(tiles), static_cast<uint32_t>(parts),
                     static_cast<uint32_t>(phases * g.groups)),
                dim3(static_cast<uint32_t>(tile.threads)), tile.shared_bytes, stream(), g);
  }
  if (parts > 1) sum_parts(scratch.get(), y, g.part_size, parts, epilogue);
}

// wanted: blocks that fill the device.
template <class Sum, class Out>
void launch_weight_gradient(WeightGradientKernel kernel, const Conv2dTile& tile, WeightGradient g,
                            int64_t groups, int64_t wanted) {
  const int64_t tiles_m = ceil_div(g.m, tile.m), tiles_n = ceil_div(g.n, tile.n);
  const int64_t tiles = tiles_m * tiles_n;
  constexpr int64_t kLeastPixels = 512;  // so that a block reads several times what it writes
  const int64_t shared_by = parts_of(g.pixels, tiles * groups, kLeastPixels, wanted);
  g.pixels_per_part = ceil_div(ceil_div(g.pixels, shared_by), tile.depth) * tile.depth;
  g.pixels_per_part = std::min(g.pixels_per_part, int64_t{1} << 30);
  const int64_t parts =
      std::max<int64_t>(ceil_div(g.pixels, std::max<int64_t>(g.pixels_per_part, 1)), 1);
  g.tiles_n = static_cast<int>(tiles_n);
  Out* const dw = static_cast<Out*>(g.out);
  const DeviceScratch<Sum> scratch(parts > 1 ? parts * g.part_size : 0);
  if (parts > 1) {
    g.out = scratch.get(), g.out_is_sum = true;
    g.out_alignment = row_alignment(g.out, g.n * static_cast<int64_t>(sizeof(Sum)));
  }
  for (int64_t first = 0; first < groups; first += kMaxGridZ) {
    g.first_group = static_cast<int>(first);
    gpu::launch(kernel,
                dim3(static_cast<uint32_t>(tiles), static_cast<uint32_t>(parts),
                     static_cast<uint32_t>(std::min(kMaxGridZ, groups - first))),
                dim3(static_cast<uint32_t>(tile.threads)), tile.shared_bytes, stream(), g);
  }
  if (parts > 1) sum_parts(scratch.get(), dw, g.part_size, parts);
}

// conv2d_simt.cu and conv2d_mma.cu: each computes what `on_tensor_cores` in conv2d.cu gives it.
void correlate_simt(const CorrelationProblem& p, const Correlation& g);
void correlate_mma(const CorrelationProblem& p, const Correlation& g);
void weight_gradient_simt(DType dtype, const WeightGradient& g, int64_t groups);
void weight_gradient_mma(DType dtype, Conv2dVariant variant, const WeightGradient& g,
                         int64_t groups);

}  // namespace weft::WEFT_GPU
