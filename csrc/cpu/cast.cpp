// Conversions and strided copies: bound by memory, so the inner loops are plain and vectorised by
// the compiler.
#include "ops/cast.h"

#include "core/iteration.h"
#include "cpu/copy.h"
#include "cpu/elementwise.h"
#include "cpu/transpose.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kGrain = 32 * 1024;  // elements: about 10 us of copying

// --- copies: by the size of an element -----------------------------------------------------------

template <class Bits>
void copy(const Operand& x, const Operand& y) {
  const Loop loop = make_loop({&x, &y});
  if (const int axis = transposed_axis(loop); axis >= 0)
    return copy_transposed(loop, axis, x.as<Bits>(), y.as<Bits>(), kGrain);
  const int64_t x_stride = loop.inner_stride(0), y_stride = loop.inner_stride(1);
  for_each_run(loop, kGrain, [&](const int64_t* at, int64_t n) {
    const Bits* from = x.as<Bits>() + at[0];
    Bits* to = y.as<Bits>() + at[1];
    if (x_stride == 1 && y_stride == 1)
      copy_row(from, to, n);
    else if (x_stride == 0 && y_stride == 1)
      fill_row(to, *from, n);
    else
      for (int64_t i = 0; i < n; i++) to[i * y_stride] = from[i * x_stride];
  });
}

template <class Bits>
void fill_with(const Operand& value, const Operand& y) {
  const Bits bits = *value.as<Bits>();
  const Loop loop = make_loop({&y});
  const int64_t stride = loop.inner_stride(0);
  for_each_run(loop, kGrain, [&](const int64_t* at, int64_t n) {
    Bits* to = y.as<Bits>() + at[0];
    if (stride == 1)
      fill_row(to, bits, n);
    else
      for (int64_t i = 0; i < n; i++) to[i * stride] = bits;
  });
}

// --- conversions: by what is computed, halves as float32 -----------------------------------------

template <class From, class To>
void convert_core(const void* const* inputs, void* output, int64_t n) {
  const From* x = static_cast<const From*>(inputs[0]);
  To* y = static_cast<To*>(output);
  for (int64_t i = 0; i < n; i++) y[i] = static_cast<To>(x[i]);
}
template <class From>
void truth_core(const void* const* inputs, void* output, int64_t n) {
  const From* x = static_cast<const From*>(inputs[0]);
  uint8_t* y = static_cast<uint8_t*>(output);
  for (int64_t i = 0; i < n; i++) y[i] = x[i] != From(0);
}

template <class T>
inline constexpr bool kIsInteger = std::is_integral_v<T>;

// Integers without sign where the sign changes no bit of the result, so that it is compiled once.
template <class From, class To>
constexpr Core core_for() {
  if constexpr (kIsInteger<From> && kIsInteger<To>) {
    using Bits = std::make_unsigned_t<To>;
    if constexpr (sizeof(To) <= sizeof(From))
      return &convert_core<std::make_unsigned_t<From>, Bits>;
    else
      return &convert_core<From, Bits>;
  } else if constexpr (std::is_same_v<From, To>) {
    return nullptr;
  } else {
    return &convert_core<From, To>;
  }
}

template <class From>
constexpr Core core_from(DType to) {
  switch (to) {
    case DType::boolean: return &truth_core<From>;
    case DType::uint8: return core_for<From, uint8_t>();
    case DType::uint16: return core_for<From, uint16_t>();
    case DType::uint32: return core_for<From, uint32_t>();
    case DType::uint64: return core_for<From, uint64_t>();
    case DType::int8: return core_for<From, int8_t>();
    case DType::int16: return core_for<From, int16_t>();
    case DType::int32: return core_for<From, int32_t>();
    case DType::int64: return core_for<From, int64_t>();
    case DType::float64: return core_for<From, double>();
    default: return core_for<From, float>();
  }
}

template <class T>
void cast(const NoParams&, const Operand* operands) {
  using Bits = typename BitsOf<sizeof(T)>::type;
  // A bool is a uint8 that is 0 or 1.
  using From = std::conditional_t<std::is_same_v<T, bool>, uint8_t,
                                  std::conditional_t<std::is_arithmetic_v<T>, T, float>>;
  const Operand &x = operands[0], &y = operands[1];
  if (x.dtype == y.dtype) return copy<Bits>(x, y);
  const Recipe recipe = {
      core_from<From>(y.dtype), 1, {storage_of(x.dtype)}, storage_of(y.dtype), kGrain};
  run_elementwise(recipe, operands);
}

template <class T>
void fill(const NoParams&, const Operand* operands) {
  fill_with<typename BitsOf<sizeof(T)>::type>(operands[0], operands[1]);
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
