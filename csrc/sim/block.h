// The scheduler of one block: its threads as fibers, its barriers and collectives.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/async_state.h"
#include "sim/fiber.h"
#include "sim/launch.h"
#include "sim/thread.h"

namespace weft::simulator {

enum class ThreadState : uint8_t { fresh, ready, running, waiting, done };

struct Thread : ThreadContext {
  Fiber fiber;
  ThreadState state = ThreadState::fresh;
  int barrier_result = 0;
  const char* waits_for = "";
  const void* wait_pc = nullptr;
  std::unique_ptr<ThreadAsync> async;

  ThreadAsync& pending() {
    if (!async) async = std::make_unique<ThreadAsync>();
    return *async;
  }
};

// Lanes of a warp (or threads of a warpgroup) that wait for each other in one collective.
struct WarpMeeting {
  uint32_t mask = 0;
  uint32_t arrived = 0;
  WarpCombine combine = nullptr;
  const char* name = "";
  void* records[kWarpLanes] = {};  // null where nobody has arrived
};

struct WarpgroupMeeting {
  int arrived = 0;
  WarpgroupCombine combine = nullptr;
  const char* name = "";
  void* records[kWarpgroupThreads] = {};
};

struct NamedBarrier {
  int expected = 0;  // as the first thread to arrive said; 0: the whole block
  int combined = 0;
  std::vector<int> arrived;  // linear indices, those that only arrive too
  std::vector<Thread*> waiting;
};

struct MbarrierWaiter {
  Thread* thread;
  const uint64_t* barrier;
  uint32_t parity;
};

// Thrown in the thread that fails, after its report was recorded: unwinds it up to its beginning.
struct ThreadFailed {};

class Block {
 public:
  static constexpr int kBarriers = 16;

  // The block of this OS thread; its stacks and tables are kept from block to block.
  static Block& of_this_thread();
  static Block& running() { return *current->block; }
  static Thread& self() { return static_cast<Thread&>(*current); }

  // Runs one block from begin to end.
  void run(Launch& launch, uint3 index, uint64_t block_seed);

  Thread& thread(int linear) { return threads_[static_cast<size_t>(linear)]; }
  int thread_count() const { return thread_count_; }
  int alive() const { return alive_; }
  uint32_t alive_lanes(int warp) const { return alive_lanes_[warp]; }
  // Whether the address lies in the table of threads.
  bool owns(const void* address) const {
    return address >= threads_.data() && address < threads_.data() + threads_.size();
  }
  bool seeded() const { return launch_->seed != 0; }
  uint64_t random();  // of the block's own sequence

  // The running thread stops until wake(); `what` and `pc` appear in reports.
  void suspend(const char* what, const void* pc);
  void wake(Thread& thread);
  // The running thread goes to the end of the queue.
  void yield();
  // The same for a thread that polls, which may starve what it waits for.
  void poll();
  // Ends the block with a report.
  [[noreturn]] void fail(int code, const std::string& text, const void* pc);
  // The same where no exception can pass: compilers take instrumented accesses for calls that do
  // not throw. The thread's frames are left as they are.
  [[noreturn]] void abandon(int code, const std::string& text, const void* pc);

  int barrier_sync(int id, int threads, BarrierReduction reduction, int predicate, const void* pc);
  void barrier_arrive(int id, int threads, const void* pc);
  void meet_warp(uint32_t mask, WarpCombine combine, void* record, const char* name,
                 const void* pc);
  void meet_warpgroup(WarpgroupCombine combine, void* record, const char* name, const void* pc);

  // mbarrier.cpp and bulk_copy.cpp
  std::vector<MbarrierWaiter> mbarrier_waiters;
  std::vector<BulkCopy> loads_in_flight;
  uint64_t next_ticket() { return ++ticket_; }

 private:
  static void fiber_main();
  void run_thread(Thread& thread);
  void reset(Launch& launch, uint3 index, uint64_t block_seed);
  void begin(Thread& thread);
  void finish(Thread& thread);
  void record_failure(int code, const std::string& text, const void* pc);
  void leave_ended_fiber(Thread& thread, Thread* next);
  void resume(Thread& next, Fiber& from, bool ends);
  Thread* pick();
  Thread* next_ready();
  Thread* next_fresh();
  void abandon_threads();
  bool land_one_copy();
  std::string deadlock_report();

  NamedBarrier& arrive(int id, int threads, const void* pc);
  bool complete(const NamedBarrier& barrier) const;
  void release(int id);
  void complete_meeting(WarpMeeting& meeting, int warp);
  WarpMeeting& find_meeting(int warp, uint32_t mask);

  Launch* launch_ = nullptr;
  std::vector<Thread> threads_;
  int thread_count_ = 0;
  int alive_ = 0;
  uint32_t alive_lanes_[kMaxBlockThreads / kWarpLanes] = {};
  uint3 index_{};

  std::vector<Thread*> ready_;  // a ring
  size_t ready_head_ = 0, ready_tail_ = 0;
  std::vector<int> fresh_;  // order in which threads start; empty: by index
  int started_ = 0;

  Fiber scheduler_;
  StackPool stacks_;
  bool failed_ = false;
  uint64_t random_state_ = 0;
  uint64_t ticket_ = 0;
  int polls_ = 0;
  int64_t poll_deadline_ = 0;

  NamedBarrier barriers_[kBarriers];
  std::vector<WarpMeeting> meetings_[kMaxBlockThreads / kWarpLanes];
  WarpgroupMeeting warpgroups_[kMaxBlockThreads / kWarpgroupThreads];
};

// Opened by every function that kernels call: until it ends, accesses are the simulator's own.
class SimulatorCall {
 public:
  SimulatorCall() : thread_(Block::self()), nested_(thread_.in_simulator) {
    thread_.in_simulator = true;
  }
  SimulatorCall(const SimulatorCall&) = delete;
  SimulatorCall& operator=(const SimulatorCall&) = delete;
  ~SimulatorCall() { thread_.in_simulator = nested_; }

  Thread& thread() const { return thread_; }
  Block& block() const { return *thread_.block; }

 private:
  Thread& thread_;
  const bool nested_;
};

}  // namespace weft::simulator
