// Records what happens: every launch, and of one chosen thread what it loads and stores.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "sim/observer.h"

namespace weft::simulator {

struct TracedLaunch {
  std::string kernel;
  uint3 grid, block;
  size_t shared_bytes;
  bool has_thread;  // whether the chosen thread exists in it
};

struct TracedEvent {
  size_t launch;
  std::string line;
  std::string operation;  // load, store, atomic, barrier, warp (a collective), issue (a copy)
  std::string memory;     // global, shared, or empty
  uint64_t address;       // of shared memory: distance from the dynamic part
  std::string value;      // the bytes
};

class Trace final : public Observer {
 public:
  Trace() = default;
  void choose(uint3 block, uint3 thread);
  std::vector<TracedLaunch> launches();
  std::vector<TracedEvent> events();
  bool complete() const { return complete_; }

  void launch_begin(const LaunchInfo&) override;
  void launch_end(const LaunchInfo&) override;
  void block_begin(const LaunchInfo&, uint3 block) override;
  void block_end() override { running_ = false; }
  void thread_begin(const ThreadContext&, const void* stack, size_t bytes) override;
  void thread_end(const ThreadContext&) override;
  void block_barrier() override;
  void named_barrier(int id, const int* arrived, int arrived_count, const int* waited,
                     int waited_count) override;
  void warp_sync(int warp, uint32_t mask, bool orders_memory) override;
  void access(const Access&) override;
  void async_issue(const AsyncAccess&) override;

 private:
  struct Event {
    size_t launch;
    const void* pc;
    const char* operation;
    const char* memory;
    uint64_t address;
    std::string value;
  };

  void add(Event event);
  void finish_store();
  void add_wait(const char* operation);

  std::mutex mutex_;
  uint3 block_{}, thread_{};
  std::vector<LaunchInfo> launches_;
  std::vector<bool> has_thread_;
  std::vector<Event> events_;
  bool complete_ = true;  // not when there were too many events
  bool running_ = false;  // the chosen block runs
  int linear_ = 0;        // the chosen thread in it
  uintptr_t shared_begin_ = 0;
  size_t shared_bytes_ = 0;
  // A store is reported before it happens: its value is read at the next event.
  const void* stored_at_ = nullptr;
  size_t stored_bytes_ = 0;
};

}  // namespace weft::simulator
