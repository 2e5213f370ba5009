// Rows of a dense matrix held in the registers of a team of threads, so that they are read once
// however often a kernel looks at them.
//
// Teams are 8 lanes or a warp for short rows (several rows a block) and a block for longer ones.
// Value k of a thread is the same column in every row, and neighbours in a team read neighbours in
// memory.
#pragma once

#include <initializer_list>

#include "cuda/block.h"
#include "cuda/math.h"

namespace weft::WEFT_GPU {

// T is computed in, Stored is what most arrays hold: halves become float32 in registers. kWidth
// values are one access; then rows and their length must be multiples of kWidth.
template <class T_, int kTeam_, int kValues_, int kWidth_, class Stored_ = T_>
struct Row {
  using T = T_;
  using Stored = Stored_;
  static constexpr int kTeam = kTeam_, kValues = kValues_, kWidth = kWidth_;
  static constexpr int kCapacity = kTeam * kValues;
  static constexpr int kThreads = kTeam <= 32 ? 128 : kTeam;
  static constexpr int kRowsPerBlock = kThreads / kTeam;
  // At most 64 registers a thread in blocks of 512: one computes while another loads. Narrow
  // accesses need more of them.
  static constexpr int kBlocksPerSm = kTeam == 512 && kWidth > 1 ? 2 : 1;

