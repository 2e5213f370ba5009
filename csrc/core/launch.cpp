#include "core/launch.h"

#include <atomic>
#include <cstddef>
#include <memory>

#include "core/backend.h"
#include "core/device_allocator.h"
#include "core/recorder.h"

namespace weft {
namespace {

// Below this much work, about 10 us, the kernel ends sooner than another thread would wake up and
// take the interpreter.
constexpr int64_t kBlockingFlops = 1'000'000;
constexpr int64_t kBlockingBytes = 1024 * 1024;

BlockingHooks hooks;

struct AtomicCounters {
  std::atomic<int64_t> launches{0}, flops{0}, bytes{0};
} counters;

void fill(Operand& operand, const Tensor& t) {
  if (!t.defined()) return;
  operand.data = t.data();
  operand.shape = t.shape();
  operand.strides = t.strides();
  operand.dtype = t.dtype();
  operand.present = true;
  operand.on_host = t.device().type == DeviceType::cpu;
}

// The device of the last output decides.
Device common_device(const KernelSlot& slot, Operands inputs, Operands outputs) {
  const Tensor* last = nullptr;
  for (const Tensor* t : outputs)
    if (t->defined()) last = t;
  const Device device = last->device();
  for (Operands group : {inputs, outputs})
    for (const Tensor* t : group) {
      if (!t->defined() || t->device() == device) continue;
      const bool number = slot.numbers() == Numbers::on_host_too && is_gpu(device) &&
                          t->device().type == DeviceType::cpu && t->ndim() == 0;
      check(number, slot.name(), ": operands live on ", t->device(), " and ", device,
            "; move them to one device with .to()");
    }
  return device;
}

// While a thread works on another stream than the device's first, and of memory from other streams,
// the allocator has to know who uses what.
void note_uses(Device device, Operands tensors, int stream) {
  for (const Tensor* t : tensors)
    if (t->defined() && t->device() == device) note_use(device, t->storage()->data(), stream);
}

// Runs the kernel's launcher with the device and this thread's stream of it as the target.
void launch_on(Device device, KernelFunction kernel, const void* params, const Operand* operands,
               Operands inputs, Operands outputs) {
  Backend& backend = backend_of(device);
  backend.activate(device.index);
  if (backend.several_streams(device.index)) {
    const int stream = backend.current_stream(device.index);
    note_uses(device, inputs, stream);
    note_uses(device, outputs, stream);
  }
  try {
    kernel(params, operands);
  } catch (const Error& error) {
    rethrow_explained(error, device);
  }
}

}  // namespace

void rethrow_explained(const Error& error, Device device) {
  if (error.kind() != ErrorKind::runtime || !is_gpu(device)) throw;
  fail(ErrorKind::runtime, error.what(), backend_of(device).explain_failure());
}

SuspendInterpreter::SuspendInterpreter(const Cost& cost) {
  if (hooks.suspend && (cost.flops > kBlockingFlops || cost.bytes > kBlockingBytes)) {
    state_ = hooks.suspend();
    suspended_ = true;
  }
}
SuspendInterpreter::~SuspendInterpreter() {
  if (suspended_) hooks.resume(state_);
}

void set_blocking_hooks(BlockingHooks new_hooks) { hooks = new_hooks; }

LaunchCounters launch_counters() {
  return {counters.launches.load(), counters.flops.load(), counters.bytes.load()};
}

void reset_launch_counters() {
  counters.launches = 0;
  counters.flops = 0;
  counters.bytes = 0;
}

void count_launches(const LaunchCounters& more) {
  counters.launches.fetch_add(more.launches, std::memory_order_relaxed);
  counters.flops.fetch_add(more.flops, std::memory_order_relaxed);
  counters.bytes.fetch_add(more.bytes, std::memory_order_relaxed);
}

void launch_erased(const KernelSlot& slot, DType dtype, const void* params, size_t params_bytes,
                   const Cost& cost, Operands inputs, Operands outputs) {
  const Device device = common_device(slot, inputs, outputs);
  count_launches({1, cost.flops, cost.bytes});
  if (device.type == DeviceType::meta) return;

  const KernelFunction kernel = slot.find(device.type, dtype);
  if (kernel == nullptr)
    fail(ErrorKind::type, slot.name(), ": no kernel for dtype ", dtype, " on ", device,
         "; convert with .astype() first");
  const size_t count = inputs.size() + outputs.size();
  check(count <= kMaxOperands, slot.name(), ": ", count, " operands, at most ", kMaxOperands);
  // Only as many as there are: to clear all of these 18 KiB took longer than to add 16 numbers.
  alignas(Operand) std::byte memory[kMaxOperands * sizeof(Operand)];
  Operand* const operands = reinterpret_cast<Operand*>(memory);
  std::uninitialized_default_construct_n(operands, count);
  int i = 0;
  for (const Tensor* t : inputs) fill(operands[i++], *t);
  for (const Tensor* t : outputs) fill(operands[i++], *t);
  if (is_recording()) [[unlikely]]
    Recorder::current()->before_launch(device, slot, kernel, dtype, params, params_bytes, cost,
                                       inputs, outputs, operands);
  SuspendInterpreter suspended(cost);
  if (is_gpu(device))
    launch_on(device, kernel, params, operands, inputs, outputs);
  else
    kernel(params, operands);
}

}  // namespace weft
