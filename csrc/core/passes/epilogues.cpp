// The pass that gives a bias and a ReLU behind a kernel to that kernel's own epilogue, where they
// are worked on in registers: no other pass over the result is as cheap, so it always pays.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/passes/draft.h"
#include "core/passes/epilogue.h"
#include "core/passes/group.h"

namespace weft {
namespace {

constexpr size_t kReach = 64;  // entries that are looked at behind a kernel

// Filled while the module is loaded, in any order of its files.
std::unordered_map<const KernelSlot*, Epilogue>& known() {
  static std::unordered_map<const KernelSlot*, Epilogue> slots;
  return slots;
}

// The result of `kernel` as `reader` sees it: all of it, with the same last axis.
bool is_result(const DraftLaunch& kernel, const DraftOperand& read) {
  const DraftOperand& result = kernel.operands.back();
  const Shape& shape = result.view.shape;
  return read.storage == result.storage && read.offset == result.offset &&
         read.view.dtype == result.view.dtype && !read.view.shape.empty() &&
         read.view.shape.back() == shape.back() && spread_over(shape, read.view) == Spread::whole;
}

// Does what `reader` does in the epilogue of `kernel`, but for where the result lies. False, and
// nothing is changed, when it cannot.
bool take_step(DraftLaunch& kernel, const Epilogue& epilogue, const DraftLaunch& reader) {
  const DType dtype = kernel.operands.back().view.dtype;
  if (reader.record.slot == epilogue.relu)
    return is_result(kernel, reader.operands[0]) && epilogue.add_relu(kernel.params.data(), dtype);
  if (reader.record.slot != epilogue.add || kernel.operands[epilogue.bias].view.present ||
      !epilogue.can_add(kernel.params.data(), dtype))
    return false;
  const size_t other = is_result(kernel, reader.operands[0]) ? 1 : 0;
  if (!is_result(kernel, reader.operands[1 - other])) return false;
  DraftOperand bias = reader.operands[other];
  const int64_t columns = kernel.operands.back().view.shape.back();
  const int ndim = bias.view.shape.size();
  const bool is_row = ndim > 0 && bias.view.size() == columns &&
                      bias.view.shape.back() == columns &&
                      (columns == 1 || bias.view.strides[ndim - 1] == 1);
  const bool on_other_device = bias.view.on_host && is_gpu(kernel.record.device);
  if (!is_row || on_other_device || bias.view.dtype != dtype ||
      bias.storage == kernel.operands.back().storage)
    return false;
  bias.view.shape = {columns};
  bias.view.strides = {1};
  kernel.operands[epilogue.bias] = bias;
  return true;
}

bool overlaps_inputs(const Draft& draft, const DraftLaunch& kernel, int32_t storage) {
  return std::any_of(kernel.operands.begin(), kernel.operands.end() - 1,
                     [&](const DraftOperand& o) { return draft.may_overlap(o.storage, storage); });
}

// Where both can be one launch: there, or where the reader is. -1 when others must run in between.
int64_t common_position(const Draft& draft, size_t kernel, size_t reader) {
  const auto is_free = [&](size_t moved) {
    for (size_t at = kernel + 1; at < reader; at++)
      if (draft.conflict(draft.entries[moved].launch, draft.entries[at].launch)) return false;
    return true;
  };
  if (is_free(reader)) return static_cast<int64_t>(kernel);
  return is_free(kernel) ? static_cast<int64_t>(reader) : -1;
}

// The launch after `kernel` that alone reads its result, or the end.
size_t only_reader(const Draft& draft, size_t kernel, const std::vector<int>& uses) {
  const int32_t result = draft.entries[kernel].launch.operands.back().storage;
  if (draft.storages[static_cast<size_t>(result)].needed || uses[static_cast<size_t>(result)] != 2)
    return draft.entries.size();
  const size_t end = std::min(draft.entries.size(), kernel + kReach);
  for (size_t at = kernel + 1; at < end; at++) {
    const DraftEntry& entry = draft.entries[at];
    if (entry.kind != Program::Kind::launch) break;
    for (const DraftOperand& operand : entry.launch.operands)
      if (operand.storage == result) return at;
  }
  return draft.entries.size();
}

// One step behind the kernel at `at`, which may move down to where that step was.
bool fold_next(Draft& draft, size_t at) {
  const DraftLaunch& kernel = draft.entries[at].launch;
  const Epilogue* epilogue = epilogue_of(*kernel.record.slot);
  if (epilogue == nullptr || kernel.record.outputs != 1) return false;
  const Operand& result = kernel.operands.back().view;
  if (result.shape.empty() || !(result.strides == row_major_strides(result.shape))) return false;
  const size_t reads = only_reader(draft, at, draft.uses());
  if (reads == draft.entries.size()) return false;
  const DraftLaunch& reader = draft.entries[reads].launch;
  if (reader.record.device != kernel.record.device) return false;
  const DraftOperand& written = reader.operands.back();
  const int64_t position = common_position(draft, at, reads);
  DraftLaunch joined = kernel;
  if (position < 0 || !take_step(joined, *epilogue, reader) || written.view.dtype != result.dtype ||
      written.view.size() != result.size() ||
      !(written.view.strides == row_major_strides(written.view.shape)))
    return false;
  joined.operands.back().storage = written.storage;
  joined.operands.back().offset = written.offset;
  if (overlaps_inputs(draft, joined, written.storage)) return false;
  joined.record.name = kernel.record.name_of() + " + " + reader.record.name_of();
  joined.record.cost.flops += reader.record.cost.flops;
  joined.record.cost.bytes = 0;
  for (const DraftOperand& operand : joined.operands)
    joined.record.cost.bytes +=
        operand.view.present
            ? operand.view.size() * static_cast<int64_t>(itemsize(operand.view.dtype))
            : 0;
  draft.entries[static_cast<size_t>(position)].launch = std::move(joined);
  const size_t gone = static_cast<size_t>(position) == at ? reads : at;
  draft.entries.erase(draft.entries.begin() + static_cast<std::ptrdiff_t>(gone));
  return true;
}

}  // namespace

HasEpilogue::HasEpilogue(const KernelSlot& slot, const Epilogue& epilogue) {
  known()[&slot] = epilogue;
}

const Epilogue* epilogue_of(const KernelSlot& slot) {
  const auto found = known().find(&slot);
  return found == known().end() ? nullptr : &found->second;
}

void fold_epilogues(Draft& draft) {
  for (size_t at = 0; at < draft.entries.size(); at++)
    while (at < draft.entries.size() && draft.entries[at].kind == Program::Kind::launch &&
           fold_next(draft, at)) {
    }
}

}  // namespace weft
