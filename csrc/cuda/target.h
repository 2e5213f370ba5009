// Which of its builds a kernel file is in. Every .cu file is compiled by nvcc (`cuda`) and by the
// host's compiler for the simulated device (`sim`, and `sim_checked` with every memory access
// reported to the checker). What it defines lives in a namespace named after the build.
#pragma once

#include "core/kernel.h"

#if !defined(WEFT_GPU)
#error "a file of csrc/cuda is compiled with -DWEFT_GPU=cuda, sim or sim_checked"
#endif

#if defined(__CUDACC__)
#define WEFT_GPU_DEVICE cuda
#else
#define WEFT_GPU_DEVICE sim
#endif

#if defined(WEFT_SIM_CHECKED)
#define WEFT_GPU_VARIANT GpuVariant::checked
#else
#define WEFT_GPU_VARIANT GpuVariant::plain
#endif

// WEFT_GPU_KERNELS(conv2d, kernel_entry<&forward<float>>(kernels::conv2d_forward, DType::float32),
// ...) at the end of a file, inside no namespace, lists the kernels this file offers.
#define WEFT_GPU_KERNELS(stem, ...)                                         \
  namespace weft::WEFT_GPU {                                                \
  namespace {                                                               \
  const bool stem##_registered = [] {                                       \
    static constexpr KernelEntry table[] = {__VA_ARGS__};                   \
    register_kernels(DeviceType::WEFT_GPU_DEVICE, WEFT_GPU_VARIANT, table); \
    return true;                                                            \
  }();                                                                      \
  }                                                                         \
  }
