// Barriers of a block and collectives of a warp or a warpgroup.
#include <chrono>
#include <cstring>
#include <string>

#include "sim/block.h"
#include "sim/errors.h"

namespace weft::simulator {

constinit thread_local uint32_t atomics_since_poll = 0;

NamedBarrier& Block::arrive(int id, int threads, const void* pc) {
  if (id < 0 || id >= kBarriers)
    fail(cudaErrorIllegalInstruction,
         "barrier " + std::to_string(id) + " does not exist: a block has 0 to 15", pc);
  if (threads != 0 && (threads % kWarpLanes != 0 || threads < 0))
    fail(cudaErrorIllegalInstruction,
         "a named barrier counts whole warps, not " + std::to_string(threads) + " threads", pc);
  NamedBarrier& barrier = barriers_[id];
  if (barrier.arrived.empty()) {
    barrier.expected = threads;
    barrier.combined = 0;
  } else if (barrier.expected != threads) {
    fail(cudaErrorIllegalInstruction,
         "barrier " + std::to_string(id) + " is used with " + std::to_string(threads) +
             " threads while others wait at it with " + std::to_string(barrier.expected),
         pc);
  }
  barrier.arrived.push_back(self().linear);
  return barrier;
}

bool Block::complete(const NamedBarrier& barrier) const {
  const int expected = barrier.expected == 0 ? alive_ : barrier.expected;
  return static_cast<int>(barrier.arrived.size()) >= expected;
}

void Block::release(int id) {
  NamedBarrier& barrier = barriers_[id];
  polls_ = 0;
  poll_deadline_ = 0;
  if (Observer* watching = observer()) {
    // Who only arrives at a barrier sees nothing of the others.
    if (static_cast<int>(barrier.waiting.size()) == alive_) {
      watching->block_barrier();
    } else {
      std::vector<int> waited;
      for (const Thread* thread : barrier.waiting) waited.push_back(thread->linear);
      watching->named_barrier(id, barrier.arrived.data(), static_cast<int>(barrier.arrived.size()),
                              waited.data(), static_cast<int>(waited.size()));
    }
  }
  for (Thread* thread : barrier.waiting) {
    thread->barrier_result = barrier.combined;
    if (thread != current) wake(*thread);
  }
  barrier.arrived.clear();
  barrier.waiting.clear();
}

int Block::barrier_sync(int id, int threads, BarrierReduction reduction, int predicate,
                        const void* pc) {
  NamedBarrier& barrier = arrive(id, threads, pc);
  const int vote = predicate != 0;
  switch (reduction) {
    case BarrierReduction::none: break;
    case BarrierReduction::count: barrier.combined += vote; break;
    case BarrierReduction::any: barrier.combined |= vote; break;
    // The number of threads against, so that 0 is the neutral start of every reduction.
    case BarrierReduction::all: barrier.combined += !vote; break;
  }
  Thread& me = self();
  me.wait_pc = pc;
  barrier.waiting.push_back(&me);
  if (!complete(barrier)) {
    suspend(id == 0 && threads == 0 ? "__syncthreads" : "a named barrier", pc);
  } else {
    release(id);
    if (seeded()) yield();
  }
  const int result = me.barrier_result;
  return reduction == BarrierReduction::all ? result == 0 : result;
}

void Block::barrier_arrive(int id, int threads, const void* pc) {
  if (complete(arrive(id, threads, pc))) release(id);
}

WarpMeeting& Block::find_meeting(int warp, uint32_t mask) {
  std::vector<WarpMeeting>& meetings = meetings_[warp];
  WarpMeeting* idle = nullptr;
  for (WarpMeeting& meeting : meetings) {
    if (meeting.arrived == 0)
      idle = &meeting;
    else if (meeting.mask == mask)
      return meeting;
  }
  if (idle == nullptr) idle = &meetings.emplace_back();
  idle->mask = mask;
  return *idle;
}

void Block::complete_meeting(WarpMeeting& meeting, int warp) {
  const uint32_t lanes = meeting.arrived;
  poll_deadline_ = 0;
  meeting.combine(meeting.records, lanes);
  if (Observer* watching = observer())
    watching->warp_sync(warp, lanes, std::strcmp(meeting.name, "__syncwarp") == 0);
  meeting.arrived = 0;
  Thread* const first = &threads_[static_cast<size_t>(warp * kWarpLanes)];
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    meeting.records[lane] = nullptr;
    if (first + lane != current) wake(first[lane]);
  }
}

