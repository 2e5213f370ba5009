// Operations that several kernels of a GPU can compute: what these are called, and which of them
// the calling thread asked for. Launches take the choice along as a parameter, so that a recorded
// one keeps it.
#pragma once

#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bindings/binding.h"
#include "core/backend.h"
#include "core/suggest.h"

namespace weft {

struct VariantInfo {
  const char* name;
  const char* dtypes;
  const char* requirement;
  int least_capability = 0, most_capability = 999;  // 80 for 8.0
};

// What kernels of the mma and wgmma kinds compute with.
constexpr const char* kTensorCoreTypes = "float16, bfloat16, float32 (as tf32)";

// The number of the row with this name.
template <int kCount>
int parse_variant(const char* op, const VariantInfo (&rows)[kCount], const std::string& text) {
  std::vector<std::string_view> names;
  for (int i = 0; i < kCount; i++) {
    if (text == rows[i].name) return i;
    names.emplace_back(rows[i].name);
  }
  fail(ErrorKind::value, op, ": unknown variant '", text, "'; weft.kernels.", op,
       ".variants() lists them", suggest(text, names));
}

// The number of a precision, for set_OP_precision.
template <int kCount>
int parse_precision(const char* op, const char* const (&names)[kCount], const std::string& text) {
  for (int i = 0; i < kCount; i++)
    if (text == names[i]) return i;
  fail(ErrorKind::value, "set_", op, "_precision: unknown precision '", text, "'",
       suggest(text, {std::begin(names), std::end(names)}));
}

// Why the device cannot run the variant; empty if it can.
inline std::string why_unavailable(const VariantInfo& v, Device device) {
  const DeviceFacts facts = backend_of(device).facts(device.index);
  const int capability = 10 * facts.major + facts.minor;
  if (capability >= v.least_capability && capability <= v.most_capability) return "";
  const auto text = [](int c) { return std::to_string(c / 10) + "." + std::to_string(c % 10); };
  return "needs compute capability " + text(v.least_capability) + ", and " + facts.name + " has " +
         text(capability);
}

// OP_variant(), set_OP_variant(name) and OP_variants(device). Rows are in the order of Variant,
// whose first value leaves the choice to weft; `chosen` finds the calling thread's.
template <class Variant, int kCount>
void bind_variants(pybind11::module_& m, const char* op, const VariantInfo (&rows)[kCount],
                   Variant& (*chosen)()) {
  const VariantInfo* const table = rows;
  const std::string name = std::string(op) + "_variant";
  m.def(name.c_str(), [table, chosen] { return table[static_cast<int>(chosen())].name; });
  m.def(("set_" + name).c_str(),
        [op, &rows, chosen](const std::string& text) {
          chosen() = static_cast<Variant>(parse_variant(op, rows, text));
        },
        pybind11::arg("name"));
  m.def((name + "s").c_str(),
        [table](Device device) {
          std::vector<std::tuple<std::string, std::string, std::string, std::string>> listed;
          for (int i = 0; i < kCount; i++)
            listed.emplace_back(table[i].name, table[i].dtypes, table[i].requirement,
                                why_unavailable(table[i], device));
          return listed;
        },
        pybind11::arg("device"));
}

}  // namespace weft
