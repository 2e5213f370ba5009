// Dropout: one pass reads x and writes y and the mask.
#include "ops/dropout.h"

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/philox.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
  using type = int32_t;
};
template <>
struct BitsOf<double> {
  using type = int64_t;
};

// y = mask ? x * scale : 0, by bits: a branch would be guessed wrong every other time.
template <class T>
inline void apply_mask(const T* x, const uint8_t* mask, T scale, T* y, int64_t n) {
  using Bits = typename BitsOf<T>::type;
  for (int64_t i = 0; i < n; i++)
    y[i] = __builtin_bit_cast(
        T, static_cast<Bits>(__builtin_bit_cast(Bits, x[i] * scale) & -static_cast<Bits>(mask[i])));
}

template <class T>
void dropout(const DropoutParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[2].as<T>();
  uint8_t* mask = operands[3].as<uint8_t>();
  const T scale = static_cast<T>(p.scale);
  const bool keep_all = p.threshold >> 32;  // a rate of 0
  const uint32_t threshold = static_cast<uint32_t>(p.threshold);
  for_each_piece<1>(operands[1], operands[0].size(),
                    [=](int64_t first, int64_t n, const uint32_t* words) {
                      uint8_t* kept = mask + first;
                      for (int64_t i = 0; i < n; i++) kept[i] = keep_all | (words[i] < threshold);
                      apply_mask(x + first, kept, scale, y + first, n);
                    });
}

template <class T>
void dropout_mask(const DropoutMaskParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  const uint8_t* mask = operands[1].as<uint8_t>();
  T* y = operands[2].as<T>();
  const T scale = static_cast<T>(p.scale);
  parallel_for(operands[0].size(), 32 * 1024, [=](int64_t begin, int64_t end) {
    apply_mask(x + begin, mask + begin, scale, y + begin, end - begin);
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_BOTH_FLOATS(f)                             \
  kernel_entry<&f<float>>(kernels::f, DType::float32), \
      kernel_entry<&f<double>>(kernels::f, DType::float64)
WEFT_CPU_KERNELS(dropout, FOR_BOTH_FLOATS(dropout), FOR_BOTH_FLOATS(dropout_mask))
