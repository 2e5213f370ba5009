// Chains for a GPU.
#include "core/passes/interpreter.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "core/passes/group.h"

namespace weft {
namespace {

struct Known {
  const Kernel<ChainParams>* interpreter = nullptr;
  std::vector<const KernelSlot*> kernels;
};

// Filled while the module is loaded, in any order of its files.
Known& known() {
  static Known all;
  return all;
}

}  // namespace

Interprets::Interprets(const Kernel<ChainParams>& interpreter,
                       std::initializer_list<const KernelSlot*> kernels) {
  known() = {&interpreter, kernels};
}

const Kernel<ChainParams>* chain_interpreter() { return known().interpreter; }

int chain_code(const KernelSlot& slot) {
  const std::vector<const KernelSlot*>& kernels = known().kernels;
  const auto found = std::find(kernels.begin(), kernels.end(), &slot);
  return found == kernels.end() ? -1 : static_cast<int>(found - kernels.begin());
}

namespace {

DraftLaunch chain_launch(const Group& group, const ChainParams& params,
                         const std::vector<DraftOperand>& read,
                         const std::vector<DraftOperand>& written) {
  DraftLaunch launch;
  launch.record = group.launch(0).record;
  launch.record.slot = chain_interpreter();
  launch.record.kernel = launch.record.slot->find(launch.record.device.type, DType::float32);
  launch.record.inputs = params.read;
  launch.record.outputs = params.written;
  launch.operands = read;
  launch.operands.insert(launch.operands.end(), written.begin(), written.end());
  describe(group, launch);
  const char* bytes = reinterpret_cast<const char*>(&params);
  launch.params.assign(bytes, bytes + sizeof params);
  return launch;
}

}  // namespace

DraftLaunch interpreted(const Group& group, const Draft& draft, const std::vector<int>& uses) {
  ChainParams params{};
  params.size = num_elements(group.shape());
  params.columns = group.shape().back();
  std::vector<DraftOperand> read, written;
  using Place = std::pair<int32_t, int64_t>;
  std::map<Place, uint8_t> value_of;  // what was written last to a place
  std::map<int32_t, int> used;
  const auto count = group.members().size();

  // What is read before it is written is loaded; its values have the first numbers.
  std::map<Place, bool> is_written;
  for (size_t m = 0; m < count; m++) {
    const DraftLaunch& member = group.launch(m);
    for (size_t i = 0; i < member.operands.size(); i++) {
      const DraftOperand& operand = member.operands[i];
      used[operand.storage]++;
      const Place place{operand.storage, operand.offset};
      if (member.writes(i) || is_written[place]) {
        is_written[place] = true;
      } else if (value_of.try_emplace(place, static_cast<uint8_t>(read.size())).second) {
        params.spread[read.size()] =
            operand.view.on_host ? Spread::number : spread_over(group.shape(), operand.view);
        read.push_back(operand);
      }
    }
  }
  for (size_t m = 0; m < count; m++) {
    const DraftLaunch& member = group.launch(m);
    ChainParams::Step& step = params.step[m];
    step.code = static_cast<uint8_t>(chain_code(*member.record.slot));
    for (size_t i = 0; i + 1 < member.operands.size(); i++)
      step.from[i] = value_of[{member.operands[i].storage, member.operands[i].offset}];
    const DraftOperand& result = member.operands.back();
    step.to = static_cast<uint8_t>(read.size() + m);
    value_of[{result.storage, result.offset}] = step.to;
  }
  for (size_t m = 0; m < count; m++) {
    const DraftOperand& result = group.launch(m).operands.back();
    const auto at = static_cast<size_t>(result.storage);
    const bool inner = !draft.storages[at].needed && used[result.storage] == uses[at];
    const bool last = value_of[{result.storage, result.offset}] == params.step[m].to;
    if (inner || !last) continue;
    params.result[written.size()] = params.step[m].to;
    written.push_back(result);
  }
  params.read = static_cast<int32_t>(read.size());
  params.written = static_cast<int32_t>(written.size());
  params.steps = static_cast<int32_t>(count);
  return chain_launch(group, params, read, written);
}

}  // namespace weft
