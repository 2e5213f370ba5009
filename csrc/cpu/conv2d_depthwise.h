// Depthwise convolution: every channel has its own R x S filter. Vectorised over channels; windows
// are cut at the border instead of padding a copy of the image, which would cost as much as the
// convolution itself.
#pragma once

#include "cpu/channels.h"
#include "cpu/conv2d_correlate.h"
#include "cpu/conv2d_weight.h"

namespace weft::cpu::WEFT_ISA::conv {

using simd::kLanes;
using simd::Vec;

// Windows [begin, end) of a row have all their columns inside the image.
WEFT_INLINE Taps whole_windows(const Windows& w, int64_t W) {
  const int64_t begin = w.left >= 0 ? 0 : ceil_div(-w.left, w.stride_w);
  const int64_t room = W - 1 - (w.S - 1) * w.dilation_w - w.left;
  const int64_t end = room < 0 ? 0 : at_most(w.Q, room / w.stride_w + 1);
  return {at_most(begin, w.Q), at_least(end, at_most(begin, w.Q))};
}

// Any window, any border.
template <class T>
inline void depthwise_window(const Correlation<T>& c, int64_t n, int64_t p, int64_t q) {
  const Windows& w = c.windows;
  const int64_t h = p * w.stride_h + w.top, v0 = q * w.stride_w + w.left;
  const Taps rows = taps_inside(h, w.dilation_h, w.R, c.x.H);
  const Taps columns = taps_inside(v0, w.dilation_w, w.S, c.x.W);
  T* y = c.y.at(n, p, q);
  for_channels<T, 4>(c.y.C, [&]<int kVectors, bool kTail>(int64_t ch, int tail) {
    constexpr int L = kLanes<T>;
    Vec<T> sum[kVectors] = {};
    if (c.bias != nullptr)
      for (int v = 0; v < kVectors; v++) sum[v] = load_channels<kTail>(c.bias + ch + v * L, tail);
    for (int64_t r = rows.begin; r < rows.end; r++)
      for (int64_t s = columns.begin; s < columns.end; s++) {
        const T* x = c.x.at(n, h + r * w.dilation_h, v0 + s * w.dilation_w) + ch;
        const T* weight = c.weights + (r * w.S + s) * c.x.C + ch;
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++)
          sum[v] +=
              load_channels<kTail>(x + v * L, tail) * load_channels<kTail>(weight + v * L, tail);
      }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      if (c.relu) sum[v] = simd::max(Vec<T>{}, sum[v]);
      store_channels<kTail>(y + ch + v * L, sum[v], tail);
    }
  });
}

// Two vectors of channels where the registers hold their 18 weights.
inline constexpr int kDepthwiseVectors = gemm::kManyRegisters ? 2 : 1;

// kOutputs windows of 3 x 3, one below the other, whose first pixel lies at x. `inside(i, s)` tells
// whether image row i of theirs and kernel column s count.
template <int kOutputs, int kVectors, bool kTail, class T, class Inside>
WEFT_INLINE void depthwise_windows_3x3(const Correlation<T>& c, const T* x, T* y,
                                       const Vec<T> (&weight)[9][kVectors],
                                       const Vec<T> (&bias)[kVectors], int tail,
                                       const Inside& inside) {
  constexpr int L = kLanes<T>;
  const Windows& w = c.windows;
  Vec<T> sum[kOutputs][kVectors];
#pragma GCC unroll 4
  for (int o = 0; o < kOutputs * kVectors; o++)
    sum[o / kVectors][o % kVectors] = bias[o % kVectors];
#pragma GCC unroll 3
  for (int s = 0; s < 3; s++)
#pragma GCC unroll 4
    for (int i = 0; i < kOutputs + 2; i++) {
      if (!inside(i, s)) continue;
      const T* pixel = x + i * (w.dilation_h * c.x.row) + s * (w.dilation_w * c.x.pixel);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v++) {
        const Vec<T> value = load_channels<kTail>(pixel + v * L, tail);
#pragma GCC unroll 2
        for (int o = 0; o < kOutputs; o++)
          if (i - o >= 0 && i - o < 3) sum[o][v] += value * weight[(i - o) * 3 + s][v];
      }
    }
#pragma GCC unroll 4
  for (int o = 0; o < kOutputs * kVectors; o++) {
    Vec<T> value = sum[o / kVectors][o % kVectors];
    if (c.relu) value = simd::max(Vec<T>{}, value);
    store_channels<kTail>(y + o / kVectors * c.y.row + o % kVectors * L, value, tail);
  }
}

