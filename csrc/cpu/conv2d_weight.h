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
  return at_most(at_least(kWeightBandCache / at_least(row_bytes, 1), 1), g.windows.P);
}

template <class T>
inline void accumulate_band(const WeightGradient<T>& g, const Band<T>& band, int64_t rows,
                            const T* dy, bool packed, bool accumulate, T* dw) {
  constexpr int kColumns = gemm::kPanelColumns<T>;
  const Windows& w = g.windows;
  const int64_t runs = w.dilation_w == 1 && band.pixel == g.x.C ? 1 : w.S;
  const int64_t run_rows = runs == 1 ? w.S * g.x.C : g.x.C;
  const gemm::RowTiles tiles(run_rows);
  const int64_t panels = gemm::panel_count<T>(g.dy.C), steps = rows * w.Q;
  const int64_t task_flops = at_least(2 * run_rows / tiles.count * steps * g.dy.C, 1);
  parallel_for(w.R * runs * tiles.count, 1'000'000 / task_flops, [&](int64_t begin, int64_t end) {
    gemm::Tile<T> tile;
    tile.k = w.Q;
    tile.segments = rows;
    tile.lda = w.stride_w * band.pixel;
    tile.a_segment = w.stride_h * band.row;
    tile.ldc = g.ldw;
    tile.accumulate = accumulate;
    for (int64_t task = begin; task < end; task++) {
      const int64_t r = task / (runs * tiles.count), run = task / tiles.count % runs;
      const int64_t t = task % tiles.count, i = tiles.begin(t);
      tile.a = band.data + r * w.dilation_h * band.row + run * w.dilation_w * band.pixel + i;
      T* c = dw + ((r * w.S + run) * g.x.C + i) * g.ldw;
      for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t k = panel * kColumns;
        const int columns = static_cast<int>(at_most(kColumns, g.dy.C - k));
        tile.ldb = packed ? gemm::packed_ld<T>(columns) : g.dy.pixel;
        tile.b = packed ? dy + panel * gemm::panel_stride<T>(steps) : dy + k;
        tile.b_segment = w.Q * tile.ldb;
        tile.c = c + k;
        gemm::run_tile(tile, tiles.rows(t), columns, gemm::ALayout::columns,
                       packed ? gemm::BRows::padded : gemm::BRows::exact);
      }
    }
  });
}

// dw = the sum over bands [begin, end); bands are numbered image by image.
template <class T>
inline void sum_bands(const WeightGradient<T>& g, int64_t rows, int64_t begin, int64_t end, T* dw) {
  const Windows& w = g.windows;
  const int64_t per_image = ceil_div(w.P, rows);
  const bool copied =
      !w.inside(g.x.H, g.x.W) || (g.x.pixel != g.x.C && w.S > 1 && w.dilation_w == 1);
  // A narrow dy is read in place, unless its masked rows would cost registers.
  const bool packed = g.dy.C > gemm::kPanelColumns<T> ||
                      (!gemm::kMaskedLoadsAreFree && g.dy.C % gemm::kLanes<T> != 0);
  Scratch<T> memory(copied ? w.rows_of(rows) * w.columns() * g.x.C : 0);
  Scratch<T> panels(packed ? gemm::packed_size<T>(rows * w.Q, g.dy.C) : 0);
  for (int64_t item = begin; item < end; item++) {
    const int64_t n = item / per_image, first = item % per_image * rows;
    const int64_t count = at_most(rows, w.P - first);
    const Band<T> band = make_band(g.x, w, copied, n, first, count, memory.get());
    const T* dy = g.dy.at(n, first, 0);
    if (packed) {
      gemm::pack_b(count * w.Q, g.dy.C, dy, g.dy.pixel, int64_t{1}, panels.get());
      dy = panels.get();
    }
    accumulate_band(g, band, count, dy, packed, item > begin, dw);
  }
}

// Bands are cut into so many chunks, each with a dw of its own, that are added in order at the end.
// A dw too large for that is summed by one chunk, whose tiles are shared among threads instead.
inline int64_t weight_chunks(int64_t items, int64_t flops, int64_t dw_bytes) {
  constexpr int64_t kMost = 16, kEnoughFlops = 4'000'000, kMostBytes = 8 * 1024 * 1024;
  const int64_t chunks = at_least(at_most(at_most(items, kMost), flops / kEnoughFlops), 1);
  return chunks * dw_bytes <= kMostBytes ? chunks : 1;
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

}  // namespace weft::cpu::WEFT_ISA::conv
