// Activations that a kernel applies to its result before it is written (matmul, conv2d).
#pragma once

#include <cstdint>

namespace weft {

enum class Activation : int32_t { none, relu };

}  // namespace weft
