// Only bits are moved, so one core per element size serves all dtypes.
#include "ops/where.h"

#include <string.h>

#include "cpu/elementwise.h"

namespace weft::cpu::WEFT_ISA {
namespace {

// The compiler's own vectorisation of a choice by bytes takes five times as long.
template <class T>
void where_core(const void* const* inputs, void* output, int64_t n) {
  constexpr int kLanes = WEFT_VECTOR_BYTES / sizeof(T);
  typedef T Values __attribute__((vector_size(WEFT_VECTOR_BYTES)));
  typedef int8_t Flags __attribute__((vector_size(kLanes)));
  const bool* condition = static_cast<const bool*>(inputs[0]);
  const T* a = static_cast<const T*>(inputs[1]);
  const T* b = static_cast<const T*>(inputs[2]);
  T* y = static_cast<T*>(output);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Flags flags;
    Values yes, no;
    memcpy(&flags, condition + i, sizeof flags);
    memcpy(&yes, a + i, sizeof yes);
    memcpy(&no, b + i, sizeof no);
    const Values chosen = __builtin_convertvector(flags, Values) != 0 ? yes : no;
    memcpy(y + i, &chosen, sizeof chosen);
  }
  for (; i < n; i++) y[i] = condition[i] ? a[i] : b[i];
}

template <class T>
void where(const NoParams&, const Operand* operands) {
  constexpr Storage s = sizeof(T) == 1   ? Storage::bytes1
                        : sizeof(T) == 2 ? Storage::bytes2
                        : sizeof(T) == 4 ? Storage::bytes4
                                         : Storage::bytes8;
  static constexpr Recipe recipe = {&where_core<T>, 3, {Storage::bytes1, s, s}, s, 32 * 1024};
  run_elementwise(recipe, operands);
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

WEFT_CPU_KERNELS(where, kernel_entry<&where<uint8_t>>(kernels::where, DType::boolean),
                 kernel_entry<&where<uint8_t>>(kernels::where, DType::uint8),
                 kernel_entry<&where<uint16_t>>(kernels::where, DType::uint16),
                 kernel_entry<&where<uint32_t>>(kernels::where, DType::uint32),
                 kernel_entry<&where<uint64_t>>(kernels::where, DType::uint64),
                 kernel_entry<&where<uint8_t>>(kernels::where, DType::int8),
                 kernel_entry<&where<uint16_t>>(kernels::where, DType::int16),
                 kernel_entry<&where<uint32_t>>(kernels::where, DType::int32),
                 kernel_entry<&where<uint64_t>>(kernels::where, DType::int64),
                 kernel_entry<&where<uint16_t>>(kernels::where, DType::float16),
                 kernel_entry<&where<uint16_t>>(kernels::where, DType::bfloat16),
                 kernel_entry<&where<uint32_t>>(kernels::where, DType::float32),
                 kernel_entry<&where<uint64_t>>(kernels::where, DType::float64))