  __device__ static int rank() { return static_cast<int>(threadIdx.x) % kTeam; }
  __device__ static int64_t first_row() {
    return int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kTeam;
  }
  __device__ static int column(int k) {
    return (k / kWidth * kTeam + rank()) * kWidth + k % kWidth;
  }
  // The first n values of a row; registers beyond them hold `beyond`.
  template <class S>
  __device__ static void load(const S* row, int n, T beyond, T (&v)[kValues]) {
    UNROLL for (int k = 0; k < kValues; k += kWidth) {
      const int c = column(k);
      if constexpr (kWidth == 1) {
        v[k] = c < n ? static_cast<T>(row[c]) : beyond;
      } else if (c < n) {
        const auto some = gpu::load_vec<gpu::Vector<S, kWidth>>(row + c);
        UNROLL for (int i = 0; i < kWidth; i++) v[k + i] = static_cast<T>(some[i]);
      } else {
        UNROLL for (int i = 0; i < kWidth; i++) v[k + i] = beyond;
      }
    }
  }
  template <class S>
  __device__ static void store(S* row, int n, const T (&v)[kValues]) {
    UNROLL for (int k = 0; k < kValues; k += kWidth) {
      const int c = column(k);
      if (c >= n) continue;
      gpu::Vector<S, kWidth> some;
      UNROLL for (int i = 0; i < kWidth; i++) some[i] = static_cast<S>(v[k + i]);
      if constexpr (kWidth == 1)
        row[c] = some[0];
      else
        gpu::store_vec(row + c, some);
    }
  }
};

struct Adding {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
// A NaN is lost: it has to come back in another way.
struct Larger {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// Every thread of the team gets the result. All threads of the block call it, also those whose team
// has no row.
template <int kTeam, class T, class Join>
__device__ inline T team_reduce(T value, T identity, Join join) {
  if constexpr (kTeam > 32) {
    return block_reduce<kTeam>(value, identity, join);
  } else {
    UNROLL for (int lane = kTeam / 2; lane > 0; lane /= 2) value =
        join(value, __shfl_xor_sync(gpu::kAllLanes, value, lane));
    return value;
  }
}
template <int kTeam, class T>
__device__ inline T team_sum(T value) {
  return team_reduce<kTeam>(value, T(0), Adding{});
}
template <int kTeam, class T>
__device__ inline T team_max(T value) {
  return team_reduce<kTeam>(value, static_cast<T>(-INFINITY), Larger{});
}

// Several sums at the price of one in barriers.
template <int kTeam, int kCount, class T>
__device__ inline void team_sums(T (&sums)[kCount]) {
  UNROLL for (int i = 0; i < kCount; i++) sums[i] = team_sum<(kTeam < 32 ? kTeam : 32)>(sums[i]);
  if constexpr (kTeam > 32) {
    constexpr int kWarps = kTeam / 32;
    __shared__ T of_warp[kCount][kWarps];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    __syncthreads();  // a former call may still be reading
    if (lane == 0) UNROLL for (int i = 0; i < kCount; i++) of_warp[i][warp] = sums[i];
    __syncthreads();
    UNROLL for (int i = 0; i < kCount; i++) sums[i] =
        team_sum<32>(lane < kWarps ? of_warp[i][lane] : T(0));
  }
}

// Of the registers of one thread, in four chains: few roundings follow each other, and few
// registers are needed on top.
template <int kCount, class T>
__device__ inline T sum_values(const T (&v)[kCount]) {
  static_assert(kCount % 4 == 0);
  T sum[4] = {v[0], v[1], v[2], v[3]};
  UNROLL for (int k = 4; k < kCount; k++) sum[k % 4] += v[k];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
template <int kCount, class T>
__device__ inline T max_values(const T (&v)[kCount]) {
  T top = v[0];
  UNROLL for (int k = 1; k < kCount; k++) top = Larger{}(top, v[k]);
  return top;
}

// --- on the host ---------------------------------------------------------------------------------

// Longer rows do not fit: they are walked in chunks of Chunk::kCapacity, more than once.
template <class Stored, int kWidth>
using Chunk =
    Row<Compute<Stored>, 512, 16 * 4 / static_cast<int>(sizeof(Compute<Stored>)), kWidth, Stored>;

template <class R>
dim3 blocks_of_rows(int64_t rows) {
  return dim3(static_cast<uint32_t>((rows + R::kRowsPerBlock - 1) / R::kRowsPerBlock));
}

inline bool all_aligned(std::initializer_list<const void*> pointers) {
  for (const void* p : pointers)
    if (reinterpret_cast<uintptr_t>(p) % 16 != 0) return false;
  return true;
}

// problem.rows<R>() for the narrowest R that holds n values of each of kStreams arrays, or
// problem.chunks<R>(). `aligned`: the arrays may be read 16 bytes at a time if n allows it. Halves
// take the teams of float32, and 8 bytes at a time: a warp still asks for whole lines.
template <class Stored, int kStreams, class Problem>
void with_row(int64_t n, bool aligned, const Problem& problem) {
  using T = Compute<Stored>;
  if constexpr (sizeof(T) == 8) {
    if (n <= 32) return problem.template rows<Row<T, 8, 4, 1>>();
    if (n <= 512) return problem.template rows<Row<T, 32, 16, 1>>();
    if (n <= 2048) return problem.template rows<Row<T, 256, 8, 1>>();
    problem.template chunks<Chunk<T, 1>>();
  } else {
    // Two arrays of 16 values are what 64 registers hold.
    constexpr int kMost = kStreams == 1 ? 1024 : 512;
    if (n <= 32) return problem.template rows<Row<T, 8, 4, 1, Stored>>();
    if (aligned && n % 4 == 0) {
      if (n <= 256) return problem.template rows<Row<T, 32, 8, 4, Stored>>();
      if (n <= 1024) return problem.template rows<Row<T, 32, 32, 4, Stored>>();
      if (n <= 4096) return problem.template rows<Row<T, 256, 16, 4, Stored>>();
      if (n <= kMost * 16) return problem.template rows<Row<T, kMost, 16, 4, Stored>>();
      return problem.template chunks<Chunk<Stored, 4>>();
    }
    if (n <= 256) return problem.template rows<Row<T, 32, 8, 1, Stored>>();
    if (n <= 1024) return problem.template rows<Row<T, 32, 32, 1, Stored>>();
    if (n <= 4096) return problem.template rows<Row<T, 256, 16, 1, Stored>>();
    if (n <= 8192) return problem.template rows<Row<T, 512, 16, 1, Stored>>();
    problem.template chunks<Chunk<Stored, 1>>();
  }
}

}  // namespace weft::WEFT_GPU