void Block::meet_warp(uint32_t mask, WarpCombine combine, void* record, const char* name,
                      const void* pc) {
  Thread& me = self();
  me.wait_pc = pc;
  const uint32_t bit = 1u << me.lane;
  if ((mask & bit) == 0)
    fail(cudaErrorIllegalInstruction, std::string(name) + " by a lane outside of the mask it names",
         pc);
  WarpMeeting& meeting = find_meeting(me.warp, mask);
  // Names, not combine functions: the same lambda has another address in another template.
  if (meeting.arrived != 0 && meeting.name != name && std::strcmp(meeting.name, name) != 0)
    fail(cudaErrorIllegalInstruction,
         "lanes of one warp meet in different operations: " + std::string(meeting.name) + " and " +
             name,
         pc);
  meeting.combine = combine;
  meeting.name = name;
  meeting.records[me.lane] = record;
  meeting.arrived |= bit;
  if (meeting.arrived != (mask & alive_lanes_[me.warp])) {
    suspend(name, pc);
    return;
  }
  complete_meeting(meeting, me.warp);
  if (seeded()) yield();
}

void Block::meet_warpgroup(WarpgroupCombine combine, void* record, const char* name,
                           const void* pc) {
  Thread& me = self();
  const int group = me.linear / kWarpgroupThreads;
  WarpgroupMeeting& meeting = warpgroups_[group];
  if (meeting.arrived != 0 && std::strcmp(meeting.name, name) != 0)
    fail(cudaErrorIllegalInstruction,
         "warps of one warpgroup meet in different operations: " + std::string(meeting.name) +
             " and " + name,
         pc);
  meeting.combine = combine;
  meeting.name = name;
  meeting.records[me.linear % kWarpgroupThreads] = record;
  if (++meeting.arrived < kWarpgroupThreads) {
    suspend(name, pc);
    return;
  }
  combine(meeting.records);
  if (Observer* watching = observer()) watching->warpgroup_sync(group);
  meeting.arrived = 0;
  for (int i = 0; i < kWarpgroupThreads; i++) {
    Thread& thread = threads_[static_cast<size_t>(group * kWarpgroupThreads + i)];
    if (&thread != &me) wake(thread);
  }
  if (seeded()) yield();
}

// ---- what kernels call -------------------------------------------------------------------------

int barrier_sync(int id, int threads, BarrierReduction reduction, int predicate) {
  const void* pc = __builtin_return_address(0);
  return SimulatorCall().block().barrier_sync(id, threads, reduction, predicate, pc);
}

void barrier_arrive(int id, int threads) {
  SimulatorCall().block().barrier_arrive(id, threads, __builtin_return_address(0));
}

void warp_collective(uint32_t mask, WarpCombine combine, void* record, const char* name) {
  SimulatorCall().block().meet_warp(mask, combine, record, name, __builtin_return_address(0));
}

void warpgroup_collective(WarpgroupCombine combine, void* record, const char* name) {
  SimulatorCall().block().meet_warpgroup(combine, record, name, __builtin_return_address(0));
}

uint32_t active_mask() { return Block::running().alive_lanes(current->warp); }

void poll() { SimulatorCall().block().poll(); }

bool simulator_owns(const void* address) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(address);
  return at - reinterpret_cast<uintptr_t>(&current) < sizeof current ||
         at - reinterpret_cast<uintptr_t>(&atomics_since_poll) < sizeof atomics_since_poll ||
         (current != nullptr && Block::running().owns(address));
}

void maybe_preempt() {
  if (current == nullptr || current->in_simulator) return;
  SimulatorCall call;
  if (call.block().seeded() && call.block().random() % 64 == 0) call.block().yield();
}

void memory_fence(FenceScope scope) {
  SimulatorCall call;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (Observer* watching = observer()) watching->fence(scope);
}

void fault(int code, const char* text, const void* pc) { Block::running().fail(code, text, pc); }

void trap() {
  Block::running().fail(cudaErrorLaunchFailure, "__trap", __builtin_return_address(0));
}

void assertion_failed(const char* expression, const char* file, int line) {
  const char* slash = std::strrchr(file, '/');
  Block::running().fail(cudaErrorAssert,
                        std::string("assertion failed: ") + expression + ", at " +
                            (slash != nullptr ? slash + 1 : file) + ":" + std::to_string(line),
                        nullptr);
}

namespace {

void check_alignment(const char* what, const void* address, int bytes, const void* pc) {
  const uintptr_t misalignment =
      reinterpret_cast<uintptr_t>(address) % static_cast<unsigned>(bytes);
  if (misalignment == 0) return;
  Block::running().fail(cudaErrorMisalignedAddress,
                        "misaligned " + std::to_string(bytes) + "-byte " + what +
                            ": the address is " + std::to_string(misalignment) +
                            " bytes past a multiple of " + std::to_string(bytes),
                        pc);
}

}  // namespace

void vector_load_checked(void* to, const void* from, int bytes) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  check_alignment("load", from, bytes, pc);
  if (Observer* watching = observer())
    watching->access({from, static_cast<size_t>(bytes), AccessKind::read, pc});
  std::memcpy(to, from, static_cast<size_t>(bytes));
}

void vector_store_checked(void* to, const void* from, int bytes) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  check_alignment("store", to, bytes, pc);
  if (Observer* watching = observer())
    watching->access({to, static_cast<size_t>(bytes), AccessKind::write, pc});
  std::memcpy(to, from, static_cast<size_t>(bytes));
}

uint64_t clock_cycles() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

}  // namespace weft::simulator
