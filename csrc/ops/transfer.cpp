#include "ops/transfer.h"

#include "bindings/binding.h"
#include "core/backend.h"
#include "ops/cast.h"

namespace weft {

Tensor to_device(const Tensor& x, Device device) {
  if (x.device() == device) return x;
  if (device.type == DeviceType::meta) return Tensor::empty(x.shape(), x.dtype(), device);
  check_type(!x.is_meta(), "a tensor on the meta device has no values to copy to ", device);
  const Tensor dense = contiguous(x);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), device);
  copy_bytes(y.data(), device, dense.data(), dense.device(), static_cast<size_t>(bytes_of(y)));
  return y;
}

WEFT_BINDING(transfer) {
  m.def("to_device", &to_device, pybind11::arg("x"), pybind11::arg("device"));
}

}  // namespace weft
