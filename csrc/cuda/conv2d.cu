// Convolution of NHWC images: which kernels run, and how they are started.
//
// Groups of one channel run in conv2d_depthwise.h, everything else as implicit products of matrices
// in conv2d_gemm.h. The gradient of the input with stride > 1 falls apart into stride_h x stride_w
// phases, each a correlation of dy with part of the weights; several phases share a launch. The
// gradient of the weights is split along the pixels where its tiles would not fill the device, and
// conv2d_partial.h adds up the parts in a fixed order.
#include "ops/conv2d.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <numeric>

#include "cuda/conv2d_depthwise.h"
#include "cuda/conv2d_gemm.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int64_t kMaxGridZ = 65535;

Divisor divisor(int64_t d) { return Divisor(static_cast<uint32_t>(std::max<int64_t>(d, 1))); }

// Whether every operand can be read by vectors along its channels.
template <class T>
bool is_wide(const Conv2dParams& p, std::initializer_list<const void*> operands) {
  bool wide = p.group_inputs() * sizeof(T) % 16 == 0 && p.group_outputs() * sizeof(T) % 16 == 0;
  for (const void* data : operands) wide &= reinterpret_cast<uintptr_t>(data) % 16 == 0;
  return wide;
}

// Kernels count k, and the rows and columns of weights, in 32 bits.
void check_depth(const Conv2dParams& p) {
  constexpr int64_t kLimit = std::numeric_limits<int32_t>::max() - 1024;
  const int64_t taps = p.R * p.S;
  check(p.C < kLimit && p.K < kLimit && taps < kLimit && taps * p.group_inputs() < kLimit &&
            taps * p.group_outputs() < kLimit,
        "conv2d: windows of ", p.R, " x ", p.S, " with ", p.group_inputs(), " channels and ",
        p.group_outputs(), " filters are too large for a GPU, whose kernels count up to 2^31");
}

// ---- forward and backward input -----------------------------------------------------------------

// Where tiles are too few for the device, and k is long: blocks that share a tile.
template <class T, class Shape>
DeviceScratch<T> split_correlation(Correlation<T>& g, int64_t blocks, int& parts) {
  // At least half a wave of blocks, each of which does far more than write its tile.
  constexpr int64_t kWanted = kManyBlocks / 2, kLeastDepth = 192;
  int row_taps = 0, column_taps = 0;  // of the phase that has most
  for (int i = 0; i < g.row_phases; i++) row_taps = std::max(row_taps, g.rows[i].taps);
  for (int i = 0; i < g.column_phases; i++) column_taps = std::max(column_taps, g.columns[i].taps);
  const int64_t depth = int64_t{row_taps} * column_taps * g.inputs;
  const bool split = g.writes_all && blocks <= kWanted / 2;
  const int64_t wanted = !split ? 1 : parts_of(depth, blocks, kLeastDepth, kWanted);
  const int64_t least = std::max<int64_t>(ceil_div(depth, wanted), 1);
  const int64_t per_part = ceil_div(least, Shape::kDepth) * Shape::kDepth;
  parts = wanted == 1 ? 1 : static_cast<int>(ceil_div(depth, per_part));
  g.k_per_part = parts == 1 ? std::numeric_limits<int32_t>::max() : static_cast<int>(per_part);
  g.part_size = g.N * g.out_h * g.out_w * g.y_pixel;
  return DeviceScratch<T>(parts == 1 ? 0 : parts * g.part_size);
}

template <class T, class Shape, int kWidth, bool kTurned, int kBlocksPerSm>
void launch_correlation(Correlation<T> g, int64_t pixels, int64_t groups) {
  g.tiles_n = static_cast<int>(ceil_div(g.outputs, Shape::kTileN));
  const int64_t phases = int64_t{g.row_phases} * g.column_phases;
  const int64_t tiles = ceil_div(pixels, Shape::kTileM) * g.tiles_n;
  int parts = 1;
  const DeviceScratch<T> scratch = split_correlation<T, Shape>(g, tiles * phases * groups, parts);
  T* const y = g.y;
  const PartialEpilogue<T> epilogue{g.bias, PixelDivisor(g.y_pixel), g.relu};
  if (parts > 1) g.y = scratch.get(), g.bias = nullptr, g.relu = false;
  const int64_t most = kMaxGridZ / phases;
  for (int64_t first = 0; first < groups; first += most) {
    g.first_group = static_cast<int>(first);
    g.groups = static_cast<int>(std::min(most, groups - first));
    gpu::launch(correlate_kernel<T, Shape, kWidth, kTurned, kBlocksPerSm>,
                dim3(static_cast<uint32_t>(tiles), static_cast<uint32_t>(parts),
                     static_cast<uint32_t>(phases * g.groups)),
                dim3(Shape::kThreads), 0, stream(), g);
  }
  if (parts > 1) sum_parts(scratch.get(), y, g.part_size, parts, epilogue);
}

