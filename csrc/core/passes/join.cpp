// Makes one launch of a group.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "core/passes/group.h"

namespace weft {
namespace {

constexpr int64_t kPartBytes = 256 * 1024;  // of all operands of a part: they stay in L1
constexpr int64_t kLeast = 512;             // elements of a part: fewer are not worth the calls

// Bytes per element of a part; used again when the values are not needed any more.
class ScratchPlan {
 public:
  int64_t take(int64_t itemsize) {
    for (auto free = free_.begin(); free != free_.end(); ++free)
      if (free->second == itemsize) {
        const int64_t at = free->first;
        free_.erase(free);
        return at;
      }
    total_ += itemsize;
    return total_ - itemsize;
  }
  void give_back(int64_t at, int64_t itemsize) { free_.emplace_back(at, itemsize); }
  int64_t total() const { return total_; }

 private:
  std::vector<std::pair<int64_t, int64_t>> free_;
  int64_t total_ = 0;
};

struct Use {
  int count = 0;
  size_t first = 0, last = 0;  // members of the group
  bool begins_written = false;
};

class Joiner {
 public:
  Joiner(const Group& group, const Draft& draft, const std::vector<int>& uses)
      : group_(group), draft_(draft), uses_(uses), use_of_(draft.storages.size()) {
    for (size_t m = 0; m < group.members().size(); m++) members_.push_back(group.launch(m));
    note_uses();
    if (group.begins_with_kernel()) keep_kernel_result_elsewhere();
  }

  DraftLaunch joined() {
    fused_ = std::make_unique<Fused>();
    fused_->has_first = group_.begins_with_kernel();
    const int64_t size = num_elements(group_.shape());
    fused_->inner = by_columns() ? group_.shape().back() : 1;
    fused_->rows = size / fused_->inner;
    for (size_t m = 0; m < members_.size(); m++) add_step(m);
    plan_parts();
    finish_launch();
    return std::move(launch_);
  }
  std::unique_ptr<Fused> take_fused() { return std::move(fused_); }

 private:
  bool is_kernel(size_t member) const { return member == 0 && group_.begins_with_kernel(); }
  Spread spread_of(const DraftOperand& operand) const {
    return spread_over(group_.shape(), operand.view);
  }
  Use& use_of(const DraftOperand& operand) { return use_of_[static_cast<size_t>(operand.storage)]; }

  void note_uses() {
    for (size_t m = 0; m < members_.size(); m++)
      for (size_t i = 0; i < members_[m].operands.size(); i++) {
        const DraftOperand& operand = members_[m].operands[i];
        if (operand.storage < 0) continue;
        Use& use = use_of(operand);
        if (use.count++ == 0) {
          use.first = m;
          use.begins_written = members_[m].writes(i);
        }
        use.last = m;
      }
  }

  // Nobody but the group sees it, and the group writes it first.
  bool is_inner(const DraftOperand& operand) {
    const auto at = static_cast<size_t>(operand.storage);
    return !draft_.storages[at].needed && use_of_[at].count == uses_[at] &&
           use_of_[at].begins_written;
  }

  // What the kernel writes and only the others read may lie where a later result will be.
  void keep_kernel_result_elsewhere() {
    DraftLaunch& kernel = members_[0];
    const DraftOperand old = kernel.operands[static_cast<size_t>(kernel.record.inputs)];
    if (!is_inner(old)) return;
    for (size_t m = std::max<size_t>(use_of(old).last, 1); m < members_.size(); m++) {
      const DraftOperand result = members_[m].operands.back();
      if (is_inner(result) || use_of(result).first != m || !use_of(result).begins_written) continue;
      if (itemsize(result.view.dtype) != itemsize(old.view.dtype)) continue;
      for (DraftLaunch& member : members_)
        for (DraftOperand& operand : member.operands)
          if (operand.storage == old.storage) {
            operand.storage = result.storage;
            operand.offset = result.offset;
          }
      use_of(result).first = 0;
      return;
    }
  }

  // A kernel may call its tail on some columns of its rows.
  bool by_columns() const {
    if (group_.begins_with_kernel()) return true;
    for (size_t m = 0; m < members_.size(); m++)
      for (const DraftOperand& operand : members_[m].operands) {
        const Spread spread = spread_of(operand);
        if (spread == Spread::per_column || spread == Spread::per_row) return true;
      }
    return false;
  }

  // --- steps ---

  void add_step(size_t m) {
    const DraftLaunch& member = members_[m];
    fused_->steps.push_back({member.record.kernel, member.params, fused_->views.size(),
                             static_cast<int>(member.operands.size())});
    for (size_t i = 0; i < member.operands.size(); i++) {
      const DraftOperand& operand = member.operands[i];
      if (operand.storage < 0) {
        fused_->views.push_back({operand.view, -1, 0, false, false, 0});
        continue;
      }
      const bool inner = !is_kernel(m) && is_inner(operand) && !is_kernel(use_of(operand).first);
      fused_->views.push_back(is_kernel(m) ? Fused::View{operand.view, 0, 0, false, false, 0}
                                           : part_of(operand));
      Fused::View& view = fused_->views.back();
      view.from = inner ? -1 : outer(operand, member.writes(i));
      if (inner) view.scratch = scratch_of(operand, m);
      if (!is_kernel(m) && !inner && spread_of(operand) == Spread::whole)
        outer_whole_.insert({operand.storage, operand.offset});
    }
    for (const DraftOperand& operand : member.operands) give_back_after(operand, m);
  }

