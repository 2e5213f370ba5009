// Asynchronous operations that are under way, per thread and per block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/tensor_map.h"

namespace weft::simulator {

// Operations in the groups they were committed in, oldest first.
template <class Operation>
class OperationGroups {
 public:
  void add(const Operation& operation) { operations_.push_back(operation); }
  void commit() { ends_.push_back(operations_.size()); }
  size_t committed() const { return ends_.size(); }
  bool empty() const { return operations_.empty() && ends_.empty(); }
  void clear() {
    operations_.clear();
    ends_.clear();
  }

  // Runs the oldest groups until `keep` are left.
  template <class Run>
  void retire(size_t keep, Run run) {
    if (ends_.size() <= keep) return;
    const size_t groups = ends_.size() - keep;
    const size_t count = ends_[groups - 1];
    for (size_t i = 0; i < count; i++) run(operations_[i]);
    operations_.erase(operations_.begin(), operations_.begin() + static_cast<ptrdiff_t>(count));
    ends_.erase(ends_.begin(), ends_.begin() + static_cast<ptrdiff_t>(groups));
    for (size_t& end : ends_) end -= count;
  }

  Operation* begin() { return operations_.data(); }
  // Operations in the oldest group.
  size_t front_size() const { return ends_.empty() ? 0 : ends_.front(); }

 private:
  std::vector<Operation> operations_;
  std::vector<size_t> ends_;
};

// cp.async
struct ThreadCopy {
  void* to;
  const void* from;
  int bytes;         // written; what is past source_bytes becomes zero
  int source_bytes;  // read
  uint64_t ticket;
  const void* pc;
};

// A tile or a run of bytes between global and shared memory, moved by the TMA unit.
struct BulkCopy {
  bool is_tile = false;
  TensorMap map;
  int32_t coordinates[5] = {};
  void* shared = nullptr;
  void* global = nullptr;       // runs only
  size_t bytes = 0;             // of shared memory
  uint64_t* barrier = nullptr;  // loads only
  uint64_t ticket = 0;
  const void* pc = nullptr;
};

enum class MmaType : uint8_t { bf16, f16, tf32 };

// One wgmma as one of its 128 threads issued it.
struct WarpgroupMma {
  float* accumulators;  // n / 2 of them
  int n;
  MmaType type;
  bool a_in_registers;
  bool accumulate;
  bool a_mn_major, b_mn_major;
  uint32_t a_fragment[4];
  uint64_t a_descriptor, b_descriptor;
  const void* pc;
};

struct ThreadAsync {
  OperationGroups<ThreadCopy> copies;
  OperationGroups<BulkCopy> stores;
  OperationGroups<WarpgroupMma> mmas;
  bool empty() const { return copies.empty() && stores.empty() && mmas.empty(); }
  void clear() {
    copies.clear();
    stores.clear();
    mmas.clear();
  }
};

}  // namespace weft::simulator
