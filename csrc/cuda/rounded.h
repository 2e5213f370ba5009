// Arithmetic that is rounded after every operation, whatever the compiler's flags: a product is
// never fused with a sum. What must have the same bits on every device is computed with it.
#pragma once

#include "cuda/gpu.h"

namespace weft::WEFT_GPU {

template <class T>
struct Rounded {
  T value;

  __device__ __forceinline__ Rounded(T v) : value(v) {}  // NOLINT(google-explicit-constructor)

#if defined(__CUDACC__)
#define WEFT_ROUNDED(OPERATOR, FLOAT, DOUBLE)                                         \
  friend __device__ __forceinline__ Rounded operator OPERATOR(Rounded a, Rounded b) { \
    if constexpr (sizeof(T) == 4)                                                     \
      return FLOAT(a.value, b.value);                                                 \
    else                                                                              \
      return DOUBLE(a.value, b.value);                                                \
  }
#else
// The simulated device's kernels are compiled without contraction.
#define WEFT_ROUNDED(OPERATOR, FLOAT, DOUBLE)                                         \
  friend __device__ __forceinline__ Rounded operator OPERATOR(Rounded a, Rounded b) { \
    return a.value OPERATOR b.value;                                                  \
  }
#endif
  WEFT_ROUNDED(+, __fadd_rn, __dadd_rn)
  WEFT_ROUNDED(-, __fsub_rn, __dsub_rn)
  WEFT_ROUNDED(*, __fmul_rn, __dmul_rn)
  WEFT_ROUNDED(/, __fdiv_rn, __ddiv_rn)
#undef WEFT_ROUNDED
  friend __device__ __forceinline__ Rounded operator-(Rounded a) { return -a.value; }
};

__device__ __forceinline__ Rounded<float> square_root(Rounded<float> x) {
#if defined(__CUDACC__)
  return __fsqrt_rn(x.value);
#else
  return ::sqrtf(x.value);
#endif
}
__device__ __forceinline__ Rounded<double> square_root(Rounded<double> x) {
#if defined(__CUDACC__)
  return __dsqrt_rn(x.value);
#else
  return ::sqrt(x.value);
#endif
}

}  // namespace weft::WEFT_GPU
