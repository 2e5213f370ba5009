// The second pass of sums that several blocks share: what each of them found for its part is added
// in a fixed order.
#pragma once

#include "cuda/gemm.h"
#include "cuda/math.h"
#include "cuda/scratch.h"
#include "cuda/window2d.h"

namespace weft::WEFT_GPU {

constexpr int kPartialThreads = 256, kPartialElements = 32;
constexpr int kPartialSlices = kPartialThreads / kPartialElements;

// What is done to the sums of a forward convolution: rows of `columns` biases.
template <class T>
struct PartialEpilogue {
  const T* bias = nullptr;
  WideDivisor columns;
  bool relu = false;
};

// out[i] = sum over p of parts[p * size + i]. A warp reads 32 neighbours of a part; the warps of a
// block take parts in turn, and warp 0 adds up what they found. Bytes = |parts| + |out|.
template <class T, class Out>
__global__ void __launch_bounds__(kPartialThreads)
    sum_parts_kernel(const T* __restrict__ parts, Out* __restrict__ out, int64_t size, int count,
                     const __grid_constant__ PartialEpilogue<Out> epilogue) {
  __shared__ T of_slice[kPartialSlices][kPartialElements];
  const int lane = threadIdx.x % kPartialElements, slice = threadIdx.x / kPartialElements;
  const int64_t i = int64_t{blockIdx.x} * kPartialElements + lane;
  T sum = 0;
  if (i < size) {
#ifdef __CUDACC__
#pragma unroll 4
#endif
    for (int part = slice; part < count; part += kPartialSlices) sum += parts[part * size + i];
  }
  of_slice[slice][lane] = sum;
  __syncthreads();
  if (slice != 0 || i >= size) return;
  UNROLL for (int k = 1; k < kPartialSlices; k++) sum += of_slice[k][lane];
  if (epilogue.bias != nullptr)
    sum += static_cast<T>(epilogue.bias[i - epilogue.columns.quotient(i) * epilogue.columns.value]);
  out[i] = static_cast<Out>(epilogue.relu ? Math::max(T(0), sum) : sum);
}

// How many blocks share a sum of `terms`: so many that `blocks` such sums become `wanted` blocks,
// which fill the device, each with at least so many terms that they are worth another sum.
inline int64_t parts_of(int64_t terms, int64_t blocks, int64_t least_terms, int64_t wanted) {
  constexpr int64_t kMost = 512;
  int64_t parts = (wanted + blocks - 1) / blocks;
  if (parts > terms / least_terms) parts = terms / least_terms;
  return parts < 1 ? 1 : parts < kMost ? parts : kMost;
}

template <class T, class Out>
void sum_parts(const T* parts, Out* out, int64_t size, int64_t count,
               const PartialEpilogue<Out>& epilogue = {}) {
  gpu::launch(sum_parts_kernel<T, Out>, dim3(blocks_for(size, kPartialElements)),
              dim3(kPartialThreads), 0, stream(), parts, out, size, static_cast<int>(count),
              epilogue);
}

}  // namespace weft::WEFT_GPU
