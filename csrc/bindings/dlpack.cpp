// DLPack both ways: tensors cross to and from other libraries without a copy.
// The structures are those of the DLPack specification, version 0.8 (dmlc.github.io/dlpack).
#include "bindings/binding.h"
#include "core/backend.h"

namespace py = pybind11;

namespace weft {
namespace {

struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* manager;
  void (*deleter)(DLManagedTensor*);
};

constexpr int32_t kDLCpu = 1, kDLCuda = 2;
constexpr uint8_t kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLBool = 6;

DLDataType to_dlpack(DType t) {
  const auto bits = static_cast<uint8_t>(8 * itemsize(t));
  if (t == DType::boolean) return {kDLBool, 8, 1};
  if (t == DType::bfloat16) return {kDLBfloat, 16, 1};
  if (is_floating(t)) return {kDLFloat, bits, 1};
  return {is_signed(t) ? kDLInt : kDLUInt, bits, 1};
}

DType from_dlpack_dtype(DLDataType given) {
  for (int i = 0; i < kNumDTypes; i++) {
    const DLDataType own = to_dlpack(static_cast<DType>(i));
    if (own.code == given.code && own.bits == given.bits && given.lanes == 1)
      return static_cast<DType>(i);
  }
  fail(ErrorKind::type, "from_dlpack: type code ", int{given.code}, " with ", int{given.bits},
       " bits and ", given.lanes, " lanes has no weft dtype");
}

struct Export {
  DLManagedTensor managed;
  Tensor tensor;
  int64_t shape[kMaxDims], strides[kMaxDims];
};

void release_unused_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, "dltensor"))
    return;  // renamed by the consumer: it owns the tensor
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
  managed->deleter(managed);
}

DLDevice to_dlpack(Device device) {
  check_type(device.type == DeviceType::cpu || device.type == DeviceType::cuda,
             "__dlpack__: the tensor lives on ", device,
             ", which other libraries cannot read; copy it with .to('cpu') first");
  return {device.type == DeviceType::cuda ? kDLCuda : kDLCpu, device.index};
}

Device from_dlpack_device(DLDevice given) {
  if (given.device_type == kDLCpu) return {};
  check_type(given.device_type == kDLCuda, "from_dlpack: the data lives on a device of type ",
             given.device_type, "; move it to the CPU or a CUDA device first");
  check(given.device_id >= 0 && given.device_id < kMaxDevices, "from_dlpack: device number ",
        given.device_id, " is out of range");
  const Device device{DeviceType::cuda, static_cast<int8_t>(given.device_id)};
  backend_of(device);
  return device;
}

// What the other library queues on its default stream from now on must not touch memory that
// weft's work, queued so far, still uses. (The handle of the default stream is 1.)
void release_behind_work(Device device, DLManagedTensor* managed) {
  if (is_gpu(device)) {
    Backend& backend = backend_of(device);
    try {
      backend.order_foreign(device.index, backend.current_stream(device.index), 1);
    } catch (const Error&) {  // a device that failed works on nothing any more
    }
  }
  if (!managed->deleter || !Py_IsInitialized()) return;
  py::gil_scoped_acquire gil;
  managed->deleter(managed);
}

// `stream` is the consumer's, as the protocol has it: -1 asks for no waiting.
py::object export_dlpack(const Tensor& t, int64_t stream) {
  const DLDevice device = to_dlpack(t.device());
  if (is_gpu(t.device()) && stream != -1) {
    Backend& backend = backend_of(t.device());
    const int own = backend.current_stream(t.device().index);
    if (static_cast<uintptr_t>(stream) != backend.stream_pointer(t.device().index, own))
      backend.order_foreign(t.device().index, own, static_cast<uintptr_t>(stream));
  }
  record_host_read(t, "__dlpack__");
  auto* e = new Export{{}, t, {}, {}};
  for (int i = 0; i < t.ndim(); i++) {
    e->shape[i] = t.dim(i);
    e->strides[i] = t.stride(i);
  }
  e->managed.tensor = {t.data(), device, t.ndim(), to_dlpack(t.dtype()), e->shape, e->strides, 0};
  e->managed.manager = e;
  e->managed.deleter = [](DLManagedTensor* m) { delete static_cast<Export*>(m->manager); };
  return py::reinterpret_steal<py::object>(
      PyCapsule_New(&e->managed, "dltensor", &release_unused_capsule));
}

Tensor import_dlpack(const py::capsule& capsule) {
  check(PyCapsule_IsValid(capsule.ptr(), "dltensor"), "from_dlpack: the capsule was used before");
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  const DLTensor& given = managed->tensor;
  const Device device = from_dlpack_device(given.device);
  check(given.ndim <= kMaxDims, "from_dlpack: a tensor has at most ", kMaxDims, " axes, got ",
        given.ndim);
  const DType dtype = from_dlpack_dtype(given.dtype);
  Shape shape;
  for (int i = 0; i < given.ndim; i++) shape.push_back(given.shape[i]);
  Strides strides = row_major_strides(shape);
  if (given.strides)
    for (int i = 0; i < given.ndim; i++) strides[i] = given.strides[i];
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  void* data = static_cast<char*>(given.data) + given.byte_offset;
  StoragePtr storage(new Storage(device, data,
                                 static_cast<size_t>(num_elements(shape)) * itemsize(dtype), true,
                                 [device, managed] { release_behind_work(device, managed); }));
  return Tensor(std::move(storage), dtype, shape, strides, 0);
}

}  // namespace

void bind_dlpack(py::module_& m) {
  m.def("to_dlpack", &export_dlpack, py::arg("x"), py::arg("stream") = -1);
  m.def(
      "dlpack_device",
      [](const Tensor& x) {
        const DLDevice device = to_dlpack(x.device());
        return py::make_tuple(device.device_type, device.device_id);
      },
      py::arg("x"));
  m.def("from_dlpack", &import_dlpack, py::arg("capsule"));
}

}  // namespace weft
