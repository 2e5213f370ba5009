#include "ops/matmul_variant.h"

#include <atomic>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bindings/binding.h"
#include "core/backend.h"
#include "core/suggest.h"

namespace weft {
namespace {

constexpr const char* kPrecisions[] = {"float32", "tf32", "bfloat16"};

struct VariantInfo {
  const char* name;
  const char* dtypes;
  const char* requirement;
  int least_capability = 0, most_capability = 999;  // 80 for 8.0
};
constexpr const char* kTensorCoreTypes = "float16, bfloat16, float32 (as tf32)";
constexpr const char* kHopper =
    "compute capability 9.0; rows that begin at multiples of 16 bytes; tf32 only where the axis "
    "that is summed over is contiguous in both factors";
// In the order of MatmulVariant.
constexpr VariantInfo kVariants[] = {
    {"automatic", "all", "none: chosen by shape and device"},
    {"gemv", "float16, bfloat16, float32, float64", "one of the factors is a vector"},
    {"simt_32x32", "all but float16 and bfloat16", "none"},
    {"simt_64x64", "float32, float64", "none"},
    {"simt_128x128", "float32", "none"},
    {"mma_64x64", kTensorCoreTypes, "compute capability 8.0", 80},
    {"mma_128x128", kTensorCoreTypes, "compute capability 8.0", 80},
    {"wgmma_128x128", kTensorCoreTypes, kHopper, 90, 90},
    {"wgmma_128x256", kTensorCoreTypes, kHopper, 90, 90},
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

// Why the device cannot run the variant; empty if it can.
std::string why_unavailable(const VariantInfo& v, Device device) {
  const DeviceFacts facts = backend_of(device).facts(device.index);
  const int capability = 10 * facts.major + facts.minor;
  if (capability >= v.least_capability && capability <= v.most_capability) return "";
  const auto text = [](int c) { return std::to_string(c / 10) + "." + std::to_string(c % 10); };
  return "needs compute capability " + text(v.least_capability) + ", and " + facts.name + " has " +
         text(capability);
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
  m.def(
      "matmul_variants",
      [](Device device) {
        std::vector<std::tuple<std::string, std::string, std::string, std::string>> rows;
        for (const VariantInfo& v : kVariants)
          rows.emplace_back(v.name, v.dtypes, v.requirement, why_unavailable(v, device));
        return rows;
      },
      pybind11::arg("device"));
}

}  // namespace weft
