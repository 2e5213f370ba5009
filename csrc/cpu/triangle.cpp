// Triangles: of each row one part is copied and the other cleared. Bits are moved, so one kernel
// serves every dtype of the same size.
#include "ops/triangle.h"

#include <string.h>

#include "core/parallel.h"
#include "cpu/isa.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
void triangle(const TriangleParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[1].as<T>();
  const Shape& shape = operands[1].shape;
  const int64_t M = shape[shape.size() - 2], N = shape.back();
  parallel_for(operands[1].size() / N, 32 * 1024 / N, [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      // The first column above the part below the diagonal.
      int64_t split = row % M + p.diagonal + (p.upper ? 0 : 1);
      split = split < 0 ? 0 : split > N ? N : split;
      const size_t left = static_cast<size_t>(split) * sizeof(T);
      const size_t right = static_cast<size_t>(N - split) * sizeof(T);
      const T* from = x + row * N;
      T* to = y + row * N;
      if (p.upper) {
        memset(to, 0, left);
        memcpy(to + split, from + split, right);
      } else {
        memcpy(to, from, left);
        memset(to + split, 0, right);
      }
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define MOVE_BITS(T, BITS) kernel_entry<&triangle<BITS>>(kernels::triangle, dtype_of<T>)
WEFT_CPU_KERNELS(triangle, MOVE_BITS(bool, uint8_t), MOVE_BITS(uint8_t, uint8_t),
                 MOVE_BITS(int8_t, uint8_t), MOVE_BITS(uint16_t, uint16_t),
                 MOVE_BITS(int16_t, uint16_t), MOVE_BITS(Float16, uint16_t),
                 MOVE_BITS(BFloat16, uint16_t), MOVE_BITS(uint32_t, uint32_t),
                 MOVE_BITS(int32_t, uint32_t), MOVE_BITS(float, uint32_t),
                 MOVE_BITS(uint64_t, uint64_t), MOVE_BITS(int64_t, uint64_t),
                 MOVE_BITS(double, uint64_t))
