#include "ops/arg_reduce.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"

namespace weft {

namespace kernels {
constinit Kernel<ArgReduceParams> argmax("argmax");
constinit Kernel<ArgReduceParams> argmin("argmin");
}  // namespace kernels

namespace {

Tensor arg_reduce(const Kernel<ArgReduceParams>& kernel, Tensor x, std::optional<int64_t> axis,
                  bool keepdims) {
  const Shape given = x.shape();
  int at = 0;
  if (axis) {
    at = normalize_axis(*axis, x.ndim(), kernel.name());
    if (x.stride(at) < 0) x = contiguous_copy(x);  // the first of equals must stay the first
  } else {
    x = try_reshape(contiguous(x), Shape{x.size()});
  }
  Shape kept = x.shape();
  kept[at] = 1;
  check(x.dim(at) > 0 || num_elements(kept) == 0, kernel.name(), ": shape ", given,
        " has no elements along axis ", axis.value_or(0), ", so there is no place to name");
  x = cast(x, kernel_dtype(kernel, x.device(), x.dtype()));
  Tensor y = Tensor::empty(kept, DType::int64, x.device());
  if (y.size() > 0)
    launch(kernel, x.dtype(), ArgReduceParams{at}, {x.size(), bytes_of(x) + bytes_of(y)}, {&x},
           {&y});
  Shape shape = kept;
  if (!axis)
    shape = keepdims ? Shape(given.size(), 1) : Shape{};
  else if (!keepdims)
    shape.erase(at);
  return try_reshape(y, shape);
}

}  // namespace

Tensor argmax(const Tensor& x, std::optional<int64_t> axis, bool keepdims) {
  return arg_reduce(kernels::argmax, x, axis, keepdims);
}

Tensor argmin(const Tensor& x, std::optional<int64_t> axis, bool keepdims) {
  return arg_reduce(kernels::argmin, x, axis, keepdims);
}

WEFT_BINDING(arg_reduce) {
  m.def("argmax", &argmax, pybind11::arg("x"), pybind11::arg("axis") = std::nullopt,
        pybind11::arg("keepdims") = false);
  m.def("argmin", &argmin, pybind11::arg("x"), pybind11::arg("axis") = std::nullopt,
        pybind11::arg("keepdims") = false);
}

}  // namespace weft
