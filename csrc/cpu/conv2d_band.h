// Bands: pieces of an image with its zero padding, laid out so that convolution needs no im2col.
//
// In a zero-padded NHWC band the pixels that one kernel row sees, (s, c) for a fixed r, are
// contiguous, and from one output pixel to the next they move by the constant stride_w * C. That is
// a matrix by rows with lda = stride_w * C whose columns are (s, c): the micro-kernels of gemm/ run
// on it directly, one segment per kernel row r.
#pragma once

#include <string.h>

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/gemm/microkernel.h"
#include "cpu/gemm/pack.h"
#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA::conv {

WEFT_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
WEFT_INLINE int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
WEFT_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }  // a >= 0

// Which of `taps` positions, `dilation` apart from `start` on, lie in [0, size).
struct Taps {
  int64_t begin, end;
};
WEFT_INLINE Taps taps_inside(int64_t start, int64_t dilation, int64_t taps, int64_t size) {
  const int64_t begin = start >= 0 ? 0 : ceil_div(-start, dilation);
  const int64_t end = start >= size ? 0 : at_most(taps, (size - 1 - start) / dilation + 1);
  return {at_most(begin, taps), end};
}

// How many taps of all `count` windows, `stride` apart from `start` on, lie inside.
inline int64_t count_taps(int64_t start, int64_t stride, int64_t count, int64_t dilation,
                          int64_t taps, int64_t size) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; i++) {
    const Taps inside = taps_inside(start + i * stride, dilation, taps, size);
    total += at_least(inside.end - inside.begin, 0);
  }
  return total;
}

// What `rows` rows of tiles cost: their multiplications and the loads of B, which a tile shares.
inline double cost_of_rows(int64_t rows) {
  return static_cast<double>(rows) + 1.5 * static_cast<double>(gemm::RowTiles(rows).count);
}

// Images as a kernel reads or writes them. The C channels of a pixel are contiguous; a group of a
// larger image, or every second pixel of it, are images too. Strides count elements.
template <class T>
struct Images {
  T* data;
  int64_t N, H, W, C;
  int64_t image, row, pixel;  // strides

  T* at(int64_t n, int64_t h, int64_t w) const { return data + n * image + h * row + w * pixel; }
};

// The windows that slide over an image: window (p, q) sees rows p * stride_h + top + r * dilation_h
// and columns likewise. `top` and `left` may be negative (padding) or positive.
struct Windows {
  int64_t R, S, P, Q;
  int64_t stride_h, stride_w, dilation_h, dilation_w;
  int64_t top, left;

  int64_t rows_of(int64_t p) const {  // image rows under p rows of windows
    return (p - 1) * stride_h + (R - 1) * dilation_h + 1;
  }
  int64_t columns() const { return (Q - 1) * stride_w + (S - 1) * dilation_w + 1; }
  // Whether every window lies inside the image.
  bool inside(int64_t H, int64_t W) const {
    return top >= 0 && left >= 0 && top + rows_of(P) <= H && left + columns() <= W;
  }
};

template <class T>
WEFT_INLINE void clear(T* out, int64_t count) {
  if (count > 0) memset(out, 0, static_cast<size_t>(count) * sizeof(T));
}

template <class T>
inline void copy_pixels(const T* from, int64_t stride, int64_t channels, int64_t count, T* to) {
  if (stride == channels) {
    memcpy(to, from, static_cast<size_t>(count * channels) * sizeof(T));
    return;
  }
  for (int64_t i = 0; i < count; i++, from += stride, to += channels)
    for (int64_t c = 0; c < channels; c++) to[c] = from[c];
}

// Rows [first_row, first_row + rows) and columns [left, left + columns) of image n, 0 outside it.
template <class T>
inline void copy_band(const Images<const T>& x, int64_t n, int64_t first_row, int64_t rows,
                      int64_t left, int64_t columns, T* to) {
  const int64_t begin = at_most(at_least(left, 0), x.W);
  const int64_t end = at_least(at_most(left + columns, x.W), begin);
  const int64_t before = at_most(at_least(-left, 0), columns);
  const int64_t after = columns - before - (end - begin);
  for (int64_t h = first_row; h < first_row + rows; h++, to += columns * x.C) {
    if (h < 0 || h >= x.H) {
      clear(to, columns * x.C);
      continue;
    }
    clear(to, before * x.C);
    copy_pixels(x.at(n, h, begin), x.pixel, x.C, end - begin, to + before * x.C);
    clear(to + (columns - after) * x.C, after * x.C);
  }
}

// The share of all taps of all windows that lie inside the image; the others meet zeros.
inline double share_inside(const Windows& w, int64_t H, int64_t W) {
  const int64_t all = w.P * w.R * w.Q * w.S;
  if (all == 0) return 1;
  return static_cast<double>(count_taps(w.top, w.stride_h, w.P, w.dilation_h, w.R, H) *
                             count_taps(w.left, w.stride_w, w.Q, w.dilation_w, w.S, W)) /
         static_cast<double>(all);
}

// A band ready for the micro-kernels: padded in scratch memory, or the image itself.
template <class T>
struct Band {
  const T* data;       // the first pixel of the first window
  int64_t row, pixel;  // strides
};

template <class T>
inline Band<T> make_band(const Images<const T>& x, const Windows& w, bool copied, int64_t n,
                         int64_t first_p, int64_t rows_p, T* scratch) {
  const int64_t first_row = first_p * w.stride_h + w.top;
  if (!copied) return {x.at(n, first_row, w.left), x.row, x.pixel};
  copy_band(x, n, first_row, w.rows_of(rows_p), w.left, w.columns(), scratch);
  return {scratch, w.columns() * x.C, x.C};
}

}  // namespace weft::cpu::WEFT_ISA::conv
