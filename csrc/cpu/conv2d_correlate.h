// Correlation of images with packed weights: the forward convolution, and the gradient of its input
// (there x is dy and the weights are turned around).
#pragma once

#include "core/tail.h"
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
  bool winograd = false;  // may be computed by conv2d_winograd.h
  // Set where y is a result, or from first_channel on a group of it, with work behind its parts.
  const TailOfKernel* tail = nullptr;
  int64_t first_channel = 0;
  int64_t together = 1;  // pixels of the result that y has as one (conv2d_narrow.h)

  // The tail of `count` pixels, in the order in which they lie in y, which are finished.
  void run_tail(int64_t first_pixel, int64_t count) const {
    if (tail != nullptr)
      (*tail)(first_pixel* together, (first_pixel + count) * together, first_channel,
              first_channel + y.C / together);
  }
  int64_t pixel(int64_t n, int64_t p, int64_t q) const {
    return (n * windows.P + p) * windows.Q + q;
  }
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
  plan.rows = ceil_div(w.P, plan.units_per_image);  // bands of equal height
  plan.units = ceil_div(c.x.N, plan.images) * plan.units_per_image;
  return plan;
}

// Windows whose inputs and outputs lie at constant strides: the rows of one or more tiles.
template <class T>
struct Line {
  const T* a;        // the first pixel of the first window
  int64_t a_stride;  // from one window to the next
  T* y;
  int64_t y_stride;
  int64_t count;
  Taps rows, columns;  // the part of the kernel that is not over zeros alone
};

// Part `part` of `parts` of the pixels that the next tile reads, into the second-level cache:
// fourteen short streams from memory are too many for the hardware to follow.
template <class T>
WEFT_INLINE void prefetch_part(const T* pixels, int64_t size, int64_t part, int64_t parts) {
  constexpr int64_t kLine = 64 / int64_t{sizeof(T)};
  const int64_t lines = size / kLine;
  for (int64_t i = lines * part / parts; i < lines * (part + 1) / parts; i++)
    __builtin_prefetch(pixels + i * kLine, 0, 2);
}

