// The two passes that join elementwise launches.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "core/passes/group.h"

namespace weft {
namespace {

// An L2 gives an elementwise kernel half the bandwidth of an L1, and a whole pass over an array is
// what prefetchers are made for. Measured with AVX-512 (1 MB of L2, 32 MB of L3): two launches as
// one take 0.9 to 1.05 of the time up to 4 MB and 1.1 at 16 MB; four 1.05, 1.2 and 1.5.
FusionLimits limits;

// A product makes its results slowly, tile by tile, in an order of its own: a part is still in L1
// when its tail runs, and the launch behind it would read what has left L2. Measured on Zen 4 with
// results of 1 to 16 MB, written where the product was: a scaled product takes 0.93 to 0.97 of the
// time, a residual 0.85, GELU (bound by its arithmetic) 1.0; with 64 KB 0.98 to 1.01.
constexpr int64_t kProductBytes = 1 << 20;

bool is_product(const LaunchRecord& record) { return record.cost.flops > 8 * record.cost.bytes; }

// The last result may lie where that of the kernel was. If not, each part begins one more stream to
// memory, for which nothing has prefetched: a cast to halves took 1.0 to 1.08 of the time up to
// 8 MB, 0.95 from 16 MB on.
bool ends_in_place(const Group& group, const Draft& draft) {
  const DraftLaunch& kernel = group.launch(0);
  const DraftOperand& made = kernel.operands[static_cast<size_t>(kernel.record.inputs)];
  const auto at = static_cast<size_t>(made.storage);
  const Operand& last = group.launch(group.members().size() - 1).operands.back().view;
  int uses = 0;
  for (size_t m = 0; m < group.members().size(); m++)
    for (const DraftOperand& operand : group.launch(m).operands)
      uses += operand.storage == made.storage;
  return !draft.storages[at].needed && uses == draft.uses()[at] &&
         itemsize(last.dtype) == itemsize(made.view.dtype);
}

// The slope of an activation reads what was made long ago: a launch of its own streams it, a tail
// waits for it. Behind products of a training step (2048x128x512, GELU) such tails cost 1.5 % of
// it.
bool has_slope(const Group& group) {
  constexpr std::string_view kEnding = "_backward";
  for (size_t m = 1; m < group.members().size(); m++) {
    const std::string name = group.launch(m).record.name_of();
    if (name.size() > kEnding.size() &&
        name.compare(name.size() - kEnding.size(), kEnding.size(), kEnding) == 0)
      return true;
  }
  return false;
}

bool is_worthwhile(const Group& group, const Draft& draft) {
  // There a launch costs more than small arrays take, and what is between two of them large ones.
  if (is_gpu(group.launch(0).record.device)) return true;
  const auto item = static_cast<int64_t>(itemsize(group.launch(1).operands.back().view.dtype));
  const int64_t bytes = num_elements(group.shape()) * item;
  if (group.begins_with_kernel() && is_product(group.launch(0).record))
    return bytes >= (ends_in_place(group, draft) && !has_slope(group)
                         ? std::min(kProductBytes, limits.pair_bytes)
                         : limits.pair_bytes);
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
      if (group.members().size() < 2 || !is_worthwhile(group, draft)) break;
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
