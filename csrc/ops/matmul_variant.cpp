#include "ops/matmul_variant.h"

#include <atomic>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bindings/binding.h"
#include "core/suggest.h"

namespace weft {
namespace {

constexpr const char* kPrecisions[] = {"float32", "tf32", "bfloat16"};

struct VariantInfo {
  const char* name;
  const char* dtypes;
  const char* requirement;
};
constexpr const char* kTensorCoreTypes = "float16, bfloat16, float32 (as tf32)";
// In the order of MatmulVariant.
constexpr VariantInfo kVariants[] = {
    {"automatic", "all", "none: chosen by shape and device"},
    {"gemv", "float16, bfloat16, float32, float64", "one of the factors is a vector"},
    {"simt_32x32", "all but float16 and bfloat16", "none"},
    {"simt_64x64", "float32, float64", "none"},
    {"simt_128x128", "float32", "none"},
    {"mma_64x64", kTensorCoreTypes, "compute capability 8.0"},
    {"mma_128x128", kTensorCoreTypes, "compute capability 8.0"},
};

std::atomic<MatmulPrecision> precision{MatmulPrecision::float32};
thread_local MatmulVariant variant = MatmulVariant::automatic;

MatmulPrecision parse_precision(const std::string& text) {
  for (size_t i = 0; i < std::size(kPrecisions); i++)
    if (text == kPrecisions[i]) return static_cast<MatmulPrecision>(i);
  fail(ErrorKind::value, "set_matmul_precision: unknown precision '", text,
       "'; known are 'float32', 'tf32' and 'bfloat16'",
       suggest(text, {std::begin(kPrecisions), std::end(kPrecisions)}));
}

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
MatmulPrecision matmul_precision() { return precision.load(std::memory_order_relaxed); }
MatmulVariant matmul_variant() { return variant; }

WEFT_BINDING(matmul_variant) {
  m.def("matmul_precision", [] { return kPrecisions[static_cast<int>(matmul_precision())]; });
  m.def(
      "set_matmul_precision",
      [](const std::string& name) { precision.store(parse_precision(name)); },
      pybind11::arg("precision"));
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