// kOutputs rows of 3 x 3 windows from row p on, the weights in registers. Two rows together read
// the image rows that they share once: the image passes from the second-level to the first-level
// cache twice instead of three times, and a load feeds two multiplications. Kernel rows outside
// `rows` and columns of the border windows outside the image are skipped.
template <int kOutputs, class T>
inline void depthwise_rows_3x3(const Correlation<T>& c, int64_t n, int64_t p, Taps rows,
                               Taps whole) {
  const Windows& w = c.windows;
  const int64_t h = p * w.stride_h + w.top;
  for_channels<T, kDepthwiseVectors>(c.y.C, [&]<int kVectors, bool kTail>(int64_t ch, int tail) {
    constexpr int L = kLanes<T>;
    Vec<T> weight[9][kVectors], bias[kVectors] = {};
#pragma GCC unroll 18
    for (int t = 0; t < 9 * kVectors; t++)
      weight[t / kVectors][t % kVectors] =
          load_channels<kTail>(c.weights + t / kVectors * c.x.C + ch + t % kVectors * L, tail);
    if (c.bias != nullptr)
      for (int v = 0; v < kVectors; v++) bias[v] = load_channels<kTail>(c.bias + ch + v * L, tail);
    const auto windows = [&](int64_t q, const auto& inside) __attribute__((always_inline)) {
      // Of the first window, whether or not it lies inside the image.
      const T* x = c.x.at(n, h, q * w.stride_w + w.left) + ch;
      depthwise_windows_3x3<kOutputs, kVectors, kTail>(c, x, c.y.at(n, p, q) + ch, weight, bias,
                                                       tail, inside);
      return x;
    };
    const auto border = [&](int64_t q) __attribute__((always_inline)) {
      const int64_t left = q * w.stride_w + w.left;
      windows(q, [&](int i, int s) __attribute__((always_inline)) {
        const int64_t v = left + s * w.dilation_w;
        return i >= rows.begin && i < rows.end + kOutputs - 1 && v >= 0 && v < c.x.W;
      });
    };
    int64_t q = 0;
    for (; q < whole.begin; q++) border(q);
    if (rows.begin == 0 && rows.end == 3)
      for (; q < whole.end; q++) {
        const T* x = windows(q, [](int, int) __attribute__((always_inline)) { return true; });
        // Rows that the next group reads first: strided pixels are no stream to the hardware.
        const T* ahead = x + (kOutputs * w.stride_h + 2 * w.dilation_h) * c.x.row;
#pragma GCC unroll 4
        for (int o = 0; o < kOutputs * kVectors; o++)
          __builtin_prefetch(ahead + o / kVectors * c.x.row + o % kVectors * L, 0, 2);
      }
    for (; q < w.Q; q++) border(q);
  });
}

// Like correlate, for weights of shape (R * S, C): y has the channels of x.
template <class T>
inline void correlate_depthwise(const Correlation<T>& c) {
  const Windows& w = c.windows;
  if (w.P <= 0 || w.Q <= 0) return;
  const bool fast = w.R == 3 && w.S == 3;
  const Taps whole = whole_windows(w, c.x.W);
  const int64_t together = fast && w.stride_h == 1 && w.dilation_h == 1 ? 2 : 1;
  const int64_t groups = ceil_div(w.P, together);
  const int64_t flops = 2 * together * w.Q * at_least(w.R * w.S, 1) * c.y.C;
  parallel_for(c.x.N * groups, 200'000 / at_least(flops, 1), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; group++) {
      const int64_t n = group / groups, first = group % groups * together;
      const int64_t last = at_most(first + together, w.P);
      const auto rows_of = [&](int64_t p) {
        return taps_inside(p * w.stride_h + w.top, w.dilation_h, w.R, c.x.H);
      };
      const Taps rows = rows_of(first);
      if (fast && last - first == 2 && rows.begin == 0 && rows_of(last - 1).end == 3) {
        depthwise_rows_3x3<2>(c, n, first, {0, 3}, whole);
        continue;
      }
      for (int64_t p = first; p < last; p++) {
        if (fast)
          depthwise_rows_3x3<1>(c, n, p, rows_of(p), whole);
        else
          for (int64_t q = 0; q < w.Q; q++) depthwise_window(c, n, p, q);
      }
    }
    c.run_tail(begin * w.Q, (end - begin) * w.Q);
  });
}

