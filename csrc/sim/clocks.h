// Vector clocks of one block: which accesses of other warps are over for the running one.
//
// An agent is a warp, or the unit that makes asynchronous copies. Every agent counts its epochs; an
// epoch ends whenever it lets others know what it has done so far. Within a warp an earlier epoch
// is over for all lanes, in the same epoch only a lane's own accesses are.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "sim/thread.h"

namespace weft::simulator {

constexpr int kAgents = kMaxBlockThreads / kWarpLanes + 1;
constexpr int kAsyncAgent = kAgents - 1;

using Clock = std::array<uint32_t, kAgents>;

inline void join(Clock& to, const Clock& from) {
  for (size_t i = 0; i < to.size(); i++) to[i] = std::max(to[i], from[i]);
}

// What an agent knows to be over; and what of it was so at a fence, which is what others get to see
// through an atomic variable.
struct View {
  Clock seen{}, fenced_block{}, fenced_device{};
};

inline void join(View& to, const View& from) {
  join(to.seen, from.seen);
  join(to.fenced_block, from.fenced_block);
  join(to.fenced_device, from.fenced_device);
}

class Clocks {
 public:
  void reset(int warps) {
    warps_ = warps;
    for (int agent = 0; agent < kAgents; agent++) {
      if (agent > warps && agent != kAsyncAgent) continue;
      views_[agent] = View{};
      epoch(agent) = 1;
    }
  }

  View& view(int agent) { return views_[agent]; }
  uint32_t now(int agent) const { return views_[agent].seen[static_cast<size_t>(agent)]; }
  void next_epoch(int agent) { epoch(agent)++; }

  // Whether an access another agent made in `clock` is over for this one.
  bool knows(int agent, int other, uint32_t clock) const {
    const uint32_t seen = views_[agent].seen[static_cast<size_t>(other)];
    return agent == other ? clock < seen : clock <= seen;
  }

  void release(int agent, View& object) {
    join(object, views_[agent]);
    next_epoch(agent);
  }
  void acquire(int agent, const View& object) { join(views_[agent], object); }

  // Everything `arrived` did is over for `waited`, a part of it. Bits are warps.
  void barrier(uint32_t arrived, uint32_t waited) {
    View all;
    for (int warp = 0; warp < warps_; warp++)
      if (arrived >> warp & 1) join(all, views_[warp]);
    // A barrier is a fence among those who take part.
    join(all.fenced_block, all.seen);
    for (int warp = 0; warp < warps_; warp++) {
      if (waited >> warp & 1) acquire(warp, all);
      if (arrived >> warp & 1) next_epoch(warp);
    }
  }
  void barrier_of_all() { barrier(0xffffffffu, 0xffffffffu); }

  void fence(int agent, bool device) {
    View& view = views_[agent];
    join(view.fenced_block, view.seen);
    if (device) join(view.fenced_device, view.seen);
    next_epoch(agent);
  }

 private:
  uint32_t& epoch(int agent) { return views_[agent].seen[static_cast<size_t>(agent)]; }

  int warps_ = 0;
  View views_[kAgents];
};

}  // namespace weft::simulator
