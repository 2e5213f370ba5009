// Checks of what kernels rely on: indices, barriers, collectives, copies, fragments, descriptors,
// swizzles, graphs. The same checks run on the simulated device and on a GPU, so a GPU confirms (or
// not) what the simulator assumes of the hardware.
#pragma once

#include <string>
#include <vector>

namespace weft {

struct SelftestResult {
  std::string name;
  double error;  // relative to a float64 reference, or the number of wrong values
  double tolerance;
};

// One per build of the kernel files. Runs what the current device is capable of; an exception in a
// check becomes an infinite error with the message in its name.
namespace sim {
std::vector<SelftestResult> run_selftests();
}
namespace sim_checked {
std::vector<SelftestResult> run_selftests();
}
namespace cuda {
std::vector<SelftestResult> run_selftests();
}

}  // namespace weft
