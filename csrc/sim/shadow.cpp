#include "sim/shadow.h"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace weft::simulator {
namespace {

// An access this far past the end of an allocation was probably meant for it.
constexpr size_t kNear = 1 << 20;

struct Search {
  uintptr_t address;  // in the library that is looked for
  Image image;
  uintptr_t thread_local_begin = 0;
  size_t thread_local_bytes = 0;
};

int inspect_library(dl_phdr_info* info, size_t, void* erased) {
  Search& search = *static_cast<Search*>(erased);
  Image image{~uintptr_t{0}, 0};
  uintptr_t local_begin = 0;
  size_t local_bytes = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) & header = info->dlpi_phdr[i];
    if (header.p_type == PT_LOAD) {
      image.begin = std::min<uintptr_t>(image.begin, info->dlpi_addr + header.p_vaddr);
      image.end = std::max<uintptr_t>(image.end, info->dlpi_addr + header.p_vaddr + header.p_memsz);
    } else if (header.p_type == PT_TLS) {
      local_begin = reinterpret_cast<uintptr_t>(info->dlpi_tls_data);
      local_bytes = header.p_memsz;
    }
  }
  if (!image.contains(search.address)) return 0;
  search.image = image;
  search.thread_local_begin = local_begin;
  search.thread_local_bytes = local_bytes;
  return 1;
}

Search search_library() {
  Search search{reinterpret_cast<uintptr_t>(&inspect_library), {}};
  dl_iterate_phdr(&inspect_library, &search);
  return search;
}

}  // namespace

LazyMemory::LazyMemory(size_t bytes) : bytes_(std::max<size_t>(bytes, 1)) {
  data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
               -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    throw std::bad_alloc();
  }
}
LazyMemory::LazyMemory(LazyMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
LazyMemory& LazyMemory::operator=(LazyMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}
LazyMemory::~LazyMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

void GlobalShadow::add(uintptr_t begin, size_t bytes, ByteState state) {
  Segment segment;
  segment.begin = begin;
  segment.bytes = bytes;
  segment.states = LazyMemory(bytes);
  segment.cells = LazyMemory((bytes / kCellBytes + 1) * sizeof(Cell));
  if (state != ByteState::uninitialised)
    std::memset(segment.states.data(), static_cast<int>(state), bytes);
  segments_[begin] = std::move(segment);
  last_ = nullptr;
}

void GlobalShadow::remove(uintptr_t begin) {
  const auto entry = segments_.find(begin);
  if (entry == segments_.end()) return;
  blocks_.erase(blocks_.lower_bound(begin), blocks_.lower_bound(begin + entry->second.bytes));
  segments_.erase(entry);
  last_ = nullptr;
}

Segment* GlobalShadow::find(uintptr_t address) {
  if (last_ != nullptr && last_->contains(address)) return last_;
  auto entry = segments_.upper_bound(address);
  if (entry == segments_.begin()) return nullptr;
  --entry;
  return entry->second.contains(address) ? last_ = &entry->second : nullptr;
}

void GlobalShadow::take_block(uintptr_t begin, size_t bytes, ByteState state) {
  Segment* segment = find(begin);
  if (segment == nullptr) return;
  if (!segment->divided) {
    std::memset(segment->states.data(), static_cast<int>(ByteState::outside), segment->bytes);
    segment->divided = true;
  }
  blocks_[begin] = bytes;
  std::memset(segment->state(begin), static_cast<int>(state), bytes);
}

void GlobalShadow::return_block(uintptr_t begin) {
  const auto block = blocks_.find(begin);
  if (block == blocks_.end()) return;
  if (Segment* segment = find(begin))
    std::memset(segment->state(begin), static_cast<int>(ByteState::returned), block->second);
  blocks_.erase(block);
}

void GlobalShadow::mark_initialised(uintptr_t begin, size_t bytes) {
  Segment* segment = find(begin);
  if (segment == nullptr) return;
  bytes = std::min(bytes, segment->begin + segment->bytes - begin);
  for (ByteState *s = segment->state(begin), *end = s + bytes; s != end; s++)
    if (*s == ByteState::uninitialised) *s = ByteState::initialised;
}

void GlobalShadow::copy_states(uintptr_t to, uintptr_t from, size_t bytes) {
  Segment* const target = find(to);
  Segment* const source = find(from);
  if (target == nullptr || source == nullptr) return mark_initialised(to, bytes);
  for (size_t i = 0; i < bytes; i++) {
    ByteState& state = *target->state(to + i);
    const bool known = *source->state(from + i) == ByteState::initialised;
    if (state <= ByteState::initialised)
      state = known ? ByteState::initialised : ByteState::uninitialised;
  }
}

size_t GlobalShadow::distance_past_memory(uintptr_t address) {
  auto block = blocks_.upper_bound(address);
  uintptr_t end = 0;
  if (block != blocks_.begin()) end = (--block)->first + block->second;
  auto segment = segments_.upper_bound(address);
  while (segment != segments_.begin()) {
    --segment;
    if (!segment->second.divided) {
      end = std::max(end, segment->first + segment->second.bytes);
      break;
    }
  }
  return end != 0 && address >= end && address - end < kNear ? address - end + 1 : 0;
}

SharedRegion shared_region() {
  // The variables of an OS thread exist once it has touched them.
  static_cast<void>(*static_cast<volatile unsigned char*>(shared_arena.bytes));
  const Search search = search_library();
  const uintptr_t begin = search.thread_local_begin / 64 * 64;
  return {begin, search.thread_local_begin + search.thread_local_bytes - begin};
}

void SharedShadow::locate() {
  const auto [begin, bytes] = shared_region();
  if (begin == begin_ && bytes == bytes_) return;
  begin_ = begin;
  bytes_ = bytes;
  const size_t cells = bytes / kCellBytes + 1;
  cells_.assign(cells, Cell{});
  written_.assign(bytes, 0);
  pending_writes_.assign(cells, 0);
  pending_reads_.assign(cells, 0);
}

const Image& Image::of_this_library() {
  static const Image image = search_library().image;
  return image;
}

}  // namespace weft::simulator
