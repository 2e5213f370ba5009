// The one way to run a kernel. Recording, profiling, checks and devices hook in here, once.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <type_traits>

#include "core/check.h"
#include "core/kernel.h"
#include "core/recording.h"
#include "core/tensor.h"

namespace weft {

// What a launch costs, for the profiler, the summary's FLOP column and the GIL decision.
struct Cost {
  int64_t flops = 0;
  int64_t bytes = 0;  // read and written, each tensor counted once
};

inline int64_t bytes_of(const Tensor& t) {
  return t.defined() ? t.size() * static_cast<int64_t>(itemsize(t.dtype())) : 0;
}

// Totals of all launches since the last reset (per process); `meta` launches count as well, which
// is how FLOPs are known before anything is allocated.
struct LaunchCounters {
  int64_t launches = 0;
  int64_t flops = 0;
  int64_t bytes = 0;
};
LaunchCounters launch_counters();
void reset_launch_counters();
void count_launches(const LaunchCounters& more);

// Lets other Python threads run while a kernel computes. The bindings install both functions;
// core itself knows nothing of Python. `suspend` returns what `resume` needs.
struct BlockingHooks {
  void* (*suspend)() = nullptr;
  void (*resume)(void*) = nullptr;
};
void set_blocking_hooks(BlockingHooks hooks);

// Gives the interpreter to other threads for as long as it lives, when the work is worth it.
class SuspendInterpreter {
 public:
  explicit SuspendInterpreter(const Cost& cost);
  ~SuspendInterpreter();
  SuspendInterpreter(const SuspendInterpreter&) = delete;
  SuspendInterpreter& operator=(const SuspendInterpreter&) = delete;

 private:
  void* state_ = nullptr;
  bool suspended_ = false;
};

// Adds to an error of a launcher what a GPU knows of it. Only while that error is handled.
[[noreturn]] void rethrow_explained(const Error& error, Device device);

using Operands = std::span<const Tensor* const>;
inline constexpr int kMaxOperands = 64;

// Runs `slot` for `dtype` on the device of the operands: inputs first, then outputs, in the order
// of the call. Undefined tensors arrive as absent operands. On `meta` nothing runs. There is at
// least one output.
void launch_erased(const KernelSlot& slot, DType dtype, const void* params, size_t params_bytes,
                   const Cost& cost, Operands inputs, Operands outputs);

// The same, with bytes between the fields of the parameters that compare equal.
template <class Params>
void launch_recorded(const KernelSlot& slot, DType dtype, Params params, const Cost& cost,
                     Operands inputs, Operands outputs) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(&params);
#endif
#endif
  launch_erased(slot, dtype, &params, sizeof(Params), cost, inputs, outputs);
}

// The same for ops whose number of operands is known at run time only (multi-tensor updates).
template <class Params>
void launch_lists(const Kernel<Params>& kernel, DType dtype, const Params& params, const Cost& cost,
                  Operands inputs, Operands outputs) {
  static_assert(std::is_trivially_copyable_v<Params>, "launch parameters are recorded as bytes");
  if (is_recording()) [[unlikely]]
    return launch_recorded(kernel, dtype, params, cost, inputs, outputs);
  launch_erased(kernel, dtype, &params, sizeof(Params), cost, inputs, outputs);
}

// Outputs that existed before (in-place updates) must be bumped by the op:
// Tensor::storage()->bump_version().
template <class Params>
void launch(const Kernel<Params>& kernel, DType dtype, const Params& params, const Cost& cost,
            std::initializer_list<const Tensor*> inputs,
            std::initializer_list<const Tensor*> outputs) {
  launch_lists(kernel, dtype, params, cost, Operands(inputs.begin(), inputs.size()),
               Operands(outputs.begin(), outputs.size()));
}

}  // namespace weft
