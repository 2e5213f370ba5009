// What the CUDA language gives a kernel, for a host compiler. Included by kernel files only
// (through cuda/gpu.h): the names here are CUDA's, so that the same source goes through nvcc.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "sim/thread.h"
#include "sim/vector_types.h"

// Visible, so that dladdr can name the kernel in messages.
#define __global__ __attribute__((visibility("default")))
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static thread_local
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#ifndef __restrict__
#define __restrict__ __restrict
#endif

#define threadIdx (::weft::simulator::current->thread_index)
#define blockIdx (::weft::simulator::current->block_index)
#define blockDim (::weft::simulator::current->block_dim)
#define gridDim (::weft::simulator::current->grid_dim)

// Functions here are static: kernel files are also compiled with instrumentation, and the linker
// must not put one build's copy in place of the other's. Always inlined: a return address taken by
// the simulator then leads to the kernel's line.
#define WEFT_SIM_FUNCTION [[maybe_unused]] static inline __attribute__((always_inline))

namespace weft::simulator::cuda {

static constexpr int warpSize = kWarpLanes;

WEFT_SIM_FUNCTION void __syncthreads() { barrier_sync(0, 0); }
WEFT_SIM_FUNCTION int __syncthreads_count(int predicate) {
  return barrier_sync(0, 0, BarrierReduction::count, predicate);
}
WEFT_SIM_FUNCTION int __syncthreads_and(int predicate) {
  return barrier_sync(0, 0, BarrierReduction::all, predicate);
}
WEFT_SIM_FUNCTION int __syncthreads_or(int predicate) {
  return barrier_sync(0, 0, BarrierReduction::any, predicate);
}

WEFT_SIM_FUNCTION void __threadfence_block() { memory_fence(FenceScope::block); }
WEFT_SIM_FUNCTION void __threadfence() { memory_fence(FenceScope::device); }
WEFT_SIM_FUNCTION void __threadfence_system() { memory_fence(FenceScope::system); }

WEFT_SIM_FUNCTION long long clock64() { return static_cast<long long>(clock_cycles()); }
WEFT_SIM_FUNCTION long clock() { return static_cast<long>(clock_cycles()); }
WEFT_SIM_FUNCTION void __nanosleep(unsigned) { poll(); }
WEFT_SIM_FUNCTION void __trap() { trap(); }

}  // namespace weft::simulator::cuda

#include "sim/language_atomics.h"
#include "sim/language_math.h"
#include "sim/language_warp.h"

#undef assert
#ifdef NDEBUG
#define assert(condition) static_cast<void>(0)
#else
#define assert(condition)             \
  ((condition) ? static_cast<void>(0) \
               : ::weft::simulator::assertion_failed(#condition, __FILE__, __LINE__))
#endif

// CUDA's names are global. They live in a namespace all the same, because one library may hold both
// the real CUDA runtime and the simulated one.
using namespace weft::simulator::cuda;  // NOLINT(google-global-names-in-headers)
