// Launches that become one: an elementwise chain, alone or as the tail of a kernel.
#pragma once

#include <vector>

#include "core/passes/draft.h"
#include "core/passes/fused.h"
#include "core/passes/fusion.h"
#include "core/passes/interpreter.h"

namespace weft {

Spread spread_over(const Shape& result, const Operand& view);

class Group {
 public:
  // Begins with `launch`: a kernel that calls its tail, or an elementwise launch.
  Group(const Draft& draft, size_t entry);

  // Whether a group may begin with it.
  static bool can_begin(const Draft& draft, const DraftEntry& entry, Fusion fusion);
  // Adds the elementwise launches from here on that use what the group computes, and that may be
  // moved to it.
  void grow();

  const std::vector<size_t>& members() const { return members_; }
  size_t position() const { return position_; }  // the entry that they are moved to
  const Shape& shape() const { return shape_; }  // of each result
  bool begins_with_kernel() const {
    return fusion_of(*launch(0).record.slot) == Fusion::calls_tail;
  }
  const DraftLaunch& launch(size_t member) const { return draft_.entries[members_[member]].launch; }

 private:
  Shape shape_with(const DraftEntry& entry) const;
  bool joins(const DraftEntry& entry, const Shape& shape) const;
  bool may_run_by_parts(const DraftLaunch& member, bool is_kernel, const DraftLaunch& next,
                        const Shape& shape) const;
  bool reads_from_group(const DraftLaunch& candidate) const;

  const Draft& draft_;
  std::vector<size_t> members_;
  size_t position_;
  Shape shape_;
};

// The launch that does what the group does; `uses` counts how often each storage is an operand in
// the step.
DraftLaunch join(const Group& group, Draft& draft, const std::vector<int>& uses);
// The same for a group on a GPU.
DraftLaunch interpreted(const Group& group, const Draft& draft, const std::vector<int>& uses);
// Name, cost and label of a launch that does what the group does, and has the operands.
void describe(const Group& group, DraftLaunch& launch);

}  // namespace weft
