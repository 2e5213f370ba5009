// Rewriting a recorded step by the passes of core/passes.
#include <algorithm>

#include "core/passes/draft.h"
#include "core/passes/fused.h"
#include "core/program.h"

namespace weft {
namespace {

std::vector<std::string> names_of(const Draft& draft) {
  std::vector<std::string> names;
  for (const DraftEntry& entry : draft.entries)
    if (entry.kind == Program::Kind::launch) names.push_back(entry.launch.record.name_of());
  return names;
}

// What is in `a` and not in `b`, counted.
std::vector<std::string> without(const std::vector<std::string>& a, std::vector<std::string> b) {
  std::vector<std::string> rest;
  for (const std::string& name : a) {
    const auto found = std::find(b.begin(), b.end(), name);
    if (found == b.end())
      rest.push_back(name);
    else
      b.erase(found);
  }
  return rest;
}

}  // namespace

Draft Program::draft() const {
  Draft draft;
  for (const Held& held : held_) {
    const bool numbers = held.origin == Origin::host && !held.foreign;
    draft.storages.push_back({held.origin == Origin::made || numbers, numbers && !held.written,
                              held.origin != Origin::made || static_cast<bool>(held.storage)});
  }
  for (const Entry& entry : entries_) {
    draft.entries.push_back({entry.kind, entry.at, {}});
    if (entry.kind != Kind::launch) continue;
    DraftLaunch& launch = draft.entries.back().launch;
    launch.record = launches_[entry.at];
    const char* params = params_.data() + launch.record.params_at;
    launch.params.assign(params, params + launch.record.params_bytes);
    for (int k = 0; k < launch.record.inputs + launch.record.outputs; k++) {
      const size_t at = launch.record.first_operand + static_cast<size_t>(k);
      launch.operands.push_back({operands_[at], storage_of_[at], offset_of_[at]});
    }
  }
  return draft;
}

void Program::take(Draft& draft) {
  launches_.clear();
  operands_.clear();
  storage_of_.clear();
  offset_of_.clear();
  params_.clear();
  entries_.clear();
  for (Held& held : held_) held.first = held.last = -1;
  for (DraftEntry& entry : draft.entries) {
    entries_.push_back({entry.kind, entry.kind == Kind::launch ? launches_.size() : entry.at});
    if (entry.kind != Kind::launch) continue;
    DraftLaunch& launch = entry.launch;
    add_launch(std::move(launch.record), launch.params.data(), launch.params.size());
    for (const DraftOperand& operand : launch.operands) {
      add_operand(operand.view, operand.storage, operand.offset);
      if (operand.storage < 0) continue;
      Held& held = held_[static_cast<size_t>(operand.storage)];
      held.last = static_cast<int64_t>(launches_.size()) - 1;
      if (held.first < 0) held.first = held.last;
    }
  }
  fused_ = std::move(draft.fused);
}

void Program::rewrite(const std::vector<std::string>& wanted) {
  const std::vector<Pass>& all = passes();
  for (const std::string& name : wanted)
    check(std::any_of(all.begin(), all.end(), [&](const Pass& p) { return p.name == name; }),
          "passes: there is no pass '", name, "'");
  Draft draft = this->draft();
  for (const Pass& pass : all) {
    if (std::find(wanted.begin(), wanted.end(), pass.name) == wanted.end()) continue;
    const std::vector<std::string> before = names_of(draft);
    pass.run(draft);
    const std::vector<std::string> after = names_of(draft);
    reports_.push_back({pass.name, static_cast<int64_t>(before.size()),
                        static_cast<int64_t>(after.size()), without(before, after),
                        without(after, before)});
  }
  take(draft);
}

}  // namespace weft
