// Batches read ahead for `fit`: see core/batch_reader.h and python/weft/data/sources.py.
#include "core/batch_reader.h"

#include <pybind11/stl.h>

#include "bindings/binding.h"
#include "core/program.h"

namespace py = pybind11;

namespace weft {

WEFT_BINDING(batch_reader) {
  py::class_<BatchReader>(m, "BatchReader")
      .def(py::init<std::vector<Tensor>, Tensor, int64_t, Device, bool>(), py::arg("arrays"),
           py::arg("order"), py::arg("batch"), py::arg("device"), py::arg("ahead"))
      .def("next", &BatchReader::next)
      .def_property_readonly("given", &BatchReader::given);
  m.def("replay_batches", &replay_batches, py::arg("program"), py::arg("reader"), py::arg("rows"),
        py::arg("seconds"));
}

}  // namespace weft
