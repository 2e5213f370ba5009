#include "core/passes/draft.h"

namespace weft {

// Arguments and arrays of the user may share memory with each other and with the weights; what the
// step made itself shares memory with nothing.
bool Draft::may_overlap(int32_t a, int32_t b) const {
  if (a < 0 || b < 0) return false;
  if (a == b) return true;
  const DraftStorage &x = storages[static_cast<size_t>(a)], &y = storages[static_cast<size_t>(b)];
  return !x.made && !y.made;
}

bool Draft::conflict(const DraftLaunch& a, const DraftLaunch& b) const {
  for (size_t i = 0; i < a.operands.size(); i++)
    for (size_t j = 0; j < b.operands.size(); j++)
      if ((a.writes(i) || b.writes(j)) && may_overlap(a.operands[i].storage, b.operands[j].storage))
        return true;
  return false;
}

std::vector<int> Draft::uses() const {
  std::vector<int> count(storages.size());
  for (const DraftEntry& entry : entries)
    for (const DraftOperand& operand : entry.launch.operands)
      if (operand.storage >= 0) count[static_cast<size_t>(operand.storage)]++;
  return count;
}

}  // namespace weft