  // The operand as it is in a part; its number of rows comes later.
  Fused::View part_of(const DraftOperand& operand) const {
    Fused::View view{operand.view, -1, 0, false, false, 0};
    const auto bytes = static_cast<int64_t>(itemsize(operand.view.dtype));
    const int64_t inner = fused_->inner;
    switch (spread_of(operand)) {
      case Spread::whole:
        view.operand.shape = inner == 1 ? Shape{1} : Shape{1, inner};
        view.bytes_per_row = inner * bytes;
        view.shrinks = true;
        view.narrows = inner > 1;
        break;
      case Spread::per_row:
        view.operand.shape = {1, 1};
        view.bytes_per_row = bytes;
        view.shrinks = true;
        break;
      case Spread::per_column:
        view.operand.shape = {inner};
        view.narrows = true;
        break;
      default: view.operand.shape = Shape{}; break;
    }
    view.operand.strides = row_major_strides(view.operand.shape);
    return view;
  }

  int64_t scratch_of(const DraftOperand& operand, size_t m) {
    const auto [found, is_new] = scratch_at_.try_emplace(operand.storage, 0);
    if (is_new) {
      check(m == use_of(operand).first, "fused launch: scratch is read before it is written");
      found->second = scratch_.take(static_cast<int64_t>(itemsize(operand.view.dtype)));
    }
    return found->second;
  }
  void give_back_after(const DraftOperand& operand, size_t m) {
    const auto found = operand.storage < 0 ? scratch_at_.end() : scratch_at_.find(operand.storage);
    if (found == scratch_at_.end() || use_of(operand).last != m || found->second < 0) return;
    scratch_.give_back(found->second, static_cast<int64_t>(itemsize(operand.view.dtype)));
    found->second = -1;
  }

  // The number of an operand of the launch as a whole.
  int32_t outer(const DraftOperand& operand, bool written) {
    for (size_t k = 0; k < outer_.size(); k++) {
      const DraftOperand& known = outer_[k];
      if (known.storage != operand.storage || known.offset != operand.offset ||
          !(known.view.shape == operand.view.shape) ||
          !(known.view.strides == operand.view.strides) || known.view.dtype != operand.view.dtype)
        continue;
      outer_written_[k] = outer_written_[k] || written;
      return static_cast<int32_t>(k);
    }
    outer_.push_back(operand);
    outer_written_.push_back(written);
    return static_cast<int32_t>(outer_.size() - 1);
  }

  // --- ending ---

  void plan_parts() {
    int64_t bytes = scratch_.total();
    for (const DraftOperand& operand : outer_)
      if (outer_whole_.count({operand.storage, operand.offset}) > 0)
        bytes += static_cast<int64_t>(itemsize(operand.view.dtype));
    int64_t elements = std::max(kPartBytes / std::max<int64_t>(bytes, 1) / 64 * 64, kLeast);
    fused_->part = std::clamp<int64_t>(elements / fused_->inner, 1, fused_->rows);
    elements = fused_->part * fused_->inner;
    fused_->scratch_bytes = scratch_.total() * elements;
    for (Fused::View& view : fused_->views) {
      view.scratch *= elements;
      if (view.shrinks) view.operand.shape[0] = fused_->part;
    }
  }

  void finish_launch() {
    launch_.record = members_[0].record;
    launch_.record.kernel = &run_fused;
    // Inputs first, as in every launch.
    std::vector<int32_t> place(outer_.size());
    for (const bool written : {false, true})
      for (size_t k = 0; k < outer_.size(); k++) {
        if (outer_written_[k] != written) continue;
        place[k] = static_cast<int32_t>(launch_.operands.size());
        launch_.operands.push_back(outer_[k]);
      }
    launch_.record.outputs =
        static_cast<int>(std::count(outer_written_.begin(), outer_written_.end(), true));
    launch_.record.inputs = static_cast<int>(outer_.size()) - launch_.record.outputs;
    for (Fused::View& view : fused_->views)
      if (view.from >= 0) view.from = place[static_cast<size_t>(view.from)];
    describe(group_, launch_);
    const Fused* pointer = fused_.get();
    launch_.params.resize(sizeof pointer);
    std::memcpy(launch_.params.data(), static_cast<const void*>(&pointer), sizeof pointer);
  }

  const Group& group_;
  const Draft& draft_;
  const std::vector<int>& uses_;
  std::vector<Use> use_of_;
  std::vector<DraftLaunch> members_;
  std::unique_ptr<Fused> fused_;
  DraftLaunch launch_;
  ScratchPlan scratch_;
  std::map<int32_t, int64_t> scratch_at_;  // -1 when given back
  std::set<std::pair<int32_t, int64_t>> outer_whole_;
  std::vector<DraftOperand> outer_;
  std::vector<bool> outer_written_;
};

}  // namespace

void describe(const Group& group, DraftLaunch& launch) {
  LaunchRecord& record = launch.record;
  record.name.clear();
  record.label.clear();
  record.cost = {};
  for (size_t m = 0; m < group.members().size(); m++) {
    const LaunchRecord& member = group.launch(m).record;
    record.name += (record.name.empty() ? "" : " + ") + member.name_of();
    record.cost.flops += member.cost.flops;
    if (record.label.empty()) record.label = member.label;
  }
  for (const DraftOperand& operand : launch.operands)
    record.cost.bytes += operand.view.size() * static_cast<int64_t>(itemsize(operand.view.dtype));
}

DraftLaunch join(const Group& group, Draft& draft, const std::vector<int>& uses) {
  Joiner joiner(group, draft, uses);
  DraftLaunch launch = joiner.joined();
  draft.fused.push_back(joiner.take_fused());
  return launch;
}

}  // namespace weft
