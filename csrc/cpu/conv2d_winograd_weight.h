// The gradient of 3 x 3 weights by Winograd's transforms: 36 multiplications where 16 windows need
// 144.
//
// conv2d_winograd.h computes a tile of results as A^T ((G w G^T) * (B^T x B)) A. That is linear in
// w, so its gradient runs through the same matrices the other way round:
//   dw = G^T ( sum over tiles of (B^T x B) * (A dy A^T) ) G
// For each of the 36 places in a tile the sum is one product (C x tiles) * (tiles x K). The last
// transform happens once, behind all tiles.
//
// Error: as that of the forward kernel, below 2e-5 of the largest result for normal data; sums over
// tiles are added block by block.
#pragma once

#include "cpu/conv2d_weight.h"
#include "cpu/conv2d_winograd.h"

namespace weft::cpu::WEFT_ISA::conv {

inline bool plan_winograd(const WeightGradient<float>& g, WinogradPlan& plan) {
  const Windows& w = g.windows;
  const int64_t inputs = g.x.C, outputs = g.dy.C;
  if (!suits_winograd(w, inputs, outputs)) return false;
  cut_tiles(w, g.x.N, plan);
  if (9 * w.P * w.Q < 2 * kPlanes * plan.down * plan.across) return false;
  // The sums, 36 for each pair of channels, are read and written once for every block of tiles.
  constexpr int64_t kLeastTiles = 16, kMostSums = 256 * 256;
  if (plan.tiles < kLeastTiles || inputs * outputs > kMostSums) return false;
  const int64_t tile_bytes = kPlanes * (inputs + outputs) * static_cast<int64_t>(sizeof(float));
  plan.block = at_most(at_least(kBlockBytes / tile_bytes, kLeastTiles), plan.tiles);
  return true;
}

namespace winograd {

// A x
WEFT_INLINE void transform_gradient(const V (&x)[kTileSide], V (&y)[kPatchSide]) {
  const V a = x[0] + x[2], b = x[1] + x[3];
  const V c = x[0] + times(4, x[2]), d = times(2, x[1]) + times(8, x[3]);
  y[0] = x[0];
  y[1] = a + b, y[2] = a - b;
  y[3] = c + d, y[4] = c - d;
  y[5] = x[3];
}

// G^T x
WEFT_INLINE void transform_weight_sums(const V (&x)[kPatchSide], V (&y)[3]) {
  const V a = x[1] + x[2], b = x[2] - x[1], c = x[3] + x[4], d = x[3] - x[4];
  y[0] = times(0.25f, x[0]) - times(1.0f / 6, a) + times(1.0f / 24, c);
  y[1] = times(1.0f / 6, b) + times(1.0f / 12, d);
  y[2] = times(1.0f / 6, c - a) + x[5];
}

// Some channels of dy under a tile, of which `rows` x `columns` lie inside the image.
template <class Load>
WEFT_INLINE void transform_dy_patch(const Pixels& dy, int64_t rows, int64_t columns, Load load,
                                    float* out, int64_t plane) {
  V by_rows[kPatchSide][kTileSide];
  _Pragma("GCC unroll 1") for (int s = 0; s < kTileSide; s++) {
    V column[kTileSide], y[kPatchSide];
    for (int r = 0; r < kTileSide; r++)
      column[r] = r < rows && s < columns ? load(dy.data + r * dy.row + s * dy.pixel) : V{};
    transform_gradient(column, y);
    for (int r = 0; r < kPatchSide; r++) by_rows[r][s] = y[r];
  }
  _Pragma("GCC unroll 1") for (int r = 0; r < kPatchSide; r++) {
    V y[kPatchSide];
    transform_gradient(by_rows[r], y);
    for (int s = 0; s < kPatchSide; s++) simd::store(out + (r * kPatchSide + s) * plane, y[s]);
  }
}

inline void transform_dy(const WeightGradient<float>& g, const Tile& tile, float* out,
                         int64_t plane) {
  const int64_t rows = at_most(kTileSide, g.windows.P - tile.p);
  const int64_t columns = at_most(kTileSide, g.windows.Q - tile.q);
  const float* dy = g.dy.at(tile.n, tile.p, tile.q);
  int64_t k = 0;
  for (; k + kLanes<float> <= g.dy.C; k += kLanes<float>)
    transform_dy_patch({dy + k, g.dy.row, g.dy.pixel}, rows, columns, simd::load<float>, out + k,
                       plane);
  if (k == g.dy.C) return;
  const int rest = static_cast<int>(g.dy.C - k);
  transform_dy_patch(
      {dy + k, g.dy.row, g.dy.pixel}, rows, columns,
      [rest](const float* p) { return simd::load_partial(p, rest); }, out + k, plane);
}

// The 36 places of a block of tiles.
struct WeightBlock {
  const float *pixels, *dy;  // [place][tile][channel]
  int64_t tiles, pixels_plane, dy_plane, dy_row;
};

// sums[plane] = [sums[plane] +] pixels^T * dy
inline void multiply_plane(const WeightGradient<float>& g, const WeightBlock& block, int64_t plane,
                           bool accumulate, float* sums) {
  constexpr int64_t kColumns = gemm::kPanelColumns<float>;
  const int64_t inputs = g.x.C, outputs = g.dy.C;
  const gemm::RowTiles rows(inputs);
  gemm::Tile<float> tile;
  tile.k = block.tiles;
  tile.lda = inputs;
  tile.ldb = block.dy_row;
  tile.ldc = outputs;
  tile.accumulate = accumulate;
  for (int64_t i = 0; i < rows.count; i++)
    for (int64_t k = 0; k < outputs; k += kColumns) {
      tile.a = block.pixels + plane * block.pixels_plane + rows.begin(i);
      tile.b = block.dy + plane * block.dy_plane + k;
      tile.c = sums + (plane * inputs + rows.begin(i)) * outputs + k;
      gemm::run_tile(tile, rows.rows(i), static_cast<int>(at_most(kColumns, outputs - k)),
                     gemm::ALayout::columns, gemm::BRows::padded);
    }
}

// dw of some channels, from their 36 sums.
template <class Load, class Store>
WEFT_INLINE void finish_weights(const float* sums, int64_t plane, Load load, float* dw, int64_t tap,
                                Store store) {
  V by_rows[3][kPatchSide];
  _Pragma("GCC unroll 1") for (int s = 0; s < kPatchSide; s++) {
    V column[kPatchSide], y[3];
    for (int r = 0; r < kPatchSide; r++) column[r] = load(sums + (r * kPatchSide + s) * plane);
    transform_weight_sums(column, y);
    for (int r = 0; r < 3; r++) by_rows[r][s] = y[r];
  }
  _Pragma("GCC unroll 1") for (int r = 0; r < 3; r++) {
    V y[3];
    transform_weight_sums(by_rows[r], y);
    for (int s = 0; s < 3; s++) store(dw + (r * 3 + s) * tap, y[s]);
  }
}

inline void finish_input_channel(const WeightGradient<float>& g, const float* sums, int64_t c,
                                 float* dw) {
  const int64_t outputs = g.dy.C, plane = g.x.C * outputs, tap = g.x.C * g.ldw;
  const float* from = sums + c * outputs;
  float* to = dw + c * g.ldw;
  int64_t k = 0;
  for (; k + kLanes<float> <= outputs; k += kLanes<float>)
    finish_weights(from + k, plane, simd::load<float>, to + k, tap, simd::store<float>);
  if (k == outputs) return;
  const int rest = static_cast<int>(outputs - k);
  finish_weights(
      from + k, plane, [rest](const float* p) { return simd::load_partial(p, rest); }, to + k, tap,
      [rest](float* p, V v) { simd::store_partial(p, v, rest); });
}

}  // namespace winograd

inline void weight_gradient_winograd(const WeightGradient<float>& g, const WinogradPlan& plan,
                                     float* dw) {
  constexpr int64_t kTaskFlops = 1'000'000;
  const int64_t inputs = g.x.C, outputs = g.dy.C;
  winograd::WeightBlock block{};
  block.dy_row = ceil_div(outputs, kLanes<float>) * kLanes<float>;
  block.pixels_plane = winograd::plane_size(plan.block, inputs);
  block.dy_plane = winograd::plane_size(plan.block, block.dy_row);
  Scratch<float> pixels(kPlanes * block.pixels_plane), dy(kPlanes * block.dy_plane);
  Scratch<float> sums(kPlanes * inputs * outputs);
  block.pixels = pixels.get(), block.dy = dy.get();
  for (int64_t first = 0; first < plan.tiles; first += plan.block) {
    block.tiles = at_most(plan.block, plan.tiles - first);
    parallel_for(block.tiles, 8, [&](int64_t begin, int64_t end) {
      Scratch<float> patch(kPatchSide * kPatchSide * inputs);
      for (int64_t t = begin; t < end; t++) {
        const winograd::Tile tile = winograd::tile_at(plan, first + t);
        winograd::transform_tile(winograd::pixels_under(g, tile, patch.get()), inputs,
                                 pixels.get() + t * inputs, block.pixels_plane);
        winograd::transform_dy(g, tile, dy.get() + t * block.dy_row, block.dy_plane);
      }
    });
    const int64_t plane_flops = 2 * inputs * outputs * block.tiles;
    parallel_for(kPlanes, at_least(kTaskFlops / plane_flops, 1), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; plane++)
        winograd::multiply_plane(g, block, plane, first > 0, sums.get());
    });
  }
  parallel_for(inputs, at_least(16 * 1024 / outputs, 1), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) winograd::finish_input_channel(g, sums.get(), c, dw);
  });
}

}  // namespace weft::cpu::WEFT_ISA::conv
