// Running sums within a block.
#pragma once

#include "cuda/gpu.h"

namespace weft::WEFT_GPU {

template <class T>
struct ScanResult {
  T before, total;  // of the threads before this one; of all
};

// All threads of the block must call it. kThreads is the size of the block, a multiple of 32.
template <int kThreads, class T>
__device__ inline ScanResult<T> block_scan(T value) {
  static_assert(kThreads % 32 == 0 && kThreads <= 1024);
  constexpr int kWarps = kThreads / 32;
  __shared__ T of_warp[kWarps];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  T sum = value;
  UNROLL for (int step = 1; step < 32; step *= 2) {
    const T other = __shfl_up_sync(gpu::kAllLanes, sum, step);
    if (lane >= step) sum += other;
  }
  __syncthreads();  // a former call may still be reading
  if (lane == 31) of_warp[warp] = sum;
  __syncthreads();
  T before = 0, total = 0;
  UNROLL for (int w = 0; w < kWarps; w++) {
    if (w == warp) before = total;
    total += of_warp[w];
  }
  return {before + sum - value, total};
}

}  // namespace weft::WEFT_GPU
