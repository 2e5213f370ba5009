// `_C.gpu_selftest`: the checks of csrc/cuda/selftest.cu on a device.
#include "cuda/selftest.h"
#include "bindings/binding.h"
#include "core/backend.h"

namespace weft {
namespace {

std::vector<SelftestResult> run(Device device) {
  check(is_gpu(device), "gpu_selftest: '", device, "' is no GPU");
  Backend& backend = backend_of(device);
  backend.activate(device.index);
#if defined(WEFT_HAS_CUDA)
  if (device.type == DeviceType::cuda) return cuda::run_selftests();
#endif
  return sim::run_selftests();
}

}  // namespace

WEFT_BINDING(selftest) {
  m.def(
      "gpu_selftest",
      [](Device device) {
        std::vector<std::tuple<std::string, double, double>> results;
        for (const SelftestResult& r : run(device))
          results.emplace_back(r.name, r.error, r.tolerance);
        return results;
      },
      pybind11::arg("device"));
}

}  // namespace weft
