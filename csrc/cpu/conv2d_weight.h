// The gradient of convolution weights: dw(r, s, c, :) = sum over pixels of x at window (p, q) * dy.
//
// On a band it is a product of the transposed band with dy: the micro-kernels read A by columns
// ((s, c) are contiguous), K runs over the output pixels of a row, one segment per row.
#pragma once

#include "cpu/conv2d_band.h"

namespace weft::cpu::WEFT_ISA::conv {

template <class T>
struct WeightGradient {
  Images<const T> x;
  Windows windows;
  Images<const T> dy;  // its rows follow each other without gaps
  int64_t ldw;         // from one (r, s, c) of dw to the next
};

constexpr int64_t kWeightBandCache = 128 * 1024;

// Rows of windows per band.
template <class T>
inline int64_t weight_band_rows(const WeightGradient<T>& g) {
  const int64_t row_bytes = g.windows.columns() * g.x.C * g.windows.stride_h * int64_t{sizeof(T)};
  const int64_t most = at_most(at_least(kWeightBandCache / at_least(row_bytes, 1), 1), g.windows.P);
  return ceil_div(g.windows.P, ceil_div(g.windows.P, most));  // bands of equal height
}

// A band with its part of dy.
template <class T>
struct WeightBand {
  Band<T> x;
  int64_t first, rows;  // of windows
  const T* dy;          // in place, or packed in panels
  int64_t panel_stride;
};
constexpr int64_t kMostBands = 16;

// Each tap (r, s) alone, over the windows that see it inside the image: neither padding nor a copy
// of the image. Only where pixels have too few channels for high tiles do the padded columns of a
// whole kernel row pay.
template <class T>
inline bool by_taps(const WeightGradient<T>& g) {
  const Windows& w = g.windows;
  if (w.S == 1 || w.dilation_w != 1) return true;
  if (w.inside(g.x.H, g.x.W)) return g.x.pixel != g.x.C;
  constexpr double kCopy = 1.03;  // what a copy costs
  return cost_of_rows(g.x.C) * static_cast<double>(w.S) * share_inside(w, g.x.H, g.x.W) <=
         cost_of_rows(w.S * g.x.C) * kCopy;
}

// dw = [dw +] the sum over `count` bands. A tile of dw takes all bands before the next tile's turn,
// so that it stays in the first-level cache.
template <class T>
inline void accumulate_bands(const WeightGradient<T>& g, const WeightBand<T>* bands, int64_t count,
                             bool taps_apart, bool packed, bool accumulate, T* dw) {
  constexpr int kColumns = gemm::kPanelColumns<T>;
  const Windows& w = g.windows;
  const int64_t pixel = bands[0].x.pixel;
  const int64_t runs = taps_apart ? w.S : 1, run_rows = taps_apart ? g.x.C : w.S * g.x.C;
  const gemm::RowTiles tiles(run_rows);
  const int64_t panels = gemm::panel_count<T>(g.dy.C);
  const int64_t steps = count * bands[0].rows * w.Q;
  const int64_t task_flops = at_least(2 * run_rows / tiles.count * steps * g.dy.C, 1);
  parallel_for(w.R * runs * tiles.count, 1'000'000 / task_flops, [&](int64_t begin, int64_t end) {
    gemm::Tile<T> tile;
    tile.lda = w.stride_w * pixel;
    tile.ldc = g.ldw;
    for (int64_t task = begin; task < end; task++) {
      const int64_t r = task / (runs * tiles.count), run = task / tiles.count % runs;
      const int64_t t = task % tiles.count, i = tiles.begin(t);
      T* c = dw + ((r * w.S + run) * g.x.C + i) * g.ldw;
      Taps rows{0, w.P}, columns{0, w.Q};  // the windows that count
      if (taps_apart) {
        rows = taps_inside(w.top + r * w.dilation_h, w.stride_h, w.P, g.x.H);
        columns = taps_inside(w.left + run * w.dilation_w, w.stride_w, w.Q, g.x.W);
      }
      tile.k = at_least(columns.end - columns.begin, 0);
      for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t k = panel * kColumns;
        const int width = static_cast<int>(at_most(kColumns, g.dy.C - k));
        tile.ldb = packed ? gemm::packed_ld<T>(width) : g.dy.pixel;
        tile.b_segment = w.Q * tile.ldb;
        tile.c = c + k;
        for (int64_t item = 0; item < count; item++) {
          const WeightBand<T>& band = bands[item];
          const int64_t begin_p = at_least(rows.begin - band.first, 0);
          const int64_t end_p = at_most(rows.end - band.first, band.rows);
          tile.segments = at_least(end_p - begin_p, 0);
          tile.a_segment = w.stride_h * band.x.row;
          tile.a = band.x.data + begin_p * tile.a_segment + columns.begin * tile.lda +
                   r * w.dilation_h * band.x.row + run * w.dilation_w * pixel + i;
          tile.b = band.dy + (packed ? panel * band.panel_stride : k) + begin_p * tile.b_segment +
                   columns.begin * tile.ldb;
          tile.accumulate = accumulate || item > 0;
          gemm::run_tile(tile, tiles.rows(t), width, gemm::ALayout::columns,
                         packed ? gemm::BRows::padded : gemm::BRows::exact);
        }
      }
    }
  });
}

