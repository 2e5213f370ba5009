// One kernel launch on the simulated device.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sim/observer.h"

namespace weft::simulator {

using Invoke = void (*)(const void* arguments);  // calls the kernel with a copy of the arguments

struct Launch {
  LaunchInfo info;
  Invoke invoke;
  uint64_t seed;                    // 0: deterministic order
  std::atomic<bool> failed{false};  // blocks that have not begun will not
};

// Returns a cudaError value for a bad configuration, else 0; `limit` is the dynamic shared memory
// the kernel may ask for.
int check_configuration(dim3 grid, dim3 block, size_t shared_bytes, size_t limit);

// Runs all blocks, on the thread pool and the caller, and waits for them.
void run_launch(LaunchInfo info, Invoke invoke);

// 0: threads and copies run in one fixed order (default, or WEFT_SIM_SEED). n > 0: in an order
// drawn from n, with asynchronous copies landing early or late.
void set_schedule_seed(uint64_t seed);
uint64_t schedule_seed();

}  // namespace weft::simulator
