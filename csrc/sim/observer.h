// Hooks for tools that watch a simulated kernel: the checker, the counters, the trace. Nothing is
// called in normal runs (observer() is null). Accesses through plain C++ loads and stores come from
// the compiler's instrumentation of the `sim_checked` build; what the simulator itself moves
// (asynchronous copies, matrix fragments, vector accesses) is reported here.
//
// While there is an observer, blocks run one after another on the thread that launches them. Hooks
// below `block_begin` are called with `current` set when a CUDA thread is the cause.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/thread.h"

namespace weft::simulator {

struct LaunchInfo {
  const void* function;  // the kernel; kernel_name (symbols.h) says what it is called
  dim3 grid, block;
  size_t shared_bytes;     // dynamic
  const void* parameters;  // the arguments, as the kernel's threads copy them
  size_t parameter_bytes;
  uint64_t number;  // launches since the process began
};

// Atomic functions read once more before they exchange: atomic_load, then atomic.
enum class AccessKind : uint8_t {
  read,
  write,
  volatile_read,
  volatile_write,
  atomic_load,
  atomic,
};
constexpr bool writes(AccessKind kind) {
  return kind == AccessKind::write || kind == AccessKind::volatile_write ||
         kind == AccessKind::atomic;
}

// An access of the running thread: instrumented, or made by the simulator for it. pc lies in the
// kernel, or in a wrapper that was inlined into it (describe_address in symbols.h walks out of
// wrappers).
struct Access {
  const void* address;
  size_t bytes;
  AccessKind kind;
  const void* pc;
  bool by_warpgroup = false;  // operands of a wgmma, read by all of it
  bool structure = false;     // a copy of a whole structure, with the gaps between its members
};

// One side of a copy by cp.async, TMA or a bulk copy. `ticket` joins issue and landing. The side in
// global memory is told of at the issue, row by row of a tile.
struct AsyncAccess {
  uint64_t ticket;
  const void* address;
  size_t bytes;
  bool write;
  const void* pc;  // of the instruction that issued it
};

class Observer {
 public:
  virtual ~Observer() = default;

  // On the thread that launches, around all blocks. With an observer they all run there.
  virtual void launch_begin(const LaunchInfo&) {}
  virtual void launch_end(const LaunchInfo&) {}

  virtual void block_begin(const LaunchInfo&, uint3 /*block*/) {}
  virtual void block_end() {}
  // The running thread ended the launch; `code` is a cudaError value.
  virtual void faulted(int /*code*/, const std::string& /*text*/, const void* /*pc*/) {}
  // The stack of a CUDA thread is its local memory. A stack serves several threads in turn.
  virtual void thread_begin(const ThreadContext&, const void* /*stack*/, size_t /*bytes*/) {}
  virtual void thread_end(const ThreadContext&) {}

  // Everything before happens before everything after, for the threads named by linear index.
  // block_barrier: __syncthreads, by all threads that live.
  virtual void block_barrier() {}
  // Named barriers: `arrived` released, `waited` (a part of them) acquired.
  virtual void named_barrier(int /*id*/, const int* /*arrived*/, int /*arrived_count*/,
                             const int* /*waited*/, int /*waited_count*/) {}
  // Any collective of a warp orders memory among the lanes of the mask only for __syncwarp, but all
  // are reported: `orders_memory` tells.
  virtual void warp_sync(int /*warp*/, uint32_t /*mask*/, bool /*orders_memory*/) {}
  virtual void warpgroup_sync(int /*warpgroup*/) {}
  virtual void fence(FenceScope) {}
  virtual void proxy_fence() {}

  // An access that happens now. `collective` ones (ldmatrix rows, descriptor operands) are made
  // for the lane in `current`.
  virtual void access(const Access&) {}
  // What the language leaves undefined: an index past the end of an array.
  virtual void undefined_behaviour(const char* /*what*/, const char* /*file*/, int /*line*/) {}

  // Between issue and landing the copy may read its source and write its destination at any time.
  // A landing belongs to the waiting thread (cp.async, wgmma), or to no thread (TMA: the mbarrier
  // carries the order; `barrier` is its address, else null).
  virtual void async_issue(const AsyncAccess&) {}
  virtual void async_land(const AsyncAccess&, const void* /*barrier*/) {}

  virtual void mbarrier_init(const void* /*barrier*/, const void* /*pc*/) {}
  virtual void mbarrier_release(const void* /*barrier*/, const void* /*pc*/) {}  // an arrival
  virtual void mbarrier_acquire(const void* /*barrier*/, const void* /*pc*/) {
  }  // a wait that ended

  // Device memory, from the host's side, in stream order.
  virtual void allocated(const void* /*address*/, size_t /*bytes*/) {}
  virtual void freed(const void* /*address*/, size_t /*bytes*/) {}
  // Blocks that the caching allocator cuts out of an allocation.
  virtual void block_taken(const void* /*address*/, size_t /*bytes*/) {}
  virtual void block_returned(const void* /*address*/) {}
  virtual void host_wrote(const void* /*address*/, size_t /*bytes*/) {}
  virtual void host_read(const void* /*address*/, size_t /*bytes*/) {}
  virtual void device_copied(const void* /*to*/, const void* /*from*/, size_t /*bytes*/) {}
};

extern Observer* active_observer;
inline Observer* observer() { return active_observer; }

// Not while a kernel runs.
void set_observer(Observer*);

// Instrumented accesses that are no business of the kernel: `current` and what it points to (the
// reads of threadIdx). Nor are those while current->in_simulator is set: inline functions of the
// standard library that the simulator calls may be the instrumented copies of a kernel file.
bool simulator_owns(const void* address);

// In a seeded run, lets another thread run now and then: to be called at observed accesses.
void maybe_preempt();

}  // namespace weft::simulator
