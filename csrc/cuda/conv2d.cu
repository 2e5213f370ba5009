// Convolution of NHWC images: which kernels run, and how they are started.
//
// Groups of one channel run in conv2d_depthwise.h, everything else as implicit products of
// matrices: halves, and float32 that may be rounded to tf32, on tensor cores (conv2d_mma.cu), the
// rest on ordinary units (conv2d_simt.cu). The gradient of the input with stride > 1 falls apart
// into stride_h x stride_w phases, each a correlation of dy with part of the weights; several
// phases share a launch. The gradient of the weights is split along the pixels where its tiles
// would not fill the device, and conv2d_partial.h adds up the parts in a fixed order.
#include "ops/conv2d.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "cuda/conv2d_depthwise.h"
#include "cuda/conv2d_launch.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

Divisor divisor(int64_t d) { return Divisor(static_cast<uint32_t>(std::max<int64_t>(d, 1))); }

// Kernels count k, and the rows and columns of weights, in 32 bits.
void check_depth(const Conv2dParams& p) {
  constexpr int64_t kLimit = std::numeric_limits<int32_t>::max() - 1024;
  const int64_t taps = p.R * p.S;
  check(p.C < kLimit && p.K < kLimit && taps < kLimit && taps * p.group_inputs() < kLimit &&
            taps * p.group_outputs() < kLimit,
        "conv2d: windows of ", p.R, " x ", p.S, " with ", p.group_inputs(), " channels and ",
        p.group_outputs(), " filters are too large for a GPU, whose kernels count up to 2^31");
}

[[noreturn]] void refuse(const Conv2dParams& p, const char* why) {
  fail(ErrorKind::value, "conv2d: the variant '", name(p.variant), "' cannot be used here: ", why,
       "; leave the choice to weft with weft.kernels.conv2d.use('automatic')");
}

// Tensor cores multiply halves, and float32 where it may be rounded to tf32.
bool on_tensor_cores(const Conv2dParams& p, DType dtype) {
  if (p.variant == Conv2dVariant::simt) return false;
  const bool rounded = dtype == DType::float32 && p.precision == MatmulPrecision::tf32;
  if (p.variant != Conv2dVariant::automatic) {
    if (dtype == DType::float64) refuse(p, "it has no kernel for float64");
    if (dtype == DType::float32 && !rounded)
      refuse(p, "it rounds float32 to tf32, which weft.set_matmul_precision('tf32') has to allow");
    return true;
  }
  // Those without tiles are bound by memory, and exact in the time of reading it.
  return (is_half(dtype) || rounded) && !p.is_depthwise();
}

bool is_wgmma(Conv2dVariant variant) { return variant >= Conv2dVariant::wgmma_128x128; }

// How rows of so many channels are aligned.
int alignment_of(const Operand& x, int64_t channels) {
  return row_alignment(x.data, channels * static_cast<int64_t>(itemsize(x.dtype)));
}

// ---- forward and backward input -----------------------------------------------------------------

void correlate(const Conv2dParams& p, CorrelationProblem problem, const Correlation& g) {
  if (!on_tensor_cores(p, problem.dtype)) return correlate_simt(problem, g);
  const char* const why = why_not_wgmma(problem, g);
  if (is_wgmma(p.variant) && why != nullptr) refuse(p, why);
  if (p.variant == Conv2dVariant::automatic && why == nullptr)
    problem.variant = fastest_variant(problem, g);
  return is_wgmma(problem.variant) ? correlate_wgmma(problem, g) : correlate_mma(problem, g);
}

// What forward and backward input have in common: channels of a group, and a launch of one phase.
Correlation make_correlation(const Conv2dParams& p, const WindowAxis& h, const WindowAxis& w,
                             const Operand& x, const Operand& weights, const Operand& y) {
  Correlation g{};
  g.x = x.data;
  g.y = y.data;
  g.y_is_sum = y.dtype != x.dtype;
  g.N = p.N;
  g.writes_all = true;
  g.row_phases = g.column_phases = 1;
  g.step_h = g.step_w = g.out_step_h = g.out_step_w = 1;
  g.taps.dilation_h = h.dilation;
  g.taps.dilation_w = w.dilation;
  g.weights.data = weights.data;
  g.weights.alignment = alignment_of(weights, p.group_outputs());
  g.group_weights = p.group_outputs();
  return g;
}

void set_channels(Correlation& g, int64_t inputs, int64_t outputs, int64_t groups) {
  g.inputs = static_cast<int>(inputs);
  g.outputs = static_cast<int>(outputs);
  g.x_pixel = inputs * groups;
  g.y_pixel = outputs * groups;
  g.taps.channels = g.weight_taps.channels = divisor(inputs);
  g.taps.column_step = g.taps.dilation_w * g.x_pixel;
  g.taps.row_step = int64_t{g.taps.dilation_h} * g.taps.W * g.x_pixel;
}

