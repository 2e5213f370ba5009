// Winograd's convolution F(4x4, 3x3): 36 multiplications where 16 windows of 3 x 3 need 144.
//
// With the matrices G, B and A below, a tile of 4 x 4 results is
//   A^T ( (G w G^T) * (B^T x B) ) A        (* element by element, x: the 6 x 6 pixels under the
//   tile)
// so that 36 matrix products (tiles x C) * (C x K), one for each place in a tile, do the work. The
// transforms are a few additions per pixel and channel. [Lavin and Gray, Fast Algorithms for
// Convolutional Neural Networks, 2015]
//
// Error: the constants of the transforms (up to 8) multiply those of rounding. Relative to the
// largest result it is below 2e-5 for normal data of up to 512 channels (the direct kernels: 1e-6);
// weft.set_conv_precision("highest") turns it off. A NaN or an infinity reaches its whole tile.
#pragma once

#include "cpu/conv2d_correlate.h"

namespace weft::cpu::WEFT_ISA::conv {

inline constexpr int kTileSide = 4, kPatchSide = 6, kPlanes = 36;

// Of a block of tiles in its 36 planes, before and after the products: half of a second-level cache
// of 1 MB, through which pixels, results and weights pass as well.
inline constexpr int64_t kBlockBytes = 512 * 1024;

struct WinogradPlan {
  int64_t down, across;  // tiles of one image
  int64_t tiles;         // of all images
  int64_t block;         // tiles of one unit of work
};

inline bool suits_winograd(const Windows& w, int64_t inputs, int64_t outputs) {
  return w.R == 3 && w.S == 3 && w.stride_h == 1 && w.stride_w == 1 && w.dilation_h == 1 &&
         w.dilation_w == 1 && inputs >= 16 && outputs >= 16;
}

inline void cut_tiles(const Windows& w, int64_t images, WinogradPlan& plan) {
  plan.down = ceil_div(w.P, kTileSide), plan.across = ceil_div(w.Q, kTileSide);
  plan.tiles = images * plan.down * plan.across;
}

// Float only: in double the direct kernels' exactness is what one asks for.
inline bool plan_winograd(const Correlation<float>& c, WinogradPlan& plan) {
  const Windows& w = c.windows;
  const int64_t inputs = c.x.C, outputs = c.y.C;
  if (!c.winograd || !suits_winograd(w, inputs, outputs)) return false;
  cut_tiles(w, c.x.N, plan);
  // Tiles that hang over the edge compute windows that nobody asked for.
  if (9 * w.P * w.Q < 2 * kPlanes * plan.down * plan.across) return false;
  // The transformed weights are four times as large, and have to be worth reading.
  if (plan.tiles < (inputs * outputs <= 128 * 128 ? 8 : 32)) return false;
  // Whole micro-kernels.
  const int64_t fit =
      kBlockBytes / (kPlanes * (inputs + outputs) * static_cast<int64_t>(sizeof(float)));
  const int64_t rows = at_most(at_least(fit / gemm::kMaxRows, 2), 8);
  plan.block = at_most(rows * gemm::kMaxRows, plan.tiles);
  return true;
}

namespace winograd {

using V = simd::Vec<float>;
using simd::kLanes;

WEFT_INLINE V times(float factor, V x) { return simd::broadcast(factor) * x; }

// G x
WEFT_INLINE void transform_weights(const V (&x)[3], V (&y)[kPatchSide]) {
  const V s = times(-1.0f / 6, x[0] + x[2]), d = times(1.0f / 6, x[1]);
  const V u = times(1.0f / 24, x[0]) + times(1.0f / 6, x[2]), v = times(1.0f / 12, x[1]);
  y[0] = times(0.25f, x[0]);
  y[1] = s - d, y[2] = s + d;
  y[3] = u + v, y[4] = u - v;
  y[5] = x[2];
}

// B^T x
WEFT_INLINE void transform_pixels(const V (&x)[kPatchSide], V (&y)[kPatchSide]) {
  const V a = x[4] - times(4, x[2]), b = x[3] - times(4, x[1]);
  const V c = x[4] - x[2], d = times(2, x[3] - x[1]);
  y[0] = times(4, x[0]) - times(5, x[2]) + x[4];
  y[1] = a + b, y[2] = a - b;
  y[3] = c + d, y[4] = c - d;
  y[5] = times(4, x[1]) - times(5, x[3]) + x[5];
}

// A^T x
WEFT_INLINE void transform_sums(const V (&x)[kPatchSide], V (&y)[kTileSide]) {
  const V a = x[1] + x[2], b = x[1] - x[2], c = x[3] + x[4], d = x[3] - x[4];
  y[0] = x[0] + a + c;
  y[1] = b + times(2, d);
  y[2] = a + times(4, c);
  y[3] = b + times(8, d) + x[5];
}

// Planes of a power of two of bytes would fall into the same sets of the first-level cache.
inline int64_t plane_size(int64_t rows, int64_t columns) { return rows * columns + 16; }

// The packed panels of 9 taps become packed panels of 36 planes.
inline void transform_panel(const Correlation<float>& c, int64_t panel, float* out) {
  const int64_t inputs = c.x.C, outputs = c.y.C, columns = gemm::kPanelColumns<float>;
  const int64_t ld = gemm::packed_ld<float>(at_most(columns, outputs - panel * columns));
  const int64_t plane = gemm::packed_size<float>(inputs, outputs);
  const float* w = c.weights + panel * gemm::panel_stride<float>(9 * inputs);
  float* u = out + panel * gemm::panel_stride<float>(inputs);
  for (int64_t i = 0; i < inputs * ld; i += kLanes<float>) {
    V by_rows[kPatchSide][3];
    for (int s = 0; s < 3; s++) {
      V column[3], y[kPatchSide];
      for (int r = 0; r < 3; r++) column[r] = simd::load(w + (r * 3 + s) * inputs * ld + i);
      transform_weights(column, y);
      for (int r = 0; r < kPatchSide; r++) by_rows[r][s] = y[r];
    }
    for (int r = 0; r < kPatchSide; r++) {
      V y[kPatchSide];
      transform_weights(by_rows[r], y);
      for (int s = 0; s < kPatchSide; s++) simd::store(u + (r * kPatchSide + s) * plane + i, y[s]);
    }
  }
}

struct Pixels {
  const float* data;
  int64_t row, pixel;  // strides
};

// Channels [c, c + kLanes) of a patch, or fewer at the end, to their places in 36 planes.
template <class Load, class Store>
WEFT_INLINE void transform_patch(const Pixels& x, Load load, float* out, int64_t plane,
                                 Store store) {
  V by_rows[kPatchSide][kPatchSide];
  _Pragma("GCC unroll 1") for (int s = 0; s < kPatchSide; s++) {
    V column[kPatchSide], y[kPatchSide];
    for (int r = 0; r < kPatchSide; r++) column[r] = load(x.data + r * x.row + s * x.pixel);
    transform_pixels(column, y);
    for (int r = 0; r < kPatchSide; r++) by_rows[r][s] = y[r];
  }
  _Pragma("GCC unroll 1") for (int r = 0; r < kPatchSide; r++) {
    V y[kPatchSide];
    transform_pixels(by_rows[r], y);
    for (int s = 0; s < kPatchSide; s++) store(out + (r * kPatchSide + s) * plane, y[s]);
  }
}

inline void transform_tile(const Pixels& x, int64_t channels, float* out, int64_t plane) {
  int64_t c = 0;
  for (; c + kLanes<float> <= channels; c += kLanes<float>)
    transform_patch({x.data + c, x.row, x.pixel}, simd::load<float>, out + c, plane,
                    simd::store<float>);
  if (c == channels) return;
  const int rest = static_cast<int>(channels - c);
  transform_patch(
      {x.data + c, x.row, x.pixel}, [rest](const float* p) { return simd::load_partial(p, rest); },
      out + c, plane, [rest](float* p, V v) { simd::store_partial(p, v, rest); });
}

// The results of a tile: `rows` x `columns` of them lie inside the image.
template <class Load, class Store>
WEFT_INLINE void finish_tile(const float* sums, int64_t plane, V bias, bool relu, Load load,
                             float* y, int64_t row, int64_t pixel, int64_t rows, int64_t columns,
                             Store store) {
  V by_rows[kTileSide][kPatchSide];
  _Pragma("GCC unroll 1") for (int s = 0; s < kPatchSide; s++) {
    V column[kPatchSide], out[kTileSide];
    for (int r = 0; r < kPatchSide; r++) column[r] = load(sums + (r * kPatchSide + s) * plane);
    transform_sums(column, out);
    for (int r = 0; r < kTileSide; r++) by_rows[r][s] = out[r];
  }
  _Pragma("GCC unroll 1") for (int64_t r = 0; r < rows; r++) {
    V out[kTileSide];
    transform_sums(by_rows[r], out);
    for (int64_t s = 0; s < kTileSide; s++) {
      if (s >= columns) break;
      const V v = out[s] + bias;
      store(y + r * row + s * pixel, relu ? simd::max(V{}, v) : v);  // NaN stays NaN
    }
  }
}

struct Tile {
  int64_t n, p, q;  // image and first window
};

inline Tile tile_at(const WinogradPlan& plan, int64_t number) {
  const int64_t of_image = plan.down * plan.across, n = number / of_image;
  const int64_t rest = number - n * of_image, row = rest / plan.across;
  return {n, row * kTileSide, (rest - row * plan.across) * kTileSide};
}

inline void store_tile(const Correlation<float>& c, const Tile& tile, const float* sums,
                       int64_t plane) {
  const int64_t outputs = c.y.C;
  const int64_t rows = at_most(kTileSide, c.windows.P - tile.p);
  const int64_t columns = at_most(kTileSide, c.windows.Q - tile.q);
  float* y = c.y.at(tile.n, tile.p, tile.q);
  int64_t k = 0;
  for (; k + kLanes<float> <= outputs; k += kLanes<float>)
    finish_tile(sums + k, plane, c.bias != nullptr ? simd::load(c.bias + k) : V{}, c.relu,
                simd::load<float>, y + k, c.y.row, c.y.pixel, rows, columns, simd::store<float>);
  if (k == outputs) return;
  const int rest = static_cast<int>(outputs - k);
  finish_tile(
      sums + k, plane, c.bias != nullptr ? simd::load_partial(c.bias + k, rest) : V{}, c.relu,
      [rest](const float* p) { return simd::load_partial(p, rest); }, y + k, c.y.row, c.y.pixel,
      rows, columns, [rest](float* p, V v) { simd::store_partial(p, v, rest); });
}

// The 6 x 6 pixels under a tile: in the image, or copied with zeros around it.
template <class Problem>
inline Pixels pixels_under(const Problem& c, const Tile& tile, float* patch) {
  const Windows& w = c.windows;
  const int64_t h = tile.p + w.top, v = tile.q + w.left;
  if (h >= 0 && v >= 0 && h + kPatchSide <= c.x.H && v + kPatchSide <= c.x.W)
    return {c.x.at(tile.n, h, v), c.x.row, c.x.pixel};
  copy_band(c.x, tile.n, h, kPatchSide, v, kPatchSide, patch);
  return {patch, kPatchSide * c.x.C, c.x.C};
}

// The tails of tiles [first, first + count): the rows of an image that they cover, or parts of
// these.
inline void run_tails(const Correlation<float>& c, const WinogradPlan& plan, int64_t first,
                      int64_t count) {
  const Windows& w = c.windows;
  for (const int64_t end = first + count; first < end;) {
    const Tile tile = tile_at(plan, first);
    const int64_t across = at_most(plan.across - tile.q / kTileSide, end - first);
    const int64_t rows = at_most(kTileSide, w.P - tile.p);
    const int64_t columns = at_most(across * kTileSide, w.Q - tile.q);
    if (columns == w.Q)
      c.run_tail(c.pixel(tile.n, tile.p, 0), rows * columns);
    else
      for (int64_t r = 0; r < rows; r++) c.run_tail(c.pixel(tile.n, tile.p + r, tile.q), columns);
    first += across;
  }
}

// Tiles [first, first + count).
inline void correlate_block(const Correlation<float>& c, const WinogradPlan& plan,
                            const float* weights, int64_t first, int64_t count) {
  const int64_t inputs = c.x.C, outputs = c.y.C, columns = gemm::kPanelColumns<float>;
  const int64_t in_plane = plane_size(count, inputs), out_plane = plane_size(count, outputs);
  const int64_t weight_plane = gemm::packed_size<float>(inputs, outputs);
  Scratch<float> patch(kPatchSide * kPatchSide * inputs);
  Scratch<float> pixels(kPlanes * in_plane), sums(kPlanes * out_plane);
  for (int64_t t = 0; t < count; t++)
    transform_tile(pixels_under(c, tile_at(plan, first + t), patch.get()), inputs,
                   pixels.get() + t * inputs, in_plane);
  const gemm::RowTiles tiles(count);
  for (int64_t plane = 0; plane < kPlanes; plane++)
    for (int64_t panel = 0; panel < gemm::panel_count<float>(outputs); panel++) {
      const int64_t k = panel * columns;
      const int width = static_cast<int>(at_most(columns, outputs - k));
      gemm::Tile<float> tile;
      tile.k = inputs;
      tile.lda = inputs;
      tile.b = weights + plane * weight_plane + panel * gemm::panel_stride<float>(inputs);
      tile.ldb = gemm::packed_ld<float>(width);
      tile.ldc = outputs;
      for (int64_t i = 0; i < tiles.count; i++) {
        tile.a = pixels.get() + plane * in_plane + tiles.begin(i) * inputs;
        tile.c = sums.get() + plane * out_plane + tiles.begin(i) * outputs + k;
        gemm::run_tile(tile, tiles.rows(i), width, gemm::ALayout::rows, gemm::BRows::padded);
      }
    }
  for (int64_t t = 0; t < count; t++)
    store_tile(c, tile_at(plan, first + t), sums.get() + t * outputs, out_plane);
  if (c.tail != nullptr) run_tails(c, plan, first, count);
}

}  // namespace winograd

inline void correlate_winograd(const Correlation<float>& c, const WinogradPlan& plan) {
  Scratch<float> weights(kPlanes * gemm::packed_size<float>(c.x.C, c.y.C));
  parallel_for(gemm::panel_count<float>(c.y.C), 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; panel++)
      winograd::transform_panel(c, panel, weights.get());
  });
  parallel_for((plan.tiles + plan.block - 1) / plan.block, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; block++) {
      const int64_t first = block * plan.block;
      winograd::correlate_block(c, plan, weights.get(), first,
                                at_most(plan.block, plan.tiles - first));
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA::conv
