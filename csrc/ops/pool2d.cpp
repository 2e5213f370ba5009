#include "ops/pool2d.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/passes/fusion.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"
#include "ops/window2d.h"

namespace weft {

namespace kernels {
constinit Kernel<Pool2dParams> max_pool2d_forward("max_pool2d_forward");
constinit Kernel<Pool2dParams> max_pool2d_backward("max_pool2d_backward");
constinit Kernel<Pool2dParams> max_pool2d_gather("max_pool2d_gather");
constinit Kernel<Pool2dParams> average_pool2d_forward("average_pool2d_forward");
constinit Kernel<Pool2dParams> average_pool2d_backward("average_pool2d_backward");
}  // namespace kernels

namespace {

const Fuses pool2d_fuses(Fusion::calls_tail,
                         {&kernels::max_pool2d_backward, &kernels::average_pool2d_backward});

Pool2dParams make_params(const char* op, const Shape& x, const Dims& window, const Dims& strides,
                         const Dims& padding) {
  check(x.size() == 4, op, ": x must be (batch, height, width, channels), got shape ", x);
  const Window2d w = make_window2d(op, window, strides, {1, 1}, padding);
  check(w.pad_top < w.R && w.pad_bottom < w.R && w.pad_left < w.S && w.pad_right < w.S, op,
        ": padding ", padding, " must be smaller than the window ", window,
        "; a window of nothing but padding has no value");
  const Dims counts = count_windows(op, w, x[1], x[2]);
  return {x[0],      x[1],      x[2],       x[3],       w.R,       w.S,
          counts[0], counts[1], w.stride_h, w.stride_w, w.pad_top, w.pad_left};
}

Shape y_shape(const Pool2dParams& p) { return {p.N, p.P, p.Q, p.C}; }

DType index_dtype(const Pool2dParams& p) { return p.R * p.S <= 256 ? DType::uint8 : DType::int32; }

Cost pool_cost(const Pool2dParams& p, std::initializer_list<const Tensor*> tensors) {
  Cost cost{p.N * p.P * p.Q * p.C * p.R * p.S, 0};
  for (const Tensor* t : tensors) cost.bytes += bytes_of(*t);
  return cost;
}

void check_floating(const char* op, const Tensor& x) {
  check_type(is_floating(x.dtype()), op, ": x must be floating-point, got ", x.dtype(),
             "; convert with .astype(\"float32\")");
}

void check_windows(const char* op, const char* what, const Tensor& t, const Pool2dParams& p) {
  check(t.shape() == y_shape(p), op, ": ", what, " must have the shape of y, ", y_shape(p),
        ", got ", t.shape());
}

void check_indices(const char* op, const Tensor& indices, const Pool2dParams& p) {
  check_windows(op, "indices", indices, p);
  check_type(indices.dtype() == index_dtype(p), op, ": indices must be ", index_dtype(p), ", got ",
             indices.dtype());
}

// x ready for a kernel: in its dtype, row-major.
Tensor prepare(const KernelSlot& kernel, const Tensor& x) {
  return contiguous(cast(x, kernel_dtype(kernel, x.device(), x.dtype())));
}

std::pair<Tensor, Tensor> run_max_pool(const char* op, const Tensor& x, const Dims& window,
                                       const Dims& strides, const Dims& padding,
                                       bool with_indices) {
  const Pool2dParams p = make_params(op, x.shape(), window, strides, padding);
  check_floating(op, x);
  const Tensor input = prepare(kernels::max_pool2d_forward, x);
  const Tensor y = Tensor::empty(y_shape(p), input.dtype(), x.device());
  Tensor indices;
  if (with_indices) indices = Tensor::empty(y_shape(p), index_dtype(p), x.device());
  if (y.size() > 0)
    launch(kernels::max_pool2d_forward, y.dtype(), p, pool_cost(p, {&input, &y, &indices}),
           {&input}, {&y, &indices});
  return {cast(y, x.dtype()), indices};
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const Dims& window, const Dims& strides, const Dims& padding) {
  return run_max_pool("max_pool2d", x, window, strides, padding, false).first;
}

std::pair<Tensor, Tensor> max_pool2d_with_indices(const Tensor& x, const Dims& window,
                                                  const Dims& strides, const Dims& padding) {
  return run_max_pool("max_pool2d", x, window, strides, padding, true);
}

Tensor max_pool2d_backward(const Tensor& dy, const Tensor& indices, const Shape& x_shape,
                           const Dims& window, const Dims& strides, const Dims& padding) {
  const char* op = "max_pool2d_backward";
  const Pool2dParams p = make_params(op, x_shape, window, strides, padding);
  check_floating(op, dy);
  check_windows(op, "dy", dy, p);
  check_indices(op, indices, p);
  const Tensor gradient = prepare(kernels::max_pool2d_backward, dy), places = contiguous(indices);
  const Tensor dx = Tensor::empty(x_shape, gradient.dtype(), dy.device());
  if (dx.size() > 0)
    launch(kernels::max_pool2d_backward, dx.dtype(), p, pool_cost(p, {&gradient, &places, &dx}),
           {&gradient, &places}, {&dx});
  return cast(dx, dy.dtype());
}

Tensor max_pool2d_gather(const Tensor& x, const Tensor& indices, const Dims& window,
                         const Dims& strides, const Dims& padding) {
  const char* op = "max_pool2d_gather";
  const Pool2dParams p = make_params(op, x.shape(), window, strides, padding);
  check_floating(op, x);
  check_indices(op, indices, p);
  const Tensor input = prepare(kernels::max_pool2d_gather, x), places = contiguous(indices);
  const Tensor y = Tensor::empty(y_shape(p), input.dtype(), x.device());
  if (y.size() > 0)
    launch(kernels::max_pool2d_gather, y.dtype(), p, pool_cost(p, {&input, &places, &y}),
           {&input, &places}, {&y});
  return cast(y, x.dtype());
}

Tensor average_pool2d(const Tensor& x, const Dims& window, const Dims& strides,
                      const Dims& padding) {
  const char* op = "average_pool2d";
  const Pool2dParams p = make_params(op, x.shape(), window, strides, padding);
  check_floating(op, x);
  const Tensor input = prepare(kernels::average_pool2d_forward, x);
  const Tensor y = Tensor::empty(y_shape(p), input.dtype(), x.device());
  if (y.size() > 0)
    launch(kernels::average_pool2d_forward, y.dtype(), p, pool_cost(p, {&input, &y}), {&input},
           {&y});
  return cast(y, x.dtype());
}

Tensor average_pool2d_backward(const Tensor& dy, const Shape& x_shape, const Dims& window,
                               const Dims& strides, const Dims& padding) {
  const char* op = "average_pool2d_backward";
  const Pool2dParams p = make_params(op, x_shape, window, strides, padding);
  check_floating(op, dy);
  check_windows(op, "dy", dy, p);
  const Tensor gradient = prepare(kernels::average_pool2d_backward, dy);
  const Tensor dx = Tensor::empty(x_shape, gradient.dtype(), dy.device());
  if (dx.size() > 0)
    launch(kernels::average_pool2d_backward, dx.dtype(), p, pool_cost(p, {&gradient, &dx}),
           {&gradient}, {&dx});
  return cast(dx, dy.dtype());
}

WEFT_BINDING(pool2d) {
  namespace py = pybind11;
  const auto x = py::arg("x"), dy = py::arg("dy"), indices = py::arg("indices"),
             x_shape = py::arg("x_shape"), window = py::arg("window"), strides = py::arg("strides"),
             padding = py::arg("padding");
  m.def("max_pool2d", &max_pool2d, x, window, strides, padding);
  m.def("max_pool2d_with_indices", &max_pool2d_with_indices, x, window, strides, padding);
  m.def("max_pool2d_backward", &max_pool2d_backward, dy, indices, x_shape, window, strides,
        padding);
  m.def("max_pool2d_gather", &max_pool2d_gather, x, indices, window, strides, padding);
  m.def("average_pool2d", &average_pool2d, x, window, strides, padding);
  m.def("average_pool2d_backward", &average_pool2d_backward, dy, x_shape, window, strides, padding);
}

}  // namespace weft
