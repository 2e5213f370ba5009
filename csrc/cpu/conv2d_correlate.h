// Correlation of images with packed weights: the forward convolution, and the gradient of its input
// (there x is dy and the weights are turned around).
#pragma once

#include "cpu/conv2d_band.h"

namespace weft::cpu::WEFT_ISA::conv {

// y(n, p, q, :) = activation(sum over (r, s, c) of x at window (p, q) * weights + bias).
// The weights are a (R * S * C) x K matrix in the panels of gemm/pack.h.
template <class T>
struct Correlation {
  Images<const T> x;
  Windows windows;
  const T* weights;
  const T* bias;  // or null
  bool relu;
  Images<T> y;
};

// How the work is cut: by sizes alone.
struct CorrelationPlan {
  int64_t panels_together;  // panels of weights that stay in the second-level cache
  int64_t images, rows;     // one unit of work: `images` whole images or `rows` rows of one
  int64_t units_per_image;
  int64_t units;
};

constexpr int64_t kWeightCache = 512 * 1024;  // half of a second-level cache of 1 MiB
constexpr int64_t kBandCache = 96 * 1024;

template <class T>
inline CorrelationPlan plan_correlation(const Correlation<T>& c) {
  const Windows& w = c.windows;
  const int64_t steps = w.R * w.S * c.x.C, panels = gemm::panel_count<T>(c.y.C);
  const int64_t panel_bytes = gemm::panel_stride<T>(steps) * static_cast<int64_t>(sizeof(T));
  CorrelationPlan plan;
  plan.panels_together = at_most(at_least(kWeightCache / panel_bytes, 1), panels);
  // Where the weights come from memory more than once, a unit is large enough to pay for that.
  const bool stays = plan.panels_together == panels;
  const int64_t budget = stays ? kBandCache : 1024 * 1024;
  const int64_t row_bytes =
      at_least(w.columns() * c.x.C * w.stride_h * static_cast<int64_t>(sizeof(T)), 1);
  const int64_t row_flops = at_least(2 * w.Q * steps * c.y.C, 1);
  const int64_t most_flops = stays ? 4'000'000 : 512'000'000, enough_flops = 8'000'000;
  plan.rows = at_most(at_least(budget / row_bytes, 1), w.P);
  plan.images = 1;
  if (plan.rows == w.P) {
    const int64_t fit = at_most(budget / (w.P * row_bytes), most_flops / (w.P * row_flops));
    plan.images = at_most(at_least(fit, 1), at_least(c.x.N, 1));
  }
  // A single image feeds several threads as well.
  while (plan.images == 1 && plan.rows > 1 && c.x.N * ceil_div(w.P, plan.rows) < 8 &&
         plan.rows * row_flops > enough_flops)
    plan.rows = ceil_div(plan.rows, 2);
  plan.units_per_image = ceil_div(w.P, plan.rows);
  plan.units = ceil_div(c.x.N, plan.images) * plan.units_per_image;
  return plan;
}

// One row of windows of a band times the panels [first_panel, end_panel).
template <class T>
inline void correlate_row(const Correlation<T>& c, const Band<T>& band, const T* a, T* y,
                          int64_t first_panel, int64_t end_panel) {
  constexpr int kColumns = gemm::kPanelColumns<T>;
  const Windows& w = c.windows;
  // Columns of the kernel that are neighbours in the band make one run of steps.
  const int64_t runs = w.dilation_w == 1 && band.pixel == c.x.C ? 1 : w.S;
  const int64_t run_steps = runs == 1 ? w.S * c.x.C : c.x.C;
  gemm::Tile<T> tile;
  tile.k = w.S > 0 ? run_steps : 0;
  tile.segments = w.R;
  tile.lda = w.stride_w * band.pixel;
  tile.a_segment = w.dilation_h * band.row;
  tile.ldc = c.y.pixel;
  const gemm::RowTiles tiles(w.Q);
  const int64_t panel_stride = gemm::panel_stride<T>(w.R * w.S * c.x.C);
  for (int64_t t = 0; t < tiles.count; t++) {
    const int64_t q = tiles.begin(t);
    for (int64_t panel = first_panel; panel < end_panel; panel++) {
      const int64_t k = panel * kColumns;
      const int columns = static_cast<int>(at_most(kColumns, c.y.C - k));
      tile.ldb = gemm::packed_ld<T>(columns);
      tile.b_segment = w.S * c.x.C * tile.ldb;
      tile.c = y + q * c.y.pixel + k;
      for (int64_t run = 0; run < at_least(runs, 1); run++) {
        const bool last = run + 1 >= runs;
        tile.a = a + q * tile.lda + run * w.dilation_w * band.pixel;
        tile.b = c.weights + panel * panel_stride + run * run_steps * tile.ldb;
        tile.accumulate = run > 0;
        tile.bias = last && c.bias != nullptr ? c.bias + k : nullptr;
        tile.relu = last && c.relu;
        gemm::run_tile(tile, tiles.rows(t), columns, gemm::ALayout::rows, gemm::BRows::padded);
      }
    }
  }
}

template <class T>
inline void correlate_unit(const Correlation<T>& c, const CorrelationPlan& plan, int64_t unit) {
  const Windows& w = c.windows;
  const int64_t first_image = unit / plan.units_per_image * plan.images;
  const int64_t images = at_most(plan.images, c.x.N - first_image);
  const int64_t first_p = unit % plan.units_per_image * plan.rows;
  const int64_t rows = at_most(plan.rows, w.P - first_p);
  const bool taps = w.R > 0 && w.S > 0;
  const bool copied =
      taps && (!w.inside(c.x.H, c.x.W) || (c.x.pixel != c.x.C && w.S > 1 && w.dilation_w == 1));
  const int64_t band_size = copied ? w.rows_of(rows) * w.columns() * c.x.C : 0;
  Scratch<T> scratch(images * band_size);
  const int64_t panels = gemm::panel_count<T>(c.y.C);
  for (int64_t first = 0; first < panels; first += plan.panels_together) {
    const int64_t end = at_most(first + plan.panels_together, panels);
    for (int64_t i = 0; i < images; i++) {
      T* memory = scratch.get() + i * band_size;
      const int64_t n = first_image + i;
      Band<T> band{memory, w.columns() * c.x.C, c.x.C};
      if (!taps)
        band = {c.x.data, 0, 0};
      else if (first == 0 || !copied)
        band = make_band(c.x, w, copied, n, first_p, rows, memory);
      for (int64_t row = 0; row < rows; row++)
        correlate_row(c, band, band.data + row * w.stride_h * band.row, c.y.at(n, first_p + row, 0),
                      first, end);
    }
  }
}

template <class T>
inline void correlate(const Correlation<T>& c) {
  if (c.windows.P <= 0 || c.windows.Q <= 0) return;
  const CorrelationPlan plan = plan_correlation(c);
  parallel_for(plan.units, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; unit++) correlate_unit(c, plan, unit);
  });
}

}  // namespace weft::cpu::WEFT_ISA::conv
