// The checker: memory errors, races and misused synchronisation of simulated kernels.
//
// Every access of the checked build is compared with what the shadow remembers of the same bytes.
// Two accesses race when one of them writes and nothing orders them: no barrier, no mbarrier, no
// __syncwarp within the warp, no fence and atomic between blocks. That is a property of the
// program, not of the order the simulator happened to choose, so one run usually finds it.
#pragma once

#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/clocks.h"
#include "sim/findings.h"
#include "sim/observer.h"
#include "sim/shadow.h"

namespace weft::simulator {

class Checker final : public Observer {
 public:
  Checker();

  std::vector<Report> take_reports();
  // The kernels that ran under any checker of this process.
  static const std::set<const void*>& watched() { return functions_watched(); }

  void launch_begin(const LaunchInfo&) override;
  void launch_end(const LaunchInfo&) override;
  void block_begin(const LaunchInfo&, uint3 block) override;
  void faulted(int code, const std::string& text, const void* pc) override;
  void thread_end(const ThreadContext&) override;

  void block_barrier() override;
  void named_barrier(int id, const int* arrived, int arrived_count, const int* waited,
                     int waited_count) override;
  void warp_sync(int warp, uint32_t mask, bool orders_memory) override;
  void warpgroup_sync(int warpgroup) override;
  void fence(FenceScope) override;

  void access(const Access&) override;
  void undefined_behaviour(const char* what, const char* file, int line) override;
  void async_issue(const AsyncAccess&) override;
  void async_land(const AsyncAccess&, const void* barrier) override;
  void mbarrier_init(const void* barrier, const void* pc) override;
  void mbarrier_release(const void* barrier, const void* pc) override;
  void mbarrier_acquire(const void* barrier, const void* pc) override;

  void allocated(const void* address, size_t bytes) override;
  void freed(const void* address, size_t bytes) override;
  void block_taken(const void* address, size_t bytes) override;
  void block_returned(const void* address) override;
  void host_wrote(const void* address, size_t bytes) override;
  void device_copied(const void* to, const void* from, size_t bytes) override;

 private:
  // What one thread of the block does, as records keep it.
  struct Actor {
    Record record;
    int agent;
    const void* pc;
    bool structure = false;  // gaps between members are read without having been written
  };
  // A copy between issue and landing, as its issuer made it.
  struct Pending {
    uint16_t thread;
    uint32_t pc;
  };
  // An atomic variable through which blocks, or warps of one block, let each other know.
  struct Release {
    uint32_t block;
    Clock clock;
  };
  struct SyncVariable {
    std::vector<Release> releases;  // by blocks in the order they ran
    uint32_t block = 0;             // of `view`
    View view;
  };

  static std::set<const void*>& functions_watched();
  Actor actor(AccessKind kind, const void* pc) const;
  void touch(uintptr_t address, size_t bytes, AccessKind kind, const Actor& actor);
  void touch_shared(uintptr_t address, size_t bytes, AccessKind kind, const Actor& actor);
  void touch_global(uintptr_t address, size_t bytes, AccessKind kind, const Actor& actor);
  void check_bounds(Segment* segment, uintptr_t address, size_t bytes, AccessKind kind,
                    const Actor& actor);
  void check_cell(const Cell& cell, AccessKind kind, uint8_t bytes, const Actor& actor,
                  bool shared);
  void check_pending(size_t cell, AccessKind kind, const Actor& actor);
  void remember(Cell& cell, AccessKind kind, uint8_t bytes, const Actor& actor, bool shared);
  bool ordered(const Record& earlier, const Actor& actor) const;
  bool acquired(const Record& earlier) const;
  void synchronise(uintptr_t address, AccessKind kind, int agent);
  bool is_ignored(uintptr_t address, bool write) const;
  void check_barrier_lines();

  void issue_shared(const AsyncAccess& access, const Actor& actor);
  void touch_mbarrier(const void* barrier, AccessKind kind, const void* pc);

  Place place_of(const Record& record) const;
  uint3 thread_index(int linear) const;
  void report(const char* kind, const Actor& actor, std::string problem);
  void report_race(const Record& other, const Actor& actor, AccessKind kind, bool shared,
                   bool other_writes);
  [[noreturn]] void stop(const char* kind, const Actor& actor, const std::string& problem);

  // Memory comes and goes on any thread, and so do launches.
  mutable std::recursive_mutex mutex_;
  const Image& image_;
  GlobalShadow global_;
  SharedShadow shared_;
  Findings findings_;

  LaunchInfo launch_{};
  uint32_t block_ = 0;         // the running one, numbered through all launches
  uint32_t first_block_ = 1;   // of the launch
  std::vector<uint3> blocks_;  // of the launch, in the order they ran
  bool stopping_ = false;      // the fault that comes has been reported

  Clocks clocks_;
  std::unordered_map<const void*, View> mbarriers_;
  std::unordered_map<uint64_t, Pending> pending_;
  std::unordered_map<uintptr_t, SyncVariable> variables_;
  std::vector<std::pair<const SyncVariable*, size_t>> acquired_;
};

}  // namespace weft::simulator
