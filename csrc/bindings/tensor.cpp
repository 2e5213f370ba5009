// `_C.Tensor`: the strided array itself, its views, and its ways to and from NumPy.
#include <pybind11/numpy.h>

#include <array>

#include "bindings/binding.h"
#include "ops/cast.h"
#include "ops/transfer.h"

namespace py = pybind11;

namespace weft {
namespace {

std::array<PyObject*, kNumDTypes> dtype_objects = {};

// NumPy has no bfloat16 of its own: such tensors cross as float32.
const char* numpy_format(DType t) {
  static constexpr const char* formats[kNumDTypes] = {"?", "B", "H", "I",     "Q", "b", "h",
                                                      "i", "q", "e", nullptr, "f", "d"};
  return formats[static_cast<int>(t)];
}

DType from_numpy_dtype(const py::dtype& t) {
  const char kind = t.kind();
  const auto size = t.itemsize();
  for (int i = 0; i < kNumDTypes; i++) {
    const DType candidate = static_cast<DType>(i);
    const char own = candidate == DType::boolean ? 'b'
                     : is_floating(candidate)    ? 'f'
                     : is_signed(candidate)      ? 'i'
                                                 : 'u';
    if (candidate != DType::bfloat16 && own == kind &&
        static_cast<size_t>(size) == itemsize(candidate))
      return candidate;
  }
  fail(ErrorKind::type, "a tensor cannot hold values of NumPy dtype ", std::string(py::str(t)),
       "; use numbers or booleans");
}

// Shares the array's memory when its strides are whole elements and `copy` is not asked for.
Tensor from_numpy(const py::array& array, bool copy, bool read_only) {
  const DType dtype = from_numpy_dtype(array.dtype());
  check(array.ndim() <= kMaxDims, "a tensor has at most ", kMaxDims, " axes, the array has ",
        array.ndim());
  const auto item = static_cast<int64_t>(itemsize(dtype));
  Shape shape;
  Strides strides;
  bool shareable = array.dtype().byteorder() != '>' &&
                   reinterpret_cast<uintptr_t>(array.data()) % itemsize(dtype) == 0;
  for (py::ssize_t i = 0; i < array.ndim(); i++) {
    shape.push_back(array.shape(i));
    shareable &= array.strides(i) % item == 0;
    strides.push_back(array.strides(i) / item);
  }
  if (!shareable) {
    auto numpy = py::module_::import("numpy");
    const py::object native = array.dtype().attr("newbyteorder")("=");
    return from_numpy(numpy.attr("array")(array, native), false, read_only);
  }
  auto* owner = new py::object(array);
  StoragePtr storage(new Storage(Device{}, const_cast<void*>(array.data()),
                                 static_cast<size_t>(array.nbytes()),
                                 array.writeable() && !read_only, [owner] {
                                   if (!Py_IsInitialized()) return;
                                   py::gil_scoped_acquire gil;
                                   delete owner;
                                 }));
  const Tensor shared(std::move(storage), dtype, shape, strides, 0);
  return copy ? contiguous_copy(shared) : shared;
}

void require_values(const Tensor& t, const char* what) {
  check_type(!t.is_meta(), what, ": a tensor on the meta device has a shape but no values");
}

void require_buffer(const Tensor& t) {
  require_values(t, "buffer");
  check_type(!is_gpu(t.device()), "buffer: the tensor lives on ", t.device(),
             "; copy it with .to('cpu') or .numpy() first");
  check_type(t.dtype() != DType::bfloat16,
             "buffer: bfloat16 has no NumPy format; use .astype('float32')");
}

// The values of a tensor on a GPU; other Python threads run while this one waits for them.
Tensor read_back(const Tensor& t) {
  const py::gil_scoped_release unlocked;
  return to_device(t, Device{});
}

py::array to_numpy(const Tensor& t) {
  if (t.dtype() == DType::bfloat16) return to_numpy(cast(t, DType::float32));
  if (is_gpu(t.device())) return to_numpy(read_back(t));
  require_buffer(t);
  record_host_read(t, "numpy()");
  const auto item = static_cast<py::ssize_t>(itemsize(t.dtype()));
  std::vector<py::ssize_t> strides;
  for (int64_t s : t.strides()) strides.push_back(s * item);
  const py::capsule keep_alive(new StoragePtr(t.storage()),
                               [](void* p) { delete static_cast<StoragePtr*>(p); });
  py::array array(py::dtype(numpy_format(t.dtype())), t.shape(), strides, t.data(), keep_alive);
  if (!t.storage()->writable()) array.attr("flags").attr("writeable") = false;
  return array;
}

py::object item(const Tensor& t) {
  check(t.size() == 1, "only a tensor with one element has an item, this one has shape ",
        t.shape());
  require_values(t, "item");
  record_host_read(t, "item()");
  if (is_gpu(t.device())) return item(read_back(t));
  switch (t.dtype()) {
    case DType::boolean: return py::bool_(*t.data_as<bool>());
    case DType::uint8: return py::int_(*t.data_as<uint8_t>());
    case DType::uint16: return py::int_(*t.data_as<uint16_t>());
    case DType::uint32: return py::int_(*t.data_as<uint32_t>());
    case DType::uint64: return py::int_(*t.data_as<uint64_t>());
    case DType::int8: return py::int_(*t.data_as<int8_t>());
    case DType::int16: return py::int_(*t.data_as<int16_t>());
    case DType::int32: return py::int_(*t.data_as<int32_t>());
    case DType::int64: return py::int_(*t.data_as<int64_t>());
    case DType::float16: return py::float_(float{*t.data_as<Float16>()});
    case DType::bfloat16: return py::float_(float{*t.data_as<BFloat16>()});
    case DType::float32: return py::float_(*t.data_as<float>());
    case DType::float64: return py::float_(*t.data_as<double>());
  }
  return py::none();
}

Tensor reshape_view(const Tensor& x, const Shape& shape) {
  Shape resolved = shape;
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.size(); i++) {
    if (shape[i] == -1) {
      check(unknown < 0, "reshape: only one size can be -1, got ", shape);
      unknown = i;
    } else {
      check(shape[i] >= 0, "reshape: shape ", shape, " has a negative size");
      known *= shape[i];
    }
  }
  if (unknown >= 0) {
    check(known > 0 && x.size() % known == 0, "reshape: ", x.size(), " elements of shape ",
          x.shape(), " do not fill ", shape);
    resolved[unknown] = x.size() / known;
  }
  check(num_elements(resolved) == x.size(), "reshape: shape ", x.shape(), " has ", x.size(),
        " elements, the new shape ", resolved, " needs ", num_elements(resolved));
  if (Tensor view = try_reshape(x, resolved); view.defined()) return view;
  return try_reshape(contiguous_copy(x), resolved);
}

// --- the type ------------------------------------------------------------------------------------

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<TensorObject*>(self)->tensor.~Tensor();
  type->tp_free(self);
  Py_DECREF(type);
}

