// Host memory that a device reads and writes by itself, and uploads through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "core/backend.h"

namespace weft {

// One per kind of device. Blocks given back are kept, by size class, because pinning takes
// milliseconds; a block that queued copies still read is handed out again only after them.
// Safe from several threads.
class PinnedMemory {
 public:
  explicit PinnedMemory(Backend& backend) : backend_(backend) {}

  void* allocate(size_t bytes);  // raises Error(memory) when the system refuses
  void deallocate(void* data) noexcept;
  bool holds(const void* data);
  // A copy to the device on the calling thread's stream of it; see `copy_bytes`.
  void upload(Device to_device, void* to, const void* from, size_t bytes);
  void empty_cache();

  struct Statistics {
    size_t allocated = 0, reserved = 0;
  };
  Statistics statistics();

 private:
  struct Use {  // the last copy that reads the block on one stream
    int device, stream;
    Backend::Event event;
  };
  struct Block {
    char* data;
    size_t size;
    std::vector<Use> uses;
  };

  Block* take(size_t bytes, size_t most_blocks);
  Block* make(size_t size);
  Block* find(const void* data);
  bool in_use(const Block& block);
  void copy_from(Block& block, Device to_device, void* to, const void* from, size_t bytes);

  Backend& backend_;
  std::mutex mutex_;
  std::map<uintptr_t, Block*> blocks_;         // all, by address
  std::map<size_t, std::deque<Block*>> free_;  // by size, the longest unused first
  Statistics statistics_;
};

PinnedMemory& pinned_memory(DeviceType type);  // RuntimeError without such devices

}  // namespace weft
