// Kernels with one planted mistake each, and correct ones that look suspicious. They exist in the
// checked build of the simulated device alone; tests/test_sim_checker.py says what must be found.
//
// A line that a report must name ends in `// FAULT`, the other side of a race in `// OTHER`.
#pragma once

#include <string>
#include <vector>

#include "cuda/gpu.h"
#include "cuda/ptx.h"
#include "cuda/selftest_support.h"

namespace weft::WEFT_GPU {

struct PlantedFault {
  const char* name;
  void (*run)();
};

inline std::vector<PlantedFault>& planted_faults() {
  static std::vector<PlantedFault> all;
  return all;
}

struct PlantedFaultRegistration {
  PlantedFaultRegistration(const char* name, void (*run)()) {
    planted_faults().push_back({name, run});
  }
};

// WEFT_PLANTED(name) { launches the kernel } in the order of the file.
#define WEFT_PLANTED(name)                                                           \
  static void planted_##name();                                                      \
  static const PlantedFaultRegistration registration_##name(#name, &planted_##name); \
  static void planted_##name()

// Names in the order of registration, and running one of them.
std::vector<std::string> planted_fault_names();
void run_planted_fault(const std::string& name);

}  // namespace weft::WEFT_GPU
