#include "sim/watch.h"

#include <memory>
#include <set>

#include "core/check.h"
#include "core/kernel.h"
#include "sim/checker.h"
#include "sim/fault.h"
#include "sim/observer.h"
#include "sim/runtime.h"

namespace weft::simulator {
namespace {

std::unique_ptr<Observer> watching;
// The one of these that watches.
Checker* checker = nullptr;
Counters* counters = nullptr;
Trace* trace = nullptr;

template <class Tool>
Tool* start(const char* name) {
  check(can_watch(), name, ": this build has no kernels for it: configure with ",
        "WEFT_SIM_CHECKED=ON and without WEFT_SANITIZE");
  if (watching != nullptr)
    fail(ErrorKind::runtime, name, ": another check(), counters() or trace() is running, and ",
         "kernels can be watched by one at a time: leave the other one's `with` block first");
  auto tool = std::make_unique<Tool>();
  Tool* const started = tool.get();
  watching = std::move(tool);
  set_observer(started);
  set_gpu_variant(GpuVariant::checked);
  return started;
}

}  // namespace

bool can_watch() {
#if defined(WEFT_HAS_SIM_CHECKED)
  return true;
#else
  return false;
#endif
}

void start_checker() { checker = start<Checker>("weft.sim.check"); }

std::vector<Report> take_reports() {
  return checker == nullptr ? std::vector<Report>{} : checker->take_reports();
}

std::vector<KernelPlace> checked_kernels() {
  const std::set<const void*>& functions = Checker::watched();
  return kernel_places({functions.begin(), functions.end()});
}

void start_counters() { counters = start<Counters>("weft.sim.counters"); }

std::vector<CounterRow> take_counters() {
  return counters == nullptr ? std::vector<CounterRow>{} : counters->take_rows();
}

void start_trace(cuda::uint3 block, cuda::uint3 thread) {
  trace = start<Trace>("weft.sim.trace");
  trace->choose(block, thread);
}

TraceResult take_trace() {
  if (trace == nullptr) return {};
  return {trace->launches(), trace->events(), trace->complete()};
}

void stop_watching() {
  set_gpu_variant(GpuVariant::plain);
  set_observer(nullptr);
  checker = nullptr;
  counters = nullptr;
  trace = nullptr;
  watching.reset();
}

void forgive_fault() {
  clear_fault();
  cudaGetLastError();
}

}  // namespace weft::simulator
