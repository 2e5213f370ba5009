// Reductions within a warp and within a block.
#pragma once

#include "cuda/gpu.h"

namespace weft::WEFT_GPU {

// The value of the lane whose number differs in `bits`; T is any plain struct of whole words.
template <class T>
__device__ inline T shuffle_xor(T value, int bits) {
  using Word = std::conditional_t<sizeof(T) % 8 == 0, unsigned long long, unsigned>;
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(Word) == 0);
  constexpr int kWords = sizeof(T) / sizeof(Word);
  Word words[kWords];
  memcpy(words, &value, sizeof(T));
  UNROLL for (int k = 0; k < kWords; k++) words[k] =
      __shfl_xor_sync(gpu::kAllLanes, words[k], bits);
  memcpy(&value, words, sizeof(T));
  return value;
}

// Every lane gets the result. `join` is associative and commutative; the tree is the same on every
// device, so the same bits come out.
template <class T, class Join>
__device__ inline T warp_reduce(T value, Join join) {
  UNROLL for (int lane = 16; lane > 0; lane /= 2) value =
      join(value, __shfl_xor_sync(gpu::kAllLanes, value, lane));
  return value;
}

// Every thread of the block gets the result; all of them must call it. kThreads is the size of the
// block, a multiple of 32.
template <int kThreads, class T, class Join>
__device__ inline T block_reduce(T value, T identity, Join join) {
  static_assert(kThreads % 32 == 0 && kThreads <= 1024);
  constexpr int kWarps = kThreads / 32;
  __shared__ T of_warp[kWarps];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  value = warp_reduce(value, join);
  if constexpr (kWarps == 1) return value;
  __syncthreads();  // a former call may still be reading
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  return warp_reduce(lane < kWarps ? of_warp[lane] : identity, join);
}

}  // namespace weft::WEFT_GPU