void forward_tiles(const Conv2dParams& p, const Operand* operands) {
  const Operand &x = operands[0], &weights = operands[1], &bias = operands[2], &y = operands[3];
  const WindowAxis h = rows_of(p), w = columns_of(p);
  Correlation g = make_correlation(p, h, w, x, weights, y);
  g.bias = bias.present ? bias.data : nullptr;
  g.relu = p.relu;
  g.x_alignment = alignment_of(x, p.group_inputs());
  g.y_alignment = alignment_of(y, p.group_outputs());
  g.taps.H = h.size, g.taps.W = w.size;
  g.step_h = h.stride, g.step_w = w.stride;
  g.out_h = h.count, g.out_w = w.count;
  set_channels(g, p.group_inputs(), p.group_outputs(), p.groups);
  g.rows[0] = {0, -h.pad, h.taps, 0, divisor(h.taps), WideDivisor(h.count)};
  g.columns[0] = {0, -w.pad, w.taps, 0, divisor(w.taps), WideDivisor(w.count)};
  g.weights.outer_stride = 1;
  g.weights.k_stride = p.K;
  correlate(p, {x.dtype, p.variant, false, p.N * p.P * p.Q, p.groups, p.R * p.S}, g);
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
    f.count = WideDivisor((axis.size - 1 - f.first) / stride + 1);
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

void backward_input_tiles(const Conv2dParams& p, const Operand* operands) {
  const Operand &dy = operands[0], &weights = operands[1], &dx = operands[2];
  const int64_t tap = p.group_inputs() * p.K;
  const Phases rows(rows_of(p), p.S * tap), columns(columns_of(p), tap);
  const WindowAxis &h = rows.axis, &w = columns.axis;
  Correlation g = make_correlation(p, h, w, dy, weights, dx);
  g.x_alignment = alignment_of(dy, p.group_outputs());
  g.y_alignment = alignment_of(dx, p.group_inputs());
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
      correlate(p, {dy.dtype, p.variant, true, pixels, p.groups, p.R * p.S}, g);
    }
  }
}

// ---- backward weight ----------------------------------------------------------------------------

void backward_weight_tiles(const Conv2dParams& p, const Operand* operands) {
  const Operand &x = operands[0], &dy = operands[1], &dw = operands[2];
  WeightGradient g{};
  g.x = x.data;
  g.out = dw.data;
  g.out_is_sum = dw.dtype != x.dtype;
  g.h = rows_of(p), g.w = columns_of(p);
  g.rows = WideDivisor(p.P), g.columns = WideDivisor(p.Q);
  g.channels = divisor(p.group_inputs());
  g.tap_columns = divisor(p.S);
  g.m = static_cast<int>(p.R * p.S * p.group_inputs());
  g.n = static_cast<int>(p.group_outputs());
  g.C = p.C, g.K = p.K;
  g.pixels = p.N * p.P * p.Q;
  g.part_size = g.m * p.K;
  g.x_alignment = alignment_of(x, p.group_inputs());
  g.out_alignment = alignment_of(dw, p.group_outputs());
  g.dy = {dy.data, 1, p.K, alignment_of(dy, p.group_outputs())};
  if (!on_tensor_cores(p, x.dtype)) return weight_gradient_simt(x.dtype, g, p.groups);
  const char* const why = why_not_wgmma(x.dtype, g);
  if (is_wgmma(p.variant) && why != nullptr) refuse(p, why);
  Conv2dVariant variant = p.variant;
  if (variant == Conv2dVariant::automatic && why == nullptr) variant = fastest_variant(g, p.groups);
  if (is_wgmma(variant)) return weight_gradient_wgmma(x.dtype, variant, g, p.groups);
  weight_gradient_mma(x.dtype, variant, g, p.groups);
}

// ---- entries ------------------------------------------------------------------------------------

bool without_tiles(const Conv2dParams& p, DType dtype) {
  check_depth(p);
  return p.is_depthwise() && !on_tensor_cores(p, dtype);
}

template <class T>
void conv2d_forward(const Conv2dParams& p, const Operand* operands) {
  if (!without_tiles(p, dtype_of<T>)) return forward_tiles(p, operands);
  depthwise_forward(p, operands[0].as<T>(), operands[1].as<T>(),
                    operands[2].present ? operands[2].as<T>() : nullptr, operands[3].as<T>());
}

template <class T>
void conv2d_backward_input(const Conv2dParams& p, const Operand* operands) {
  if (!without_tiles(p, dtype_of<T>)) return backward_input_tiles(p, operands);
  depthwise_backward_input(p, operands[0].as<T>(), operands[1].as<T>(), operands[2].as<T>());
}

template <class T>
void conv2d_backward_weight(const Conv2dParams& p, const Operand* operands) {
  if (!without_tiles(p, dtype_of<T>)) return backward_weight_tiles(p, operands);
  depthwise_backward_weight(p, operands[0].as<T>(), operands[1].as<T>(), operands[2].as<T>());
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_ONE_DTYPE(T)                                                                    \
  kernel_entry<&conv2d_forward<T>>(kernels::conv2d_forward, dtype_of<T>),                   \
      kernel_entry<&conv2d_backward_input<T>>(kernels::conv2d_backward_input, dtype_of<T>), \
      kernel_entry<&conv2d_backward_weight<T>>(kernels::conv2d_backward_weight, dtype_of<T>)
WEFT_GPU_KERNELS(conv2d, FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double), FOR_ONE_DTYPE(Float16),
                 FOR_ONE_DTYPE(BFloat16))
