// `_C.sim_*`: what weft.sim is made of.
#include <string>
#include <utility>
#include <vector>

#include "bindings/binding.h"
#include "sim/launch.h"
#include "sim/watch.h"

namespace py = pybind11;

namespace weft {
namespace {

using simulator::CounterRow;
using simulator::Report;
using simulator::TracedEvent;
using simulator::TracedLaunch;
using Index = std::tuple<unsigned, unsigned, unsigned>;

Index coordinates(simulator::cuda::uint3 v) { return {v.x, v.y, v.z}; }
simulator::cuda::uint3 from_python(const Index& i) {
  return {std::get<0>(i), std::get<1>(i), std::get<2>(i)};
}

void bind_counters(py::module_& m) {
  py::class_<CounterRow>(m, "SimCounterRow")
      .def_readonly("kernel", &CounterRow::kernel)
      .def_readonly("line", &CounterRow::line)
      .def_readonly("operation", &CounterRow::operation)
      .def_readonly("memory", &CounterRow::memory)
      .def_readonly("bytes", &CounterRow::bytes)
      .def_readonly("requests", &CounterRow::requests)
      .def_readonly("lanes", &CounterRow::lanes)
      .def_readonly("partial", &CounterRow::partial)
      .def_readonly("sectors", &CounterRow::sectors)
      .def_readonly("ideal_sectors", &CounterRow::ideal_sectors)
      .def_readonly("phases", &CounterRow::phases)
      .def_readonly("ways", &CounterRow::ways);
  m.def("sim_start_counters", &simulator::start_counters);
  m.def("sim_take_counters", &simulator::take_counters);
}

void bind_trace(py::module_& m) {
  py::class_<TracedLaunch>(m, "SimTracedLaunch")
      .def_readonly("kernel", &TracedLaunch::kernel)
      .def_property_readonly("grid", [](const TracedLaunch& l) { return coordinates(l.grid); })
      .def_property_readonly("block", [](const TracedLaunch& l) { return coordinates(l.block); })
      .def_readonly("shared_bytes", &TracedLaunch::shared_bytes)
      .def_readonly("has_thread", &TracedLaunch::has_thread);
  py::class_<TracedEvent>(m, "SimTracedEvent")
      .def_readonly("launch", &TracedEvent::launch)
      .def_readonly("line", &TracedEvent::line)
      .def_readonly("operation", &TracedEvent::operation)
      .def_readonly("memory", &TracedEvent::memory)
      .def_readonly("address", &TracedEvent::address)
      .def_property_readonly("value", [](const TracedEvent& e) { return py::bytes(e.value); });
  m.def(
      "sim_start_trace",
      [](const Index& block, const Index& thread) {
        simulator::start_trace(from_python(block), from_python(thread));
      },
      py::arg("block"), py::arg("thread"));
  m.def("sim_take_trace", [] {
    auto [launches, events, complete] = simulator::take_trace();
    return std::make_tuple(std::move(launches), std::move(events), complete);
  });
}

}  // namespace

WEFT_BINDING(simulator) {
  py::class_<Report>(m, "SimReport")
      .def_readonly("kind", &Report::kind)
      .def_readonly("kernel", &Report::kernel)
      .def_readonly("line", &Report::line)
      .def_property_readonly("block", [](const Report& r) { return coordinates(r.block); })
      .def_property_readonly("thread", [](const Report& r) { return coordinates(r.thread); })
      .def_readonly("message", &Report::message)
      .def_readonly("other_line", &Report::other_line)
      .def_readonly("count", &Report::count);
  bind_counters(m);
  bind_trace(m);
  m.def("sim_can_watch", &simulator::can_watch);
  m.def("sim_start_checker", &simulator::start_checker);
  m.def("sim_take_reports", &simulator::take_reports);
  m.def("sim_checked_kernels", [] {
    std::vector<std::pair<std::string, std::string>> places;
    for (auto& [file, name] : simulator::checked_kernels()) places.emplace_back(file, name);
    return places;
  });
  m.def("sim_stop_watching", &simulator::stop_watching);
  m.def("sim_forgive_fault", &simulator::forgive_fault);
  m.def("sim_schedule_seed", &simulator::schedule_seed);
  m.def("sim_set_schedule_seed", &simulator::set_schedule_seed, py::arg("seed"));
}

}  // namespace weft
