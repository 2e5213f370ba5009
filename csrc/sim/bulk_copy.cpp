// TMA: tiles of up to five dimensions and runs of bytes, between global and shared memory.
#include <algorithm>
#include <cstring>
#include <string>

#include "sim/async_copy.h"
#include "sim/block.h"
#include "sim/errors.h"

namespace weft::simulator {
namespace {

constexpr size_t kTileAlignment = 128;

// Calls visit(shared byte address, global byte address or null outside) for every run of the box
// that is contiguous on both sides: 16 bytes or less, because swizzles move units of 16.
template <class Visit>
void for_each_unit(const BulkCopy& copy, Visit visit) {
  const TensorMap& map = copy.map;
  const size_t row_elements = map.box[0];
  const size_t unit_elements = 16 / map.element_bytes;
  size_t rows = 1;
  for (int d = 1; d < map.rank; d++) rows *= map.box[d];
  const uint32_t base = shared_address(copy.shared);
  for (size_t row = 0; row < rows; row++) {
    size_t rest = row;
    unsigned char* source = map.base;
    bool row_inside = true;
    for (int d = 1; d < map.rank; d++) {
      const int64_t at =
          copy.coordinates[d] + static_cast<int64_t>(rest % map.box[d] * map.step[d]);
      rest /= map.box[d];
      row_inside = row_inside && at >= 0 && at < static_cast<int64_t>(map.extent[d]);
      source += at * static_cast<int64_t>(map.stride[d - 1]);
    }
    for (size_t i = 0; i < row_elements; i += unit_elements) {
      const size_t count = row_elements - i < unit_elements ? row_elements - i : unit_elements;
      const uint32_t linear =
          base + static_cast<uint32_t>((row * row_elements + i) * map.element_bytes);
      unsigned char* shared = shared_pointer(swizzle_address(linear, map.swizzle));
      for (size_t e = 0; e < count; e++) {
        const int64_t x = copy.coordinates[0] + static_cast<int64_t>(i + e);
        const bool inside = row_inside && x >= 0 && x < static_cast<int64_t>(map.extent[0]);
        visit(shared + e * map.element_bytes,
              inside ? source + x * static_cast<int64_t>(map.element_bytes) : nullptr);
      }
    }
  }
}

// Calls visit(address, bytes) for every run of global memory that the copy reads or writes.
template <class Visit>
void for_each_global_run(const BulkCopy& copy, Visit visit) {
  if (!copy.is_tile) return visit(copy.global, copy.bytes);
  const TensorMap& map = copy.map;
  const int64_t begin = std::max<int64_t>(copy.coordinates[0], 0);
  const int64_t end = std::min<int64_t>(int64_t{copy.coordinates[0]} + map.box[0], map.extent[0]);
  if (begin >= end) return;
  size_t rows = 1;
  for (int d = 1; d < map.rank; d++) rows *= map.box[d];
  for (size_t row = 0; row < rows; row++) {
    size_t rest = row;
    unsigned char* at = map.base + begin * map.element_bytes;
    bool inside = true;
    for (int d = 1; d < map.rank; d++) {
      const int64_t i = copy.coordinates[d] + static_cast<int64_t>(rest % map.box[d] * map.step[d]);
      rest /= map.box[d];
      inside = inside && i >= 0 && i < static_cast<int64_t>(map.extent[d]);
      at += i * static_cast<int64_t>(map.stride[d - 1]);
    }
    if (inside) visit(at, static_cast<size_t>(end - begin) * map.element_bytes);
  }
}

// `store` as seen from global memory: its side is written.
void tell_observer_of_issue(const BulkCopy& copy, bool store) {
  Observer* const watching = observer();
  if (watching == nullptr) return;
  for_each_global_run(copy, [&](const void* address, size_t bytes) {
    watching->async_issue({copy.ticket, address, bytes, store, copy.pc});
  });
  watching->async_issue({copy.ticket, copy.shared, copy.bytes, !store, copy.pc});
}

void perform_load(const BulkCopy& copy) {
  if (!copy.is_tile) {
    std::memcpy(copy.shared, copy.global, copy.bytes);
    return;
  }
  const size_t bytes = copy.map.element_bytes;
  const int fill = copy.map.fill_nan ? 0xff : 0;
  for_each_unit(copy, [=](unsigned char* shared, const unsigned char* global) {
    if (global != nullptr)
      std::memcpy(shared, global, bytes);
    else
      std::memset(shared, fill, bytes);
  });
}

void perform_store(const BulkCopy& copy) {
  if (Observer* watching = observer())
    watching->async_land({copy.ticket, copy.shared, copy.bytes, false, copy.pc}, nullptr);
  if (!copy.is_tile) {
    std::memcpy(copy.global, copy.shared, copy.bytes);
    return;
  }
  const size_t bytes = copy.map.element_bytes;
  for_each_unit(copy, [=](const unsigned char* shared, unsigned char* global) {
    if (global != nullptr) std::memcpy(global, shared, bytes);
  });
}

BulkCopy make_tile(const TensorMap* map, const void* shared, const int32_t* coordinates, int rank,
                   const void* pc) {
  Block& block = Block::running();
  BulkCopy copy;
  copy.is_tile = true;
  copy.map = *map;
  if (map->rank != rank)
    block.fail(cudaErrorIllegalInstruction,
               "TMA of " + std::to_string(rank) + " dimensions with a tensor map of " +
                   std::to_string(map->rank),
               pc);
  if (reinterpret_cast<uintptr_t>(shared) % kTileAlignment != 0)
    block.fail(cudaErrorMisalignedAddress, "a TMA tile in shared memory needs 128-byte alignment",
               pc);
  copy.bytes = map->element_bytes;
  for (int d = 0; d < rank; d++) {
    copy.coordinates[d] = coordinates[d];
    copy.bytes *= map->box[d];
  }
  copy.shared = const_cast<void*>(shared);
  copy.ticket = block.next_ticket();
  copy.pc = pc;
  return copy;
}

BulkCopy make_run(void* global, void* shared, uint32_t bytes, const void* pc) {
  Block& block = Block::running();
  const uintptr_t all =
      reinterpret_cast<uintptr_t>(global) | reinterpret_cast<uintptr_t>(shared) | bytes;
  if (all % 16 != 0)
    block.fail(cudaErrorMisalignedAddress,
               "a bulk copy needs addresses and a size that are multiples of 16", pc);
  BulkCopy copy;
  copy.global = global;
  copy.shared = shared;
  copy.bytes = bytes;
  copy.ticket = block.next_ticket();
  copy.pc = pc;
  return copy;
}

void issue_load(const BulkCopy& made, uint64_t* barrier) {
  BulkCopy copy = made;
  copy.barrier = barrier;
  tell_observer_of_issue(copy, false);
  Block::running().loads_in_flight.push_back(copy);
}

void issue_store(const BulkCopy& copy) {
  tell_observer_of_issue(copy, true);
  Block::self().pending().stores.add(copy);
}

}  // namespace

void tile_load(void* shared, const TensorMap* map, uint64_t* barrier, const int32_t* coordinates,
               int rank) {
  SimulatorCall call;
  issue_load(make_tile(map, shared, coordinates, rank, __builtin_return_address(0)), barrier);
}

void tile_store(const TensorMap* map, const void* shared, const int32_t* coordinates, int rank) {
  SimulatorCall call;
  issue_store(make_tile(map, shared, coordinates, rank, __builtin_return_address(0)));
}

void bulk_load(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  SimulatorCall call;
  issue_load(make_run(const_cast<void*>(global), shared, bytes, __builtin_return_address(0)),
             barrier);
}

void bulk_store(void* global, const void* shared, uint32_t bytes) {
  SimulatorCall call;
  issue_store(make_run(global, const_cast<void*>(shared), bytes, __builtin_return_address(0)));
}

void bulk_commit() { SimulatorCall().thread().pending().stores.commit(); }

// Whoever waits only for the reads may see the writes late; here both happen at the wait.
void bulk_wait(int keep_groups, bool) {
  SimulatorCall().thread().pending().stores.retire(static_cast<size_t>(keep_groups), perform_store);
}

void proxy_fence() {
  SimulatorCall call;
  if (Observer* watching = observer()) watching->proxy_fence();
}

void land_bulk_load(Block& block, size_t which) {
  const BulkCopy copy = block.loads_in_flight[which];
  block.loads_in_flight.erase(block.loads_in_flight.begin() + static_cast<ptrdiff_t>(which));
  if (Observer* watching = observer())
    watching->async_land({copy.ticket, copy.shared, copy.bytes, true, copy.pc}, copy.barrier);
  perform_load(copy);
  complete_transaction(block, copy.barrier, copy.bytes);
}

void finish_bulk_stores(Block& block) {
  for (int i = 0; i < block.thread_count(); i++) {
    Thread& thread = block.thread(i);
    if (!thread.async || thread.async->stores.empty()) continue;
    thread.async->stores.commit();
    thread.async->stores.retire(0, perform_store);
  }
}

}  // namespace weft::simulator
