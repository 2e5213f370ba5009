#include "ops/scan.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/reduce.h"

namespace weft {

namespace kernels {
constinit Kernel<ScanParams> cumsum("cumsum");
constinit Kernel<ScanParams> cumprod("cumprod");
}  // namespace kernels

namespace {

Tensor scan(const Kernel<ScanParams>& kernel, const Tensor& x, int64_t axis, bool reverse) {
  const int at = normalize_axis(axis, x.ndim(), kernel.name());
  if (is_half(x.dtype()))
    return cast(scan(kernel, cast(x, DType::float32), at, reverse), x.dtype());
  const Tensor dense = contiguous(x);
  ScanParams params{1, x.dim(at), 1, reverse};
  for (int i = 0; i < at; i++) params.outer *= x.dim(i);
  for (int i = at + 1; i < x.ndim(); i++) params.inner *= x.dim(i);
  Tensor y = Tensor::empty(x.shape(), sum_dtype(x.dtype()), x.device());
  if (y.size() > 0)
    launch(kernel, x.dtype(), params, {x.size(), bytes_of(x) + bytes_of(y)}, {&dense}, {&y});
  return y;
}

}  // namespace

Tensor cumsum(const Tensor& x, int64_t axis, bool reverse) {
  return scan(kernels::cumsum, x, axis, reverse);
}

Tensor cumprod(const Tensor& x, int64_t axis, bool reverse) {
  return scan(kernels::cumprod, x, axis, reverse);
}

WEFT_BINDING(scan) {
  m.def("cumsum", &cumsum, pybind11::arg("x"), pybind11::arg("axis"),
        pybind11::arg("reverse") = false);
  m.def("cumprod", &cumprod, pybind11::arg("x"), pybind11::arg("axis"),
        pybind11::arg("reverse") = false);
}

}  // namespace weft
