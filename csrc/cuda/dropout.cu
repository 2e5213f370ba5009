// Dropout: one pass reads x and writes y and the mask, 4 elements for each block of random words.
#include "ops/dropout.h"

#include "cuda/elementwise.h"
#include "cuda/random_stream.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kWidth = 4;  // one word for each element, whatever its dtype: masks do not differ

dim3 grid_of(int64_t blocks) { return dim3(blocks_for(blocks, kDenseThreads)); }

template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    dropout_kernel(const RandomStream* stream, uint64_t threshold, Compute<T> scale, bool aligned,
                   const T* __restrict__ x, T* __restrict__ y, uint8_t* __restrict__ mask,
                   int64_t n) {
  const int64_t number = dense_thread(), first = number * kWidth;
  if (first >= n) return;
  gpu::Vector<T, kWidth> share = load_share<kWidth>(x + first, n - first, aligned);
  const PhiloxBlock words = stream->block(number);
  gpu::Vector<uint8_t, kWidth> kept;
  UNROLL for (int i = 0; i < kWidth; i++) {
    kept[i] = words.x[i] < threshold;  // 2^32 (a rate of 0): always
    share[i] = kept[i] ? static_cast<T>(static_cast<Compute<T>>(share[i]) * scale) : T(0.0f);
  }
  store_share(y + first, share, n - first, true);  // y and mask are fresh memory
  store_share(mask + first, kept, n - first, true);
}

template <class T>
void dropout(const DropoutParams& p, const Operand* operands) {
  const Operand& x = operands[0];
  const int64_t n = x.size(), blocks = (n + kWidth - 1) / kWidth;
  const TakenBlocks taken(operands[1], blocks);
  gpu::launch(dropout_kernel<T>, grid_of(blocks), dim3(kDenseThreads), 0, stream(), taken.get(),
              p.threshold, static_cast<Compute<T>>(p.scale), is_aligned(x.data), x.as<T>(),
              operands[2].as<T>(), operands[3].as<uint8_t>(), n);
}

template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    dropout_mask_kernel(Compute<T> scale, bool aligned, const T* __restrict__ x,
                        const uint8_t* __restrict__ mask, T* __restrict__ y, int64_t n) {
  const int64_t first = dense_thread() * kWidth;
  if (first >= n) return;
  gpu::Vector<T, kWidth> share = load_share<kWidth>(x + first, n - first, aligned);
  const auto kept = load_share<kWidth>(mask + first, n - first, aligned);
  UNROLL for (int i = 0; i < kWidth; i++) share[i] =
      kept[i] ? static_cast<T>(static_cast<Compute<T>>(share[i]) * scale) : T(0.0f);
  store_share(y + first, share, n - first, true);
}

template <class T>
void dropout_mask(const DropoutMaskParams& p, const Operand* operands) {
  const Operand &x = operands[0], &mask = operands[1];
  const int64_t n = x.size();
  gpu::launch(dropout_mask_kernel<T>, grid_of((n + kWidth - 1) / kWidth), dim3(kDenseThreads), 0,
              stream(), static_cast<Compute<T>>(p.scale),
              is_aligned(x.data) && is_aligned(mask.data), x.as<T>(), mask.as<uint8_t>(),
              operands[2].as<T>(), n);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_ALL_FLOATS(f)                                      \
  kernel_entry<&f<Float16>>(kernels::f, DType::float16),       \
      kernel_entry<&f<BFloat16>>(kernels::f, DType::bfloat16), \
      kernel_entry<&f<float>>(kernels::f, DType::float32),     \
      kernel_entry<&f<double>>(kernels::f, DType::float64)
WEFT_GPU_KERNELS(dropout, FOR_ALL_FLOATS(dropout), FOR_ALL_FLOATS(dropout_mask))
