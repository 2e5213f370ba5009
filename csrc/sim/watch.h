// Tools that watch kernels, one at a time: starting and stopping them.
#pragma once

#include <string>
#include <vector>

#include "sim/counters.h"
#include "sim/findings.h"
#include "sim/symbols.h"
#include "sim/trace.h"

namespace weft::simulator {

// Whether this build has the kernels that report their accesses (WEFT_SIM_CHECKED=ON).
bool can_watch();

// Until stop_watching, kernels of the simulated device run in the checked build, on one thread.
// RuntimeError when another tool watches.
void start_checker();
// What was found since the start or the last call.
std::vector<Report> take_reports();
// Every kernel that a checker of this process has watched.
std::vector<KernelPlace> checked_kernels();
void start_counters();
std::vector<CounterRow> take_counters();
void start_trace(cuda::uint3 block, cuda::uint3 thread);
struct TraceResult {
  std::vector<TracedLaunch> launches;
  std::vector<TracedEvent> events;
  bool complete;
};
TraceResult take_trace();
void stop_watching();

// The fault of a kernel that the checker stopped has been reported: the device is usable again.
void forgive_fault();

}  // namespace weft::simulator
