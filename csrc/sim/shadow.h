// What the checker remembers about memory: what is allocated and initialised, and who accessed it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "sim/clocks.h"

namespace weft::simulator {

constexpr uint16_t kAsyncThread = 0xffff;

// One access. Program counters are distances from the start of the library.
struct Record {
  uint32_t block = 0;  // blocks are numbered through all launches, from 1
  uint32_t clock = 0;
  uint32_t pc = 0;
  uint16_t thread = 0;
  uint8_t bytes = 0;   // of the cell, as bits
  uint8_t atomic = 0;  // or volatile: such accesses do not race with each other

  int agent() const { return thread == kAsyncThread ? kAsyncAgent : thread / kWarpLanes; }
  bool same_time(const Record& o) const {
    return block == o.block && clock == o.clock && thread == o.thread && atomic == o.atomic;
  }
};

// Four bytes of memory. Where smaller elements of one cell are written by different threads only
// the last writer is remembered: a race may be missed, never invented.
constexpr size_t kCellBytes = 4;
struct Cell {
  Record write;
  Record reads[2];
};

// Calls visit(index of the cell, bytes of it as bits) for all cells of [offset, offset + bytes).
template <class Visit>
inline void for_each_cell(size_t offset, size_t bytes, Visit visit) {
  size_t cell = offset / kCellBytes;
  const size_t end = offset + bytes, last = (end - 1) / kCellBytes;
  for (; cell <= last; cell++) {
    const size_t begin = cell * kCellBytes;
    unsigned mask = 0xf;
    if (begin < offset) mask &= 0xfu << (offset - begin);
    if (begin + kCellBytes > end) mask &= 0xfu >> (begin + kCellBytes - end);
    visit(cell, static_cast<uint8_t>(mask));
  }
}

enum class ByteState : uint8_t { uninitialised, initialised, outside, returned };

// Zeroed memory that is taken from the system when it is first touched.
class LazyMemory {
 public:
  LazyMemory() = default;
  explicit LazyMemory(size_t bytes);
  LazyMemory(LazyMemory&& other) noexcept;
  LazyMemory& operator=(LazyMemory&& other) noexcept;
  ~LazyMemory();
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// One allocation of the device, or pinned host memory.
struct Segment {
  uintptr_t begin = 0;
  size_t bytes = 0;
  bool divided = false;  // only the blocks cut out of it are valid
  LazyMemory states, cells;

  bool contains(uintptr_t address) const { return address - begin < bytes; }
  ByteState* state(uintptr_t address) const {
    return static_cast<ByteState*>(states.data()) + (address - begin);
  }
  Cell& cell(size_t index) const { return static_cast<Cell*>(cells.data())[index]; }
};

class GlobalShadow {
 public:
  void add(uintptr_t begin, size_t bytes, ByteState state);
  void remove(uintptr_t begin);
  void take_block(uintptr_t begin, size_t bytes, ByteState state);
  void return_block(uintptr_t begin);
  void mark_initialised(uintptr_t begin, size_t bytes);
  void copy_states(uintptr_t to, uintptr_t from, size_t bytes);

  Segment* find(uintptr_t address);
  // How far a bad address is from the nearest memory below it that may be used; 0: nowhere near.
  size_t distance_past_memory(uintptr_t address);

 private:
  std::map<uintptr_t, Segment> segments_;
  std::map<uintptr_t, size_t> blocks_;
  Segment* last_ = nullptr;  // where the last address was
};

// The thread-local variables of the library, for the calling OS thread: shared memory, and little
// else.
struct SharedRegion {
  uintptr_t begin;
  size_t bytes;
};
SharedRegion shared_region();

// The thread-local variables of the library, which is where shared memory lies. Entries of earlier
// blocks are told by the block's number, so nothing is cleared from block to block.
class SharedShadow {
 public:
  // Of the calling OS thread.
  void locate();
  bool contains(uintptr_t address) const { return address - begin_ < bytes_; }
  size_t offset(uintptr_t address) const { return address - begin_; }
  Cell& cell(size_t index) { return cells_[index]; }
  uint32_t& written_by(size_t offset) { return written_[offset]; }
  // Tickets of the asynchronous copies that may be writing or reading a cell.
  uint64_t& pending_write(size_t cell) { return pending_writes_[cell]; }
  uint64_t& pending_read(size_t cell) { return pending_reads_[cell]; }

 private:
  uintptr_t begin_ = 0;
  size_t bytes_ = 0;
  std::vector<Cell> cells_;
  std::vector<uint32_t> written_;
  std::vector<uint64_t> pending_writes_, pending_reads_;
};

// The code and constants of this library.
struct Image {
  uintptr_t begin = 0, end = 0;
  static const Image& of_this_library();
  bool contains(uintptr_t address) const { return address - begin < end - begin; }
  uint32_t offset(const void* pc) const {
    return pc == nullptr ? 0 : static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pc) - begin);
  }
  const void* pc(uint32_t offset) const {
    return offset == 0 ? nullptr : reinterpret_cast<const void*>(begin + offset);
  }
};

}  // namespace weft::simulator
