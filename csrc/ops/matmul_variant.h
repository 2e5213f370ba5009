// Which kernel computes the matrix products of a GPU, and in what precision: settings that a
// product takes along as parameters, so that a recorded launch keeps them.
#pragma once

#include <cstdint>

namespace weft {

// What float32 products on a GPU may be computed in. The sums are float32 in any case.
//   float32   products and sums of float32
//   tf32      factors are rounded to 10 explicit bits of mantissa (8 of exponent), on tensor cores
//   bfloat16  factors are rounded to bfloat16
enum class MatmulPrecision : int32_t { float32, tf32, bfloat16 };

enum class MatmulVariant : int32_t {
  automatic,
  gemv,
  simt_32x32,
  simt_64x64,
  simt_128x128,
  mma_64x64,
  mma_128x128,
  wgmma_128x128,
  wgmma_128x256,
};
const char* name(MatmulVariant variant);

// Of the whole process.
MatmulPrecision matmul_precision();
// Of the calling thread.
MatmulVariant matmul_variant();

}  // namespace weft
