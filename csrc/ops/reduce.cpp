#include "ops/reduce.h"

#include <limits>

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"

namespace weft {

namespace kernels {
constinit Kernel<ReduceParams> sum("sum");
constinit Kernel<ReduceParams> mean("mean");
constinit Kernel<ReduceParams> sum_squares("sum_squares");
constinit Kernel<ReduceParams> prod("prod");
constinit Kernel<ReduceParams> max("max");
constinit Kernel<ReduceParams> min("min");
constinit Kernel<ReduceParams> any("any");
constinit Kernel<ReduceParams> all("all");
}  // namespace kernels

ReducedShape reduced_shape(const Shape& x, const std::optional<Dims>& axes, const char* op) {
  ReducedShape out;
  if (axes) {
    for (int64_t given : *axes) {
      const int axis = normalize_axis(given, x.size(), op);
      check(!(out.axes >> axis & 1), op, ": axis ", given, " is given twice in axes ", *axes);
      out.axes |= 1u << axis;
    }
  } else {
    out.axes = (1u << x.size()) - 1;
  }
  for (int axis = 0; axis < x.size(); axis++) {
    if (out.axes >> axis & 1) {
      out.count *= x[axis];
      out.kept.push_back(1);
    } else {
      out.kept.push_back(x[axis]);
      out.dropped.push_back(x[axis]);
    }
  }
  return out;
}

Tensor drop_axes(const Tensor& y, const ReducedShape& shape, bool keepdims) {
  if (keepdims || shape.axes == 0) return y;
  Strides strides;
  for (int axis = 0; axis < y.ndim(); axis++)
    if (!(shape.axes >> axis & 1)) strides.push_back(y.stride(axis));
  return y.view(shape.dropped, strides, y.offset());
}

DType sum_dtype(DType x) {
  if (is_floating(x)) return x;
  return x == DType::boolean || is_signed(x) ? DType::int64 : DType::uint64;
}

namespace {

DType mean_dtype(DType x) { return is_floating(x) ? x : DType::float32; }

// `empty_value` is what a reduction over no elements gives.
Tensor reduce(const Kernel<ReduceParams>& kernel, const Tensor& x, const ReducedShape& shape,
              bool keepdims, DType dtype, double empty_value) {
  if (shape.count == 0)
    return drop_axes(full(shape.kept, empty_value, dtype, x.device()), shape, keepdims);
  if (kernel_dtype(kernel, x.device(), x.dtype()) != x.dtype()) {
    const DType wide = is_half(dtype) ? DType::float32 : dtype;
    return cast(reduce(kernel, cast(x, DType::float32), shape, keepdims, wide, empty_value), dtype);
  }
  Tensor y = Tensor::empty(shape.kept, dtype, x.device());
  if (y.size() > 0)
    launch(kernel, x.dtype(), ReduceParams{shape.axes}, {x.size(), bytes_of(x) + bytes_of(y)}, {&x},
           {&y});
  return drop_axes(y, shape, keepdims);
}

Tensor extreme(const Kernel<ReduceParams>& kernel, const Tensor& x, const std::optional<Dims>& axes,
               bool keepdims) {
  const ReducedShape shape = reduced_shape(x.shape(), axes, kernel.name());
  if (shape.count == 0 && num_elements(shape.kept) > 0) {
    Dims reduced;
    for (int axis = 0; axis < x.ndim(); axis++)
      if (shape.axes >> axis & 1) reduced.push_back(axis);
    fail(ErrorKind::value, kernel.name(), ": shape ", x.shape(), " has no elements along axes ",
         reduced, ", and no elements have no ", kernel.name());
  }
  return reduce(kernel, x, shape, keepdims, x.dtype(), 0);
}

// Of whether numbers are other than 0.
Tensor truth(const Kernel<ReduceParams>& kernel, const Tensor& x, const std::optional<Dims>& axes,
             bool keepdims, double empty_value) {
  const ReducedShape shape = reduced_shape(x.shape(), axes, kernel.name());
  return reduce(kernel, cast(x, DType::boolean), shape, keepdims, DType::boolean, empty_value);
}

}  // namespace

Tensor sum(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return reduce(kernels::sum, x, reduced_shape(x.shape(), axes, "sum"), keepdims,
                sum_dtype(x.dtype()), 0);
}

Tensor mean(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return reduce(kernels::mean, x, reduced_shape(x.shape(), axes, "mean"), keepdims,
                mean_dtype(x.dtype()), std::numeric_limits<double>::quiet_NaN());
}

Tensor sum_squares(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return reduce(kernels::sum_squares, x, reduced_shape(x.shape(), axes, "sum_squares"), keepdims,
                x.dtype(), 0);
}

Tensor prod(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return reduce(kernels::prod, x, reduced_shape(x.shape(), axes, "prod"), keepdims,
                sum_dtype(x.dtype()), 1);
}

Tensor max(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return extreme(kernels::max, x, axes, keepdims);
}

Tensor min(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return extreme(kernels::min, x, axes, keepdims);
}

Tensor any(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return truth(kernels::any, x, axes, keepdims, 0);
}

Tensor all(const Tensor& x, const std::optional<Dims>& axes, bool keepdims) {
  return truth(kernels::all, x, axes, keepdims, 1);
}

WEFT_BINDING(reduce) {
  const auto define = [&m](const char* name,
                           Tensor (*op)(const Tensor&, const std::optional<Dims>&, bool)) {
    m.def(name, op, pybind11::arg("x"), pybind11::arg("axes") = std::nullopt,
          pybind11::arg("keepdims") = false);
  };
  define("sum", &sum);
  define("mean", &mean);
  define("sum_squares", &sum_squares);
  define("prod", &prod);
  define("max", &max);
  define("min", &min);
  define("any", &any);
  define("all", &all);
}

}  // namespace weft
