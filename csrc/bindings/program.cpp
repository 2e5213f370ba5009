// Recording and replaying steps: see core/recorder.h and core/program.h, and python/weft/capture.
#include "core/program.h"

#include <pybind11/stl.h>

#include "bindings/binding.h"
#include "core/passes/draft.h"
#include "core/recorder.h"
#include "core/recording.h"
#include "ops/conv2d_variant.h"
#include "ops/matmul_variant.h"

namespace py = pybind11;

namespace weft {
namespace {

// dtype, shape and strides of arrays as bytes: the same bytes, the same program. Whether they may
// be written to belongs to it, because operations refuse read-only memory; so do the precisions and
// kernels that were asked for, which launches take along as parameters.
py::bytes signature(const py::sequence& tensors) {
  std::string key{static_cast<char>(conv_precision()), static_cast<char>(matmul_precision()),
                  static_cast<char>(conv2d_variant()), static_cast<char>(matmul_variant())};
  for (const Tensor* item : tensors_in(tensors)) {
    const Tensor& t = *item;
    key.push_back(static_cast<char>(t.dtype()));
    key.push_back(static_cast<char>(t.device().type));
    key.push_back(static_cast<char>(t.device().index));
    key.push_back(static_cast<char>(t.ndim()));
    key.push_back(static_cast<char>(t.storage()->writable()));
    for (const Dims* dims : {&t.shape(), &t.strides()})
      key.append(reinterpret_cast<const char*>(dims->begin()),
                 static_cast<size_t>(dims->size()) * sizeof(int64_t));
  }
  return py::bytes(key);
}

py::list describe(const Program& program) {
  py::list launches;
  for (const LaunchRecord& launch : program.launches()) {
    py::list shapes[2];
    for (int i = 0; i < launch.inputs + launch.outputs; i++) {
      const Operand& operand = program.operand(launch, i);
      if (operand.present)
        shapes[i < launch.inputs ? 0 : 1].append(py::make_tuple(operand.shape, operand.dtype));
    }
    launches.append(py::make_tuple(launch.name_of(), launch.label, shapes[0], shapes[1],
                                   launch.cost.flops, launch.cost.bytes));
  }
  return launches;
}

// For each launch its device and the type it computes in.
py::list places(const Program& program) {
  py::list found;
  for (const LaunchRecord& launch : program.launches())
    found.append(py::make_tuple(to_string(launch.device), launch.dtype));
  return found;
}

py::list describe_passes(const Program& program) {
  py::list reports;
  for (const PassReport& r : program.reports())
    reports.append(py::make_tuple(r.name, r.launches_before, r.launches_after, r.before, r.after));
  return reports;
}

std::function<std::string()> text_of(py::function function) {
  return [function = std::move(function)] {
    const py::gil_scoped_acquire acquired;  // some operations run without the interpreter
    return function().cast<std::string>();
  };
}

}  // namespace

WEFT_BINDING(program) {
  py::class_<Program>(m, "Program")
      .def(
          "run", [](Program& p, const py::sequence& inputs) { return p.run(tensors_in(inputs)); },
          py::arg("inputs"))
      .def("go_on", &Program::go_on)
      .def("difference", &Program::difference, py::arg("other"))
      .def("is_current", &Program::is_current)
      .def("prepare", &Program::prepare, py::arg("passes"))
      .def("launches", &describe)
      .def("places", &places)
      .def_property_readonly("reports", &describe_passes)
      .def("profile", &Program::profile, py::arg("repeat"))
      .def_property_readonly("launches_in_graphs", &Program::launches_in_graphs)
      .def_property_readonly("graph_failure", &Program::graph_failure)
      .def_property_readonly("bytes_before_planning", &Program::bytes_before_planning)
      .def_property_readonly("bytes_planned", &Program::bytes_planned)
      .def_property_readonly("bytes_kept", &Program::bytes_kept);
  py::class_<Recorder>(m, "Recorder")
      .def(py::init([](py::function label, py::function where) {
             return std::make_unique<Recorder>(text_of(std::move(label)),
                                               text_of(std::move(where)));
           }),
           py::arg("label"), py::arg("where"))
      .def("start", &Recorder::start)
      .def("stop", &Recorder::stop)
      .def("input", &Recorder::input, py::arg("x"))
      .def("is_new", &Recorder::is_new, py::arg("x"))
      .def("host_entry", [](Recorder& r) { return r.host_entry(); })
      .def("host_entry_unless_finite", &Recorder::host_entry, py::arg("number"))
      .def("give_up", &Recorder::give_up, py::arg("reason"))
      .def("finish", &Recorder::finish)
      .def_property_readonly("failure", &Recorder::failure);
  m.def("is_recording", &is_recording);
  m.def(
      "set_fusion_limits",
      [](int64_t bytes, int64_t pair_bytes) {
        const FusionLimits before = set_fusion_limits({bytes, pair_bytes});
        return std::pair(before.bytes, before.pair_bytes);
      },
      py::arg("bytes"), py::arg("pair_bytes"));
  m.def("passes", [] {
    py::list all;
    for (const Pass& pass : passes()) all.append(py::make_tuple(pass.name, pass.does));
    return all;
  });
  m.def("signature", &signature, py::arg("tensors"));
}

}  // namespace weft
