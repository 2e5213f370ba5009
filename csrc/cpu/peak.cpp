// Loops that do nothing but reach a limit of the machine.
#include "ops/peak.h"

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
void multiply_add(const PeakParams& params, const Operand* operands) {
  T* out = operands[0].as<T>();
  parallel_for(operands[0].size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; chunk++) {
      simd::Vec<T> chains[kPeakChains];
      for (int c = 0; c < kPeakChains; c++) chains[c] = simd::broadcast(static_cast<T>(c));
      // The factor is read from memory so that the compiler cannot shorten the loop.
      out[chunk] = static_cast<T>(0.999);
      const simd::Vec<T> factor = simd::broadcast(*static_cast<volatile T*>(out + chunk));
      for (int64_t step = 0; step < params.repetitions; step++)
#pragma GCC unroll 12
        for (int c = 0; c < kPeakChains; c++) chains[c] = chains[c] * factor + factor;
      simd::Vec<T> sum{};
      for (int c = 0; c < kPeakChains; c++) sum += chains[c];
      out[chunk] = simd::reduce_add<T>(sum);
    }
  });
}

// A loop of vectors rather than memcpy, which takes 1.3 times as long in L1.
void copy(const PeakParams& params, const Operand* operands) {
  constexpr int64_t kLanes = simd::kLanes<float>;
  const float* x = operands[0].as<float>();
  float* y = operands[1].as<float>();
  parallel_for(operands[1].size(), params.grain, [&](int64_t begin, int64_t end) {
    for (int64_t repetition = 0; repetition < params.repetitions; repetition++) {
      int64_t i = begin;
      for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
        simd::store(y + i, simd::load(x + i));
        simd::store(y + i + kLanes, simd::load(x + i + kLanes));
      }
      for (; i < end; i++) y[i] = x[i];
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

WEFT_CPU_KERNELS(peak,
                 kernel_entry<&multiply_add<float>>(kernels::peak_multiply_add, DType::float32),
                 kernel_entry<&multiply_add<double>>(kernels::peak_multiply_add, DType::float64),
                 kernel_entry<&copy>(kernels::peak_copy, DType::float32))
