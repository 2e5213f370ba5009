// Dense arrays cut into shares of a few neighbours, one for each thread.
#pragma once

#include "cuda/layout.h"

namespace weft::WEFT_GPU {

inline constexpr int kDenseThreads = 256;

// The number of this thread in a launch over one axis.
__device__ inline int64_t dense_thread() {
  return int64_t{blockIdx.x} * kDenseThreads + threadIdx.x;
}

// N neighbours, or the `left` ones before the end of the array. `aligned`: `from` is a multiple of
// 16 bytes, or of the whole share where that is less.
template <int N, class T>
__device__ inline gpu::Vector<T, N> load_share(const T* from, int64_t left, bool aligned) {
  constexpr int kStep = N * sizeof(T) > 16 ? 16 / sizeof(T) : N;
  gpu::Vector<T, N> share{};
  if (aligned && left >= N) {
    UNROLL for (int i = 0; i < N; i += kStep) {
      const auto part = load_values<T, kStep>(from + i);
      UNROLL for (int k = 0; k < kStep; k++) share[i + k] = part[k];
    }
  } else {
    UNROLL for (int i = 0; i < N; i++) if (i < left) share[i] = from[i];
  }
  return share;
}

template <int N, class T>
__device__ inline void store_share(T* to, const gpu::Vector<T, N>& share, int64_t left,
                                   bool aligned) {
  constexpr int kStep = N * sizeof(T) > 16 ? 16 / sizeof(T) : N;
  if (aligned && left >= N) {
    UNROLL for (int i = 0; i < N; i += kStep) {
      gpu::Vector<T, kStep> part;
      UNROLL for (int k = 0; k < kStep; k++) part[k] = share[i + k];
      store_values(to + i, part);
    }
  } else {
    UNROLL for (int i = 0; i < N; i++) if (i < left) to[i] = share[i];
  }
}

}  // namespace weft::WEFT_GPU
