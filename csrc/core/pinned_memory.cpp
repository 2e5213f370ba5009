#include "core/pinned_memory.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>

#include "core/check.h"

namespace weft {
namespace {

constexpr size_t kSmallest = 512;
// Uploads from pageable memory go through blocks of at most this size, so that the CPU fills one
// while the device reads another.
constexpr size_t kStaged = size_t{4} << 20;
// Blocks of a size; with all of them on their way an upload waits for the first.
constexpr size_t staged_blocks(size_t bytes) { return bytes <= (64 << 10) ? 256 : 8; }

size_t size_class(size_t bytes) { return std::bit_ceil(std::max(bytes, kSmallest)); }

}  // namespace

void* PinnedMemory::allocate(size_t bytes) {
  std::lock_guard lock(mutex_);
  Block* block = take(bytes, std::numeric_limits<size_t>::max());
  statistics_.allocated += block->size;
  return block->data;
}

void PinnedMemory::deallocate(void* data) noexcept {
  std::lock_guard lock(mutex_);
  Block* block = find(data);
  statistics_.allocated -= block->size;
  free_[block->size].push_back(block);
}

bool PinnedMemory::holds(const void* data) {
  std::lock_guard lock(mutex_);
  return find(data) != nullptr;
}

void PinnedMemory::upload(Device to_device, void* to, const void* from, size_t bytes) {
  std::lock_guard lock(mutex_);
  if (Block* pinned = find(from)) {
    copy_from(*pinned, to_device, to, from, bytes);
    return;
  }
  for (size_t done = 0; done < bytes; done += kStaged) {
    const size_t part = std::min(kStaged, bytes - done);
    Block* block = take(part, staged_blocks(part));
    std::memcpy(block->data, static_cast<const char*>(from) + done, part);
    copy_from(*block, to_device, static_cast<char*>(to) + done, block->data, part);
    free_[block->size].push_back(block);
  }
}

void PinnedMemory::empty_cache() {
  std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : free_) {
    for (Block* block : blocks) {
      for (const Use& use : block->uses) {
        backend_.synchronize_event(use.device, use.event);
        backend_.free_event(use.device, use.event);
      }
      backend_.free_pinned(block->data);
      statistics_.reserved -= size;
      blocks_.erase(reinterpret_cast<uintptr_t>(block->data));
      delete block;
    }
    blocks.clear();
  }
}

PinnedMemory::Statistics PinnedMemory::statistics() {
  std::lock_guard lock(mutex_);
  return statistics_;
}

// The longest unused block is the likeliest to be free of copies, so it alone is looked at.
PinnedMemory::Block* PinnedMemory::take(size_t bytes, size_t most_blocks) {
  const size_t size = size_class(bytes);
  std::deque<Block*>& blocks = free_[size];
  if (blocks.empty() || (in_use(*blocks.front()) && blocks.size() < most_blocks)) return make(size);
  Block* block = blocks.front();
  blocks.pop_front();
  for (const Use& use : block->uses) backend_.synchronize_event(use.device, use.event);
  return block;
}

PinnedMemory::Block* PinnedMemory::make(size_t size) {
  void* data = backend_.allocate_pinned(size);
  if (data == nullptr)
    fail(ErrorKind::memory, "out of pinned host memory: ", size, " bytes were asked for, weft has ",
         statistics_.reserved, " bytes already; pin less, the system limits how much there can be");
  auto* block = new Block{static_cast<char*>(data), size, {}};
  blocks_[reinterpret_cast<uintptr_t>(data)] = block;
  statistics_.reserved += size;
  return block;
}

PinnedMemory::Block* PinnedMemory::find(const void* data) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  auto found = blocks_.upper_bound(address);
  if (found == blocks_.begin()) return nullptr;
  --found;
  return address - found->first < found->second->size ? found->second : nullptr;
}

bool PinnedMemory::in_use(const Block& block) {
  return std::any_of(block.uses.begin(), block.uses.end(),
                     [&](const Use& use) { return !backend_.event_done(use.device, use.event); });
}

void PinnedMemory::copy_from(Block& block, Device to_device, void* to, const void* from,
                             size_t bytes) {
  const int device = to_device.index, stream = backend_.current_stream(device);
  auto use = std::find_if(block.uses.begin(), block.uses.end(),
                          [&](const Use& u) { return u.device == device && u.stream == stream; });
  if (use == block.uses.end())
    use = block.uses.insert(use, {device, stream, backend_.make_event(device, false)});
  backend_.copy_to_device(device, to, from, bytes);
  backend_.record_event(device, use->event, stream);
}

// Never destroyed: tensors held by Python may be freed after C++ statics are gone.
PinnedMemory& pinned_memory(DeviceType type) {
  static std::atomic<PinnedMemory*> made[kNumDeviceTypes];
  auto& slot = made[static_cast<int>(type)];
  if (PinnedMemory* existing = slot.load(std::memory_order_acquire)) return *existing;
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (slot.load() == nullptr) slot = new PinnedMemory(backend_of({type, 0}));
  return *slot.load();
}

}  // namespace weft
