// Functions of the special function units that C++ has no word for. As in ptx.h, once as PTX and
// once for the simulated device.
#pragma once

#include <math.h>

#include "cuda/gpu.h"

namespace weft::ptx {
inline namespace WEFT_GPU {

// 2^x: 2 ulp, and numbers too small for a normal float are 0.
__device__ __forceinline__ float exp2_approximate(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return ::exp2f(x);
#endif
}

}  // namespace WEFT_GPU
}  // namespace weft::ptx