// One line times the panels [first_panel, end_panel).
template <class T>
inline void correlate_line(const Correlation<T>& c, const Band<T>& band, const Line<T>& line,
                           int64_t first_panel, int64_t end_panel) {
  constexpr int kColumns = gemm::kPanelColumns<T>;
  const Windows& w = c.windows;
  const int64_t taps = line.columns.end - line.columns.begin;
  // Columns of the kernel that are neighbours in the band make one run of steps.
  const int64_t runs = w.dilation_w == 1 && band.pixel == c.x.C ? 1 : at_least(taps, 1);
  gemm::Tile<T> tile;
  tile.k = taps > 0 ? taps * c.x.C / runs : 0;
  tile.segments = line.rows.end - line.rows.begin;
  tile.lda = line.a_stride;
  tile.a_segment = w.dilation_h * band.row;
  tile.ldc = line.y_stride;
  const gemm::RowTiles tiles(line.count);
  const int64_t panel_stride = gemm::panel_stride<T>(w.R * w.S * c.x.C);
  const int64_t first_step = (line.rows.begin * w.S + line.columns.begin) * c.x.C;
  const T* a =
      line.a + line.rows.begin * tile.a_segment + line.columns.begin * w.dilation_w * band.pixel;
  // Nothing to ask for where tiles write one long stream (16 -> 16 channels were 3 % slower so;
  // with 64 channels 7 x 7 / 2 takes 0.88 of the time, 1 x 1 from 64 to 256 channels also).
  const bool dense_results = c.y.C <= kColumns;
  // The windows of a 1 x 1 kernel are the image itself, read once in a long stream.
  const bool streams = w.R * w.S == 1 && line.a_stride == c.x.C;
  for (int64_t t = 0; t < tiles.count; t++) {
    const int64_t i = tiles.begin(t);
    for (int64_t panel = first_panel; panel < end_panel; panel++) {
      const int64_t k = panel * kColumns;
      const int columns = static_cast<int>(at_most(kColumns, c.y.C - k));
      tile.ldb = gemm::packed_ld<T>(columns);
      tile.b_segment = w.S * c.x.C * tile.ldb;
      tile.c = line.y + i * line.y_stride + k;
      if (streams)
        prefetch_part(a + (i + tiles.rows(t)) * tile.lda, tiles.rows(t) * tile.lda,
                      panel - first_panel, end_panel - first_panel);
      for (int64_t run = 0; run < runs; run++) {
        const bool last = run + 1 == runs;
        tile.a = a + i * tile.lda + run * w.dilation_w * band.pixel;
        tile.b = c.weights + panel * panel_stride + (first_step + run * tile.k) * tile.ldb;
        tile.accumulate = run > 0;
        tile.fetches_c = run == 0 && !dense_results;
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
      for (int64_t row = 0; row < rows; row++) {
        // Kernel rows above and below the image are skipped: they meet zeros.
        Taps seen = taps_inside((first_p + row) * w.stride_h + w.top, w.dilation_h, w.R, c.x.H);
        if (seen.begin >= seen.end) seen = {0, 0};
        correlate_line(c, band,
                       {band.data + row * w.stride_h * band.row,
                        w.stride_w * band.pixel,
                        c.y.at(n, first_p + row, 0),
                        c.y.pixel,
                        w.Q,
                        seen,
                        {0, w.S}},
                       first, end);
      }
    }
  }
  // Several images are whole ones.
  c.run_tail(c.pixel(first_image, first_p, 0), images * rows * w.Q);
}

// Small images in large batches: a tile is the same window in several images. Its part inside the
// image is known, so padding costs neither memory nor multiplications (a fifth of them for 3 x 3 on
// 7 x 7), and tiles are higher than the few windows of a row.
struct BatchPlan {
  int64_t tiles;        // of images
  int64_t bands, rows;  // each with bands of so many rows of windows
};

template <class T>
inline bool plan_batch(const Correlation<T>& c, BatchPlan& plan) {
  const Windows& w = c.windows;
  if (w.R * w.S <= 1 || c.x.N < 2) return false;
  const double by_rows = static_cast<double>(c.x.N) * cost_of_rows(w.Q);
  const double by_images =
      static_cast<double>(w.Q) * cost_of_rows(c.x.N) * share_inside(w, c.x.H, c.x.W);
  if (by_images > 0.95 * by_rows) return false;
  plan.tiles = gemm::RowTiles(c.x.N).count;
  plan.rows = ceil_div(w.P, at_most(ceil_div(8, plan.tiles), w.P));
  plan.bands = ceil_div(w.P, plan.rows);
  return true;
}

template <class T>
inline void correlate_batch_unit(const Correlation<T>& c, const BatchPlan& plan, int64_t unit) {
  const Windows& w = c.windows;
  const gemm::RowTiles images(c.x.N);
  const int64_t first_image = images.begin(unit / plan.bands);
  const int64_t count = images.rows(unit / plan.bands);
  const int64_t first_p = unit % plan.bands * plan.rows;
  const int64_t end_p = at_most(first_p + plan.rows, w.P);
  // Copies of the images, a little more than an image apart: images of a multiple of 4 KB would
  // fall into the same sets of the first-level cache.
  const int64_t begin_h = at_most(at_least(first_p * w.stride_h + w.top, 0), c.x.H);
  const int64_t end_h = at_least(
      at_most((end_p - 1) * w.stride_h + w.top + (w.R - 1) * w.dilation_h + 1, c.x.H), begin_h);
  const int64_t row = c.x.W * c.x.C, line = 64 / int64_t{sizeof(T)};
  const int64_t stride = ((end_h - begin_h) * row / line | 1) * line + 2 * line;
  Scratch<T> memory(count * stride);
  for (int64_t i = 0; i < count; i++)
    copy_band(c.x, first_image + i, begin_h, end_h - begin_h, 0, c.x.W, memory.get() + i * stride);
  const int64_t panels = gemm::panel_count<T>(c.y.C);
  const Band<T> band{memory.get(), row, c.x.C};
  for (int64_t panel = 0; panel < panels; panel++)
    for (int64_t p = first_p; p < end_p; p++)
      for (int64_t q = 0; q < w.Q; q++) {
        const int64_t h = p * w.stride_h + w.top, v = q * w.stride_w + w.left;
        Taps rows = taps_inside(h, w.dilation_h, w.R, c.x.H);
        Taps columns = taps_inside(v, w.dilation_w, w.S, c.x.W);
        if (rows.begin >= rows.end || columns.begin >= columns.end) rows = columns = {0, 0};
        correlate_line(c, band,
                       {band.data + (h - begin_h) * row + v * c.x.C, stride,
                        c.y.at(first_image, p, q), c.y.image, count, rows, columns},
                       panel, panel + 1);
      }
  for (int64_t n = first_image; n < first_image + count; n++)
    c.run_tail(c.pixel(n, first_p, 0), (end_p - first_p) * w.Q);
}

template <class T>
inline void correlate(const Correlation<T>& c) {
  if (c.windows.P <= 0 || c.windows.Q <= 0) return;
  BatchPlan batch;
  if (plan_batch(c, batch)) {
    parallel_for(batch.tiles * batch.bands, 1, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) correlate_batch_unit(c, batch, unit);
    });
    return;
  }
  const CorrelationPlan plan = plan_correlation(c);
  parallel_for(plan.units, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; unit++) correlate_unit(c, plan, unit);
  });
}

}  // namespace weft::cpu::WEFT_ISA::conv
