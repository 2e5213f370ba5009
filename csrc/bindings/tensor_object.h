// `_C.Tensor`, a plain C type with a Tensor inside, and what plain C functions of Python need.
//
// Not one of pybind11's classes: to make, register and find such an instance takes as long as the
// rest of an operation on 16 numbers. pybind11's functions take and return it all the same, by the
// caster below.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>
#include <vector>

#include "core/tensor.h"

namespace weft {

struct TensorObject {
  PyObject_HEAD Tensor tensor;
};
extern PyTypeObject* tensor_type;  // bindings/tensor.cpp

// The tensor inside a `_C.Tensor`, null for any other object.
inline Tensor* tensor_in(PyObject* object) {
  return Py_TYPE(object) == tensor_type ? &reinterpret_cast<TensorObject*>(object)->tensor
                                        : nullptr;
}
// A new `_C.Tensor`.
PyObject* tensor_object(Tensor tensor);
// Pointers into the tensors of a Python list, which keeps them alive during the call.
std::vector<const Tensor*> tensors_in(const pybind11::sequence& list);

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

namespace pybind11::detail {

template <>
class type_caster<weft::Tensor> {
 public:
  static constexpr auto name = const_name("weft._C.Tensor");
  template <class T>
  using cast_op_type = detail::cast_op_type<T>;

  bool load(handle source, bool) {
    value_ = weft::tensor_in(source.ptr());
    return value_ != nullptr;
  }
  static handle cast(weft::Tensor tensor, return_value_policy, handle) {
    return weft::tensor_object(std::move(tensor));
  }
  operator weft::Tensor*() { return value_; }
  operator weft::Tensor&() { return *value_; }

 private:
  weft::Tensor* value_ = nullptr;
};

}  // namespace pybind11::detail
