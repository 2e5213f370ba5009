#include "ops/softmax.h"

#include <limits>

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"
#include "ops/reduce.h"

namespace weft {

namespace kernels {
constinit Kernel<SoftmaxParams> softmax("softmax");
constinit Kernel<SoftmaxParams> log_softmax("log_softmax");
constinit Kernel<SoftmaxParams> softmax_backward("softmax_backward");
constinit Kernel<SoftmaxParams> log_softmax_backward("log_softmax_backward");
constinit Kernel<SoftmaxParams> logsumexp("logsumexp");
}  // namespace kernels

namespace {

constexpr int64_t kFlopsOfExp = 12;

SoftmaxParams make_params(const Tensor& x, int64_t axis, const char* op) {
  check(x.ndim() > 0, op, ": x needs at least 1 axis, got a 0-d tensor");
  check_type(is_floating(x.dtype()), op, ": x must hold floating-point numbers, got ", x.dtype(),
             "; convert with .astype('float32')");
  const int at = normalize_axis(axis, x.ndim(), op);
  SoftmaxParams p{1, x.dim(at), 1};
  for (int i = 0; i < at; i++) p.outer *= x.dim(i);
  for (int i = at + 1; i < x.ndim(); i++) p.inner *= x.dim(i);
  return p;
}

Tensor forward(const Kernel<SoftmaxParams>& kernel, const Tensor& x, int64_t axis) {
  const SoftmaxParams p = make_params(x, axis, kernel.name());
  const DType wide = kernel_dtype(kernel, x.device(), x.dtype());
  const Tensor dense = contiguous(cast(x, wide));
  Tensor y = Tensor::empty(x.shape(), wide, x.device());
  if (y.size() > 0)
    launch(kernel, wide, p, {(kFlopsOfExp + 4) * x.size(), 2 * bytes_of(y)}, {&dense}, {&y});
  return cast(y, x.dtype());
}

Tensor backward(const Kernel<SoftmaxParams>& kernel, const Tensor& dy, const Tensor& y,
                int64_t axis) {
  const SoftmaxParams p = make_params(y, axis, kernel.name());
  check(dy.shape() == y.shape(), kernel.name(), ": dy has shape ", dy.shape(), " but y has ",
        y.shape());
  const DType wide = kernel_dtype(kernel, y.device(), y.dtype());
  const Tensor d = contiguous(cast(dy, wide)), dense = contiguous(cast(y, wide));
  Tensor dx = Tensor::empty(y.shape(), wide, y.device());
  if (dx.size() > 0) launch(kernel, wide, p, {4 * y.size(), 3 * bytes_of(dx)}, {&d, &dense}, {&dx});
  return cast(dx, y.dtype());
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t axis) { return forward(kernels::softmax, x, axis); }

Tensor log_softmax(const Tensor& x, int64_t axis) { return forward(kernels::log_softmax, x, axis); }

Tensor softmax_backward(const Tensor& dy, const Tensor& y, int64_t axis) {
  return backward(kernels::softmax_backward, dy, y, axis);
}

Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, int64_t axis) {
  return backward(kernels::log_softmax_backward, dy, y, axis);
}

Tensor logsumexp(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  const ReducedShape shape = reduced_shape(x.shape(), axes, "logsumexp");
  const DType dtype = is_floating(x.dtype()) ? x.dtype() : DType::float32;
  const DType wide = kernel_dtype(kernels::logsumexp, x.device(), dtype);
  if (shape.count == 0) {
    const double nothing = -std::numeric_limits<double>::infinity();
    return drop_axes(full(shape.kept, nothing, dtype, x.device()), shape, keepdims);
  }
  // The reduced axes become the last ones: rows of the kernel.
  Dims order;
  for (int axis = 0; axis < x.ndim(); axis++)
    if (!(shape.axes >> axis & 1)) order.push_back(axis);
  for (int axis = 0; axis < x.ndim(); axis++)
    if (shape.axes >> axis & 1) order.push_back(axis);
  const Tensor rows = contiguous(transpose(cast(x, wide), order));
  Tensor y = Tensor::empty(shape.kept, wide, x.device());
  if (y.size() > 0)
    launch(kernels::logsumexp, wide, SoftmaxParams{y.size(), shape.count, 1},
           {(kFlopsOfExp + 2) * x.size(), bytes_of(rows) + bytes_of(y)}, {&rows}, {&y});
  return drop_axes(cast(y, dtype), shape, keepdims);
}

WEFT_BINDING(softmax) {
  namespace py = pybind11;
  m.def("softmax", &softmax, py::arg("x"), py::arg("axis") = -1);
  m.def("log_softmax", &log_softmax, py::arg("x"), py::arg("axis") = -1);
  m.def("softmax_backward", &softmax_backward, py::arg("dy"), py::arg("y"), py::arg("axis"));
  m.def("log_softmax_backward", &log_softmax_backward, py::arg("dy"), py::arg("y"),
        py::arg("axis"));
  m.def("logsumexp", &logsumexp, py::arg("x"), py::arg("axes") = std::nullopt,
        py::arg("keepdims") = false);
}

}  // namespace weft
