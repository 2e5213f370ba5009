// Which kernel computes the convolutions of a GPU.
#pragma once

#include <cstdint>

namespace weft {

enum class Conv2dVariant : int32_t { automatic, simt, mma_64x64, mma_128x128 };
const char* name(Conv2dVariant variant);

// Of the calling thread.
Conv2dVariant conv2d_variant();

}  // namespace weft
