// One thread per value. The first steps of all searches meet at the same few places of the list,
// which the caches hold; the list is read-only.
#include "ops/searchsorted.h"

#include "cuda/layout.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

// NaN counts as larger than every number.
template <class T>
__device__ inline bool less(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return a < b;
  else
    return a < b || (b != b && a == a);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    searchsorted_kernel(const T* __restrict__ list, int64_t n, const T* __restrict__ values,
                        int64_t count, int64_t* __restrict__ y, bool right) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const T value = values[i];
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    const T found = __ldg(list + middle);
    if (right ? !less(value, found) : less(found, value))
      low = middle + 1;
    else
      high = middle;
  }
  y[i] = low;
}

template <class T>
void searchsorted(const SearchsortedParams& params, const Operand* operands) {
  const Operand &list = operands[0], &values = operands[1], &y = operands[2];
  const int64_t count = y.size();
  const int threads = count < kThreads ? 32 : kThreads;
  gpu::launch(searchsorted_kernel<T>, dim3(blocks_for(count, threads)), dim3(threads), 0, stream(),
              list.as<T>(), list.shape[0], values.as<T>(), count, y.as<int64_t>(), params.right);
}

}  // namespace
}  // namespace weft::WEFT_GPU

WEFT_GPU_KERNELS(searchsorted,
                 kernel_entry<&searchsorted<float>>(kernels::searchsorted, DType::float32),
                 kernel_entry<&searchsorted<double>>(kernels::searchsorted, DType::float64),
                 kernel_entry<&searchsorted<int64_t>>(kernels::searchsorted, DType::int64))
