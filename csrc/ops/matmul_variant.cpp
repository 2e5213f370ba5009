#include "ops/matmul_variant.h"

#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bindings/binding.h"
#include "core/suggest.h"

namespace weft {
namespace {

struct VariantInfo {
  const char* name;
  const char* dtypes;
  const char* requirement;
};
// In the order of MatmulVariant.
constexpr VariantInfo kVariants[] = {
    {"automatic", "all", "none: chosen by shape and device"},
    {"gemv", "float32, float64", "one of the factors is a vector"},
    {"simt_32x32", "all", "none"},
    {"simt_64x64", "float32, float64", "none"},
    {"simt_128x128", "float32", "none"},
};

thread_local MatmulVariant variant = MatmulVariant::automatic;

MatmulVariant parse_variant(const std::string& text) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < std::size(kVariants); i++) {
    if (text == kVariants[i].name) return static_cast<MatmulVariant>(i);
    names.emplace_back(kVariants[i].name);
  }
  fail(ErrorKind::value, "matmul: unknown variant '", text,
       "'; weft.kernels.matmul.variants() lists them", suggest(text, names));
}

}  // namespace

const char* name(MatmulVariant variant) { return kVariants[static_cast<int>(variant)].name; }
MatmulVariant matmul_variant() { return variant; }

WEFT_BINDING(matmul_variant) {
  m.def("matmul_variant", [] { return name(variant); });
  m.def(
      "set_matmul_variant", [](const std::string& name) { variant = parse_variant(name); },
      pybind11::arg("name"));
  m.def("matmul_variants", [] {
    std::vector<std::tuple<std::string, std::string, std::string>> rows;
    for (const VariantInfo& v : kVariants) rows.emplace_back(v.name, v.dtypes, v.requirement);
    return rows;
  });
}

}  // namespace weft