using Large = SimtShape<float, 128, 64, 8, 8, 8>;
using Medium = SimtShape<float, 64, 64, 16, 8, 4>;
using Narrow = SimtShape<float, 128, 32, 16, 8, 4>;
using Double = SimtShape<double, 64, 64, 8, 8, 4>;

// pixels: of the largest phase.
template <bool kTurned>
void correlate(const Correlation<float>& g, int64_t pixels, int64_t groups, bool wide) {
  if (!wide) return launch_correlation<float, Narrow, 1, kTurned, 4>(g, pixels, groups);
  if (g.outputs <= 32) return launch_correlation<float, Narrow, 4, kTurned, 4>(g, pixels, groups);
  const int64_t phases = int64_t{g.row_phases} * g.column_phases;
  const int64_t large = ceil_div(pixels, 128) * ceil_div(g.outputs, 64) * groups * phases;
  constexpr int64_t kFilled = 396;  // three blocks on each of the largest GPU's processors
  if (large >= kFilled) return launch_correlation<float, Large, 4, kTurned, 3>(g, pixels, groups);
  launch_correlation<float, Medium, 4, kTurned, 4>(g, pixels, groups);
}
template <bool kTurned>
void correlate(const Correlation<double>& g, int64_t pixels, int64_t groups, bool wide) {
  if (wide)
    launch_correlation<double, Double, 2, kTurned, 3>(g, pixels, groups);
  else
    launch_correlation<double, Double, 1, kTurned, 3>(g, pixels, groups);
}

// What forward and backward input have in common: channels of a group, and a launch of one phase.
template <class T>
Correlation<T> make_correlation(const Conv2dParams& p, const WindowAxis& h, const WindowAxis& w,
                                const T* x, const T* weights, T* y, bool wide) {
  Correlation<T> g{};
  g.x = x;
  g.y = y;
  g.N = p.N;
  g.writes_all = true;
  g.row_phases = g.column_phases = 1;
  g.step_h = g.step_w = g.out_step_h = g.out_step_w = 1;
  g.taps.dilation_h = h.dilation;
  g.taps.dilation_w = w.dilation;
  g.weights.data = weights;
  g.weights.alignment = wide ? 16 : static_cast<int>(sizeof(T));
  g.y_alignment = g.weights.alignment;
  g.group_weights = p.group_outputs();
  return g;
}

template <class T>
void set_channels(Correlation<T>& g, int64_t inputs, int64_t outputs, int64_t groups) {
  g.inputs = static_cast<int>(inputs);
  g.outputs = static_cast<int>(outputs);
  g.x_pixel = inputs * groups;
  g.y_pixel = outputs * groups;
  g.taps.channels = g.weight_taps.channels = divisor(inputs);
  g.taps.column_step = g.taps.dilation_w * g.x_pixel;
  g.taps.row_step = int64_t{g.taps.dilation_h} * g.taps.W * g.x_pixel;
}

template <class T>
void conv2d_forward(const Conv2dParams& p, const Operand* operands) {
  const T *x = operands[0].as<T>(), *weights = operands[1].as<T>();
  const T* const bias = operands[2].present ? operands[2].as<T>() : nullptr;
  T* const y = operands[3].as<T>();
  check_depth(p);
  if (is_depthwise(p)) return depthwise_forward(p, x, weights, bias, y);
  const bool wide = is_wide<T>(p, {x, weights, y});
  const WindowAxis h = rows_of(p), w = columns_of(p);
  Correlation<T> g = make_correlation(p, h, w, x, weights, y, wide);
  g.bias = bias;
  g.relu = p.relu;
  g.taps.H = h.size, g.taps.W = w.size;
  g.step_h = h.stride, g.step_w = w.stride;
  g.out_h = h.count, g.out_w = w.count;
  set_channels(g, p.group_inputs(), p.group_outputs(), p.groups);
  g.rows[0] = {0, -h.pad, h.taps, 0, divisor(h.taps), PixelDivisor(h.count)};
  g.columns[0] = {0, -w.pad, w.taps, 0, divisor(w.taps), PixelDivisor(w.count)};
  g.weights.outer_stride = 1;
  g.weights.k_stride = p.K;
  correlate<false>(g, p.N * p.P * p.Q, p.groups, wide);
}

