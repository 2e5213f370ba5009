// The only header a kernel file includes. The same source goes through nvcc (WEFT_GPU=cuda) and,
// for the simulated device, through the host compiler (WEFT_GPU=sim). Kernels live in `namespace
// weft::WEFT_GPU`, so that both builds fit into one library.
#pragma once

#ifndef WEFT_GPU
#error "compile kernel files with -DWEFT_GPU=cuda (nvcc) or -DWEFT_GPU=sim (host compiler)"
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "core/check.h"
#include "core/half.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#include <cxxabi.h>

#include <cstdlib>
#else
#include <tuple>

#include "sim/language.h"
#include "sim/runtime.h"
#endif

// `T* name` is the block's dynamic shared memory, aligned to 1024 bytes as TMA and wgmma want it.
#ifdef __CUDACC__
#define DYN_SMEM(T, name)                                                       \
  extern __shared__ __align__(1024) unsigned char weft_dynamic_shared_memory[]; \
  T* const name = reinterpret_cast<T*>(weft_dynamic_shared_memory)
#define UNROLL _Pragma("unroll")
#else
#define DYN_SMEM(T, name) \
  T* const name = reinterpret_cast<T*>(::weft::simulator::shared_arena.bytes)
// On a GPU unrolled loops keep arrays in registers; a CPU gains little, and g++ takes up to twenty
// times as long to compile them.
#define UNROLL
#endif

namespace weft::gpu {
inline namespace WEFT_GPU {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr size_t kSharedWithoutOptIn = 48 * 1024;

// N values in registers that are loaded and stored as one access.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
  T values[N];
  __host__ __device__ __forceinline__ T& operator[](int i) { return values[i]; }
  __host__ __device__ __forceinline__ const T& operator[](int i) const { return values[i]; }
};

#ifdef __CUDACC__
template <int bytes>
struct VectorWord;
template <>
struct VectorWord<4> {
  using type = unsigned;
};
template <>
struct VectorWord<8> {
  using type = uint2;
};
template <>
struct VectorWord<16> {
  using type = uint4;
};
#endif

// One access of 4, 8 or 16 bytes at an address that is a multiple of that. The simulator checks the
// alignment and counts one request.
template <class V, class T>
__device__ __forceinline__ V load_vec(const T* from) {
  static_assert(sizeof(V) == 4 || sizeof(V) == 8 || sizeof(V) == 16);
  V value;
#ifdef __CUDACC__
  const auto word = *reinterpret_cast<const typename VectorWord<sizeof(V)>::type*>(from);
  memcpy(&value, &word, sizeof(V));
#else
#ifndef __SANITIZE_THREAD__
  if (reinterpret_cast<uintptr_t>(from) % sizeof(V) == 0) [[likely]]
    std::memcpy(static_cast<void*>(&value), from, sizeof(V));
  else
#endif
    ::weft::simulator::vector_load_checked(&value, from, sizeof(V));
#endif
  return value;
}

template <class V, class T>
__device__ __forceinline__ void store_vec(T* to, const V& value) {
  static_assert(sizeof(V) == 4 || sizeof(V) == 8 || sizeof(V) == 16);
#ifdef __CUDACC__
  typename VectorWord<sizeof(V)>::type word;
  memcpy(&word, &value, sizeof(V));
  *reinterpret_cast<typename VectorWord<sizeof(V)>::type*>(to) = word;
#else
#ifndef __SANITIZE_THREAD__
  if (reinterpret_cast<uintptr_t>(to) % sizeof(V) == 0) [[likely]]
    std::memcpy(static_cast<void*>(to), &value, sizeof(V));
  else
#endif
    ::weft::simulator::vector_store_checked(to, &value, sizeof(V));
#endif
}

// The kernel's name for messages.
inline std::string name_of(const void* kernel);

[[noreturn]] inline void launch_failed(const void* kernel, dim3 grid, dim3 block,
                                       size_t shared_bytes, cudaError_t error) {
  fail(ErrorKind::runtime, "launch of ", name_of(kernel), " with grid (", grid.x, ", ", grid.y,
       ", ", grid.z, "), block (", block.x, ", ", block.y, ", ", block.z, ") and ", shared_bytes,
       " bytes of dynamic shared memory: ", cudaGetErrorString(error));
}

// kernel<<<grid, block, shared_bytes, stream>>>(arguments...). Raises an Error for a launch the
// device refuses; what goes wrong in the kernel shows in a later call.
#ifdef __CUDACC__

inline std::string name_of(const void* kernel) {
  const char* symbol = nullptr;
  if (cudaFuncGetName(&symbol, kernel) != cudaSuccess || symbol == nullptr) return "a kernel";
  int status = 0;
  char* readable = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string name = status == 0 ? readable : symbol;
  std::free(readable);
  return name;
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
            cudaStream_t stream, Arguments&&... arguments) {
  const void* function = reinterpret_cast<const void*>(kernel);
  cudaError_t error = cudaSuccess;
  if (shared_bytes > kSharedWithoutOptIn)
    error = cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_bytes));
  if (error == cudaSuccess) {
    kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
    error = cudaGetLastError();
  }
  if (error != cudaSuccess) launch_failed(function, grid, block, shared_bytes, error);
}

#else

inline std::string name_of(const void* kernel) { return ::weft::simulator::kernel_name(kernel); }

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
            cudaStream_t stream, Arguments&&... arguments) {
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<std::decay_t<Parameters>...> arguments;
  };
  const Call call{kernel, {static_cast<Parameters>(arguments)...}};
  const void* function = reinterpret_cast<const void*>(kernel);
  cudaError_t error = cudaSuccess;
  if (shared_bytes > kSharedWithoutOptIn)
    error = cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_bytes));
  if (error != cudaSuccess) launch_failed(function, grid, block, shared_bytes, error);
  error = ::weft::simulator::launch_kernel({
      .function = function,
      .grid = grid,
      .block = block,
      .shared_bytes = shared_bytes,
      .stream = stream,
      .invoke =
          [](const void* erased) {
            const Call& c = *static_cast<const Call*>(erased);
            std::apply(c.kernel, c.arguments);
          },
      .arguments = &call,
      .argument_bytes = sizeof call,
      .copy_arguments = [](const void* erased) -> void* {
        return new Call(*static_cast<const Call*>(erased));
      },
      .free_arguments = [](void* erased) { delete static_cast<Call*>(erased); },
  });
  if (error != cudaSuccess) launch_failed(function, grid, block, shared_bytes, error);
}

#endif

}  // namespace WEFT_GPU
}  // namespace weft::gpu
