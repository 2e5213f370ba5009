// The three convolution kernels: forward, gradient of the input, gradient of the weights.
//
// All are micro-kernels of gemm/ on zero-padded bands (conv2d_band.h), without im2col; groups of
// one channel run in conv2d_depthwise.h, 3 x 3 kernels over many channels in conv2d_winograd.h. The
// gradient of the input with stride > 1 falls apart into stride_h x stride_w phases, each a
// stride-1 correlation of dy with part of the kernel.
#include "ops/conv2d.h"

#include "cpu/conv2d_correlate.h"
#include "cpu/conv2d_depthwise.h"
#include "cpu/conv2d_narrow.h"
#include "cpu/conv2d_weight.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/conv2d_winograd_weight.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using namespace conv;

bool is_depthwise(const Conv2dParams& p) { return p.C == p.groups && p.K == p.groups; }

// Group g of an (N, H, W, C) tensor.
template <class T>
Images<T> group_of(T* data, int64_t N, int64_t H, int64_t W, int64_t C, int64_t groups, int64_t g) {
  return {data + g * (C / groups), N, H, W, C / groups, H * W * C, W * C, C};
}

Windows forward_windows(const Conv2dParams& p) {
  return {p.R,        p.S,          p.P,          p.Q,        p.stride_h,
          p.stride_w, p.dilation_h, p.dilation_w, -p.pad_top, -p.pad_left};
}

// A 1 x 1 convolution sees no rows: small images become one long row, which tiles cut evenly.
template <class T>
void join_rows(Correlation<T>& c) {
  Windows& w = c.windows;
  constexpr int64_t kLong = 1024;  // pixels; longer images keep their rows, to be shared by threads
  const bool plain = w.R == 1 && w.S == 1 && w.stride_h == 1 && w.stride_w == 1 && w.top == 0 &&
                     w.left == 0 && w.P == c.x.H && w.Q == c.x.W;
  if (!plain || w.P * w.Q > kLong || c.x.row != w.Q * c.x.pixel || c.y.row != w.Q * c.y.pixel)
    return;
  c.x.W = c.y.W = w.Q = w.P * w.Q;
  c.x.H = c.y.H = w.P = 1;
}

// The weights are packed.
template <class T>
void correlate_packed(Correlation<T>& c) {
  if constexpr (sizeof(T) == sizeof(float)) {
    WinogradPlan plan;
    if (plan_winograd(c, plan)) return correlate_winograd(c, plan);
  }
  join_rows(c);
  correlate(c);
}

// f(first panel, columns, out) packs some panels of weights; panels are shared among threads.
template <class T, class Pack>
void pack_panels(int64_t steps, int64_t columns, T* out, Pack&& pack) {
  constexpr int64_t kColumns = gemm::kPanelColumns<T>;
  const int64_t panel = gemm::panel_stride<T>(steps), together = at_least(256 * 1024 / panel, 1);
  parallel_for(gemm::panel_count<T>(columns), together, [&](int64_t begin, int64_t end) {
    pack(begin * kColumns, at_most(end * kColumns, columns) - begin * kColumns,
         out + begin * panel);
  });
}

template <class T>
void conv2d_forward(const Conv2dParams& p, const Operand* operands) {
  const T *x = operands[0].as<T>(), *w = operands[1].as<T>();
  const T* bias = operands[2].present ? operands[2].as<T>() : nullptr;
  T* y = operands[3].as<T>();
  const TailOfKernel tail;
  Correlation<T> c{group_of(x, p.N, p.H, p.W, p.C, 1, 0), forward_windows(p), w, bias, p.relu,
                   group_of(y, p.N, p.P, p.Q, p.K, 1, 0)};
  if (tail) c.tail = &tail;
  if (is_depthwise(p)) return correlate_depthwise(c);
  if (const int64_t m = pixels_together(c.windows, c.y); p.groups == 1 && m > 1)
    return correlate(Together<T>(c, w, p.K, m).correlation());
  const int64_t outputs = p.group_outputs(), steps = p.R * p.S * p.group_inputs();
  Scratch<T> weights(gemm::packed_size<T>(steps, outputs));
  for (int64_t g = 0; g < p.groups; g++) {
    pack_panels<T>(steps, outputs, weights.get(), [&](int64_t first, int64_t columns, T* out) {
      gemm::pack_b(steps, columns, w + g * outputs + first, p.K, int64_t{1}, out);
    });
    c.x = group_of(x, p.N, p.H, p.W, p.C, p.groups, g);
    c.y = group_of(y, p.N, p.P, p.Q, p.K, p.groups, g);
    c.windows = forward_windows(p);
    c.weights = weights.get();
    c.bias = bias == nullptr ? nullptr : bias + g * outputs;
    c.winograd = p.winograd;
    c.first_channel = g * outputs;
    correlate_packed(c);
  }
}

