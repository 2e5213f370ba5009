// Elementwise kernels: what a file of csrc/cuda needs to offer a list of functors.
//
// One kernel per functor and stored dtype. Where every operand is dense or a single number, a
// thread moves 16 bytes per operand; otherwise it finds the place of its one element by division.
#pragma once

#include <string.h>

#include <type_traits>

#include "cuda/layout.h"
#include "cuda/math.h"
#include "cuda/stream.h"
#include "cuda/target.h"
#include "ops/functors.h"

namespace weft::WEFT_GPU {

enum class Access : uint8_t { dense, strided, number_on_device, number_on_host };

struct Input {
  const void* data;
  uint64_t number;  // the bits of a number from the host
  Access access;
};

template <int kArity>
struct ElementwiseArguments {
  Input inputs[kArity];
  void* output;
  DeviceLoop<kArity + 1> loop;
  uint32_t count;
  bool vectorised;
};

template <class Stored>
__device__ inline Stored number_in(const Input& input) {
  if (input.access == Access::number_on_device) return *static_cast<const Stored*>(input.data);
  Stored value;
  memcpy(static_cast<void*>(&value), &input.number, sizeof(Stored));
  return value;
}

// Signed and unsigned integers share a kernel where they give the same bits.
template <class Functor, class Stored>
struct ElementwiseTypes {
  template <class T>
  static auto unsigned_if_signless() {
    if constexpr (Functor::kSignless && std::is_integral_v<T> && !std::is_same_v<T, bool>)
      return std::make_unsigned_t<T>();
    else
      return T();
  }
  using Kept = decltype(unsigned_if_signless<Stored>());
  using Result = std::conditional_t<Functor::kResult == weft::Result::boolean, bool, Kept>;
};

template <class Functor, class T>
__device__ WEFT_FUNCTION auto apply_functor(const T* x) {
  if constexpr (Functor::kArity == 1)
    return Functor::template apply<Math>(x[0]);
  else if constexpr (Functor::kArity == 2)
    return Functor::template apply<Math>(x[0], x[1]);
  else
    return Functor::template apply<Math>(x[0], x[1], x[2]);
}

inline constexpr int kElementwiseThreads = 256;

template <class Stored>
inline constexpr int kVectorWidth = 16 / sizeof(Stored);

template <class Functor, class Stored, class Result>
__device__ inline void elementwise_vector(const ElementwiseArguments<Functor::kArity>& a,
                                          uint32_t first) {
  constexpr int kWidth = kVectorWidth<Stored>, kArity = Functor::kArity;
  gpu::Vector<Stored, kWidth> in[kArity];
  UNROLL for (int k = 0; k < kArity; k++) {
    if (a.inputs[k].access == Access::dense) {
      in[k] = load_values<Stored, kWidth>(static_cast<const Stored*>(a.inputs[k].data) + first);
    } else {
      const Stored number = number_in<Stored>(a.inputs[k]);
      UNROLL for (int i = 0; i < kWidth; i++) in[k][i] = number;
    }
  }
  gpu::Vector<Result, kWidth> out;
  UNROLL for (int i = 0; i < kWidth; i++) {
    Compute<Stored> x[kArity];
    UNROLL for (int k = 0; k < kArity; k++) x[k] = static_cast<Compute<Stored>>(in[k][i]);
    out[i] = static_cast<Result>(apply_functor<Functor>(x));
  }
  store_values(static_cast<Result*>(a.output) + first, out);
}

template <class Functor, class Stored, class Result>
__device__ inline void elementwise_single(const ElementwiseArguments<Functor::kArity>& a,
                                          uint32_t i) {
  constexpr int kArity = Functor::kArity;
  int64_t at[kArity + 1];
  a.loop.offsets(i, at);
  Compute<Stored> x[kArity];
  UNROLL for (int k = 0; k < kArity; k++) {
    const Input& input = a.inputs[k];
    x[k] = static_cast<Compute<Stored>>(input.access == Access::number_on_host
                                            ? number_in<Stored>(input)
                                            : static_cast<const Stored*>(input.data)[at[k]]);
  }
  static_cast<Result*>(a.output)[at[kArity]] = static_cast<Result>(apply_functor<Functor>(x));
}

template <class Functor, class Stored, class Result>
__global__ void __launch_bounds__(kElementwiseThreads)
    elementwise_kernel(const __grid_constant__ ElementwiseArguments<Functor::kArity> a) {
  uint32_t i = blockIdx.x * kElementwiseThreads + threadIdx.x;
  if (a.vectorised) {
    constexpr uint32_t kWidth = kVectorWidth<Stored>;
    const uint32_t vectors = a.count / kWidth;
    if (i < vectors) {
      elementwise_vector<Functor, Stored, Result>(a, i * kWidth);
      return;
    }
    i += vectors * (kWidth - 1);  // the rest, whose loop has one dense axis
  }
  if (i < a.count) elementwise_single<Functor, Stored, Result>(a, i);
}

// How an operand is reached when the loop has been merged to `ndim` axes.
inline Access access_of(const Operand& operand, const Loop& loop, int k) {
  if (operand.on_host) return Access::number_on_host;
  if (loop.ndim == 1 && loop.strides[k][0] == 0) return Access::number_on_device;
  return loop.ndim == 1 && loop.strides[k][0] == 1 ? Access::dense : Access::strided;
}

inline bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

inline uint64_t bits_of_number(const Operand& operand) {
  uint64_t bits = 0;
  memcpy(&bits, operand.data, itemsize(operand.dtype));
  return bits;
}

template <int kArity>
using ElementwiseKernel = void (*)(ElementwiseArguments<kArity>);

// Kernels are told apart by their addresses and the bytes of their elements alone: compiled anew
// for every one of them, this function would take longer to compile than the kernels.
template <int kArity>
__attribute__((noinline)) void launch_elementwise(ElementwiseKernel<kArity> kernel,
                                                  size_t stored_bytes, size_t result_bytes,
                                                  const Operand* operands) {
  Loop loop;
  if constexpr (kArity == 1)
    loop = make_loop({&operands[0], &operands[1]});
  else if constexpr (kArity == 2)
    loop = make_loop({&operands[0], &operands[1], &operands[2]});
  else
    loop = make_loop({&operands[0], &operands[1], &operands[2], &operands[3]});
  ElementwiseArguments<kArity> a;
  bool vectorised = loop.ndim == 1 && loop.strides[kArity][0] == 1;
  for (int k = 0; k < kArity; k++) {
    a.inputs[k].access = access_of(operands[k], loop, k);
    a.inputs[k].number = operands[k].on_host ? bits_of_number(operands[k]) : 0;
    vectorised &= a.inputs[k].access != Access::strided;
  }
  const auto stored = static_cast<int64_t>(stored_bytes);
  const auto result = static_cast<int64_t>(result_bytes);
  const auto width = static_cast<uint32_t>(16 / stored_bytes);
  for (const Piece<kArity + 1>& piece : pieces_of<kArity + 1>(loop)) {
    a.loop = piece.loop;
    a.count = piece.count;
    a.output = operands[kArity].as<char>() + piece.base[kArity] * result;
    a.vectorised = vectorised && is_aligned(a.output);
    for (int k = 0; k < kArity; k++) {
      a.inputs[k].data = operands[k].as<char>() + piece.base[k] * stored;
      if (a.inputs[k].access == Access::dense) a.vectorised &= is_aligned(a.inputs[k].data);
    }
    const uint32_t threads = a.vectorised ? a.count / width + a.count % width : a.count;
    gpu::launch(kernel, dim3(blocks_for(threads, kElementwiseThreads)), dim3(kElementwiseThreads),
                0, stream(), a);
  }
}

// --- tables ------------------------------------------------------------------------------------

template <class Functor, class Stored>
void run_elementwise(const void*, const Operand* operands) {
  using Types = ElementwiseTypes<Functor, Stored>;
  using Result = typename Types::Result;
  launch_elementwise<Functor::kArity>(&elementwise_kernel<Functor, typename Types::Kept, Result>,
                                      sizeof(Stored), sizeof(Result), operands);
}

template <class Functor, class Stored>
constexpr KernelEntry elementwise_entry() {
  constexpr DType dtype = dtype_of<Stored>;
  if constexpr (accepts(Functor::kDomain, dtype))
    return {&kernels::elementwise<Functor>, dtype, &run_elementwise<Functor, Stored>};
  else
    return {&kernels::elementwise<Functor>, dtype, nullptr};  // no kernel
}

template <class... Functors>
bool register_functors(FunctorList<Functors...>) {
  auto add = [](const auto& entries) {
    register_kernels(DeviceType::WEFT_GPU_DEVICE, WEFT_GPU_VARIANT, entries);
  };
  auto add_functor = [&]<class F>(F*) {
    const KernelEntry entries[] = {
        elementwise_entry<F, bool>(),     elementwise_entry<F, uint8_t>(),
        elementwise_entry<F, uint16_t>(), elementwise_entry<F, uint32_t>(),
        elementwise_entry<F, uint64_t>(), elementwise_entry<F, int8_t>(),
        elementwise_entry<F, int16_t>(),  elementwise_entry<F, int32_t>(),
        elementwise_entry<F, int64_t>(),  elementwise_entry<F, Float16>(),
        elementwise_entry<F, BFloat16>(), elementwise_entry<F, float>(),
        elementwise_entry<F, double>()};
    add(entries);
  };
  (add_functor(static_cast<Functors*>(nullptr)), ...);
  return true;
}

}  // namespace weft::WEFT_GPU

// WEFT_GPU_FUNCTORS(stem, functors::Arithmetic) at the end of a file is WEFT_GPU_KERNELS for all
// functors of a list.
#define WEFT_GPU_FUNCTORS(stem, LIST)                       \
  namespace weft::WEFT_GPU {                                \
  namespace {                                               \
  const bool stem##_registered = register_functors(LIST{}); \
  }                                                         \
  }
