#include "core/kept_scratch.h"

#include "core/allocator.h"
#include "core/device_allocator.h"

namespace weft {

thread_local KeptScratch* KeptScratch::current_ = nullptr;

KeptScratch::~KeptScratch() {
  for (const Block& block : blocks_) deallocate(device_, block.data, block.bytes);
}

void* KeptScratch::take(size_t bytes) {
  for (Block& block : blocks_)
    if (!block.taken && block.bytes >= bytes) {
      block.taken = true;
      return block.data;
    }
  blocks_.push_back({allocate(device_, bytes), bytes, true});
  return blocks_.back().data;
}

void KeptScratch::next_launch() {
  for (Block& block : blocks_) block.taken = false;
}

void KeptScratch::note_uses(int stream) {
  for (const Block& block : blocks_) note_use(device_, block.data, stream);
}

size_t KeptScratch::bytes() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.bytes;
  return total;
}

}  // namespace weft
