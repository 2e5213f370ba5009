// What a simulated CUDA thread can ask of the scheduler: who it is, barriers, collectives, faults.
// The language header is built on these; scheduling itself is in block.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/vector_types.h"

namespace weft::simulator {

using cuda::dim3;
using cuda::uint3;

class Block;

constexpr int kWarpLanes = 32;
constexpr int kWarpgroupThreads = 128;
constexpr int kMaxBlockThreads = 1024;
constexpr size_t kMaxSharedBytes = 227 * 1024;  // per block, as on sm_90

// What threadIdx and its relatives read.
struct ThreadContext {
  uint3 thread_index;
  uint3 block_index;
  dim3 block_dim;
  dim3 grid_dim;
  int linear = 0;  // of the thread in its block, x fastest
  int lane = 0;
  int warp = 0;
  Block* block = nullptr;
  bool in_simulator = false;  // it runs the simulator's code: no access is the kernel's
};

// The thread that runs on this OS thread; null outside of kernels.
extern constinit thread_local ThreadContext* current;

// Dynamic shared memory. One OS thread runs one block at a time, so its threads share this as
// they share the `static thread_local` variables that __shared__ stands for.
struct alignas(1024) SharedArena {
  unsigned char bytes[kMaxSharedBytes];
};
extern constinit thread_local SharedArena shared_arena;

// A 32-bit "shared address" is the distance from the arena, which is aligned as shared memory is:
// descriptors and swizzles work on real numbers. Static __shared__ variables lie in the same
// thread-local block; their distance may be negative and wraps.
inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer) -
                               reinterpret_cast<uintptr_t>(shared_arena.bytes));
}
inline unsigned char* shared_pointer(uint32_t address) {
  return shared_arena.bytes + static_cast<int32_t>(address);
}

enum class BarrierReduction { none, count, all, any };

// bar.sync / bar.arrive. threads == 0 means every thread of the block that has not exited.
// The reduction combines `predicate` over the threads and is what barrier_sync returns.
int barrier_sync(int id, int threads, BarrierReduction reduction = BarrierReduction::none,
                 int predicate = 0);
void barrier_arrive(int id, int threads);

// A collective of one warp: each lane of `mask` leaves a pointer to a record on its own stack, and
// the last lane to arrive runs `combine` over all of them. records[lane] is null for lanes that are
// outside of the mask or have exited. `name` appears in reports.
using WarpCombine = void (*)(void** records, uint32_t mask);
void warp_collective(uint32_t mask, WarpCombine combine, void* record, const char* name);

// The same for the 128 threads of a warpgroup.
using WarpgroupCombine = void (*)(void** records);
void warpgroup_collective(WarpgroupCombine combine, void* record, const char* name);

uint32_t active_mask();

// A thread that polls memory lets the others run: called by __nanosleep and now and then by
// atomics. Ends the block with a fault when it has polled for too long.
void poll();

enum class FenceScope { block, device, system };
void memory_fence(FenceScope scope);

// Ends the block. `code` is a cudaError value; the thread, the block, the kernel and, when pc is
// given, the source line are added to the text.
[[noreturn]] void fault(int code, const char* text, const void* pc);

// __trap and a failed assert.
[[noreturn]] void trap();
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

// One access of 4, 8 or 16 bytes. Out of line only when it is misaligned or observed.
void vector_load_checked(void* to, const void* from, int bytes);
void vector_store_checked(void* to, const void* from, int bytes);

uint64_t clock_cycles();

}  // namespace weft::simulator
