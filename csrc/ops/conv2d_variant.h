// Which kernel computes the convolutions of a GPU, and how exact those of the CPU are: settings
// that a convolution takes along as parameters, so that a recorded launch keeps them.
#pragma once

#include <cstdint>

namespace weft {

enum class Conv2dVariant : int32_t {
  automatic,
  simt,
  mma_64x64,
  mma_128x128,
  wgmma_128x128,
  wgmma_128x256
};
const char* name(Conv2dVariant variant);

//   standard  float32 convolutions on the CPU may use Winograd's algorithm: an error up to 2e-5 of
//             the largest result
//   highest   every result is a sum of products
enum class ConvPrecision : int32_t { standard, highest };

// Of the calling thread.
Conv2dVariant conv2d_variant();
// Of the whole process.
ConvPrecision conv_precision();

}  // namespace weft
