// How exact convolutions have to be: a setting that a convolution takes along as a parameter, so
// that a recorded launch keeps it.
#pragma once

#include <cstdint>

namespace weft {

//   standard  float32 convolutions on the CPU may use Winograd's algorithm: an error up to 2e-5 of
//             the largest result
//   highest   every result is a sum of products
enum class ConvPrecision : int32_t { standard, highest };

ConvPrecision conv_precision();  // of the whole process

}  // namespace weft