// Along one axis, the coordinates h of dx with (h + pad) % stride == phase. With
// h + pad = i * stride + phase, dx(h) = sum over taps r = tap + j * tap_step of
// w(r) * dy(i + offset - j * dilation): a correlation with the taps in reverse order.
struct Phase {
  int64_t first, count;         // h = first, first + stride, ...
  int64_t tap, taps, tap_step;  // kernel rows that meet them
  int64_t dilation;
  int64_t start;  // of the first window in dy; may be negative
};

Phase phase_of(int64_t phase, int64_t stride, int64_t dilation, int64_t pad, int64_t taps,
               int64_t size) {
  int64_t a = stride, b = dilation;  // their greatest common divisor
  while (b != 0) {
    const int64_t rest = a % b;
    a = b, b = rest;
  }
  Phase f{};
  f.first = ((phase - pad) % stride + stride) % stride;
  f.count = f.first < size ? (size - 1 - f.first) / stride + 1 : 0;
  f.tap_step = stride / a;
  f.dilation = dilation / a;
  while (f.tap < f.tap_step && f.tap * dilation % stride != phase) f.tap++;
  f.taps = f.tap < f.tap_step && f.tap < taps ? ceil_div(taps - f.tap, f.tap_step) : 0;
  f.start = (f.first + pad - f.tap * dilation) / stride - (f.taps - 1) * f.dilation;
  return f;
}

// One phase of dx, without its channels and weights.
template <class T>
Correlation<T> phase_correlation(const Conv2dParams& p, const Phase& h, const Phase& w,
                                 const Images<const T>& dy, Images<T> dx) {
  dx.data = dx.at(0, h.first, w.first);
  dx.H = h.count, dx.W = w.count;
  dx.row *= p.stride_h, dx.pixel *= p.stride_w;
  const bool met = h.taps > 0 && w.taps > 0;
  const Windows windows{met ? h.taps : 0, met ? w.taps : 0, h.count, w.count, 1, 1,
                        h.dilation,       w.dilation,       h.start, w.start};
  return {dy, windows, nullptr, nullptr, false, dx};
}

// The weight row (s, c, k) of tap (j, i) of a phase, counted from the last tap on.
inline int64_t reversed_tap(const Conv2dParams& p, const Phase& h, const Phase& w, int64_t j,
                            int64_t i) {
  return (h.tap + (h.taps - 1 - j) * h.tap_step) * p.S + w.tap + (w.taps - 1 - i) * w.tap_step;
}

template <class T>
void input_phase_depthwise(const Conv2dParams& p, const Phase& h, const Phase& w, const T* weights,
                           Correlation<T>& c) {
  Scratch<T> turned(at_least(c.windows.R * c.windows.S * p.C, 1));
  for (int64_t j = 0; j < c.windows.R; j++)
    for (int64_t i = 0; i < c.windows.S; i++)
      memcpy(turned.get() + (j * c.windows.S + i) * p.C,
             weights + reversed_tap(p, h, w, j, i) * p.C, static_cast<size_t>(p.C) * sizeof(T));
  c.weights = turned.get();
  correlate_depthwise(c);
}

template <class T>
void input_phase(const Conv2dParams& p, const Phase& h, const Phase& w, const T* weights,
                 Correlation<T>& c) {
  constexpr int64_t kColumns = gemm::kPanelColumns<T>;
  const int64_t R = c.windows.R, S = c.windows.S, inputs = c.y.C, outputs = c.x.C;
  const int64_t steps = R * S * outputs;
  if (const int64_t m = pixels_together(c.windows, c.y); m > 1) {
    Scratch<T> rows(steps * inputs);
    for (int64_t j = 0; j < R; j++)
      for (int64_t i = 0; i < S; i++) {
        const T* from = weights + reversed_tap(p, h, w, j, i) * inputs * p.K;
        T* to = rows.get() + (j * S + i) * outputs * inputs;
        for (int64_t k = 0; k < outputs; k++)
          for (int64_t n = 0; n < inputs; n++) to[k * inputs + n] = from[n * p.K + k];
      }
    return correlate(Together<T>(c, rows.get(), inputs, m).correlation());
  }
  Scratch<T> turned(gemm::packed_size<T>(steps, inputs));
  pack_panels<T>(steps, inputs, turned.get(), [&](int64_t first, int64_t columns, T* out) {
    for (int64_t end = first + columns; first < end; first += kColumns) {
      const int64_t width = at_most(kColumns, end - first), ld = gemm::packed_ld<T>(width);
      for (int64_t j = 0; j < R; j++)
        for (int64_t i = 0; i < S; i++) {
          const T* from = weights + (reversed_tap(p, h, w, j, i) * inputs + first) * p.K;
          gemm::pack_b(outputs, width, from, int64_t{1}, p.K, out + (j * S + i) * outputs * ld);
        }
      out += gemm::panel_stride<T>(steps);
    }
  });
  c.weights = turned.get();
  c.winograd = p.winograd;
  correlate_packed(c);
}

