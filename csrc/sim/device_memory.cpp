#include "sim/device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "sim/observer.h"

namespace weft::simulator {
namespace {

constexpr size_t kDefaultLimit = size_t{2} << 30;
constexpr size_t kAlignment = 256;  // of cudaMalloc
constexpr int kPoison = 0xff;       // a NaN in every floating-point type

struct Registry {
  std::mutex mutex;
  std::map<uintptr_t, Allocation> allocations;
  std::map<uintptr_t, size_t> blocks;  // of the caching allocator
  size_t used[kMaxDevices] = {};
};

// Never destroyed: tensors that live until the process ends free their memory late.
Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

size_t parse_bytes(const char* text, size_t fallback) {
  if (text == nullptr || *text == '\0') return fallback;
  char* end = nullptr;
  const double number = std::strtod(text, &end);
  double unit = 1;
  if (*end == 'k' || *end == 'K') unit = 1 << 10;
  if (*end == 'm' || *end == 'M') unit = 1 << 20;
  if (*end == 'g' || *end == 'G') unit = 1 << 30;
  return number > 0 ? static_cast<size_t>(number * unit) : fallback;
}

std::atomic<size_t>& limit() {
  static std::atomic<size_t> value{parse_bytes(std::getenv("WEFT_SIM_MEMORY"), kDefaultLimit)};
  return value;
}

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

// The end of the block touches the upper guard page, so that the first access past it faults.
bool map_guarded(size_t bytes, Allocation& allocation) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t inner = round_up(std::max(bytes, size_t{1}), page);
  void* mapping = mmap(nullptr, inner + 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return false;
  char* const first = static_cast<char*>(mapping) + page;
  mprotect(mapping, page, PROT_NONE);
  mprotect(first + inner, page, PROT_NONE);
  allocation.mapping = mapping;
  allocation.mapping_bytes = inner + 2 * page;
  allocation.bytes = bytes;
  allocation.begin =
      reinterpret_cast<uintptr_t>(first) + inner - round_up(std::max(bytes, size_t{1}), kAlignment);
  return true;
}

bool release(void* pointer, bool host) {
  Registry& all = registry();
  Allocation allocation;
  {
    std::lock_guard lock(all.mutex);
    const auto entry = all.allocations.find(reinterpret_cast<uintptr_t>(pointer));
    if (entry == all.allocations.end() || entry->second.host != host || entry->second.registered)
      return false;
    allocation = entry->second;
    all.allocations.erase(entry);
    if (!host) all.used[allocation.device] -= allocation.bytes;
  }
  if (Observer* watching = observer()) watching->freed(pointer, allocation.bytes);
  munmap(allocation.mapping, allocation.mapping_bytes);
  return true;
}

}  // namespace

int device_count() {
  static const int count = [] {
    const char* text = std::getenv("WEFT_SIM_DEVICES");
    return text == nullptr || *text == '\0' ? 1 : std::clamp(std::atoi(text), 0, kMaxDevices);
  }();
  return count;
}

size_t device_memory_limit() { return limit().load(std::memory_order_relaxed); }
void set_device_memory_limit(size_t bytes) { limit().store(bytes, std::memory_order_relaxed); }

size_t device_memory_used(int device) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  return all.used[device];
}

void* allocate_device_memory(size_t bytes, int device) {
  Registry& all = registry();
  Allocation allocation;
  allocation.device = device;
  {
    std::lock_guard lock(all.mutex);
    const size_t allowed = device_memory_limit();
    if (bytes > allowed || all.used[device] > allowed - bytes) return nullptr;
    if (!map_guarded(bytes, allocation)) return nullptr;
    all.used[device] += bytes;
    all.allocations[allocation.begin] = allocation;
  }
  void* pointer = reinterpret_cast<void*>(allocation.begin);
  std::memset(pointer, kPoison, bytes);
  if (Observer* watching = observer()) watching->allocated(pointer, bytes);
  return pointer;
}

bool free_device_memory(void* pointer) { return release(pointer, false); }

void* allocate_host_memory(size_t bytes) {
  Registry& all = registry();
  Allocation allocation;
  allocation.host = true;
  if (!map_guarded(bytes, allocation)) return nullptr;
  void* pointer = reinterpret_cast<void*>(allocation.begin);
  {
    std::lock_guard lock(all.mutex);
    all.allocations[allocation.begin] = allocation;
  }
  // Kernels may read and write it, so it exists for the observer; its contents are the host's.
  if (Observer* watching = observer()) {
    watching->allocated(pointer, bytes);
    watching->host_wrote(pointer, bytes);
  }
  return pointer;
}

bool free_host_memory(void* pointer) { return release(pointer, true); }

bool register_host_memory(void* pointer, size_t bytes) {
  Registry& all = registry();
  Allocation allocation;
  allocation.begin = reinterpret_cast<uintptr_t>(pointer);
  allocation.bytes = bytes;
  allocation.host = allocation.registered = true;
  std::lock_guard lock(all.mutex);
  return all.allocations.emplace(allocation.begin, allocation).second;
}

bool unregister_host_memory(void* pointer) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  const auto entry = all.allocations.find(reinterpret_cast<uintptr_t>(pointer));
  if (entry == all.allocations.end() || !entry->second.registered) return false;
  all.allocations.erase(entry);
  return true;
}

void block_taken(void* data, size_t bytes) {
  Registry& all = registry();
  {
    std::lock_guard lock(all.mutex);
    all.blocks[reinterpret_cast<uintptr_t>(data)] = bytes;
  }
  if (Observer* watching = observer()) watching->block_taken(data, bytes);
}

void block_returned(void* data) {
  Registry& all = registry();
  {
    std::lock_guard lock(all.mutex);
    all.blocks.erase(reinterpret_cast<uintptr_t>(data));
  }
  if (Observer* watching = observer()) watching->block_returned(data);
}

size_t guard_bytes() { return observer() != nullptr ? 256 : 0; }

std::vector<LiveMemory> live_memory() {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  std::vector<LiveMemory> live;
  for (const auto& [begin, allocation] : all.allocations) {
    LiveMemory memory{begin, allocation.bytes, {}};
    for (auto block = all.blocks.lower_bound(begin);
         block != all.blocks.end() && block->first < begin + allocation.bytes; ++block)
      memory.blocks.push_back(*block);
    live.push_back(std::move(memory));
  }
  return live;
}

bool find_allocation(const void* pointer, Allocation& found) {
  Registry& all = registry();
  const uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  std::lock_guard lock(all.mutex);
  auto entry = all.allocations.upper_bound(address);
  if (entry == all.allocations.begin()) return false;
  --entry;
  if (address - entry->second.begin >= std::max(entry->second.bytes, size_t{1})) return false;
  found = entry->second;
  return true;
}

}  // namespace weft::simulator