// Lends the buffer of its NumPy array, which knows all that a consumer may ask for.
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  return translated(-1, [&] {
    const Tensor& t = *tensor_in(self);
    require_buffer(t);
    return PyObject_GetBuffer(to_numpy(t).ptr(), view, flags);
  });
}

PyTypeObject* make_tensor_type() {
  static PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&dealloc)},
                                {Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)},
                                {0, nullptr}};
  static PyType_Spec spec = {"weft._C.Tensor", sizeof(TensorObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

py::handle tensor_class() { return reinterpret_cast<PyObject*>(tensor_type); }

template <class Function>
void define_method(const char* name, Function function) {
  py::setattr(tensor_class(), name,
              py::cpp_function(function, py::name(name), py::is_method(tensor_class())));
}

// A plain C function as well: Python asks tensors for their shape all the time.
template <auto kGet>
PyObject* get(PyObject*, PyObject* self) {
  return translated<PyObject*>(nullptr, [&] {
    const Tensor* t = tensor_in(self);
    check_type(t != nullptr, "a property of tensors, not of ", Py_TYPE(self)->tp_name);
    return py::cast(kGet(*t)).release().ptr();
  });
}
// The signature is what the stub generator reads.
template <auto kGet>
void define_property(const char* name, const char* signature) {
  static PyMethodDef getter = {name, &get<kGet>, METH_O, signature};
  const py::handle property(reinterpret_cast<PyObject*>(&PyProperty_Type));
  py::setattr(tensor_class(), name,
              property(py::reinterpret_steal<py::object>(PyCFunction_New(&getter, nullptr))));
}

}  // namespace

PyTypeObject* tensor_type = nullptr;

PyObject* tensor_object(Tensor tensor) {
  auto* object = PyObject_New(TensorObject, tensor_type);
  if (object == nullptr) throw py::error_already_set();
  new (&object->tensor) Tensor(std::move(tensor));
  return reinterpret_cast<PyObject*>(object);
}

std::vector<const Tensor*> tensors_in(const py::sequence& list) {
  std::vector<const Tensor*> tensors;
  tensors.reserve(list.size());
  for (const auto& item : list) {
    tensors.push_back(tensor_in(item.ptr()));
    check_type(tensors.back() != nullptr, "expected raw tensors, got ",
               Py_TYPE(item.ptr())->tp_name);
  }
  return tensors;
}

PyObject* dtype_object(DType t) { return dtype_objects[static_cast<int>(t)]; }

void bind_tensor(py::module_& m) {
  m.def("set_dtype_objects", [](const py::list& objects) {
    for (int i = 0; i < kNumDTypes; i++) dtype_objects[i] = py::object(objects[i]).release().ptr();
  });
  tensor_type = make_tensor_type();
  m.attr("Tensor") = tensor_class();
  define_property<[](const Tensor& t) { return t.shape(); }>("shape",
                                                             "shape(self) -> tuple[int, ...]");
  define_property<[](const Tensor& t) { return t.strides(); }>("strides",
                                                               "strides(self) -> tuple[int, ...]");
  define_property<[](const Tensor& t) { return t.offset(); }>("offset", "offset(self) -> int");
  define_property<[](const Tensor& t) { return t.dtype(); }>("dtype",
                                                             "dtype(self) -> weft.dtypes.DType");
  define_property<[](const Tensor& t) { return t.device(); }>("device", "device(self) -> str");
  define_property<[](const Tensor& t) { return t.ndim(); }>("ndim", "ndim(self) -> int");
  define_property<[](const Tensor& t) { return t.size(); }>("size", "size(self) -> int");
  define_property<[](const Tensor& t) { return t.storage()->version(); }>("version",
                                                                          "version(self) -> int");
  define_property<[](const Tensor& t) { return t.storage()->writable(); }>(
      "writable", "writable(self) -> bool");
  define_property<[](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.data()); }>(
      "pointer", "pointer(self) -> int");
  define_property<[](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.storage().get()); }>(
      "storage_id", "storage_id(self) -> int");
  define_method("is_contiguous", &Tensor::is_contiguous);
  define_method("bump_version", [](const Tensor& t) { t.storage()->bump_version(); });
  define_method("numpy", &to_numpy);
  define_method("item", &item);
  m.def("empty", &Tensor::empty, py::arg("shape"), py::arg("dtype"), py::arg("device") = Device{});
  m.def("from_numpy", &from_numpy, py::arg("array"), py::arg("copy") = false,
        py::arg("read_only") = false);
  m.def("reshape", &reshape_view, py::arg("x"), py::arg("shape"));
  m.def("transpose", &transpose, py::arg("x"), py::arg("axes"));
  m.def(
      "broadcast_to", [](const Tensor& x, const Shape& shape) { return broadcast_to(x, shape); },
      py::arg("x"), py::arg("shape"));
  m.def(
      "as_strided",
      [](const Tensor& x, const Shape& shape, const Strides& strides, int64_t offset) {
        check(shape.size() == strides.size(), "as_strided: ", shape.size(), " sizes but ",
              strides.size(), " strides");
        int64_t low = offset, high = offset;
        for (int i = 0; i < shape.size(); i++) {
          check(shape[i] >= 0, "as_strided: shape ", shape, " has a negative size");
          (strides[i] < 0 ? low : high) += (shape[i] - 1) * strides[i];
        }
        const auto elements = static_cast<int64_t>(x.storage()->bytes() / itemsize(x.dtype()));
        check(num_elements(shape) == 0 || (low >= 0 && high < elements), "as_strided: shape ",
              shape, " with strides ", strides, " and offset ", offset, " leaves the storage of ",
              elements, " elements");
        return x.view(shape, strides, offset);
      },
      py::arg("x"), py::arg("shape"), py::arg("strides"), py::arg("offset"));
}

}  // namespace weft
