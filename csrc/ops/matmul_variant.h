// Which kernel computes the matrix products of a GPU, and in what precision: settings that a
// product takes along as parameters, so that a recorded launch keeps them.
#pragma once

#include <cstdint>

namespace weft {

enum class MatmulVariant : int32_t {
  automatic,
  gemv,
  simt_32x32,
  simt_64x64,
  simt_128x128,
};
const char* name(MatmulVariant variant);

// Of the calling thread.
MatmulVariant matmul_variant();

}  // namespace weft
