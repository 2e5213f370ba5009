// A recorded step as passes see it: launches that may be moved, joined and left out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/program.h"

namespace weft {

struct Fused;

struct DraftOperand {
  Operand view;
  int32_t storage = -1;  // in Draft::storages; -1 when absent
  int64_t offset = 0;    // bytes from the start of the storage
};

struct DraftLaunch {
  LaunchRecord record;  // without its places in the program's arrays
  std::vector<char> params;
  std::vector<DraftOperand> operands;

  bool writes(size_t operand) const { return static_cast<int>(operand) >= record.inputs; }
};

struct DraftEntry {
  Program::Kind kind;
  size_t at;           // of a check or of the host
  DraftLaunch launch;  // of a launch
};

struct DraftStorage {
  bool made;      // in the step
  bool constant;  // numbers of the host that no launch changes
  bool needed;    // somebody looks at it after the step, or it is there before
};

class Draft {
 public:
  std::vector<DraftEntry> entries;
  std::vector<DraftStorage> storages;
  std::vector<std::shared_ptr<Fused>> fused;

  bool may_overlap(int32_t a, int32_t b) const;
  // Whether the order of two launches matters.
  bool conflict(const DraftLaunch& a, const DraftLaunch& b) const;
  // How often each storage is an operand.
  std::vector<int> uses() const;
};

// A pass is listed in passes.cpp and leaves alone what it cannot prove to be safe.
struct Pass {
  const char* name;
  const char* does;  // one line for the reader of a program
  void (*run)(Draft& draft);
};
const std::vector<Pass>& passes();  // in the order in which they run

// Results of at least so many bytes are worth joining three launches or more, or two.
struct FusionLimits {
  int64_t bytes = 256 << 10, pair_bytes = 16 << 20;
};
FusionLimits set_fusion_limits(FusionLimits limits);  // for tests and measurements; gives the old

void remove_dead_launches(Draft& draft);
void fuse_chains(Draft& draft);
void fold_epilogues(Draft& draft);
void fuse_tails(Draft& draft);

}  // namespace weft