// How many bands are taken together: a large dw, which passes through the caches once per group,
// pays for a group larger than half of a second-level cache.
template <class T>
inline int64_t bands_together(const WeightGradient<T>& g, int64_t rows) {
  constexpr int64_t kSmall = 256 * 1024, kLarge = 2 * 1024 * 1024;
  const Windows& w = g.windows;
  const int64_t dw_bytes = w.R * w.S * g.x.C * g.dy.C * int64_t{sizeof(T)};
  const int64_t band_bytes =
      (w.rows_of(rows) * w.columns() * g.x.C + rows * w.Q * g.dy.C) * int64_t{sizeof(T)};
  const int64_t fit = (dw_bytes > kSmall ? kLarge : kSmall) / at_least(band_bytes, 1);
  return at_most(at_least(fit, 1), kMostBands);
}

// dw = the sum over bands [begin, end); bands are numbered image by image.
template <class T>
inline void sum_bands(const WeightGradient<T>& g, int64_t rows, int64_t begin, int64_t end, T* dw) {
  const Windows& w = g.windows;
  const int64_t per_image = ceil_div(w.P, rows);
  const bool taps_apart = by_taps(g), copied = !taps_apart && !w.inside(g.x.H, g.x.W);
  // A narrow dy is read in place, unless its masked rows would cost registers.
  const bool packed = g.dy.C > gemm::kPanelColumns<T> ||
                      (!gemm::kMaskedLoadsAreFree && g.dy.C % gemm::kLanes<T> != 0);
  const int64_t together = at_most(bands_together(g, rows), end - begin);
  const int64_t band_size = copied ? w.rows_of(rows) * w.columns() * g.x.C : 0;
  const int64_t panels_size = packed ? gemm::packed_size<T>(rows * w.Q, g.dy.C) : 0;
  Scratch<T> memory(together * band_size), panels(together * panels_size);
  WeightBand<T> bands[kMostBands];
  for (int64_t first = begin; first < end; first += together) {
    const int64_t count = at_most(together, end - first);
    parallel_for(count, 1, [&](int64_t first_band, int64_t end_band) {
      for (int64_t i = first_band; i < end_band; i++) {
        const int64_t n = (first + i) / per_image, p = (first + i) % per_image * rows;
        WeightBand<T>& band = bands[i];
        band.first = p;
        band.rows = at_most(rows, w.P - p);
        band.x = make_band(g.x, w, copied, n, p, band.rows, memory.get() + i * band_size);
        band.dy = g.dy.at(n, p, 0);
        if (!packed) continue;
        T* out = panels.get() + i * panels_size;
        gemm::pack_b(band.rows * w.Q, g.dy.C, band.dy, g.dy.pixel, int64_t{1}, out);
        band.dy = out;
        band.panel_stride = gemm::panel_stride<T>(band.rows * w.Q);
      }
    });
    accumulate_bands(g, bands, count, taps_apart, packed, first > begin, dw);
  }
}

// Bands are cut into so many chunks, each with a dw of its own, that are added in order at the end.
// A dw too large for that is summed by one chunk, whose tiles are shared among threads instead.
inline int64_t weight_chunks(int64_t items, int64_t flops, int64_t dw_bytes) {
  // Writing and adding up a dw of its own must be little work beside filling it.
  constexpr int64_t kMost = 16, kEnough = 8, kFlopsPerByte = 600, kLeastFlops = 4'000'000;
  const int64_t flops_per_chunk = at_least(kLeastFlops, kFlopsPerByte * dw_bytes);
  const int64_t chunks = at_most(at_most(items, kMost), flops / flops_per_chunk);
  return chunks >= kEnough ? chunks : 1;
}

// sum(begin, end, out): out = the sum over items [begin, end), of `size` elements.
template <class T, class Sum>
inline void sum_in_chunks(int64_t items, int64_t chunks, int64_t size, T* out, Sum&& sum) {
  Scratch<T> parts((chunks - 1) * size);
  parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; chunk++)
      sum(chunk * items / chunks, (chunk + 1) * items / chunks,
          chunk == 0 ? out : parts.get() + (chunk - 1) * size);
  });
  if (chunks == 1) return;
  parallel_for(size, 16 * 1024, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = 0; chunk + 1 < chunks; chunk++) {
      const T* part = parts.get() + chunk * size;
      for (int64_t i = begin; i < end; i++) out[i] += part[i];
    }
  });
}

// dw = the sum over all bands of images that are no group of larger ones.
template <class T>
inline void sum_all_bands(const WeightGradient<T>& g, T* dw) {
  const Windows& w = g.windows;
  const int64_t rows = weight_band_rows(g), items = g.x.N * ceil_div(w.P, rows);
  const int64_t size = w.R * w.S * g.x.C * g.ldw;
  const int64_t flops = 2 * g.x.N * w.P * w.Q * size;
  sum_in_chunks(items, weight_chunks(items, flops, size * int64_t{sizeof(T)}), size, dw,
                [&](int64_t begin, int64_t end, T* out) { sum_bands(g, rows, begin, end, out); });
}

}  // namespace weft::cpu::WEFT_ISA::conv
