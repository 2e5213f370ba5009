// The host's side of convolutions as products of matrices: grids, and sums that blocks share.
#pragma once

#include <algorithm>
#include <limits>

#include "cuda/conv2d_arguments.h"
#include "cuda/conv2d_partial.h"
#include "cuda/gemm_launch.h"

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
  bool turned;                   // the weights are read as (r, s, filter) x channels
  int64_t pixels, groups, taps;  // taps: of the whole window, whatever the phases

  int64_t tiles(const Correlation& g, int64_t tile_m, int64_t tile_n) const {
    return ceil_div(pixels, tile_m) * ceil_div(g.outputs, tile_n) * g.row_phases * g.column_phases *
           groups;
  }
};

// Of the phase that has most.
inline int64_t most_taps(const Correlation& g) {
  int rows = 0, columns = 0;
  for (int i = 0; i < g.row_phases; i++) rows = std::max(rows, g.rows[i].taps);
  for (int i = 0; i < g.column_phases; i++) columns = std::max(columns, g.columns[i].taps);
  return int64_t{rows} * columns;
}
inline int64_t most_outputs(const CorrelationAxis* axes, int count) {
  int64_t most = 0;
  for (int i = 0; i < count; i++) most = std::max(most, axes[i].count.value);
  return most;
}

// Where tiles are too few for the device, and k is long: how many blocks share a tile.
inline int split_correlation(Correlation& g, int64_t blocks, int tile_depth) {
  // At least half a wave of blocks, each of which does far more than write its tile.
  constexpr int64_t kWanted = kManyBlocks / 2, kLeastDepth = 192;
  const int64_t depth = most_taps(g) * g.inputs;
  const bool split = g.writes_all && blocks <= kWanted / 2;
  const int64_t wanted = !split ? 1 : parts_of(depth, blocks, kLeastDepth, kWanted);
  const int64_t least = std::max<int64_t>(ceil_div(depth, wanted), 1);
  const int64_t per_part = ceil_div(least, tile_depth) * tile_depth;
  const int parts = wanted == 1 ? 1 : static_cast<int>(ceil_div(depth, per_part));
  g.k_per_part = parts == 1 ? std::numeric_limits<int32_t>::max() : static_cast<int>(per_part);
  return parts;
}

// Where the sums of a launch go. Those of several parts: to temporary memory, and then y is what
// they and the bias add up to. Y: of y and the bias.
template <class Sum, class Y>
class CorrelationParts {
 public:
  CorrelationParts(Correlation& g, int parts)
      : parts_(parts),
        size_(g.N * g.out_h * g.out_w * g.y_pixel),
        y_(static_cast<Y*>(g.y)),
        epilogue_{static_cast<const Y*>(g.bias), WideDivisor(g.y_pixel), g.relu},
        scratch_(parts == 1 ? 0 : parts * size_) {
    g.part_size = size_;
    if (parts == 1) return;
    g.y = scratch_.get(), g.bias = nullptr, g.relu = false, g.y_is_sum = true;
    g.y_alignment = row_alignment(g.y, g.outputs * static_cast<int64_t>(sizeof(Sum)));
  }
  void add_up() const {
    if (parts_ > 1) sum_parts(scratch_.get(), y_, size_, parts_, epilogue_);
  }

 private:
  int parts_;
  int64_t size_;
  Y* y_;
  PartialEpilogue<Y> epilogue_;
  DeviceScratch<Sum> scratch_;
};

template <class Sum, class Y>
void launch_correlation(CorrelationKernel kernel, const Conv2dTile& tile, Correlation g,
                        const CorrelationProblem& p) {
  g.tiles_n = static_cast<int>(ceil_div(g.outputs, tile.n));
  const int64_t phases = int64_t{g.row_phases} * g.column_phases;
  const int64_t tiles = ceil_div(p.pixels, tile.m) * g.tiles_n;
  const int parts = split_correlation(g, p.tiles(g, tile.m, tile.n), tile.depth);
  const CorrelationParts<Sum, Y> shared(g, parts);
  const int64_t most = kMaxGridZ / phases;
  for (int64_t first = 0; first < p.groups; first += most) {
    g.first_group = static_cast<int>(first);
    g.groups = static_cast<int>(std::min(most, p.groups - first));
    gpu::launch(kernel,
                dim3(static_cast<uint32_t>(tiles), static_cast<uint32_t>(parts),
                     static_cast<uint32_t>(phases * g.groups)),
                dim3(static_cast<uint32_t>(tile.threads)), tile.shared_bytes, stream(), g);
  }
  shared.add_up();
}

// Of a block, so that it reads several times what it writes.
constexpr int64_t kLeastPixels = 512;

// wanted: blocks that fill the device.
template <class Sum, class Out>
void launch_weight_gradient(WeightGradientKernel kernel, const Conv2dTile& tile, WeightGradient g,
                            int64_t groups, int64_t wanted) {
  const int64_t tiles_m = ceil_div(g.m, tile.m), tiles_n = ceil_div(g.n, tile.n);
  const int64_t tiles = tiles_m * tiles_n;
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

// An estimate of the cycles of the busiest multiprocessor, as in matmul.cu: tiles of so many
// results, each with so many steps of 128 bytes and a start-up of half a step. Of floats a step has
// half as many, at half the speed.
inline double tile_cycles(int64_t tiles, int64_t results, int64_t steps, double speed) {
  constexpr int kDepth = 64;
  const auto busiest = static_cast<double>(ceil_div(tiles, device_traits().multiprocessors));
  return busiest * static_cast<double>(results * kDepth) * (static_cast<double>(steps) + 0.5) /
         speed;
}

// conv2d_simt.cu, conv2d_mma.cu and conv2d_wgmma*.cu: each computes what conv2d.cu gives it.
void correlate_simt(const CorrelationProblem& p, const Correlation& g);
void correlate_mma(const CorrelationProblem& p, const Correlation& g);
void correlate_wgmma(const CorrelationProblem& p, const Correlation& g);
// Why wgmma cannot compute it on the current device; null if it can.
const char* why_not_wgmma(const CorrelationProblem& p, const Correlation& g);
// That of wgmma which is expected to be the fastest; automatic: those of mma.sync are faster.
Conv2dVariant fastest_variant(const CorrelationProblem& p, const Correlation& g);
double cycles_of_mma(const CorrelationProblem& p, const Correlation& g);
void weight_gradient_simt(DType dtype, const WeightGradient& g, int64_t groups);
void weight_gradient_mma(DType dtype, Conv2dVariant variant, const WeightGradient& g,
                         int64_t groups);
void weight_gradient_wgmma(DType dtype, Conv2dVariant variant, const WeightGradient& g,
                           int64_t groups);
const char* why_not_wgmma(DType dtype, const WeightGradient& g);
Conv2dVariant fastest_variant(const WeightGradient& g, int64_t groups);
double cycles_of_mma(const WeightGradient& g, int64_t groups);

}  // namespace weft::WEFT_GPU
