// Counts what the lanes of warps access together, per source line: how well global accesses are
// coalesced, how shared ones conflict.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/observer.h"

namespace weft::simulator {

// One line of a kernel and one kind of access.
struct CounterRow {
  std::string kernel, line;
  std::string operation;  // load, store, atomic, barrier
  std::string memory;     // global, shared, or empty for barriers
  int bytes = 0;          // of one lane
  uint64_t requests = 0;  // instructions of a warp; barriers: of a block
  uint64_t lanes = 0;     // that took part
  uint64_t partial = 0;   // requests in which lanes of the warp that live did not take part
  uint64_t sectors = 0, ideal_sectors = 0;  // of 32 bytes, global memory
  uint64_t phases = 0, ways = 0;            // shared memory: conflict-free is one way per phase
};

class Counters final : public Observer {
 public:
  std::vector<CounterRow> take_rows();

  void launch_begin(const LaunchInfo&) override;
  void launch_end(const LaunchInfo&) override;
  void block_begin(const LaunchInfo&, uint3 block) override;
  void block_end() override;
  void block_barrier() override;
  void named_barrier(int id, const int* arrived, int arrived_count, const int* waited,
                     int waited_count) override;
  void access(const Access&) override;
  void async_issue(const AsyncAccess&) override;

 private:
  // The lanes of a warp that have come to one execution of an instruction so far.
  struct Request {
    uint32_t lanes = 0;
    uintptr_t addresses[kWarpLanes];
  };
  struct Warp {
    size_t closed = 0;  // requests before open.front()
    std::vector<Request> open;
  };
  // One instruction. Lanes run one after another: the n-th execution by each belongs together.
  struct Site {
    CounterRow totals;
    std::vector<uint32_t> executions;  // by each thread of the block
    std::vector<Warp> warps;
  };
  struct Key {
    const void* kernel;
    const void* pc;
    bool shared, write;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };

  Site& site(const void* pc, bool shared, bool write);
  void count(uintptr_t address, size_t bytes, const char* operation, bool write, const void* pc);
  void count_barrier(const void* pc, int threads);
  static void close(CounterRow& totals, const Request& request, uint32_t alive);

  std::mutex mutex_;
  const void* kernel_ = nullptr;
  LaunchInfo launch_{};
  uintptr_t shared_begin_ = 0;
  size_t shared_bytes_ = 0;
  int threads_ = 0;
  std::unordered_map<Key, Site, KeyHash> sites_;
};

}  // namespace weft::simulator
