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

// One per build of the kernel files. Runs what the current device is capable of, or of that the
// check named `only`; an exception in a check becomes an infinite error with the message in its
// name.
namespace sim {
std::vector<SelftestResult> run_selftests(const std::string& only);
}
namespace sim_checked {
std::vector<SelftestResult> run_selftests(const std::string& only);
// selftest_faults.h: kernels with planted mistakes, for the tests of the checker.
std::vector<std::string> planted_fault_names();
void run_planted_fault(const std::string& name);
}  // namespace sim_checked
namespace cuda {
std::vector<SelftestResult> run_selftests(const std::string& only);
}

}  // namespace weft
