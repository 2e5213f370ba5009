// pybind11 answers arguments that it cannot convert with C++'s view of them: the whole signature,
// and "Invoked with: <weft._C.Tensor object at 0x7feb>". weft/signatures.py says it in the user's
// words. It is asked after a failure only: what works pays for one more call of a C function.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace weft {
namespace mismatch {

namespace py = pybind11;

// What pybind11 calls all its functions by: from 3.1 on with arrays of arguments, before with
// tuples.
using ArrayCall = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
using TupleCall = PyCFunctionWithKeywords;
inline ArrayCall dispatch_array = nullptr;
inline TupleCall dispatch_tuple = nullptr;

inline PyObject* describe = nullptr;  // (message, args, kwargs) -> message

// The pending TypeError in words, if it is pybind11's; else as it is. `arguments` gives args and
// kwargs.
template <class Arguments>
void reword(Arguments&& arguments) {
  if (describe == nullptr || !PyErr_ExceptionMatches(PyExc_TypeError)) return;
  py::error_already_set error;
  const std::string text = py::str(error.value());
  if (text.find("(): incompatible function arguments") == std::string::npos) return error.restore();
  const auto [args, kwargs] = arguments();
  PyObject* words = PyObject_CallFunctionObjArgs(describe, py::str(text).ptr(), args.ptr(),
                                                 kwargs.ptr(), nullptr);
  if (words == nullptr) return;
  PyErr_SetObject(PyExc_TypeError, words);
  Py_DECREF(words);
}

inline PyObject* call_with_array(PyObject* self, PyObject* const* args, Py_ssize_t count,
                                 PyObject* names) {
  PyObject* result = dispatch_array(self, args, count, names);
  if (result == nullptr) [[unlikely]]
    reword([=] {
      const py::tuple positional(count);
      for (Py_ssize_t i = 0; i < count; i++) positional[i] = py::handle(args[i]);
      const py::dict named;
      for (Py_ssize_t i = 0; names != nullptr && i < PyTuple_GET_SIZE(names); i++)
        named[PyTuple_GET_ITEM(names, i)] = py::handle(args[count + i]);
      return std::pair<py::object, py::object>(positional, named);
    });
  return result;
}

inline PyObject* call_with_tuple(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* result = dispatch_tuple(self, args, kwargs);
  if (result == nullptr) [[unlikely]]
    reword([=] {
      const auto named = py::reinterpret_borrow<py::object>(kwargs);
      return std::pair<py::object, py::object>(py::reinterpret_borrow<py::object>(args),
                                               named ? named : py::dict());
    });
  return result;
}

inline PyMethodDef* definition(py::handle function) {
  return reinterpret_cast<PyCFunctionObject*>(function.ptr())->m_ml;
}

}  // namespace mismatch

// Of all functions that the module has by now.
inline void explain_mismatches(pybind11::module_& m) {
  using namespace mismatch;
  m.def("set_mismatch_report", [](py::object report) { describe = report.release().ptr(); });
  const PyMethodDef* any = definition(m.attr("set_mismatch_report"));
  const PyCFunction dispatch = any->ml_meth;
  auto* erased = reinterpret_cast<void (*)()>(dispatch);
  void (*own)() = nullptr;
  if (any->ml_flags == (METH_FASTCALL | METH_KEYWORDS)) {
    dispatch_array = reinterpret_cast<ArrayCall>(erased);
    own = reinterpret_cast<void (*)()>(&call_with_array);
  } else {
    dispatch_tuple = reinterpret_cast<TupleCall>(erased);
    own = reinterpret_cast<void (*)()>(&call_with_tuple);
  }
  for (const auto& item : py::reinterpret_borrow<py::dict>(m.attr("__dict__")))
    if (PyCFunction_Check(item.second.ptr()) && definition(item.second)->ml_meth == dispatch)
      definition(item.second)->ml_meth = reinterpret_cast<PyCFunction>(own);
}

}  // namespace weft
