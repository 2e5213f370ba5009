// A recorded step: a flat list of launches over memory that is the program's own.
//
// A storage of a recording is one of four things. `outside`: it existed before (weights, slots,
// counters of random generators) and is used where it is. `input`: an argument, whose memory is
// another array at each replay. `host`: its values were written without a launch and stay.
// `made`: results; those nobody holds at the end share one block, planned by lifetime.
//
// On a GPU the launches between two turns of the host become CUDA graphs (core/program_graphs.cpp),
// each of which is queued in one call. A graph knows its arguments by address, so they are copied
// to a place of the program's first.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/kept_scratch.h"
#include "core/kernel.h"
#include "core/launch.h"
#include "core/tensor.h"

namespace weft {

// The values of a storage as bytes on the host.
std::vector<char> values_of(const Storage& storage);

struct LaunchRecord {
  Device device;
  const KernelSlot* slot;
  KernelFunction kernel;
  DType dtype;
  size_t params_at, params_bytes;  // in the program's bytes of parameters
  size_t first_operand;
  int inputs, outputs;
  Cost cost;
  std::string label;
  std::string name = "";  // of several launches that became one

  bool is_fused() const { return !name.empty(); }
  std::string name_of() const { return is_fused() ? name : slot->name(); }
};

struct Fused;
class Draft;

// What a pass (core/passes) did to a program.
struct PassReport {
  std::string name;
  int64_t launches_before, launches_after;
  std::vector<std::string> before, after;  // launches that went and that came
};

class Program {
 public:
  Program() = default;
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Runs from the beginning with these inputs. Returns the number of the host entry it has come to,
  // after which `go_on` continues, -1 at the end, or -2 if it cannot run with them at all: a graph
  // works on a copy of an argument, which here lies in memory that the step writes to.
  int64_t run(const std::vector<const Tensor*>& inputs);
  int64_t go_on();

  // Launches that are parts of graphs, and why others are not (empty when that is as it must be).
  size_t launches_in_graphs() const;
  const std::string& graph_failure() const { return graph_failure_; }

  // Rewrites the launches by these passes, in their own order, and gives every result its place.
  // Once, before the first run and after `difference`.
  void prepare(const std::vector<std::string>& passes);
  const std::vector<PassReport>& reports() const { return reports_; }

  // Empty when both recordings are of the same step, else what differs.
  std::string difference(const Program& other) const;
  // Whether everything it reads from outside is still in use by somebody else, and its kernels are
  // those of the current instruction set.
  bool is_current() const;

  const std::vector<LaunchRecord>& launches() const { return launches_; }
  const Operand& operand(const LaunchRecord& launch, int i) const {
    return operands_[launch.first_operand + static_cast<size_t>(i)];
  }
  // Seconds of each launch, the least of `repeat` replays; all values are put back afterwards.
  std::vector<double> profile(int repeat);

  enum class Kind : uint8_t { launch, check, host };

  size_t bytes_before_planning() const { return bytes_before_; }
  size_t bytes_planned() const { return bytes_planned_; }
  size_t bytes_kept() const { return bytes_kept_; }

 private:
  friend class Recorder;

  enum class Origin : uint8_t { outside, input, host, made };
  struct Held {
    StoragePtr storage;
    Origin origin;
    bool foreign = false;  // somebody else's memory
    bool written = false;
    int64_t first = -1, last = -1;          // launches that use it
    int64_t version = 0, version_gain = 0;  // outside, input: before, and what a replay adds
    std::vector<char> before = {};  // host: values before the first launch that writes into it
    size_t bytes = 0;               // made: of a result that nobody else holds
    Device device = {};
    void* data = nullptr;  // made: its place in the arena
    StoragePtr copy = {};  // input: what graphs read
  };
  struct Entry {
    Kind kind;
    size_t at;  // in launches_ or checks_, or the number of the host entry
  };
  struct Step {  // what the loop over launches reads
    KernelFunction kernel;
    const void* params;
    const Operand* operands;
  };

  void finish();
  void add_launch(LaunchRecord record, const char* params, size_t params_bytes);
  void add_operand(const Operand& view, int32_t storage, int64_t offset);
  void rewrite(const std::vector<std::string>& passes);
  Draft draft() const;
  void take(Draft& draft);
  void plan_memory();
  size_t plan_block(Device device, const std::vector<size_t>& largest_first);
  void* base_of(const Held& held) const;
  void point_operands();
  void bind(const std::vector<const Tensor*>& inputs);
  void restore_host_values();
  int64_t run_entries();
  int64_t run_entries_on_gpu();
  void run_launch(size_t at) { steps_[at].kernel(steps_[at].params, steps_[at].operands); }
  void note_uses(const std::vector<const Tensor*>& inputs);
  void wait() const;
  bool is_turn_of_host(size_t host) const;
  void gain_versions(size_t entries);
  std::string launch_difference(const LaunchRecord& a, const Program& other, const LaunchRecord& b,
                                std::vector<int32_t>& partner) const;
  std::string storage_difference(int32_t i, const Program& other, int32_t j) const;

  // Graphs.
  struct Graph {
    size_t begin, end;  // in entries_
    Backend::Graph graph;
  };
  void make_graphs(const std::vector<const Tensor*>& inputs);
  bool writes_into(const std::vector<const Tensor*>& inputs) const;
  bool inputs_can_be_copied(const std::vector<const Tensor*>& inputs) const;
  bool fits_graph(const Entry& entry) const;
  Graph make_graph(size_t begin, size_t end);
  void free_graphs() noexcept;

  std::vector<LaunchRecord> launches_;
  std::vector<Operand> operands_;
  std::vector<int32_t> storage_of_;  // per operand, -1 when absent
  std::vector<int64_t> offset_of_;   // per operand, bytes from the start of its storage
  std::vector<char> params_;
  std::vector<std::function<void()>> checks_;
  std::vector<Tensor> hosts_;  // a number, if it is only the host's turn when that is not finite
  std::vector<Entry> entries_;
  std::vector<Step> steps_;
  std::vector<Held> held_;
  std::vector<int32_t> inputs_;                      // in held_
  std::vector<StoragePtr> lenders_;                  // of the last replay, per input
  std::vector<std::vector<size_t>> input_operands_;  // operands to point anew, per input
  std::vector<int32_t> restored_;                    // in held_
  std::vector<const Storage*> outside_;              // what has to be in use by somebody else
  std::vector<int32_t> bumped_;                      // in held_: written in place
  std::vector<StoragePtr> arenas_;                   // one on each device
  std::vector<std::shared_ptr<Fused>> fused_;
  std::vector<PassReport> reports_;
  bool prepared_ = false;
  Cost total_;
  Isa isa_ = current_isa();
  GpuVariant gpu_variant_ = current_gpu_variant();
  Device gpu_;                  // the CPU when no launch runs on a GPU
  uint64_t noted_streams_ = 0;  // those of the GPU on which it has run
  std::vector<Graph> graphs_;
  std::unique_ptr<KeptScratch> graph_scratch_;
  std::string graph_failure_;
  size_t bytes_before_ = 0, bytes_planned_ = 0, bytes_kept_ = 0;
  size_t position_ = 0;  // of the running replay, in entries_
};

}  // namespace weft
