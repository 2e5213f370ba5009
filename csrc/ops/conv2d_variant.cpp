#include "ops/conv2d_variant.h"

#include <atomic>

#include "ops/variant.h"

namespace weft {
namespace {

constexpr const char* kHopper =
    "compute capability 9.0; channels and filters of a group in multiples of 16 bytes, of several "
    "groups forward and backward to the input of 128; strides up to 8; gradients of weights of "
    "float16 and bfloat16 alone: those of tf32 sum over pixels, which do not lie side by side";
// In the order of Conv2dVariant.
constexpr VariantInfo kConv2dVariants[] = {
    {"automatic", "all", "none: chosen by shape and device"},
    {"simt", "float32, float64; halves are cast to float32", "none"},
    {"mma_64x64", kTensorCoreTypes, "compute capability 8.0", 80},
    {"mma_128x128", kTensorCoreTypes, "compute capability 8.0", 80},
    {"wgmma_128x128", kTensorCoreTypes, kHopper, 90, 90},
    {"wgmma_128x256", kTensorCoreTypes, kHopper, 90, 90},
};

constexpr const char* kConvPrecisions[] = {"default", "highest"};  // in the order of ConvPrecision

std::atomic<ConvPrecision> chosen_conv_precision{ConvPrecision::standard};

Conv2dVariant& chosen_conv2d() {
  thread_local Conv2dVariant variant = Conv2dVariant::automatic;
  return variant;
}

}  // namespace

const char* name(Conv2dVariant variant) { return kConv2dVariants[static_cast<int>(variant)].name; }
Conv2dVariant conv2d_variant() { return chosen_conv2d(); }
ConvPrecision conv_precision() { return chosen_conv_precision.load(std::memory_order_relaxed); }

WEFT_BINDING(conv2d_variant) {
  m.def("conv_precision", [] { return kConvPrecisions[static_cast<int>(conv_precision())]; });
  m.def(
      "set_conv_precision",
      [](const std::string& name) {
        chosen_conv_precision.store(
            static_cast<ConvPrecision>(parse_precision("conv", kConvPrecisions, name)));
      },
      pybind11::arg("precision"));
  bind_variants(m, "conv2d", kConv2dVariants, &chosen_conv2d);
}

}  // namespace weft
