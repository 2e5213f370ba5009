// IEEE half (float16) and bfloat16 as storage types; arithmetic is done in float.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__CUDACC__)
#define WEFT_HOST_DEVICE __host__ __device__
#else
#define WEFT_HOST_DEVICE
#endif

namespace weft {

// Conversions round to nearest even, keep infinities and quiet NaNs. They are plain bit
// arithmetic so that the baseline build needs no F16C; vector kernels use the hardware's, and a GPU
// has an instruction for each.
struct Float16 {
  uint16_t bits = 0;

  Float16() = default;
  WEFT_HOST_DEVICE explicit Float16(float x) : bits(from_float(x)) {}
  WEFT_HOST_DEVICE operator float() const { return to_float(bits); }

  WEFT_HOST_DEVICE static uint16_t from_float(float x) {
#if defined(__CUDA_ARCH__)
    uint16_t half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(x));
    return half;
#else
    const uint32_t u = std::bit_cast<uint32_t>(x);
    const uint32_t sign = (u >> 16) & 0x8000u;
    const uint32_t magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {
      // Subnormal result: adding 0.5 aligns the mantissa so that the FPU does the rounding.
      const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
      return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000u));
    }
    const uint32_t odd = (magnitude >> 13) & 1u;
    return static_cast<uint16_t>(sign | ((magnitude + 0xc8000fffu + odd) >> 13));
#endif
  }

  WEFT_HOST_DEVICE static float to_float(uint16_t half) {
#if defined(__CUDA_ARCH__)
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
    return x;
#else
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 0x1fu;
    const uint32_t mantissa = half & 0x3ffu;
    if (exponent == 0x1fu) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0)
      return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
    const float subnormal = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(subnormal));
#endif
  }
};

struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  WEFT_HOST_DEVICE explicit BFloat16(float x) : bits(from_float(x)) {}
  WEFT_HOST_DEVICE operator float() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }

  WEFT_HOST_DEVICE static uint16_t from_float(float x) {
#if defined(__CUDA_ARCH__)
    uint16_t half;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(half) : "f"(x));
    return half;
#else
    const uint32_t u = std::bit_cast<uint32_t>(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40u);
    return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
#endif
  }
};

}  // namespace weft
