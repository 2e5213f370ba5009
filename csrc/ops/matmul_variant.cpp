#include "ops/matmul_variant.h"

#include <atomic>

#include "ops/variant.h"

namespace weft {
namespace {

constexpr const char* kMatmulPrecisions[] = {"float32", "tf32", "bfloat16"};

constexpr const char* kHopper =
    "compute capability 9.0; rows that begin at multiples of 16 bytes; of tf32 a factor is turned "
    "first whose contiguous axis is not the one that is summed over";
// In the order of MatmulVariant.
constexpr VariantInfo kMatmulVariants[] = {
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

std::atomic<MatmulPrecision> chosen_matmul_precision{MatmulPrecision::float32};

MatmulVariant& chosen_matmul() {
  thread_local MatmulVariant variant = MatmulVariant::automatic;
  return variant;
}

}  // namespace

const char* name(MatmulVariant variant) { return kMatmulVariants[static_cast<int>(variant)].name; }
MatmulPrecision matmul_precision() {
  return chosen_matmul_precision.load(std::memory_order_relaxed);
}
MatmulVariant matmul_variant() { return chosen_matmul(); }

WEFT_BINDING(matmul_variant) {
  m.def("matmul_precision", [] { return kMatmulPrecisions[static_cast<int>(matmul_precision())]; });
  m.def(
      "set_matmul_precision",
      [](const std::string& name) {
        chosen_matmul_precision.store(
            static_cast<MatmulPrecision>(parse_precision("matmul", kMatmulPrecisions, name)));
      },
      pybind11::arg("precision"));
  bind_variants(m, "matmul", kMatmulVariants, &chosen_matmul);
}

}  // namespace weft
