#include "core/allocator.h"

#include "core/check.h"

namespace weft {
namespace {

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

void fail_out_of_memory(Device device, size_t bytes, const AllocatorStatistics& statistics) {
  constexpr double kMiB = 1 << 20;
  fail(ErrorKind::memory, "out of memory on ", device, ": ", static_cast<double>(bytes) / kMiB,
       " MiB were asked for. weft's tensors hold ",
       static_cast<double>(statistics.allocated) / kMiB, " MiB (highest so far ",
       static_cast<double>(statistics.peak) / kMiB,
       " MiB), its cache has been emptied. Use a smaller batch, delete tensors you no longer need, "
       "or wrap inference in weft.no_grad() so that nothing is kept for gradients");
}

}  // namespace weft
