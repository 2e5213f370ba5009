#include "ops/conv2d.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/passes/epilogue.h"
#include "core/passes/fusion.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/functors_activation.h"
#include "ops/functors_arithmetic.h"
#include "ops/kernel_dtype.h"
#include "ops/window2d.h"

namespace weft {

namespace kernels {
constinit Kernel<Conv2dParams> conv2d_forward("conv2d_forward");
constinit Kernel<Conv2dParams> conv2d_backward_input("conv2d_backward_input");
constinit Kernel<Conv2dParams> conv2d_backward_weight("conv2d_backward_weight");
}  // namespace kernels

namespace {

// The kernels of halves round once where two launches round twice.
bool finishes(const Conv2dParams& p, DType dtype) {
  return (dtype == DType::float32 || dtype == DType::float64) && !p.relu;
}

// Not the gradient of the input: what follows it (relu_backward) reads an array that was last used
// long ago, which a launch of its own streams and a tail waits for. Three residual blocks of
// 64x32x32x16 took 0.85 of the time with epilogues alone, 0.90 with such tails, too.
const Fuses conv2d_fuses(Fusion::calls_tail, {&kernels::conv2d_forward});
const HasEpilogue conv2d_epilogue(kernels::conv2d_forward,
                                  {2,
                                   [](const void* params, DType dtype) {
                                     const auto& p = *static_cast<const Conv2dParams*>(params);
                                     const bool depthwise =
                                         p.groups == p.C &&
                                         p.groups == p.K;  // begins with the bias
                                     return finishes(p, dtype) && !depthwise;
                                   },
                                   [](void* params, DType dtype) {
                                     auto& p = *static_cast<Conv2dParams*>(params);
                                     if (!finishes(p, dtype)) return false;
                                     p.relu = true;
                                     return true;
                                   },
                                   &kernels::elementwise<functors::Add>,
                                   &kernels::elementwise<functors::Relu>});

Conv2dParams make_params(const char* op, const Shape& x, const Shape& w, const Dims& strides,
                         const Dims& padding, const Dims& dilation, int64_t groups) {
  check(x.size() == 4, op, ": x must be (batch, height, width, channels), got shape ", x);
  check(w.size() == 4, op, ": the kernel must be (height, width, channels / groups, filters), got ",
        "shape ", w);
  check(groups >= 1, op, ": groups must be at least 1, got ", groups);
  check(x[3] % groups == 0, op, ": ", groups, " groups do not divide the ", x[3], " channels of x");
  check(w[3] % groups == 0, op, ": ", groups, " groups do not divide the ", w[3],
        " filters of the kernel");
  check(x[3] == w[2] * groups, op, ": x has ", x[3], " channels but the kernel was built for ",
        w[2] * groups, "; x has shape ", x, " and the kernel ", w, " with groups=", groups);
  const Window2d window = make_window2d(op, {w[0], w[1]}, strides, dilation, padding);
  const Dims counts = count_windows(op, window, x[1], x[2]);
  Conv2dParams p{};
  p.N = x[0], p.H = x[1], p.W = x[2], p.C = x[3];
  p.R = w[0], p.S = w[1], p.K = w[3];
  p.P = counts[0], p.Q = counts[1];
  // A single window makes no step, and kernels that walk over the phases of one need not count far.
  p.stride_h = counts[0] > 1 ? window.stride_h : 1;
  p.stride_w = counts[1] > 1 ? window.stride_w : 1;
  p.dilation_h = window.dilation_h, p.dilation_w = window.dilation_w;
  p.pad_top = window.pad_top, p.pad_left = window.pad_left;
  p.groups = groups;
  p.winograd = conv_precision() == ConvPrecision::standard;
  return p;
}

Cost conv_cost(const Conv2dParams& p, std::initializer_list<const Tensor*> tensors) {
  Cost cost{2 * p.N * p.P * p.Q * p.K * p.R * p.S * p.group_inputs(), 0};
  for (const Tensor* t : tensors) cost.bytes += bytes_of(*t);
  return cost;
}

// The common floating-point dtype of the operands: that of the result.
DType result_dtype(const char* op, const Tensor& a, const Tensor& b) {
  const DType dtype = promote(a.dtype(), b.dtype());
  check_type(is_floating(dtype), op, ": the operands must be floating-point, got ", a.dtype(),
             " and ", b.dtype(), "; convert with .astype(\"float32\")");
  return dtype;
}

// What a launch is given for a result of `dtype`.
struct LaunchTypes {
  DType factor, result;  // of what is multiplied; of the result and the bias
};

// The tensor cores of a GPU multiply halves as they are, and float32 rounded to bfloat16 where that
// is allowed. Groups of one channel are bound by memory: halves stay halves there, and float32
// stays float32. The other kernels without tensor cores, and those of the CPU, take halves as
// float32.
LaunchTypes launch_types(const KernelSlot& slot, Conv2dParams& p, DType dtype, Device device) {
  LaunchTypes types{compute_dtype(dtype), compute_dtype(dtype)};
  if (!is_gpu(device)) return types;
  p.precision = matmul_precision();
  p.variant = conv2d_variant();
  if (p.variant == Conv2dVariant::simt) return types;
  types.factor = types.result = kernel_dtype(slot, device, dtype);
  const bool tiles = p.variant != Conv2dVariant::automatic || !p.is_depthwise();
  if (dtype == DType::float32 && p.precision == MatmulPrecision::bfloat16 && tiles)
    types.factor = DType::bfloat16;
  return types;
}

Tensor prepare(const Tensor& x, DType dtype) { return contiguous(cast(x, dtype)); }

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
              const Dims& strides, const Dims& padding, const Dims& dilation, int64_t groups,
              bool relu) {
  const char* op = "conv2d";
  Conv2dParams p = make_params(op, x.shape(), w.shape(), strides, padding, dilation, groups);
  p.relu = relu;
  const DType dtype = result_dtype(op, x, w);
  const LaunchTypes types = launch_types(kernels::conv2d_forward, p, dtype, x.device());
  Tensor b;
  if (bias) {
    check(bias->shape() == Shape{p.K}, op, ": bias must have one value per filter, shape (", p.K,
          ",), got ", bias->shape());
    b = prepare(*bias, types.result);
  }
  const Tensor input = prepare(x, types.factor), kernel = prepare(w, types.factor);
  const Tensor y = Tensor::empty({p.N, p.P, p.Q, p.K}, types.result, x.device());
  if (y.size() > 0)
    launch(kernels::conv2d_forward, types.factor, p, conv_cost(p, {&input, &kernel, &b, &y}),
           {&input, &kernel, &b}, {&y});
  return cast(y, dtype);
}

Tensor conv2d_backward_input(const Tensor& dy, const Tensor& w, const Shape& x_shape,
                             const Dims& strides, const Dims& padding, const Dims& dilation,
                             int64_t groups) {
  const char* op = "conv2d_backward_input";
  Conv2dParams p = make_params(op, x_shape, w.shape(), strides, padding, dilation, groups);
  const Shape y_shape{p.N, p.P, p.Q, p.K};
  check(dy.shape() == y_shape, op, ": dy must have shape ", y_shape, ", got ", dy.shape());
  const DType dtype = result_dtype(op, dy, w);
  const LaunchTypes types = launch_types(kernels::conv2d_backward_input, p, dtype, dy.device());
  const Tensor gradient = prepare(dy, types.factor), kernel = prepare(w, types.factor);
  const Tensor dx = Tensor::empty(x_shape, types.result, dy.device());
  if (dx.size() > 0)
    launch(kernels::conv2d_backward_input, types.factor, p, conv_cost(p, {&gradient, &kernel, &dx}),
           {&gradient, &kernel}, {&dx});
  return cast(dx, dtype);
}

Tensor conv2d_backward_weight(const Tensor& x, const Tensor& dy, const Shape& w_shape,
                              const Dims& strides, const Dims& padding, const Dims& dilation,
                              int64_t groups) {
  const char* op = "conv2d_backward_weight";
  Conv2dParams p = make_params(op, x.shape(), w_shape, strides, padding, dilation, groups);
  const Shape y_shape{p.N, p.P, p.Q, p.K};
  check(dy.shape() == y_shape, op, ": dy must have shape ", y_shape, ", got ", dy.shape());
  const DType dtype = result_dtype(op, x, dy);
  const LaunchTypes types = launch_types(kernels::conv2d_backward_weight, p, dtype, x.device());
  const Tensor input = prepare(x, types.factor), gradient = prepare(dy, types.factor);
  const Tensor dw = Tensor::empty(w_shape, types.result, x.device());
  if (dw.size() > 0)
    launch(kernels::conv2d_backward_weight, types.factor, p, conv_cost(p, {&input, &gradient, &dw}),
           {&input, &gradient}, {&dw});
  return cast(dw, dtype);
}

WEFT_BINDING(conv2d) {
  namespace py = pybind11;
  const auto x = py::arg("x"), w = py::arg("w"), dy = py::arg("dy"), strides = py::arg("strides"),
             padding = py::arg("padding"), dilation = py::arg("dilation"),
             groups = py::arg("groups");
  m.def("conv2d", &conv2d, x, w, py::arg("bias"), strides, padding, dilation, groups,
        py::arg("relu") = false);
  m.def("conv2d_backward_input", &conv2d_backward_input, dy, w, py::arg("x_shape"), strides,
        padding, dilation, groups);
  m.def("conv2d_backward_weight", &conv2d_backward_weight, x, dy, py::arg("w_shape"), strides,
        padding, dilation, groups);
}

}  // namespace weft
