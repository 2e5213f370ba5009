#include "core/passes/group.h"

#include <algorithm>
#include <limits>

namespace weft {
namespace {

constexpr size_t kReach = 64;  // entries that are looked at for one group
constexpr size_t kMostMembers = 16;
constexpr size_t kMostOperands = kMaxOperands - 4;  // of a group: few enough for one launch

bool is_dense(const Operand& view) { return view.strides == row_major_strides(view.shape); }

const DraftOperand& result_of(const DraftLaunch& launch, Fusion fusion) {
  const auto first_output = static_cast<size_t>(launch.record.inputs);
  return launch.operands[fusion == Fusion::calls_tail ? first_output : launch.operands.size() - 1];
}

}  // namespace

Spread spread_over(const Shape& result, const Operand& view) {
  const int64_t n = view.size(), size = num_elements(result), columns = result.back();
  if (n == size && is_dense(view)) return Spread::whole;
  if (n == 1) return Spread::number;
  const int ndim = view.shape.size();
  if (n == columns && view.shape.back() == n && view.strides[ndim - 1] == 1)
    return Spread::per_column;
  if (n == size / columns && view.shape.back() == 1 && ndim == result.size() && is_dense(view))
    return Spread::per_row;
  return Spread::other;
}

namespace {

// Whether an elementwise launch gives parts of a result of this shape from parts of its operands.
bool works_by_parts(const DraftLaunch& launch, const Shape& shape) {
  return launch.operands.back().view.shape == shape &&
         std::all_of(
             launch.operands.begin(), launch.operands.end(), [&](const DraftOperand& operand) {
               return operand.view.present && spread_over(shape, operand.view) != Spread::other;
             });
}

// All float32 and known to the interpreter of GPUs. Half precision would be rounded in between, and
// numbers of the host that change keep a launch out of CUDA graphs.
bool can_be_interpreted(const Draft& draft, const DraftLaunch& launch) {
  if (chain_interpreter() == nullptr || chain_code(*launch.record.slot) < 0) return false;
  if (launch.operands.back().view.size() > std::numeric_limits<int32_t>::max()) return false;
  return std::all_of(launch.operands.begin(), launch.operands.end(), [&](const DraftOperand& o) {
    if (o.view.dtype != DType::float32) return false;
    return !o.view.on_host || draft.storages[static_cast<size_t>(o.storage)].constant;
  });
}

}  // namespace

bool Group::can_begin(const Draft& draft, const DraftEntry& entry, Fusion fusion) {
  if (entry.kind != Program::Kind::launch) return false;
  const LaunchRecord& record = entry.launch.record;
  if (record.kernel == &run_fused) return false;
  const bool on_gpu = is_gpu(record.device);
  if (on_gpu ? fusion != Fusion::elementwise || !can_be_interpreted(draft, entry.launch)
             : fusion_of(*record.slot) != fusion)
    return false;
  if (fusion == Fusion::elementwise && record.outputs != 1) return false;
  const Operand& result = result_of(entry.launch, fusion).view;
  if (!result.present || !is_dense(result) || result.shape.empty() || result.size() == 0)
    return false;
  return fusion != Fusion::elementwise || works_by_parts(entry.launch, result.shape);
}

Group::Group(const Draft& draft, size_t entry) : draft_(draft), members_{entry}, position_(entry) {
  const DraftLaunch& first = launch(0);
  shape_ = result_of(first, fusion_of(*first.record.slot)).view.shape;
}

// --- which launches belong to it -----------------------------------------------------------------

// Part by part, a launch sees what the one before has written in this part only. So what both use,
// and one of them writes, they must use in the same place.
bool Group::may_run_by_parts(const DraftLaunch& member, bool is_kernel, const DraftLaunch& next,
                             const Shape& shape) const {
  for (size_t i = 0; i < member.operands.size(); i++)
    for (size_t j = 0; j < next.operands.size(); j++) {
      const DraftOperand &a = member.operands[i], &b = next.operands[j];
      if (!member.writes(i) && !next.writes(j)) continue;
      if (!draft_.may_overlap(a.storage, b.storage)) continue;
      if (is_kernel && static_cast<int>(i) != member.record.inputs) return false;
      const bool same_place = a.storage == b.storage && a.offset == b.offset &&
                              itemsize(a.view.dtype) == itemsize(b.view.dtype) &&
                              spread_over(shape, a.view) == Spread::whole &&
                              spread_over(shape, b.view) == Spread::whole;
      if (!same_place) return false;
    }
  return true;
}

bool Group::reads_from_group(const DraftLaunch& candidate) const {
  for (size_t m = 0; m < members_.size(); m++) {
    const bool is_kernel = m == 0 && begins_with_kernel();
    const int32_t made =
        result_of(launch(m), is_kernel ? Fusion::calls_tail : Fusion::elementwise).storage;
    for (size_t j = 0; j < candidate.operands.size(); j++)
      if (!candidate.writes(j) && candidate.operands[j].storage == made) return true;
  }
  return false;
}

// A kernel may see the rows of all axes but the last as one axis, or without one that is 1 long:
// the group has the shape that its elementwise launches see.
Shape Group::shape_with(const DraftEntry& entry) const {
  if (members_.size() > 1 || !begins_with_kernel() || entry.launch.operands.empty()) return shape_;
  const Shape& shape = entry.launch.operands.back().view.shape;
  const bool same_rows = !shape.empty() && shape.back() == shape_.back() &&
                         num_elements(shape) == num_elements(shape_);
  return same_rows ? shape : shape_;
}

bool Group::joins(const DraftEntry& entry, const Shape& shape) const {
  const bool fits =
      can_begin(draft_, entry, Fusion::elementwise) && works_by_parts(entry.launch, shape) &&
      entry.launch.record.device == launch(0).record.device && reads_from_group(entry.launch);
  for (size_t m = 0; fits && m < members_.size(); m++)
    if (!may_run_by_parts(launch(m), m == 0 && begins_with_kernel(), entry.launch, shape))
      return false;
  return fits;
}

void Group::grow() {
  std::vector<size_t> between;  // launches that are not of the group, since its position
  const auto conflicts = [this, &between](const DraftLaunch& moved) {
    return std::any_of(between.begin(), between.end(), [&](size_t other) {
      return draft_.conflict(moved, draft_.entries[other].launch);
    });
  };
  size_t operands = launch(0).operands.size();
  const Device device = launch(0).record.device;
  const size_t most_members = is_gpu(device) ? ChainParams::kMostSteps : kMostMembers;
  const size_t most_operands = is_gpu(device) ? ChainParams::kMostOperands : kMostOperands;
  const size_t end = std::min(draft_.entries.size(), members_[0] + kReach);
  for (size_t at = members_[0] + 1; at < end && members_.size() < most_members; at++) {
    const DraftEntry& entry = draft_.entries[at];
    if (entry.kind != Program::Kind::launch) return;
    const Shape shape = shape_with(entry);
    bool joining = operands + entry.launch.operands.size() <= most_operands && joins(entry, shape);
    if (joining && conflicts(entry.launch)) {
      // It cannot go up to the group; can the group come down to it?
      for (size_t m = 0; joining && m < members_.size(); m++) joining = !conflicts(launch(m));
      if (joining) {
        position_ = at;
        between.clear();
      }
    }
    if (joining) {
      shape_ = shape;
      members_.push_back(at);
      operands += entry.launch.operands.size();
    } else {
      between.push_back(at);
    }
  }
}

}  // namespace weft
