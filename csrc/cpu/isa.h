// Included first by every file in csrc/cpu. Each of them is compiled once per instruction set;
// everything it defines lives in a namespace named after the set, so the builds cannot mix.
#pragma once

#include "core/kernel.h"

#if defined(__AVX512F__)
#define WEFT_ISA avx512
#define WEFT_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define WEFT_ISA avx2
#define WEFT_VECTOR_BYTES 32
#else
#define WEFT_ISA baseline
#define WEFT_VECTOR_BYTES 16
#endif

// WEFT_CPU_KERNELS(conv2d, kernel_entry<&forward<float>>(kernels::conv2d_forward, DType::float32),
// ...) at the end of a file, inside no namespace, lists the kernels this file offers.
//
// The table is constant data. Only the baseline build registers it, and those of its sisters, so
// that no AVX instruction runs at start-up on a machine that lacks it.
#if defined(WEFT_REGISTER_ISAS)  // the baseline build on x86-64, where the sisters exist
#define WEFT_CPU_KERNELS(stem, ...)                                                         \
  namespace weft::cpu {                                                                     \
  namespace baseline {                                                                      \
  static constexpr KernelEntry stem##_table[] = {__VA_ARGS__};                              \
  }                                                                                         \
  inline constexpr int stem##_count = sizeof(baseline::stem##_table) / sizeof(KernelEntry); \
  namespace avx2 {                                                                          \
  extern const KernelEntry stem##_kernels[stem##_count];                                    \
  }                                                                                         \
  namespace avx512 {                                                                        \
  extern const KernelEntry stem##_kernels[stem##_count];                                    \
  }                                                                                         \
  namespace {                                                                               \
  const bool stem##_registered = [] {                                                       \
    register_kernels(DeviceType::cpu, Isa::baseline, baseline::stem##_table);               \
    register_kernels(DeviceType::cpu, Isa::avx2, avx2::stem##_kernels);                     \
    register_kernels(DeviceType::cpu, Isa::avx512, avx512::stem##_kernels);                 \
    return true;                                                                            \
  }();                                                                                      \
  }                                                                                         \
  }
#elif WEFT_VECTOR_BYTES == 16  // the only build of another architecture
#define WEFT_CPU_KERNELS(stem, ...)                                 \
  namespace weft::cpu::baseline {                                   \
  static constexpr KernelEntry stem##_table[] = {__VA_ARGS__};      \
  namespace {                                                       \
  const bool stem##_registered = [] {                               \
    register_kernels(DeviceType::cpu, Isa::baseline, stem##_table); \
    return true;                                                    \
  }();                                                              \
  }                                                                 \
  }
#else
#define WEFT_CPU_KERNELS(stem, ...)                       \
  namespace weft::cpu::WEFT_ISA {                         \
  extern const KernelEntry stem##_kernels[];              \
  constexpr KernelEntry stem##_kernels[] = {__VA_ARGS__}; \
  }
#endif
