// Dropout: one pass reads x and writes y and the mask.
#include "ops/dropout.h"

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/philox.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
void dropout(const DropoutParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[2].as<T>();
  uint8_t* mask = operands[3].as<uint8_t>();
  const T scale = static_cast<T>(p.scale);
  // Compared below a 32-bit threshold; a rate of 0 keeps everything.
  const bool keep_all = p.threshold >> 32;
  const uint32_t threshold = static_cast<uint32_t>(p.threshold);
  for_each_piece<1>(operands[1], operands[0].size(),
                    [&](int64_t first, int64_t n, const uint32_t* words) {
                      for (int64_t i = 0; i < n; i++) {
                        const bool kept = keep_all | (words[i] < threshold);
                        mask[first + i] = kept;
                        y[first + i] = kept ? x[first + i] * scale : T(0);
                      }
                    });
}

template <class T>
void dropout_mask(const DropoutMaskParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  const uint8_t* mask = operands[1].as<uint8_t>();
  T* y = operands[2].as<T>();
  const T scale = static_cast<T>(p.scale);
  parallel_for(operands[0].size(), 32 * 1024, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = mask[i] ? x[i] * scale : T(0);
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_BOTH_FLOATS(f)                             \
  kernel_entry<&f<float>>(kernels::f, DType::float32), \
      kernel_entry<&f<double>>(kernels::f, DType::float64)
WEFT_CPU_KERNELS(dropout, FOR_BOTH_FLOATS(dropout), FOR_BOTH_FLOATS(dropout_mask))
