// Python <-> C++ for the small value types: shapes are tuples, dtypes and devices are strings.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

#include "core/device.h"
#include "core/dims.h"
#include "core/dtype.h"

namespace weft {
// The Python objects that stand for the dtypes (weft.float32, ...), set once by weft/dtypes.py.
PyObject* dtype_object(DType t);
}  // namespace weft

namespace pybind11::detail {

template <>
struct type_caster<weft::Dims> {
  PYBIND11_TYPE_CASTER(weft::Dims, const_name("tuple[int, ...]"));

  bool load(handle src, bool) {
    if (PyLong_Check(src.ptr())) {
      value.push_back(PyLong_AsLongLong(src.ptr()));
      return !raise_if_failed();
    }
    if (!PyTuple_Check(src.ptr()) && !PyList_Check(src.ptr())) return false;
    PyObject** items = PySequence_Fast_ITEMS(src.ptr());
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(src.ptr());
    for (Py_ssize_t i = 0; i < count; i++) {
      // Anything with __index__ is a size: NumPy integers, 0-d integer tensors.
      const object index = reinterpret_steal<object>(PyNumber_Index(items[i]));
      if (!index) {
        PyErr_Clear();
        return false;
      }
      value.push_back(PyLong_AsLongLong(index.ptr()));
      raise_if_failed();
    }
    return true;
  }

  static handle cast(const weft::Dims& dims, return_value_policy, handle) {
    PyObject* tuple = PyTuple_New(dims.size());
    for (int i = 0; i < dims.size(); i++) PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(dims[i]));
    return tuple;
  }

 private:
  static bool raise_if_failed() {
    if (PyErr_Occurred()) throw error_already_set();
    return false;
  }
};

template <>
struct type_caster<weft::DType> {
  PYBIND11_TYPE_CASTER(weft::DType, io_name("str", "weft.dtypes.DType"));

  bool load(handle src, bool) {
    for (int i = 0; i < weft::kNumDTypes; i++)
      if (src.ptr() == weft::dtype_object(static_cast<weft::DType>(i))) {
        value = static_cast<weft::DType>(i);
        return true;
      }
    if (!PyUnicode_Check(src.ptr())) return false;
    value = weft::parse_dtype(src.cast<std::string_view>());
    return true;
  }

  static handle cast(weft::DType t, return_value_policy, handle) {
    return handle(weft::dtype_object(t)).inc_ref();
  }
};

template <>
struct type_caster<weft::Device> {
  PYBIND11_TYPE_CASTER(weft::Device, const_name("str"));

  bool load(handle src, bool) {
    if (!PyUnicode_Check(src.ptr())) return false;
    value = weft::parse_device(src.cast<std::string_view>());
    return true;
  }

  static handle cast(weft::Device device, return_value_policy, handle) {
    return str(weft::to_string(device)).release();
  }
};

}  // namespace pybind11::detail