template <class T>
void conv2d_backward_input(const Conv2dParams& p, const Operand* operands) {
  const T *dy = operands[0].as<T>(), *weights = operands[1].as<T>();
  T* dx = operands[2].as<T>();
  const bool depthwise = is_depthwise(p);
  const int64_t groups = depthwise ? 1 : p.groups;
  for (int64_t a = 0; a < p.stride_h; a++)
    for (int64_t b = 0; b < p.stride_w; b++) {
      const Phase h = phase_of(a, p.stride_h, p.dilation_h, p.pad_top, p.R, p.H);
      const Phase w = phase_of(b, p.stride_w, p.dilation_w, p.pad_left, p.S, p.W);
      for (int64_t g = 0; g < groups; g++) {
        Correlation<T> c = phase_correlation(p, h, w, group_of(dy, p.N, p.P, p.Q, p.K, groups, g),
                                             group_of(dx, p.N, p.H, p.W, p.C, groups, g));
        if (depthwise)
          input_phase_depthwise(p, h, w, weights, c);
        else
          input_phase(p, h, w, weights + g * p.group_outputs(), c);
      }
    }
}

template <class T>
void conv2d_backward_weight(const Conv2dParams& p, const Operand* operands) {
  const T *x = operands[0].as<T>(), *dy = operands[1].as<T>();
  T* dw = operands[2].as<T>();
  const bool depthwise = is_depthwise(p);
  const int64_t groups = depthwise ? 1 : p.groups;
  const int64_t size = p.R * p.S * p.group_inputs() * p.K;
  if (p.N == 0) return clear(dw, size);
  const auto gradient = [&](int64_t g) -> WeightGradient<T> {
    return {group_of(x, p.N, p.H, p.W, p.C, groups, g), forward_windows(p),
            group_of(dy, p.N, p.P, p.Q, p.K, groups, g), p.K};
  };
  if constexpr (sizeof(T) == sizeof(float)) {
    WinogradPlan plan;
    if (p.winograd && !depthwise && plan_winograd(gradient(0), plan)) {
      for (int64_t g = 0; g < groups; g++)
        weight_gradient_winograd(gradient(g), plan, dw + g * p.group_outputs());
      return;
    }
  }
  if (groups == 1 && !depthwise) {
    const WeightGradient<T> g = gradient(0);
    const int64_t m = pixels_together(g.windows, g.dy);
    return m > 1 ? weight_gradient_together(g, m, dw) : sum_all_bands(g, dw);
  }
  const int64_t rows = depthwise ? 1 : weight_band_rows(gradient(0));
  const int64_t items = p.N * ceil_div(p.P, rows);
  const int64_t flops = 2 * p.N * p.P * p.Q * size * (depthwise ? 16 : 1);
  const int64_t chunks = weight_chunks(items, flops, size * int64_t{sizeof(T)});
  sum_in_chunks(items, chunks, size, dw, [&](int64_t begin, int64_t end, T* out) {
    if (depthwise) return depthwise_weight_rows(gradient(0), begin, end, out);
    for (int64_t g = 0; g < groups; g++)
      sum_bands(gradient(g), rows, begin, end, out + g * p.group_outputs());
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_ONE_DTYPE(T)                                                                    \
  kernel_entry<&conv2d_forward<T>>(kernels::conv2d_forward, dtype_of<T>),                   \
      kernel_entry<&conv2d_backward_input<T>>(kernels::conv2d_backward_input, dtype_of<T>), \
      kernel_entry<&conv2d_backward_weight<T>>(kernels::conv2d_backward_weight, dtype_of<T>)
WEFT_CPU_KERNELS(conv2d, FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double))
