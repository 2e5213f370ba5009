// What plain C functions of Python need, which are called more often than pybind11's can be: the
// tensor inside a `_C.Tensor`, a new `_C.Tensor`, and C++ exceptions as Python's.
#pragma once

#include <utility>

#include "bindings/binding.h"

namespace weft {

// The C++ tensor inside a `_C.Tensor`, or null.
inline const Tensor* tensor_in(PyObject* object) {
  static PyTypeObject* const type =
      reinterpret_cast<PyTypeObject*>(pybind11::type::of<Tensor>().ptr());
  if (Py_TYPE(object) != type) return nullptr;
  auto* instance = reinterpret_cast<pybind11::detail::instance*>(object);
  return static_cast<const Tensor*>(instance->get_value_and_holder().value_ptr());
}

inline PyObject* tensor_object(Tensor tensor) {
  return pybind11::cast(std::move(tensor)).release().ptr();
}

// What `body` gives, or with an exception set the result `failed`.
template <class Result, class Body>
Result translated(Result failed, Body&& body) {
  try {
    return body();
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (...) {
    pybind11::detail::try_translate_exceptions();
  }
  return failed;
}

}  // namespace weft
