// Triangles: of each row one part is copied and the other cleared. Bits are moved, so one kernel
// serves every dtype of the same size. What is cleared is not read: about 1.5 passes over memory.
#include "ops/triangle.h"

#include <algorithm>

#include "cuda/dense.h"
#include "cuda/elementwise.h"

namespace weft::WEFT_GPU {
namespace {

struct TriangleArguments {
  int64_t M, N, size, diagonal;
  bool upper, aligned;
};

// Column of the first element above the part below the diagonal.
__device__ inline int64_t split_of(const TriangleArguments& a, int64_t row) {
  const int64_t split = row + a.diagonal + (a.upper ? 0 : 1);
  return split < 0 ? 0 : split > a.N ? a.N : split;
}

// Index is uint32_t where it can count the elements: 64-bit divisions are slow.
template <class T, class Index>
__global__ void __launch_bounds__(kDenseThreads)
    triangle_kernel(const T* __restrict__ x, T* __restrict__ y, TriangleArguments a) {
  constexpr int kWidth = 16 / sizeof(T);
  const int64_t first = dense_thread() * kWidth;
  if (first >= a.size) return;
  const Index N = static_cast<Index>(a.N), row = static_cast<Index>(first) / N;
  int64_t m = row % static_cast<Index>(a.M), n = static_cast<Index>(first) - row * N;
  int64_t split = split_of(a, m);
  bool kept[kWidth], any = false;
  UNROLL for (int i = 0; i < kWidth; i++) {
    kept[i] = (n >= split) == a.upper;
    any |= kept[i];
    if (++n < a.N) continue;
    n = 0;
    m = m + 1 == a.M ? 0 : m + 1;
    split = split_of(a, m);
  }
  gpu::Vector<T, kWidth> share{};
  if (any) share = load_share<kWidth>(x + first, a.size - first, a.aligned);
  UNROLL for (int i = 0; i < kWidth; i++) if (!kept[i]) share[i] = 0;
  store_share(y + first, share, a.size - first, true);  // y is fresh memory
}

template <class T>
void triangle(const TriangleParams& p, const Operand* operands) {
  constexpr int kWidth = 16 / sizeof(T);
  const Operand &x = operands[0], &y = operands[1];
  const TriangleArguments a{y.shape[y.shape.size() - 2], y.shape.back(), y.size(),
                            // Beyond the matrix all diagonals are alike, and sums must not wrap.
                            std::clamp(p.diagonal, -y.size() - 1, y.size() + 1), p.upper,
                            is_aligned(x.data)};
  const bool small = a.size <= kMaxLaunchElements;
  gpu::launch(small ? triangle_kernel<T, uint32_t> : triangle_kernel<T, uint64_t>,
              dim3(blocks_for((a.size + kWidth - 1) / kWidth, kDenseThreads)), dim3(kDenseThreads),
              0, stream(), x.as<T>(), y.as<T>(), a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define MOVE_BITS(T, BITS) kernel_entry<&triangle<BITS>>(kernels::triangle, dtype_of<T>)
WEFT_GPU_KERNELS(triangle, MOVE_BITS(bool, uint8_t), MOVE_BITS(uint8_t, uint8_t),
                 MOVE_BITS(int8_t, uint8_t), MOVE_BITS(uint16_t, uint16_t),
                 MOVE_BITS(int16_t, uint16_t), MOVE_BITS(Float16, uint16_t),
                 MOVE_BITS(BFloat16, uint16_t), MOVE_BITS(uint32_t, uint32_t),
                 MOVE_BITS(int32_t, uint32_t), MOVE_BITS(float, uint32_t),
                 MOVE_BITS(uint64_t, uint64_t), MOVE_BITS(int64_t, uint64_t),
                 MOVE_BITS(double, uint64_t))
