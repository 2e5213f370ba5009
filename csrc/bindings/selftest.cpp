// `_C.gpu_selftest`: the checks of csrc/cuda/selftest.cu on a device.
#include "cuda/selftest.h"
#include "bindings/binding.h"
#include "core/backend.h"
#include "core/kernel.h"

namespace weft {
namespace {

std::vector<SelftestResult> run(Device device, const std::string& only) {
  check(is_gpu(device), "gpu_selftest: '", device, "' is no GPU");
  Backend& backend = backend_of(device);
  backend.activate(device.index);
#if defined(WEFT_HAS_CUDA)
  if (device.type == DeviceType::cuda) return cuda::run_selftests(only);
#endif
#if defined(WEFT_HAS_SIM_CHECKED)
  if (current_gpu_variant() == GpuVariant::checked) return sim_checked::run_selftests(only);
#endif
  return sim::run_selftests(only);
}

}  // namespace

WEFT_BINDING(selftest) {
#if defined(WEFT_HAS_SIM_CHECKED)
  m.def("sim_planted_faults", &sim_checked::planted_fault_names);
  m.def("sim_run_planted_fault", &sim_checked::run_planted_fault, pybind11::arg("name"));
#endif
  m.def(
      "gpu_selftest",
      [](Device device, const std::string& only) {
        std::vector<std::tuple<std::string, double, double>> results;
        for (const SelftestResult& r : run(device, only))
          results.emplace_back(r.name, r.error, r.tolerance);
        return results;
      },
      pybind11::arg("device"), pybind11::arg("only") = "");
}

}  // namespace weft
