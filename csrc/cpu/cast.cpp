// Conversions and strided copies: bound by memory, so the inner loops are plain and vectorised by
// the compiler.
#include "ops/cast.h"

#include "core/iteration.h"
#include "cpu/copy.h"
#include "cpu/transpose.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kGrain = 32 * 1024;  // elements: about 10 us of copying

// Calls f.template operator()<T>() for the C++ type of dtype.
template <class F>
inline void with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::boolean: return f.template operator()<bool>();
    case DType::uint8: return f.template operator()<uint8_t>();
    case DType::uint16: return f.template operator()<uint16_t>();
    case DType::uint32: return f.template operator()<uint32_t>();
    case DType::uint64: return f.template operator()<uint64_t>();
    case DType::int8: return f.template operator()<int8_t>();
    case DType::int16: return f.template operator()<int16_t>();
    case DType::int32: return f.template operator()<int32_t>();
    case DType::int64: return f.template operator()<int64_t>();
    case DType::float16: return f.template operator()<Float16>();
    case DType::bfloat16: return f.template operator()<BFloat16>();
    case DType::float32: return f.template operator()<float>();
    case DType::float64: return f.template operator()<double>();
  }
}

template <class T>
struct IsHalf {
  static constexpr bool value = __is_same(T, Float16) || __is_same(T, BFloat16);
};

template <class To, class From>
inline To convert(From x) {
  if constexpr (__is_same(To, bool))
    return IsHalf<From>::value ? static_cast<float>(x) != 0 : x != From(0);
  else if constexpr (IsHalf<To>::value)
    return To(static_cast<float>(x));
  else if constexpr (IsHalf<From>::value)
    return static_cast<To>(static_cast<float>(x));
  else
    return static_cast<To>(x);
}

template <class From, class To>
void copy_run(const From* x, int64_t x_stride, To* y, int64_t y_stride, int64_t n) {
  if (x_stride == 1 && y_stride == 1) {
    if constexpr (__is_same(From, To))
      copy_row(x, y, n);
    else
      for (int64_t i = 0; i < n; i++) y[i] = convert<To>(x[i]);
  } else if (x_stride == 0 && y_stride == 1) {
    fill_row(y, convert<To>(*x), n);
  } else {
    for (int64_t i = 0; i < n; i++) y[i * y_stride] = convert<To>(x[i * x_stride]);
  }
}

template <class From>
void cast(const NoParams&, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1];
  const Loop loop = make_loop({&x, &y});
  if (const int axis = x.dtype == y.dtype ? transposed_axis(loop) : -1; axis >= 0)
    return copy_transposed(loop, axis, x.as<From>(), y.as<From>(), kGrain);
  with_type(y.dtype, [&]<class To>() {
    for_each_run(loop, kGrain, [&](const int64_t* at, int64_t n) {
      copy_run(x.as<From>() + at[0], loop.inner_stride(0), y.as<To>() + at[1], loop.inner_stride(1),
               n);
    });
  });
}

template <class T>
void fill(const NoParams&, const Operand* operands) {
  const T value = *operands[0].as<T>();
  const Operand& y = operands[1];
  const Loop loop = make_loop({&y});
  for_each_run(loop, kGrain, [&](const int64_t* at, int64_t n) {
    T* out = y.as<T>() + at[0];
    const int64_t stride = loop.inner_stride(0);
    if (stride == 1)
      fill_row(out, value, n);
    else
      for (int64_t i = 0; i < n; i++) out[i * stride] = value;
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_ONE_DTYPE(T)                              \
  kernel_entry<&cast<T>>(kernels::cast, dtype_of<T>), \
      kernel_entry<&fill<T>>(kernels::fill, dtype_of<T>)
WEFT_CPU_KERNELS(cast, FOR_ONE_DTYPE(bool), FOR_ONE_DTYPE(uint8_t), FOR_ONE_DTYPE(uint16_t),
                 FOR_ONE_DTYPE(uint32_t), FOR_ONE_DTYPE(uint64_t), FOR_ONE_DTYPE(int8_t),
                 FOR_ONE_DTYPE(int16_t), FOR_ONE_DTYPE(int32_t), FOR_ONE_DTYPE(int64_t),
                 FOR_ONE_DTYPE(Float16), FOR_ONE_DTYPE(BFloat16), FOR_ONE_DTYPE(float),
                 FOR_ONE_DTYPE(double))
