// The compiled module `weft._C`: exceptions, settings, and every op's own binding.
#include "bindings/binding.h"
#include "bindings/mismatch.h"
#include "core/allocator.h"
#include "core/device_allocator.h"
#include "core/parallel.h"
#include "core/warning.h"

namespace py = pybind11;

namespace weft {

void bind_tensor(py::module_& m);  // bindings/tensor.cpp
void bind_dlpack(py::module_& m);  // bindings/dlpack.cpp
void bind_device(py::module_& m);  // bindings/device.cpp

namespace {

PyObject* out_of_memory_error = nullptr;

// Python's `weft.memory` knows which tensors there are; the allocator knows blocks only.
PyObject* memory_report = nullptr;

std::string largest_tensors(Device device) {
  if (memory_report == nullptr) return "";
  try {
    return py::handle(memory_report)(device).cast<std::string>();
  } catch (const py::error_already_set&) {
    return "";  // the machine may be out of memory for this as well
  }
}

PyObject* python_type(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::value: return PyExc_ValueError;
    case ErrorKind::type: return PyExc_TypeError;
    case ErrorKind::index: return PyExc_IndexError;
    case ErrorKind::memory: return out_of_memory_error;
    case ErrorKind::not_implemented: return PyExc_NotImplementedError;
    case ErrorKind::runtime: return PyExc_RuntimeError;
  }
  return PyExc_RuntimeError;
}

void bind_errors(py::module_& m) {
  out_of_memory_error = PyErr_NewExceptionWithDoc("weft.OutOfMemoryError",
                                                  "The device has no memory left for a tensor.",
                                                  PyExc_MemoryError, nullptr);
  m.attr("OutOfMemoryError") = py::handle(out_of_memory_error);
  m.def("set_memory_report", [](py::object report) { memory_report = report.release().ptr(); });
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const OutOfMemory& error) {
      const std::string text = error.what() + largest_tensors(error.device());
      PyErr_SetString(out_of_memory_error, text.c_str());
    } catch (const Error& error) {
      PyErr_SetString(python_type(error.kind()), error.what());
    }
  });
}

// As Python's RuntimeWarning. Where warnings are errors it is printed: a kernel that ran cannot
// fail any more.
void warn_in_python(const std::string& message) {
  if (!Py_IsInitialized()) return;
  const py::gil_scoped_acquire locked;
  const py::error_scope kept;  // of an exception that is on its way
  if (PyErr_WarnEx(PyExc_RuntimeWarning, message.c_str(), 1) < 0) PyErr_WriteUnraisable(nullptr);
}

void bind_settings(py::module_& m) {
  m.def("set_num_threads", &set_num_threads, py::arg("n"),
        py::call_guard<py::gil_scoped_release>());
  m.def("num_threads", &num_threads);
  m.def("isa", [] { return name(current_isa()); });
  m.def("best_isa", [] { return name(best_isa()); });
  m.def("set_isa", [](const std::string& isa) { set_isa(parse_isa(isa.c_str())); }, py::arg("isa"));
  m.def("launch_counters", [] {
    const LaunchCounters c = launch_counters();
    return py::make_tuple(c.launches, c.flops, c.bytes);
  });
  m.def("reset_launch_counters", &reset_launch_counters);
  m.def("promote", &promote, py::arg("a"), py::arg("b"));
}

}  // namespace
}  // namespace weft

PYBIND11_MODULE(_C, m) {
  m.doc() = "weft's kernels, tensors and settings. Python code uses them through weft.ops.";
  // Kernels that compute for a while let other Python threads run.
  weft::set_blocking_hooks(
      {[]() -> void* { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; },
       [](void* state) {
         if (state) PyEval_RestoreThread(static_cast<PyThreadState*>(state));
       }});
  weft::warning_hook = &weft::warn_in_python;
  weft::bind_errors(m);
  weft::bind_settings(m);
  weft::bind_device(m);
  weft::bind_tensor(m);
  weft::bind_dlpack(m);
  weft::Binding::define_all(m);
  weft::explain_mismatches(m);  // of all that are there by now
}
