// Copies into another dtype or layout, and filling.
#include "ops/cast.h"

#include "cuda/bits.h"
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
  uint32_t vectors;  // of dense operands; the rest is reached by the loop
};

constexpr int kThreads = 256;

// Elements that are 16 bytes of the wider type.
constexpr uint32_t width_of(size_t from_bytes, size_t to_bytes) {
  return static_cast<uint32_t>(16 / (from_bytes > to_bytes ? from_bytes : to_bytes));
}

template <class From, class To>
__global__ void __launch_bounds__(kThreads) cast_kernel(const __grid_constant__ CastArguments a) {
  constexpr uint32_t kWidth = width_of(sizeof(From), sizeof(To));
  uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i < a.vectors) {
    const auto in = load_values<From, kWidth>(static_cast<const From*>(a.x) + int64_t{i} * kWidth);
    gpu::Vector<To, kWidth> out;
    UNROLL for (uint32_t k = 0; k < kWidth; k++) out[k] = converted<To>(in[k]);
    store_values(static_cast<To*>(a.y) + int64_t{i} * kWidth, out);
    return;
  }
  i += a.vectors * (kWidth - 1);
  if (i >= a.count) return;
  int64_t at[2];
  a.loop.offsets(i, at);
  static_cast<To*>(a.y)[at[1]] = converted<To>(static_cast<const From*>(a.x)[at[0]]);
}

using CastKernel = void (*)(CastArguments);

void run_loop(CastKernel kernel, size_t from_bytes, size_t to_bytes, const Loop& loop,
              const Operand& x, const Operand& y) {
  const bool dense = loop.ndim == 1 && loop.strides[0][0] == 1 && loop.strides[1][0] == 1;
  const uint32_t width = width_of(from_bytes, to_bytes);
  for (const Piece<2>& piece : pieces_of<2>(loop)) {
    CastArguments a{x.as<char>() + piece.base[0] * static_cast<int64_t>(from_bytes),
                    y.as<char>() + piece.base[1] * static_cast<int64_t>(to_bytes), piece.loop,
                    piece.count, 0};
    if (dense && is_aligned(a.x) && is_aligned(a.y)) a.vectors = a.count / width;
    const uint32_t threads = a.count - a.vectors * (width - 1);
    gpu::launch(kernel, dim3(blocks_for(threads, kThreads)), dim3(kThreads), 0, stream(), a);
  }
}

template <class From, class To>
void launch_cast(const Operand& x, const Operand& y) {
  const Loop loop = make_loop({&x, &y});
  if constexpr (std::is_same_v<From, To>)
    if (transpose(loop, x.as<From>(), y.as<To>())) return;
  run_loop(&cast_kernel<From, To>, sizeof(From), sizeof(To), loop, x, y);
}

template <class T>
constexpr bool kWhole = std::is_integral_v<T> && !std::is_same_v<T, bool>;

// Pairs of dtypes that give the same bits share a kernel: equal ones are moved, integers are cut or
// widened no matter what the result's sign bit means, and a bool is a small number already.
template <class From, class To>
void launch_between(const Operand& x, const Operand& y) {
  constexpr bool kFromWhole = kWhole<From> || std::is_same_v<From, bool>;
  constexpr bool kCut = kWhole<To> && sizeof(To) <= sizeof(From);
  if constexpr (std::is_same_v<From, To>)
    launch_cast<Bits<From>, Bits<To>>(x, y);
  else if constexpr (kFromWhole && std::is_same_v<To, bool>)
    launch_cast<Bits<From>, bool>(x, y);
  else if constexpr (kFromWhole && kCut)
    launch_cast<Bits<From>, Bits<To>>(x, y);
  else if constexpr (kFromWhole && kWhole<To>)
    launch_cast<std::conditional_t<std::is_same_v<From, bool>, uint8_t, From>, Bits<To>>(x, y);
  else if constexpr (std::is_same_v<From, bool>)
    launch_cast<uint8_t, To>(x, y);
  else
    launch_cast<From, To>(x, y);
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
