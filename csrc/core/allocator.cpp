#include "core/allocator.h"

#include <string>

#include "core/backend.h"
#include "core/check.h"
#include "core/device_allocator.h"

namespace weft {
namespace {

constexpr int64_t kWorthNaming = int64_t{64} << 20;  // the CUDA context takes memory as well

Allocator& allocator_of(Device device) {
  check(device.type != DeviceType::meta, "device 'meta' has no memory");
  return device.type == DeviceType::cpu ? host_allocator() : device_allocator(device);
}

}  // namespace

void* allocate(Device device, size_t bytes) { return allocator_of(device).allocate(bytes); }

void deallocate(Device device, void* data, size_t bytes) noexcept {
  allocator_of(device).deallocate(data, bytes);
}

AllocatorStatistics allocator_statistics(Device device) {
  return allocator_of(device).statistics();
}
void reset_peak(Device device) { allocator_of(device).reset_peak(); }
void empty_cache(Device device) { allocator_of(device).empty_cache(); }

std::string mebibytes(int64_t bytes) {
  std::ostringstream text;
  text.precision(4);
  text << static_cast<double>(bytes) / (1 << 20) << " MiB";
  return text.str();
}

void fail_out_of_memory(Device device, size_t bytes, const AllocatorStatistics& statistics) {
  std::string device_facts;
  if (is_gpu(device)) {
    const DeviceMemory memory = backend_of(device).memory(device.index);
    const auto total = static_cast<int64_t>(memory.total), free = static_cast<int64_t>(memory.free);
    const int64_t others = total - free - statistics.reserved;
    device_facts =
        " The device has " + mebibytes(total) + ", of which " + mebibytes(free) + " are free" +
        (others > kWorthNaming
             ? " and " + mebibytes(others) + " are held by others (nvidia-smi lists them)."
             : ".");
  }
  throw OutOfMemory(
      device, "out of memory on " + to_string(device) + ": " +
                  mebibytes(static_cast<int64_t>(bytes)) + " were asked for. weft's tensors hold " +
                  mebibytes(statistics.allocated) + " (highest so far " +
                  mebibytes(statistics.peak) + "), its cache has been emptied." + device_facts +
                  " Use a smaller batch, delete tensors you no longer need, or wrap inference in "
                  "weft.no_grad() so that nothing is kept for gradients");
}

}  // namespace weft
