#include "ops/cast.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/passes/fusion.h"
#include "ops/scalar.h"

namespace weft {

namespace kernels {
constinit Kernel<NoParams> cast("cast");
constinit Kernel<NoParams> fill("fill", Numbers::on_host_too);
}  // namespace kernels

namespace {

const Fuses cast_fuses(Fusion::elementwise, {&kernels::cast});

void launch_cast(const Tensor& x, const Tensor& y) {
  if (y.size() == 0) return;
  launch(kernels::cast, x.dtype(), NoParams{}, {0, bytes_of(x) + bytes_of(y)}, {&x}, {&y});
}

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  launch_cast(x, y);
  return y;
}

Tensor contiguous_copy(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  launch_cast(x, y);
  return y;
}

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : contiguous_copy(x); }

void copy_into(const Tensor& x, const Tensor& y) {
  check(y.storage()->writable(),
        "the tensor shares read-only memory and cannot be written; copy it first");
  const Tensor source = broadcast_to(x, y.shape(), "assignment");
  // When both views share memory the source is read completely before anything is written.
  const bool overlaps = x.storage().get() == y.storage().get();
  launch_cast(overlaps ? contiguous_copy(source) : source, y);
  y.storage()->bump_version();
}

Tensor full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor y = Tensor::empty(shape, dtype, device);
  if (y.size() == 0) return y;
  const Tensor v = scalar(value, dtype, number_device(device));
  launch(kernels::fill, dtype, NoParams{}, {0, bytes_of(y)}, {&v}, {&y});
  return y;
}

WEFT_BINDING(cast) {
  m.def("cast", &cast, pybind11::arg("x"), pybind11::arg("dtype"));
  m.def("contiguous", &contiguous, pybind11::arg("x"));
  m.def("copy", &contiguous_copy, pybind11::arg("x"));
  m.def("copy_into", &copy_into, pybind11::arg("x"), pybind11::arg("y"));
  m.def("full", &full, pybind11::arg("shape"), pybind11::arg("value"), pybind11::arg("dtype"),
        pybind11::arg("device") = Device{});
  m.def(
      "full_like",
      [](const Tensor& x, double value) { return full(x.shape(), value, x.dtype(), x.device()); },
      pybind11::arg("x"), pybind11::arg("value"));
}

}  // namespace weft
