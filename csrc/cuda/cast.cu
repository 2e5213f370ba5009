// Copies into another dtype or layout, and filling.
#include "ops/cast.h"

#include "cuda/elementwise.h"
#include "cuda/transpose.h"

namespace weft::WEFT_GPU {
namespace {

// As on the CPU: floats to integers are cut towards zero, anything but 0 becomes true.
template <class To, class From>
__device__ inline To converted(From x) {
  if constexpr (std::is_same_v<To, From>)
    return x;
  else if constexpr (std::is_same_v<To, bool>)
    return static_cast<Compute<From>>(x) != Compute<From>(0);
  else if constexpr (std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>)
    return To(static_cast<float>(static_cast<Compute<From>>(x)));
  else
    return static_cast<To>(static_cast<Compute<From>>(x));
}

struct CastArguments {
  const void* x;
  void* y;
  DeviceLoop<2> loop;
  uint32_t count;
};

constexpr int kThreads = 256;

template <class From, class To>
__global__ void __launch_bounds__(kThreads) cast_kernel(const __grid_constant__ CastArguments a) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= a.count) return;
  int64_t at[2];
  a.loop.offsets(i, at);
  static_cast<To*>(a.y)[at[1]] = converted<To>(static_cast<const From*>(a.x)[at[0]]);
}

// Dense operands: 16 bytes of the wider type per thread.
template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    cast_dense_kernel(const From* __restrict__ x, To* __restrict__ y, uint32_t vectors) {
  constexpr int kWidth = 16 / (sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= vectors) return;
  const auto in = load_values<From, kWidth>(x + int64_t{i} * kWidth);
  gpu::Vector<To, kWidth> out;
  UNROLL for (int k = 0; k < kWidth; k++) out[k] = converted<To>(in[k]);
  store_values(y + int64_t{i} * kWidth, out);
}

template <class From, class To>
void launch_cast(const Operand& x, const Operand& y) {
  const Loop loop = make_loop({&x, &y});
  if constexpr (std::is_same_v<From, To>)
    if (transpose(loop, x.as<From>(), y.as<To>())) return;
  const bool dense = loop.ndim == 1 && loop.strides[0][0] == 1 && loop.strides[1][0] == 1;
  constexpr uint32_t kWidth = 16 / (sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));
  for (const Piece<2>& piece : pieces_of<2>(loop)) {
    const From* from = x.as<From>() + piece.base[0];
    To* to = y.as<To>() + piece.base[1];
    uint32_t done = 0;
    if (dense && is_aligned(from) && is_aligned(to) && piece.count >= kWidth) {
      const uint32_t vectors = piece.count / kWidth;
      gpu::launch(cast_dense_kernel<From, To>, dim3(blocks_for(vectors, kThreads)), dim3(kThreads),
                  0, stream(), from, to, vectors);
      done = vectors * kWidth;
    }
    if (done == piece.count) continue;
    const CastArguments a{from + done, to + done, piece.loop, piece.count - done};
    gpu::launch(cast_kernel<From, To>, dim3(blocks_for(a.count, kThreads)), dim3(kThreads), 0,
                stream(), a);
  }
}

// Equal dtypes are moved as bits, so that four kernels do for all of them.
template <class From, class To>
void launch_between(const Operand& x, const Operand& y) {
  if constexpr (!std::is_same_v<From, To>)
    launch_cast<From, To>(x, y);
  else if constexpr (sizeof(From) == 1)
    launch_cast<uint8_t, uint8_t>(x, y);
  else if constexpr (sizeof(From) == 2)
    launch_cast<uint16_t, uint16_t>(x, y);
  else if constexpr (sizeof(From) == 4)
    launch_cast<uint32_t, uint32_t>(x, y);
  else
    launch_cast<uint64_t, uint64_t>(x, y);
}

template <class From>
void cast(const NoParams&, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1];
  switch (y.dtype) {
    case DType::boolean: return launch_between<From, bool>(x, y);
    case DType::uint8: return launch_between<From, uint8_t>(x, y);
    case DType::uint16: return launch_between<From, uint16_t>(x, y);
    case DType::uint32: return launch_between<From, uint32_t>(x, y);
    case DType::uint64: return launch_between<From, uint64_t>(x, y);
    case DType::int8: return launch_between<From, int8_t>(x, y);
    case DType::int16: return launch_between<From, int16_t>(x, y);
    case DType::int32: return launch_between<From, int32_t>(x, y);
    case DType::int64: return launch_between<From, int64_t>(x, y);
    case DType::float16: return launch_between<From, Float16>(x, y);
    case DType::bfloat16: return launch_between<From, BFloat16>(x, y);
    case DType::float32: return launch_between<From, float>(x, y);
    case DType::float64: return launch_between<From, double>(x, y);
  }
}

// The bits of the value, repeated.
template <class Bits>
__global__ void __launch_bounds__(kThreads)
    fill_kernel(Bits value, Bits* y, const __grid_constant__ DeviceLoop<1> loop, uint32_t count) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= count) return;
  int64_t at[1];
  loop.offsets(i, at);
  y[at[0]] = value;
}

template <class Bits>
void fill(const NoParams&, const Operand* operands) {
  const Operand &value = operands[0], &y = operands[1];
  Bits bits;
  memcpy(&bits, value.data, sizeof(Bits));  // numbers to fill with always come from the host
  const Loop loop = make_loop({&y});
  for (const Piece<1>& piece : pieces_of<1>(loop))
    gpu::launch(fill_kernel<Bits>, dim3(blocks_for(piece.count, kThreads)), dim3(kThreads), 0,
                stream(), bits, y.as<Bits>() + piece.base[0], piece.loop, piece.count);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define CAST_AND_FILL(T, BITS)                        \
  kernel_entry<&cast<T>>(kernels::cast, dtype_of<T>), \
      kernel_entry<&fill<BITS>>(kernels::fill, dtype_of<T>)
WEFT_GPU_KERNELS(cast, CAST_AND_FILL(bool, uint8_t), CAST_AND_FILL(uint8_t, uint8_t),
                 CAST_AND_FILL(uint16_t, uint16_t), CAST_AND_FILL(uint32_t, uint32_t),
                 CAST_AND_FILL(uint64_t, uint64_t), CAST_AND_FILL(int8_t, uint8_t),
                 CAST_AND_FILL(int16_t, uint16_t), CAST_AND_FILL(int32_t, uint32_t),
                 CAST_AND_FILL(int64_t, uint64_t), CAST_AND_FILL(Float16, uint16_t),
                 CAST_AND_FILL(BFloat16, uint16_t), CAST_AND_FILL(float, uint32_t),
                 CAST_AND_FILL(double, uint64_t))