// Along one axis, the coordinates h of dx with (h + pad) % stride == phase. With
// h + pad = i * stride + phase, dx(h) = sum over taps r = tap + j * tap_step of
// w(r) * dy(i + offset - j * dilation): a correlation with the taps in reverse order.
struct Phases {
  WindowAxis axis;
  int tap_step, dilation;
  int64_t tap_weights;  // elements from tap to tap of the weights

  Phases(const WindowAxis& a, int64_t tap_weights_)
      : axis(a),
        tap_step(a.stride / std::gcd(a.stride, a.dilation)),
        dilation(a.dilation / std::gcd(a.stride, a.dilation)),
        tap_weights(tap_weights_) {}

  CorrelationAxis operator[](int phase) const {
    const int stride = axis.stride;
    CorrelationAxis f;
    f.first = ((phase - axis.pad) % stride + stride) % stride;
    f.count = PixelDivisor((axis.size - 1 - f.first) / stride + 1);
    int tap = 0;
    while (tap < tap_step && int64_t{tap} * axis.dilation % stride != phase) tap++;
    f.taps = tap < tap_step && tap < axis.taps
                 ? static_cast<int>(ceil_div(axis.taps - tap, tap_step))
                 : 0;
    f.tap = divisor(f.taps);
    f.start = (f.first + axis.pad - tap * axis.dilation) / stride - (f.taps - 1) * dilation;
    f.weights = f.taps == 0 ? 0 : (tap + int64_t{f.taps - 1} * tap_step) * tap_weights;
    return f;
  }
  // Phases beyond the image have no pixels.
  bool is_empty(int phase) const { return (*this)[phase].first >= axis.size; }
};

// Up to kMaxPhases phases from `phase` on, which moves on; how many there were.
int take_phases(const Phases& phases, int& phase, CorrelationAxis* taken) {
  int count = 0;
  for (; phase < phases.axis.stride && count < kMaxPhases; phase++)
    if (!phases.is_empty(phase)) taken[count++] = phases[phase];
  return count;
}

int64_t most_outputs(const CorrelationAxis* axes, int count) {
  int64_t most = 0;
  for (int i = 0; i < count; i++) most = std::max(most, axes[i].count.value);
  return most;
}

template <class T>
void conv2d_backward_input(const Conv2dParams& p, const Operand* operands) {
  const T *dy = operands[0].as<T>(), *weights = operands[1].as<T>();
  T* const dx = operands[2].as<T>();
  check_depth(p);
  if (is_depthwise(p)) return depthwise_backward_input(p, dy, weights, dx);
  const bool wide = is_wide<T>(p, {dy, weights, dx});
  const int64_t tap = p.group_inputs() * p.K;
  const Phases rows(rows_of(p), p.S * tap), columns(columns_of(p), tap);
  const WindowAxis &h = rows.axis, &w = columns.axis;
  Correlation<T> g = make_correlation(p, h, w, dy, weights, dx, wide);
  g.taps.dilation_h = rows.dilation, g.taps.dilation_w = columns.dilation;
  g.taps.H = h.count, g.taps.W = w.count;
  g.out_h = h.size, g.out_w = w.size;
  g.out_step_h = h.stride, g.out_step_w = w.stride;
  set_channels(g, p.group_outputs(), p.group_inputs(), p.groups);
  g.weights.outer_stride = p.K;
  g.weights.k_stride = 1;
  g.weight_taps.row_step = -rows.tap_step * rows.tap_weights;
  g.weight_taps.column_step = -columns.tap_step * columns.tap_weights;
  g.writes_all = h.stride <= kMaxPhases && w.stride <= kMaxPhases;
  for (int row_phase = 0; row_phase < h.stride;) {
    g.row_phases = take_phases(rows, row_phase, g.rows);
    for (int column_phase = 0; g.row_phases > 0 && column_phase < w.stride;) {
      g.column_phases = take_phases(columns, column_phase, g.columns);
      if (g.column_phases == 0) continue;
      const int64_t pixels =
          p.N * most_outputs(g.rows, g.row_phases) * most_outputs(g.columns, g.column_phases);
      correlate<true>(g, pixels, p.groups, wide);
    }
  }
}

