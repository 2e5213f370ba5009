// The caching allocators: blocks given back are kept and handed out again, because page faults on
// fresh host memory cost more than most kernels, and device memory is slower still to get.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device.h"

namespace weft {

inline constexpr size_t kAlignment = 64;  // one cache line, one AVX-512 vector

// Bytes and counts since the process started. `allocated` is what tensors hold now,
// `reserved` also counts cached blocks, `peak` is the highest `allocated` so far.
struct AllocatorStatistics {
  int64_t allocated = 0;
  int64_t reserved = 0;
  int64_t peak = 0;
  int64_t allocations = 0;  // calls answered
  int64_t cache_hits = 0;   // of these, answered from the cache
};

// One per device. Safe from several threads.
class Allocator {
 public:
  virtual ~Allocator() = default;
  virtual void* allocate(size_t bytes) = 0;
  virtual void deallocate(void* data, size_t bytes) noexcept = 0;
  virtual AllocatorStatistics statistics() = 0;
  virtual void reset_peak() = 0;
  virtual void empty_cache() = 0;
};
Allocator& host_allocator();                 // core/host_allocator.cpp
Allocator& device_allocator(Device device);  // core/device_allocator.cpp

// Memory aligned to kAlignment; never null. When the system refuses, the cache is emptied and the
// request tried once more; then an Error(memory) tells what was asked and who holds the memory.
void* allocate(Device device, size_t bytes);
void deallocate(Device device, void* data, size_t bytes) noexcept;

AllocatorStatistics allocator_statistics(Device device);
void reset_peak(Device device);
void empty_cache(Device device);

// Raises the Error(memory) of both allocators.
[[noreturn]] void fail_out_of_memory(Device device, size_t bytes,
                                     const AllocatorStatistics& statistics);

}  // namespace weft
