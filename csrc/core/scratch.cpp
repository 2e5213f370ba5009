#include "core/scratch.h"

#include <vector>

#include "core/allocator.h"

namespace weft {
namespace {

struct Block {
  void* data;
  size_t bytes;
};

// Blocks in use by this thread, the newest last. The caching allocator makes reuse cheap.
std::vector<Block>& stack() {
  thread_local std::vector<Block> blocks;
  return blocks;
}

}  // namespace

void* scratch_acquire(size_t bytes) {
  void* data = allocate(Device{}, bytes);
  stack().push_back({data, bytes});
  return data;
}

void scratch_release(void* data) noexcept {
  const Block block = stack().back();
  stack().pop_back();
  deallocate(Device{}, data, block.bytes);
}

}  // namespace weft
