// The compiled module `weft._C`: exceptions, settings, and every op's own binding.
#include "bindings/binding.h"
#include "core/allocator.h"
#include "core/backend.h"
#include "core/parallel.h"

namespace py = pybind11;

namespace weft {

void bind_tensor(py::module_& m);  // bindings/tensor.cpp
void bind_dlpack(py::module_& m);  // bindings/dlpack.cpp

namespace {

PyObject* out_of_memory_error = nullptr;

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
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      PyErr_SetString(python_type(error.kind()), error.what());
    }
  });
}

void bind_settings(py::module_& m) {
  m.def("set_num_threads", &set_num_threads, py::arg("n"),
        py::call_guard<py::gil_scoped_release>());
  m.def("num_threads", &num_threads);
  m.def("isa", [] { return name(current_isa()); });
  m.def("best_isa", [] { return name(best_isa()); });
  m.def("set_isa", [](const std::string& isa) { set_isa(parse_isa(isa.c_str())); }, py::arg("isa"));
  m.def("empty_cache", &empty_cache, py::arg("device") = Device{});
  m.def("reset_peak_memory", &reset_peak, py::arg("device") = Device{});
  m.def(
      "memory_statistics",
      [](Device device) {
        const AllocatorStatistics s = allocator_statistics(device);
        py::dict d;
        d["allocated"] = s.allocated;
        d["reserved"] = s.reserved;
        d["peak"] = s.peak;
        d["allocations"] = s.allocations;
        d["cache_hits"] = s.cache_hits;
        return d;
      },
      py::arg("device") = Device{});
  m.def(
      "device_count",
      [](Device device) {
        Backend* backend = find_backend(device.type);
        return backend ? backend->device_count() : 0;
      },
      py::arg("device"));
  m.def(
      "why_unavailable",
      [](Device device) -> std::string {
        Backend* backend = find_backend(device.type);
        return backend ? backend->why_unavailable()
                       : "this build of weft has no kernels for it (it was built without nvcc)";
      },
      py::arg("device"));
  m.def(
      "device_name", [](Device device) { return backend_of(device).device_name(device.index); },
      py::arg("device"));
  m.def(
      "device_memory",
      [](Device device) {
        const DeviceMemory memory = backend_of(device).memory(device.index);
        return py::make_tuple(memory.free, memory.total);
      },
      py::arg("device"));
  m.def(
      "synchronize",
      [](Device device) {
        if (is_gpu(device)) backend_of(device).synchronize(device.index);
      },
      py::arg("device"), py::call_guard<py::gil_scoped_release>());
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
  weft::bind_errors(m);
  weft::bind_settings(m);
  weft::bind_tensor(m);
  weft::bind_dlpack(m);
  weft::Binding::define_all(m);
}
