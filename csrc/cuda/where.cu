// y = condition ? a : b. Only bits are moved, so one kernel per element size serves all dtypes.
// Dense operands: one pass, 16 bytes of a, b and y for each thread.
#include "ops/where.h"

#include "cuda/elementwise.h"

namespace weft::WEFT_GPU {
namespace {

struct WhereArguments {
  Input condition, a, b;
  void* y;
  DeviceLoop<4> loop;
  uint32_t count;
  bool vectorised;
};

template <class T>
__device__ inline T value_at(const Input& input, int64_t at) {
  if (input.access == Access::number_on_host) return number_in<T>(input);
  return static_cast<const T*>(input.data)[at];
}

template <class T>
__device__ inline void where_single(const WhereArguments& a, uint32_t i) {
  int64_t at[4];
  a.loop.offsets(i, at);
  static_cast<T*>(a.y)[at[3]] = value_at<uint8_t>(a.condition, at[0]) != 0
                                    ? value_at<T>(a.a, at[1])
                                    : value_at<T>(a.b, at[2]);
}

// kWidth neighbours of a dense operand, or one number repeated.
template <class T, int kWidth>
__device__ inline gpu::Vector<T, kWidth> values_of(const Input& input, uint32_t first) {
  if (input.access == Access::dense)
    return load_values<T, kWidth>(static_cast<const T*>(input.data) + first);
  gpu::Vector<T, kWidth> values;
  const T number = number_in<T>(input);
  UNROLL for (int i = 0; i < kWidth; i++) values[i] = number;
  return values;
}

template <class T>
__global__ void __launch_bounds__(kElementwiseThreads)
    where_kernel(const __grid_constant__ WhereArguments a) {
  constexpr uint32_t kWidth = kVectorWidth<T>;
  const uint32_t thread = blockIdx.x * kElementwiseThreads + threadIdx.x;
  if (!a.vectorised) {
    if (thread < a.count) where_single<T>(a, thread);
    return;
  }
  const uint32_t vectors = a.count / kWidth, rest = a.count % kWidth;
  if (thread < vectors) {
    const uint32_t first = thread * kWidth;
    const auto condition = values_of<uint8_t, kWidth>(a.condition, first);
    const auto x = values_of<T, kWidth>(a.a, first), z = values_of<T, kWidth>(a.b, first);
    gpu::Vector<T, kWidth> y;
    UNROLL for (int i = 0; i < static_cast<int>(kWidth); i++) y[i] = condition[i] ? x[i] : z[i];
    store_values(static_cast<T*>(a.y) + first, y);
  } else if (thread - vectors < rest) {
    where_single<T>(a, vectors * kWidth + (thread - vectors));
  }
}

template <class T>
void where(const NoParams&, const Operand* operands) {
  const Loop loop = make_loop({&operands[0], &operands[1], &operands[2], &operands[3]});
  WhereArguments a;
  Input* const inputs[3] = {&a.condition, &a.a, &a.b};
  bool dense = loop.ndim == 1 && loop.strides[3][0] == 1;
  for (int k = 0; k < 3; k++) {
    inputs[k]->access = access_of(operands[k], loop, k);
    inputs[k]->number = operands[k].on_host ? bits_of_number(operands[k]) : 0;
    dense &= inputs[k]->access != Access::strided;
  }
  for (const Piece<4>& piece : pieces_of<4>(loop)) {
    a.loop = piece.loop;
    a.count = piece.count;
    a.y = operands[3].as<T>() + piece.base[3];
    a.vectorised = dense && is_aligned(a.y);
    for (int k = 0; k < 3; k++) {
      inputs[k]->data = k == 0 ? static_cast<const void*>(operands[0].as<uint8_t>() + piece.base[0])
                               : operands[k].as<T>() + piece.base[k];
      if (inputs[k]->access == Access::dense) a.vectorised &= is_aligned(inputs[k]->data);
    }
    constexpr uint32_t kWidth = kVectorWidth<T>;
    const uint32_t threads = a.vectorised ? a.count / kWidth + a.count % kWidth : a.count;
    gpu::launch(where_kernel<T>, dim3(blocks_for(threads, kElementwiseThreads)),
                dim3(kElementwiseThreads), 0, stream(), a);
  }
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define MOVE_BITS(T, BITS) kernel_entry<&where<BITS>>(kernels::where, dtype_of<T>)
WEFT_GPU_KERNELS(where, MOVE_BITS(bool, uint8_t), MOVE_BITS(uint8_t, uint8_t),
                 MOVE_BITS(int8_t, uint8_t), MOVE_BITS(uint16_t, uint16_t),
                 MOVE_BITS(int16_t, uint16_t), MOVE_BITS(Float16, uint16_t),
                 MOVE_BITS(BFloat16, uint16_t), MOVE_BITS(uint32_t, uint32_t),
                 MOVE_BITS(int32_t, uint32_t), MOVE_BITS(float, uint32_t),
                 MOVE_BITS(uint64_t, uint64_t), MOVE_BITS(int64_t, uint64_t),
                 MOVE_BITS(double, uint64_t))
