// Launches whose results nobody reads.
#include <algorithm>

#include "core/passes/draft.h"

namespace weft {

// From the end: a storage is wanted if somebody looks at it after the step or a launch that stays
// reads it. Updates of what is only read before are dead as well.
void remove_dead_launches(Draft& draft) {
  std::vector<bool> wanted(draft.storages.size());
  for (size_t i = 0; i < wanted.size(); i++) wanted[i] = draft.storages[i].needed;
  std::vector<DraftEntry> kept;
  for (auto entry = draft.entries.rbegin(); entry != draft.entries.rend(); ++entry) {
    const DraftLaunch& launch = entry->launch;
    if (entry->kind == Program::Kind::launch) {
      bool stays = false;
      for (size_t i = 0; i < launch.operands.size(); i++)
        if (launch.writes(i) && launch.operands[i].storage >= 0)
          stays |= wanted[static_cast<size_t>(launch.operands[i].storage)];
      if (!stays) continue;
      for (const DraftOperand& operand : launch.operands)
        if (operand.storage >= 0) wanted[static_cast<size_t>(operand.storage)] = true;
    }
    kept.push_back(std::move(*entry));
  }
  std::reverse(kept.begin(), kept.end());
  draft.entries = std::move(kept);
}

}  // namespace weft
