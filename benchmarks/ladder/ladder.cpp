// `_C.ladder_rungs` and `_C.ladder_run`: the rungs that were built into this module
// (WEFT_LADDER=ON), for benchmarks/ladder. The wheel has neither.
#include "ladder.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bindings/binding.h"

namespace weft {
namespace {

struct Rung {
  std::string name;
  Kernel<NoParams> kernel;
  explicit Rung(std::string text) : name(std::move(text)), kernel(name.c_str()) {}
  Rung(const Rung&) = delete;  // the kernel points into it
  Rung& operator=(const Rung&) = delete;
};

// A function's variable: the files of the rungs register before any other initialisation may run.
std::map<std::pair<std::string, int>, Rung>& rungs() {
  static std::map<std::pair<std::string, int>, Rung> all;
  return all;
}

void run(const std::string& ladder, int number, const std::vector<Tensor>& inputs,
         const Tensor& output) {
  const auto rung = rungs().find({ladder, number});
  check_index(rung != rungs().end(), "ladder_run: there is no rung ", number, " of ", ladder);
  std::vector<const Tensor*> in;
  for (const Tensor& t : inputs) in.push_back(&t);
  const Tensor* const out[] = {&output};
  launch_lists(rung->second.kernel, inputs.at(0).dtype(), NoParams{}, Cost{}, in, out);
}

}  // namespace

KernelSlot& ladder::slot_of(const char* ladder, int number) {
  const std::string name = std::string(ladder) + " rung " + std::to_string(number);
  return rungs().try_emplace({ladder, number}, name).first->second.kernel;
}

WEFT_BINDING(ladder) {
  m.def("ladder_rungs", [] {
    std::vector<std::pair<std::string, int>> names;
    for (const auto& [key, rung] : rungs()) names.push_back(key);
    return names;
  });
  m.def("ladder_run", &run, pybind11::arg("ladder"), pybind11::arg("number"),
        pybind11::arg("inputs"), pybind11::arg("output"));
}

}  // namespace weft