// dw(r, s, :) += sum of x * dy over the windows [begin, end) of row p, for one tap.
template <class T>
inline void depthwise_weight_tap(const WeightGradient<T>& g, int64_t n, int64_t p, int64_t r,
                                 int64_t s, Taps q_range, T* dw) {
  if (q_range.begin >= q_range.end) return;
  const Windows& w = g.windows;
  const int64_t begin = q_range.begin;
  const T* x0 = g.x.at(n, p * w.stride_h + w.top + r * w.dilation_h,
                       begin * w.stride_w + w.left + s * w.dilation_w);
  const T* dy0 = g.dy.at(n, p, begin);
  T* out = dw + (r * w.S + s) * g.x.C;
  for_channels<T, 4>(g.x.C, [&]<int kVectors, bool kTail>(int64_t ch, int tail) {
    constexpr int L = kLanes<T>;
    Vec<T> sum[kVectors] = {};
    const T *x = x0 + ch, *dy = dy0 + ch;
    for (int64_t q = begin; q < q_range.end; q++, x += w.stride_w * g.x.pixel, dy += g.dy.pixel)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++)
        sum[v] += load_channels<kTail>(x + v * L, tail) * load_channels<kTail>(dy + v * L, tail);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++)
      store_channels<kTail>(out + ch + v * L, load_channels<kTail>(out + ch + v * L, tail) + sum[v],
                            tail);
  });
}

// All nine taps of whole 3 x 3 windows [begin, end) of one row: dy is read once.
template <class T>
inline void depthwise_weight_3x3(const WeightGradient<T>& g, int64_t n, int64_t p, Taps q_range,
                                 T* dw) {
  const Windows& w = g.windows;
  const int64_t step = w.dilation_w * g.x.pixel, down = w.dilation_h * g.x.row;
  const T* x0 = g.x.at(n, p * w.stride_h + w.top, q_range.begin * w.stride_w + w.left);
  const T* dy0 = g.dy.at(n, p, q_range.begin);
  for_channels<T, 1>(g.x.C, [&]<int kVectors, bool kTail>(int64_t ch, int tail) {
    Vec<T> sum[9] = {};
    const T *x = x0 + ch, *dy = dy0 + ch;
    for (int64_t q = q_range.begin; q < q_range.end;
         q++, x += w.stride_w * g.x.pixel, dy += g.dy.pixel) {
      const Vec<T> gradient = load_channels<kTail>(dy, tail);
#pragma GCC unroll 9
      for (int t = 0; t < 9; t++)
        sum[t] += load_channels<kTail>(x + t / 3 * down + t % 3 * step, tail) * gradient;
    }
#pragma GCC unroll 9
    for (int t = 0; t < 9; t++) {
      T* out = dw + t * g.x.C + ch;
      store_channels<kTail>(out, load_channels<kTail>(out, tail) + sum[t], tail);
    }
  });
}

// dw = the sum over rows of windows [begin, end), numbered image by image.
template <class T>
inline void depthwise_weight_rows(const WeightGradient<T>& g, int64_t begin, int64_t end, T* dw) {
  const Windows& w = g.windows;
  clear(dw, w.R * w.S * g.x.C);
  const Taps whole = whole_windows(w, g.x.W);
  for (int64_t row = begin; row < end; row++) {
    const int64_t n = row / w.P, p = row % w.P;
    const int64_t h = p * w.stride_h + w.top, next = h + (w.R - 1) * w.dilation_h + 1;
    if (next >= 0 && next + w.stride_h <= g.x.H)
      prefetch_part(g.x.at(n, next, 0), w.stride_h * g.x.row, 0, 1);
    if (p + 1 < w.P) prefetch_part(g.dy.at(n, p + 1, 0), g.dy.row, 0, 1);
    const Taps rows = taps_inside(h, w.dilation_h, w.R, g.x.H);
    const bool fast = w.R == 3 && w.S == 3 && rows.begin == 0 && rows.end == 3;
    if (fast) depthwise_weight_3x3(g, n, p, whole, dw);
    for (int64_t r = rows.begin; r < rows.end; r++)
      for (int64_t s = 0; s < w.S; s++) {
        // Windows whose tap s lies inside the image.
        Windows one = w;
        one.S = 1, one.left = w.left + s * w.dilation_w;
        const Taps valid = whole_windows(one, g.x.W);
        if (!fast) {
          depthwise_weight_tap(g, n, p, r, s, valid, dw);
          continue;
        }
        depthwise_weight_tap(g, n, p, r, s, {valid.begin, at_most(valid.end, whole.begin)}, dw);
        depthwise_weight_tap(g, n, p, r, s, {at_least(valid.begin, whole.end), valid.end}, dw);
      }
  }
}

}  // namespace weft::cpu::WEFT_ISA::conv
