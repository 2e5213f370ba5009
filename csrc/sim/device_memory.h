// What has been allocated on the simulated devices, and pinned host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft::simulator {

struct Allocation {
  uintptr_t begin = 0;
  size_t bytes = 0;  // as asked for
  int device = 0;
  bool host = false;        // pinned host memory
  bool registered = false;  // host memory that belongs to somebody else
  void* mapping = nullptr;
  size_t mapping_bytes = 0;
};

constexpr int kMaxDevices = 16;

int device_count();  // WEFT_SIM_DEVICES, default 1

// Memory of one device, WEFT_SIM_MEMORY bytes (suffixes k, m, g), default 2 GiB.
size_t device_memory_limit();
void set_device_memory_limit(size_t bytes);
size_t device_memory_used(int device);

// Null when the device's memory is used up. Every allocation is a mapping of its own between two
// pages that fault, filled with a NaN pattern.
void* allocate_device_memory(size_t bytes, int device);
bool free_device_memory(void* pointer);

void* allocate_host_memory(size_t bytes);
bool free_host_memory(void* pointer);
bool register_host_memory(void* pointer, size_t bytes);
bool unregister_host_memory(void* pointer);

// The caching allocator cut a block out of an allocation, or took it back.
void block_taken(void* data, size_t bytes);
void block_returned(void* data);
// Bytes to leave free behind every block, so that the checker sees what runs past its end.
size_t guard_bytes();

// What kernels may use now. An allocation that was ever divided counts by its blocks alone.
struct LiveMemory {
  uintptr_t begin;
  size_t bytes;
  std::vector<std::pair<uintptr_t, size_t>> blocks;
};
std::vector<LiveMemory> live_memory();

// The allocation that holds this address.
bool find_allocation(const void* pointer, Allocation& found);

}  // namespace weft::simulator
