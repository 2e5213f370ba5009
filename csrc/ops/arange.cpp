#include "ops/arange.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<ArangeParams> arange("arange");
}  // namespace kernels

namespace {

Tensor launch_arange(const ArangeParams& params, int64_t n, DType compute, DType dtype,
                     Device device) {
  check(n >= 0, "arange: the number of elements must not be negative, got ", n);
  const Tensor y = Tensor::empty({n}, compute, device);
  if (n > 0) launch(kernels::arange, compute, params, {2 * n, bytes_of(y)}, {}, {&y});
  return cast(y, dtype);
}

}  // namespace

Tensor arange(double start, double step, int64_t n, DType dtype, Device device) {
  const DType compute = dtype == DType::float32 ? DType::float32 : DType::float64;
  return launch_arange({start, step, 0, 0}, n, compute, dtype, device);
}

Tensor arange(int64_t start, int64_t step, int64_t n, DType dtype, Device device) {
  return launch_arange({0, 0, start, step}, n, DType::int64, dtype, device);
}

WEFT_BINDING(arange) {
  using pybind11::arg;
  m.def("arange_floats", pybind11::overload_cast<double, double, int64_t, DType, Device>(&arange),
        arg("start"), arg("step"), arg("n"), arg("dtype"), arg("device") = Device{});
  m.def("arange_integers",
        pybind11::overload_cast<int64_t, int64_t, int64_t, DType, Device>(&arange), arg("start"),
        arg("step"), arg("n"), arg("dtype"), arg("device") = Device{});
}

}  // namespace weft
