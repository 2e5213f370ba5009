#include "ops/transfer.h"

#include "bindings/binding.h"
#include "core/backend.h"
#include "core/device_allocator.h"
#include "core/pinned_memory.h"
#include "ops/cast.h"

namespace weft {

namespace {

// From here on an upload runs beside the kernels; two events cost more than smaller ones take.
constexpr int64_t kOverlapped = 64 << 10;  // bytes

// The memory comes from the copy stream's own, so that no kernel still works on it and the copy
// waits for none; what is queued next on this thread's stream waits for the copy.
Tensor upload_beside(const Tensor& dense, Device device) {
  Backend& backend = backend_of(device);
  const int stream = backend.current_stream(device.index);
  const StreamScope on(device, kCopyStream);
  Tensor y = Tensor::empty(dense.shape(), dense.dtype(), device);
  copy_bytes(y.data(), device, dense.data(), dense.device(), static_cast<size_t>(bytes_of(y)));
  backend.order(device.index, kCopyStream, stream);
  return y;
}

}  // namespace

Tensor to_device(const Tensor& x, Device device) {
  if (x.device() == device) return x;
  if (device.type == DeviceType::meta) return Tensor::empty(x.shape(), x.dtype(), device);
  check_type(!x.is_meta(), "a tensor on the meta device has no values to copy to ", device);
  record_host_read(x, "a copy to another device");
  const Tensor dense = contiguous(x);
  if (!is_gpu(x.device()) && is_gpu(device) && bytes_of(x) >= kOverlapped) {
    const Tensor y = upload_beside(dense, device);
    record_host_write(y);
    return y;
  }
  Tensor y = Tensor::empty(x.shape(), x.dtype(), device);
  copy_bytes(y.data(), device, dense.data(), dense.device(), static_cast<size_t>(bytes_of(y)));
  record_host_write(y);
  if (is_gpu(x.device()) && is_gpu(device))
    note_use(x.device(), dense.storage()->data(),
             backend_of(x.device()).current_stream(x.device().index));
  return y;
}

Tensor pin_memory(const Tensor& x, Device device) {
  check_type(x.device().type == DeviceType::cpu, "pin_memory: the tensor lives on ", x.device(),
             "; only memory of the CPU can be pinned");
  const auto bytes = static_cast<size_t>(bytes_of(x));
  void* data = pinned_memory(device.type).allocate(bytes);
  StoragePtr storage(new Storage(Device{}, data, bytes, true, [type = device.type, data] {
    pinned_memory(type).deallocate(data);
  }));
  const Tensor y(std::move(storage), x.dtype(), x.shape(), row_major_strides(x.shape()), 0);
  copy_into(x, y);
  return y;
}

WEFT_BINDING(transfer) {
  namespace py = pybind11;
  m.def("to_device", &to_device, py::arg("x"), py::arg("device"),
        py::call_guard<py::gil_scoped_release>());
  m.def("pin_memory", &pin_memory, py::arg("x"), py::arg("device"));
  m.def(
      "is_pinned",
      [](const Tensor& x, Device device) {
        return x.device().type == DeviceType::cpu && find_backend(device.type) != nullptr &&
               pinned_memory(device.type).holds(x.data());
      },
      py::arg("x"), py::arg("device"));
}

}  // namespace weft
