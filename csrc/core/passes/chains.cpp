// The two passes that join elementwise launches.
#include <utility>

#include "core/passes/group.h"

namespace weft {
namespace {

// An L2 gives an elementwise kernel half the bandwidth of an L1, and a whole pass over an array is
// what prefetchers are made for. Measured with AVX-512 (1 MB of L2, 32 MB of L3): two launches as
// one take 0.9 to 1.05 of the time up to 4 MB and 1.1 at 16 MB; four 1.05, 1.2 and 1.5.
FusionLimits limits;

bool is_worthwhile(const Group& group) {
  // There a launch costs more than small arrays take, and what is between two of them large ones.
  if (is_gpu(group.launch(0).record.device)) return true;
  const auto item = static_cast<int64_t>(itemsize(group.launch(1).operands.back().view.dtype));
  const int64_t bytes = num_elements(group.shape()) * item;
  return bytes >= (group.members().size() == 2 ? limits.pair_bytes : limits.bytes);
}

void replace(Draft& draft, const Group& group) {
  const size_t position = group.position();
  std::vector<bool> joined(draft.entries.size());
  for (const size_t member : group.members()) joined[member] = true;
  const std::vector<int> uses = draft.uses();
  DraftLaunch launch = is_gpu(group.launch(0).record.device) ? interpreted(group, draft, uses)
                                                             : join(group, draft, uses);
  std::vector<DraftEntry> entries;
  for (size_t at = 0; at < draft.entries.size(); at++) {
    if (at == position)
      entries.push_back({Program::Kind::launch, 0, std::move(launch)});
    else if (!joined[at])
      entries.push_back(std::move(draft.entries[at]));
  }
  draft.entries = std::move(entries);
}

void fuse(Draft& draft, Fusion first) {
  for (size_t at = 0; at < draft.entries.size(); at++) {
    // Where one group was made, the launches behind it may begin another one.
    while (at < draft.entries.size() && Group::can_begin(draft, draft.entries[at], first)) {
      Group group(draft, at);
      group.grow();
      if (group.members().size() < 2 || !is_worthwhile(group)) break;
      replace(draft, group);
    }
  }
}

}  // namespace

FusionLimits set_fusion_limits(FusionLimits new_limits) {
  return std::exchange(limits, new_limits);
}

void fuse_tails(Draft& draft) { fuse(draft, Fusion::calls_tail); }
void fuse_chains(Draft& draft) { fuse(draft, Fusion::elementwise); }

}  // namespace weft
