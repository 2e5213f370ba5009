// What Python puts between brackets, as an IndexKey; and the bindings of the indexing ops.
#include <pybind11/numpy.h>

#include <cstring>

#include "bindings/binding.h"
#include "ops/cast.h"
#include "ops/index.h"
#include "ops/scalar.h"
#include "ops/transfer.h"

namespace py = pybind11;

namespace weft {
namespace {

using Kind = IndexItem::Kind;

// The raw tensor of a `_C.Tensor` or of a Python object that wraps one in `_data`; else null.
const Tensor* raw_tensor(py::handle object, py::object& keep_alive) {
  if (const Tensor* raw = tensor_in(object.ptr())) return raw;
  static PyObject* const name = PyUnicode_InternFromString("_data");
  PyObject* data = PyObject_GetAttr(object.ptr(), name);
  if (data == nullptr) {
    PyErr_Clear();
    return nullptr;
  }
  keep_alive = py::reinterpret_steal<py::object>(data);
  return tensor_in(data);
}

template <class T>
Tensor copy_array(const py::object& array, DType dtype) {
  const auto values = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(array);
  if (!values) throw py::error_already_set();
  Shape shape;
  for (py::ssize_t i = 0; i < values.ndim(); i++) shape.push_back(values.shape(i));
  const Tensor t = Tensor::empty(shape, dtype);
  if (t.size() > 0) memcpy(t.data(), values.data(), static_cast<size_t>(values.nbytes()));
  return t;
}

// Lists and NumPy arrays are copied: the key outlives the call when a gradient is recorded.
Tensor index_from_array(py::handle object) {
  const py::module_ numpy = py::module_::import("numpy");
  const py::array array = numpy.attr("asarray")(object);
  switch (array.dtype().kind()) {
    case 'b': return copy_array<bool>(array, DType::boolean);
    case 'i':
    case 'u': return copy_array<int64_t>(array, DType::int64);
    default: break;
  }
  if (array.size() == 0 && PyList_Check(object.ptr()))
    return copy_array<int64_t>(array, DType::int64);
  fail(ErrorKind::index,
       "an index must be integers, slices, '...', None, integer arrays or boolean "
       "masks, got ",
       std::string(py::str(py::type::of(object).attr("__name__"))), " of dtype ",
       std::string(py::str(array.dtype())));
}

int64_t as_int64(PyObject* integer) {
  const long long value = PyLong_AsLongLong(integer);
  if (value == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    fail(ErrorKind::index, "index ", std::string(py::str(py::handle(integer))),
         " does not fit 64 bits");
  }
  return value;
}

void add_slice(IndexKey& key, PyObject* slice) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(slice, &start, &stop, &step) < 0) throw py::error_already_set();
  key.add(IndexItem{Kind::slice, start, stop, step});
}

void add_item(IndexKey& key, PyObject* object) {
  if (PyLong_CheckExact(object)) return key.add(IndexItem{Kind::integer, as_int64(object)});
  if (PySlice_Check(object)) return add_slice(key, object);
  if (object == Py_None) return key.add(IndexItem{Kind::new_axis});
  if (object == Py_Ellipsis) return key.add(IndexItem{Kind::ellipsis});
  if (PyBool_Check(object)) {
    const Tensor mask = full({}, object == Py_True, DType::boolean, {});
    return key.add(mask);
  }
  py::object keep_alive;
  if (const Tensor* index = raw_tensor(object, keep_alive)) {
    if (index->ndim() == 0 && is_integer(index->dtype()) && !index->is_meta()) {
      return key.add(IndexItem{Kind::integer, read<int64_t>(cast(*index, DType::int64))});
    }
    return key.add(*index);
  }
  // NumPy integers and other Python numbers with __index__, but not arrays.
  if (PyIndex_Check(object) && !py::hasattr(object, "__len__")) {
    const auto integer = py::reinterpret_steal<py::object>(PyNumber_Index(object));
    if (integer) return key.add(IndexItem{Kind::integer, as_int64(integer.ptr())});
    PyErr_Clear();
  }
  key.add(index_from_array(object));
}

void fill_key(IndexKey& key, py::handle object) {
  if (!PyTuple_Check(object.ptr())) return add_item(key, object.ptr());
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object.ptr()); i++)
    add_item(key, PyTuple_GET_ITEM(object.ptr(), i));
}

// A key parsed once and used again, by the gradient of an index.
struct SavedKey {
  IndexKey key;
  explicit SavedKey(py::handle object) { fill_key(key, object); }
};

// Most calls bring a fresh Python key, gradients a SavedKey.
template <class F>
auto with_key(py::handle object, F&& use) {
  if (py::isinstance<SavedKey>(object)) {
    const IndexKey& saved = object.cast<const SavedKey&>().key;
    saved.require_unchanged();
    return use(saved);
  }
  IndexKey key;
  fill_key(key, object);
  return use(key);
}

// Python numbers take the dtype of the tensor they are assigned to.
Tensor assigned_value(const Tensor& x, py::handle value) {
  if (const Tensor* raw = tensor_in(value.ptr())) return *raw;
  if (PyLong_Check(value.ptr())) {
    int overflow = 0;
    const long long integer = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
    if (!overflow) return to_device(scalar(static_cast<int64_t>(integer), x.dtype()), x.device());
  }
  const double number = PyFloat_AsDouble(value.ptr());
  if (number == -1 && PyErr_Occurred()) throw py::error_already_set();
  return to_device(scalar(number, x.dtype()), x.device());
}

}  // namespace

WEFT_BINDING(index) {
  using py::arg;
  py::class_<SavedKey>(m, "IndexKey")
      .def(py::init<py::handle>(), arg("key"))
      .def_property_readonly("is_basic", [](const SavedKey& k) { return k.key.tensors.empty(); });
  m.def(
      "getitem",
      [](const Tensor& x, py::handle key) {
        return with_key(key, [&](const IndexKey& k) { return getitem(x, k); });
      },
      arg("x"), arg("key"));
  m.def(
      "setitem",
      [](const Tensor& x, py::handle key, py::handle value) {
        const Tensor v = assigned_value(x, value);
        with_key(key, [&](const IndexKey& k) { setitem(x, k, v); });
      },
      arg("x"), arg("key"), arg("value"));
  m.def(
      "additem",
      [](const Tensor& x, py::handle key, py::handle value) {
        const Tensor v = assigned_value(x, value);
        with_key(key, [&](const IndexKey& k) { additem(x, k, v); });
      },
      arg("x"), arg("key"), arg("value"));
  m.def("take", &take, arg("x"), arg("indices"), arg("axis"));
  m.def("take_along_axis", &take_along_axis, arg("x"), arg("indices"), arg("axis"));
  m.def("put_along_axis", &put_along_axis, arg("x"), arg("indices"), arg("values"), arg("axis"),
        arg("accumulate") = false);
  m.def("nonzero", &nonzero, arg("x"));
  m.def("one_hot", &one_hot, arg("labels"), arg("num_classes"), arg("axis"), arg("dtype"));
}

}  // namespace weft
