#include "ops/conv2d_variant.h"

#include <atomic>

#include "ops/variant.h"

namespace weft {
namespace {

constexpr const char* kTensorCoreTypes = "float16, bfloat16, float32 (as tf32)";
// In the order of Conv2dVariant.
constexpr VariantInfo kVariants[] = {
    {"automatic", "all", "none: chosen by shape and device"},
    {"simt", "float32, float64; halves are cast to float32", "none"},
    {"mma_64x64", kTensorCoreTypes, "compute capability 8.0, one group", 80},
    {"mma_128x128", kTensorCoreTypes, "compute capability 8.0, one group", 80},
};

constexpr const char* kPrecisions[] = {"default", "highest"};  // in the order of ConvPrecision

std::atomic<ConvPrecision> precision{ConvPrecision::standard};

Conv2dVariant& chosen() {
  thread_local Conv2dVariant variant = Conv2dVariant::automatic;
  return variant;
}

}  // namespace

const char* name(Conv2dVariant variant) { return kVariants[static_cast<int>(variant)].name; }
Conv2dVariant conv2d_variant() { return chosen(); }
ConvPrecision conv_precision() { return precision.load(std::memory_order_relaxed); }

WEFT_BINDING(conv2d_variant) {
  m.def("conv_precision", [] { return kPrecisions[static_cast<int>(conv_precision())]; });
  m.def(
      "set_conv_precision",
      [](const std::string& name) {
        precision.store(static_cast<ConvPrecision>(parse_precision("conv", kPrecisions, name)));
      },
      pybind11::arg("precision"));
  bind_variants(m, "conv2d", kVariants, &chosen);
}

}  // namespace weft
