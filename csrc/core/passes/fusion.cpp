#include "core/passes/fusion.h"

#include <unordered_map>

namespace weft {
namespace {

// Filled while the module is loaded, in any order of its files.
std::unordered_map<const KernelSlot*, Fusion>& known() {
  static std::unordered_map<const KernelSlot*, Fusion> slots;
  return slots;
}

}  // namespace

Fuses::Fuses(Fusion fusion, std::initializer_list<const KernelSlot*> slots) {
  for (const KernelSlot* slot : slots) known()[slot] = fusion;
}

Fusion fusion_of(const KernelSlot& slot) {
  const auto found = known().find(&slot);
  return found == known().end() ? Fusion::none : found->second;
}

}  // namespace weft
