#include "ops/searchsorted.h"

#include "core/parallel.h"
#include "cpu/isa.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
inline bool less(T a, T b) {
  if constexpr (__is_same(T, int64_t))
    return a < b;
  else
    return a < b || (b != b && a == a);
}

template <class T>
void searchsorted(const SearchsortedParams& p, const Operand* operands) {
  const T* list = operands[0].as<T>();
  const T* values = operands[1].as<T>();
  int64_t* y = operands[2].as<int64_t>();
  const int64_t n = operands[0].shape[0];
  parallel_for(operands[2].size(), 2 * 1024, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      int64_t low = 0, high = n;
      while (low < high) {
        const int64_t middle = (low + high) / 2;
        const bool before =
            p.right ? !less(values[i], list[middle]) : less(list[middle], values[i]);
        low = before ? middle + 1 : low;
        high = before ? high : middle;
      }
      y[i] = low;
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

WEFT_CPU_KERNELS(searchsorted,
                 kernel_entry<&searchsorted<float>>(kernels::searchsorted, DType::float32),
                 kernel_entry<&searchsorted<double>>(kernels::searchsorted, DType::float64),
                 kernel_entry<&searchsorted<int64_t>>(kernels::searchsorted, DType::int64))