// ---- backward weight ----------------------------------------------------------------------------

template <class T, class Shape, int kWidth, int kBlocksPerSm>
void launch_weight_gradient(WeightGradient<T> g, int64_t groups) {
  const int64_t tiles_m = ceil_div(g.m, Shape::kTileM), tiles_n = ceil_div(g.n, Shape::kTileN);
  const int64_t tiles = tiles_m * tiles_n;
  constexpr int64_t kLeastPixels = 512;  // so that a block reads several times what it writes
  constexpr int64_t kWanted = kManyBlocks * 128 / Shape::kThreads;
  const int64_t wanted = parts_of(g.pixels, tiles * groups, kLeastPixels, kWanted);
  g.pixels_per_part = ceil_div(ceil_div(g.pixels, wanted), Shape::kDepth) * Shape::kDepth;
  g.pixels_per_part = std::min(g.pixels_per_part, int64_t{1} << 30);
  const int64_t parts =
      std::max<int64_t>(ceil_div(g.pixels, std::max<int64_t>(g.pixels_per_part, 1)), 1);
  g.tiles_n = static_cast<int>(tiles_n);
  T* const dw = g.out;
  const DeviceScratch<T> scratch(parts > 1 ? parts * g.part_size : 0);
  if (parts > 1) g.out = scratch.get();
  for (int64_t first = 0; first < groups; first += kMaxGridZ) {
    g.first_group = static_cast<int>(first);
    gpu::launch(weight_gradient_kernel<T, Shape, kWidth, kBlocksPerSm>,
                dim3(static_cast<uint32_t>(tiles), static_cast<uint32_t>(parts),
                     static_cast<uint32_t>(std::min(kMaxGridZ, groups - first))),
                dim3(Shape::kThreads), 0, stream(), g);
  }
  if (parts > 1) sum_parts(scratch.get(), dw, g.part_size, parts);
}

void sum_gradient(const WeightGradient<float>& g, int64_t groups, bool wide) {
  if (!wide) return launch_weight_gradient<float, Medium, 1, 4>(g, groups);
  if (g.n <= 32) return launch_weight_gradient<float, Narrow, 4, 4>(g, groups);
  if (g.m >= 128) return launch_weight_gradient<float, Large, 4, 3>(g, groups);
  launch_weight_gradient<float, Medium, 4, 4>(g, groups);
}
void sum_gradient(const WeightGradient<double>& g, int64_t groups, bool wide) {
  if (wide)
    launch_weight_gradient<double, Double, 2, 3>(g, groups);
  else
    launch_weight_gradient<double, Double, 1, 3>(g, groups);
}

template <class T>
void conv2d_backward_weight(const Conv2dParams& p, const Operand* operands) {
  const T *x = operands[0].as<T>(), *dy = operands[1].as<T>();
  T* const dw = operands[2].as<T>();
  check_depth(p);
  if (is_depthwise(p)) return depthwise_backward_weight(p, x, dy, dw);
  const bool wide = is_wide<T>(p, {x, dy, dw});
  WeightGradient<T> g{};
  g.x = x;
  g.out = dw;
  g.h = rows_of(p), g.w = columns_of(p);
  g.rows = PixelDivisor(p.P), g.columns = PixelDivisor(p.Q);
  g.channels = divisor(p.group_inputs());
  g.tap_columns = divisor(p.S);
  g.m = static_cast<int>(p.R * p.S * p.group_inputs());
  g.n = static_cast<int>(p.group_outputs());
  g.C = p.C, g.K = p.K;
  g.pixels = p.N * p.P * p.Q;
  g.part_size = g.m * p.K;
  g.alignment = wide ? 16 : static_cast<int>(sizeof(T));
  g.dy = {dy, 1, p.K, g.alignment};
  sum_gradient(g, p.groups, wide);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_ONE_DTYPE(T)                                                                    \
  kernel_entry<&conv2d_forward<T>>(kernels::conv2d_forward, dtype_of<T>),                   \
      kernel_entry<&conv2d_backward_input<T>>(kernels::conv2d_backward_input, dtype_of<T>), \
      kernel_entry<&conv2d_backward_weight<T>>(kernels::conv2d_backward_weight, dtype_of<T>)
WEFT_GPU_KERNELS(conv2d, FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double))
