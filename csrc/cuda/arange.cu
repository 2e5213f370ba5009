// y[i] = start + i * step with the bits of the CPU. Written once: sizeof(T) bytes for each element.
#include "ops/arange.h"

#include "cuda/dense.h"
#include "cuda/rounded.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

template <class T>
__device__ inline T arange_value(const ArangeParams& p, int64_t i) {
  if constexpr (std::is_same_v<T, int64_t>)
    return p.first + i * p.increment;
  else
    return static_cast<T>(
        (p.start + Rounded<double>(static_cast<double>(i)) * Rounded<double>(p.step)).value);
}

template <class T>
__global__ void __launch_bounds__(kDenseThreads) arange_kernel(ArangeParams p, T* y, int64_t n) {
  constexpr int kWidth = 16 / sizeof(T);
  const int64_t first = dense_thread() * kWidth;
  if (first >= n) return;
  gpu::Vector<T, kWidth> share;
  UNROLL for (int i = 0; i < kWidth; i++) share[i] = arange_value<T>(p, first + i);
  store_share(y + first, share, n - first, true);  // y is fresh memory
}

template <class T>
void arange(const ArangeParams& p, const Operand* operands) {
  constexpr int kWidth = 16 / sizeof(T);
  const int64_t n = operands[0].size();
  gpu::launch(arange_kernel<T>, dim3(blocks_for((n + kWidth - 1) / kWidth, kDenseThreads)),
              dim3(kDenseThreads), 0, stream(), p, operands[0].as<T>(), n);
}

}  // namespace
}  // namespace weft::WEFT_GPU

WEFT_GPU_KERNELS(arange, kernel_entry<&arange<float>>(kernels::arange, DType::float32),
                 kernel_entry<&arange<double>>(kernels::arange, DType::float64),
                 kernel_entry<&arange<int64_t>>(kernels::arange, DType::int64))
