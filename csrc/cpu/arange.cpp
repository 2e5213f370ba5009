#include "ops/arange.h"

#include "core/parallel.h"
#include "cpu/isa.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
void arange(const ArangeParams& p, const Operand* operands) {
  T* y = operands[0].as<T>();
  parallel_for(operands[0].size(), 32 * 1024, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      if constexpr (__is_same(T, int64_t))
        y[i] = p.first + i * p.increment;
      else
        y[i] = static_cast<T>(p.start + static_cast<double>(i) * p.step);
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

WEFT_CPU_KERNELS(arange, kernel_entry<&arange<float>>(kernels::arange, DType::float32),
                 kernel_entry<&arange<double>>(kernels::arange, DType::float64),
                 kernel_entry<&arange<int64_t>>(kernels::arange, DType::int64))
