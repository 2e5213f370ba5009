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

std::string size_text(int64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto size = static_cast<double>(bytes);
  int unit = 0;
  for (; size >= 1024; unit++) size /= 1024;
  std::ostringstream text;
  text.precision(4);
  text << size << " " << kUnits[unit];
  return text.str();
}

void fail_out_of_memory(Device device, size_t bytes, const AllocatorStatistics& statistics) {
  std::string device_facts;
  if (is_gpu(device)) {
    const DeviceMemory memory = backend_of(device).memory(device.index);
    const auto total = static_cast<int64_t>(memory.total), free = static_cast<int64_t>(memory.free);
    const int64_t others = total - free - statistics.reserved;
    device_facts =
        " The device has " + size_text(total) + ", of which " + size_text(free) + " are free" +
        (others > kWorthNaming
             ? " and " + size_text(others) + " are held by others (nvidia-smi lists them)."
             : ".");
  }
  throw OutOfMemory(
      device, "out of memory on " + to_string(device) + ": " +
                  size_text(static_cast<int64_t>(bytes)) + " were asked for. weft's tensors hold " +
                  size_text(statistics.allocated) + " (highest so far " +
                  size_text(statistics.peak) + "), its cache has been emptied." + device_facts +
                  " Use a smaller batch, delete tensors you no longer need, or wrap inference in "
                  "weft.no_grad() so that nothing is kept for gradients");
}

}  // namespace weft
