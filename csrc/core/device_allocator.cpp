// Device memory: segments taken from the backend, cut into blocks that are joined again when free.
//
// A block belongs to the stream it was allocated on. It may be handed out on that stream again as
// soon as it is given back: whatever still uses it was queued before whatever will use it next.
// Where other streams used it too, its own is first made to wait for them; the CPU never waits.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "core/device_allocator.h"

#include "core/allocator.h"
#include "core/backend.h"
#include "core/check.h"

namespace weft {
namespace {

constexpr size_t kGranularity = 512;  // also the alignment of every block
constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kSmall = kMiB;  // up to here blocks share small segments
constexpr size_t kSmallSegment = 2 * kMiB;
constexpr size_t kLargeSegment = 20 * kMiB;  // the least that is asked for beyond kSmall

constexpr size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

struct Block {
  char* data;
  size_t size;
  bool small;
  bool free;
  int stream;
  Block* before = nullptr;  // neighbours in the same segment
  Block* after = nullptr;
  uint64_t others = 0;  // streams besides its own whose work uses it, as bits
};

// Best fit: the smallest free block that is large enough, the lowest address among equals.
struct BySize {
  bool operator()(const Block* a, const Block* b) const {
    return a->size != b->size ? a->size < b->size : a->data < b->data;
  }
};

class DeviceAllocator final : public Allocator {
 public:
  DeviceAllocator(Backend& backend, Device device) : backend_(backend), device_(device) {}

  void* allocate(size_t bytes) override {
    const size_t size = round_up(std::max<size_t>(bytes, 1) + backend_.guard_bytes(), kGranularity);
    std::lock_guard lock(mutex_);
    statistics_.allocations++;
    const int stream = backend_.current_stream(device_.index);
    Block* block = take_free(size, stream);
    if (block != nullptr) {
      statistics_.cache_hits++;
    } else {
      block = add_segment(size, bytes, stream);
    }
    split(block, size);
    block->free = false;
    used_[block->data] = block;
    statistics_.allocated += static_cast<int64_t>(block->size);
    statistics_.peak = std::max(statistics_.peak, statistics_.allocated);
    backend_.block_taken(block->data, bytes);
    return block->data;
  }

  void deallocate(void* data, size_t) noexcept override {
    std::lock_guard lock(mutex_);
    const auto found = used_.find(static_cast<char*>(data));
    Block* block = found->second;
    used_.erase(found);
    backend_.block_returned(data);
    wait_for_others(block);
    statistics_.allocated -= static_cast<int64_t>(block->size);
    block->free = true;
    if (block->after != nullptr && block->after->free) {
      pool(block).erase(block->after);
      absorb(block, block->after);
    }
    if (block->before != nullptr && block->before->free) {
      Block* before = block->before;
      pool(block).erase(before);
      absorb(before, block);
      block = before;
    }
    pool(block).insert(block);
  }

  AllocatorStatistics statistics() override {
    std::lock_guard lock(mutex_);
    return statistics_;
  }

  void reset_peak() override {
    std::lock_guard lock(mutex_);
    statistics_.peak = statistics_.allocated;
  }

  void empty_cache() override {
    std::lock_guard lock(mutex_);
    release_free_segments();
  }

  void note_use(void* data, int stream) {
    std::lock_guard lock(mutex_);
    const auto found = used_.find(static_cast<char*>(data));
    if (found != used_.end() && found->second->stream != stream)
      found->second->others |= uint64_t{1} << stream;
  }

 private:
  using Pool = std::set<Block*, BySize>;
  Pool& pool(const Block* block) { return free_[block->stream][block->small]; }

  // A device that has failed orders nothing any more, and computes nothing either.
  void wait_for_others(Block* block) noexcept {
    try {
      for (int stream = 0; block->others >> stream != 0; stream++)
        if (block->others >> stream & 1) backend_.order(device_.index, stream, block->stream);
    } catch (const Error&) {
    }
    block->others = 0;
  }

  Block* take_free(size_t size, int stream) {
    const bool small = size <= kSmall;
    Block wanted{nullptr, size, small, true, stream};
    Pool& blocks = free_[stream][small];
    const auto found = blocks.lower_bound(&wanted);
    if (found == blocks.end()) return nullptr;
    Block* block = *found;
    blocks.erase(found);
    return block;
  }

  Block* add_segment(size_t size, size_t asked, int stream) {
    const bool small = size <= kSmall;
    size_t bytes = small ? kSmallSegment : std::max(kLargeSegment, round_up(size, 2 * kMiB));
    void* data = backend_.allocate(device_.index, bytes);
    if (data == nullptr) {
      release_free_segments();
      bytes = small ? kSmallSegment : round_up(size, 2 * kMiB);  // no more than is needed
      data = backend_.allocate(device_.index, bytes);
    }
    if (data == nullptr) fail_out_of_memory(device_, asked, statistics_);
    statistics_.reserved += static_cast<int64_t>(bytes);
    return new Block{static_cast<char*>(data), bytes, small, false, stream};
  }

  // Keeps the first `size` bytes; the rest becomes a free block where it is worth one.
  void split(Block* block, size_t size) {
    const size_t rest = block->size - size;
    if (rest < (block->small ? kGranularity : kSmall)) return;
    auto* remainder =
        new Block{block->data + size, rest, block->small, true, block->stream, block, block->after};
    if (block->after != nullptr) block->after->before = remainder;
    block->after = remainder;
    block->size = size;
    pool(remainder).insert(remainder);
  }

  static void absorb(Block* block, Block* after) {
    block->size += after->size;
    block->after = after->after;
    if (block->after != nullptr) block->after->before = block;
    delete after;
  }

  void release_free_segments() {
    bool waited = false;
    for (auto& pools : free_)
      for (Pool& blocks : pools) release_free_segments(blocks, waited);
  }

  void release_free_segments(Pool& blocks, bool& waited) {
    for (auto it = blocks.begin(); it != blocks.end();) {
      Block* block = *it;
      const bool whole = block->before == nullptr && block->after == nullptr;
      it = whole ? blocks.erase(it) : std::next(it);
      if (!whole) continue;
      if (!waited) backend_.synchronize(device_.index);  // queued work may still use it
      waited = true;
      backend_.free(device_.index, block->data);
      statistics_.reserved -= static_cast<int64_t>(block->size);
      delete block;
    }
  }

  Backend& backend_;
  const Device device_;
  std::mutex mutex_;
  Pool free_[kMaxStreams][2];  // of each stream: large blocks, small blocks
  std::unordered_map<char*, Block*> used_;
  AllocatorStatistics statistics_;
};

// Never destroyed: tensors held by Python may be freed after C++ statics are gone.
DeviceAllocator& allocator_on(Device device) {
  static std::atomic<DeviceAllocator*> made[kNumDeviceTypes][kMaxDevices];
  auto& slot = made[static_cast<int>(device.type)][static_cast<int>(device.index)];
  if (DeviceAllocator* existing = slot.load(std::memory_order_acquire)) return *existing;
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  if (slot.load() == nullptr) slot = new DeviceAllocator(backend_of(device), device);
  return *slot.load();
}

}  // namespace

Allocator& device_allocator(Device device) { return allocator_on(device); }

void note_use(Device device, void* data, int stream) {
  allocator_on(device).note_use(data, stream);
}

}  // namespace weft
