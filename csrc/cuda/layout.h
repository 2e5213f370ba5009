// Where the elements of strided operands lie, as a kernel parameter.
#pragma once

#include <bit>
#include <vector>

#include "core/check.h"
#include "core/iteration.h"
#include "cuda/gpu.h"

namespace weft::WEFT_GPU {

// Division of numbers below 2^31 by a constant chosen at launch: a multiplication and a shift
// (Granlund and Montgomery, "Division by invariant integers using multiplication", PLDI 1994).
struct Divisor {
  uint32_t value = 1, multiplier = 0, shift = 0;

  Divisor() = default;
  explicit Divisor(uint32_t d) : value(d) {
    shift = static_cast<uint32_t>(std::bit_width(d - 1));  // ceil(log2(d))
    multiplier =
        static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - d)) / d + 1);
  }
  __host__ __device__ uint32_t quotient(uint32_t n) const {
#if defined(__CUDA_ARCH__)
    const uint32_t high = __umulhi(n, multiplier);
#else
    const uint32_t high = static_cast<uint32_t>((uint64_t{n} * multiplier) >> 32);
#endif
    return (high + n) >> shift;
  }
};

// Division of numbers below 2^63 that seldom need more than 31 bits, such as those of pixels; the
// branch is the same for whole warps and keeps a product of 64 bits out of most of them.
struct WideDivisor {
  Divisor narrow;
  int64_t value = 1;
  uint64_t reciprocal = ~uint64_t{0};  // of 2^64, rounded down

  WideDivisor() = default;
  explicit WideDivisor(int64_t d) : value(d < 1 ? 1 : d) {
    constexpr int64_t kBeyond = int64_t{1} << 31;  // all quotients are 0
    narrow = Divisor(static_cast<uint32_t>(value < kBeyond ? value : kBeyond));
    if (value > 1)
      reciprocal = static_cast<uint64_t>((static_cast<unsigned __int128>(1) << 64) /
                                         static_cast<uint64_t>(value));
  }
  __host__ __device__ int64_t quotient(int64_t n) const {
    if (n >> 31 == 0) return narrow.quotient(static_cast<uint32_t>(n));
#if defined(__CUDA_ARCH__)
    const auto estimate = static_cast<int64_t>(__umul64hi(static_cast<uint64_t>(n), reciprocal));
#else
    const auto estimate = static_cast<int64_t>(
        static_cast<unsigned __int128>(static_cast<uint64_t>(n)) * reciprocal >> 64);
#endif
    return estimate + (n - estimate * value >= value ? 1 : 0);  // at most one too small
  }
};

// A Loop (core/iteration.h) of at most 2^31 - 1 elements; the last operand is the output.
template <int kOperands>
struct DeviceLoop {
  int ndim;
  Divisor shape[kMaxDims];
  int64_t strides[kOperands][kMaxDims];

  // Element offsets of number i, in row-major order.
  __device__ void offsets(uint32_t i, int64_t (&at)[kOperands]) const {
    for (int k = 0; k < kOperands; k++) at[k] = 0;
    _Pragma("unroll 1") for (int axis = ndim - 1; axis > 0; axis--) {
      const uint32_t rest = shape[axis].quotient(i);
      const uint32_t index = i - rest * shape[axis].value;
      for (int k = 0; k < kOperands; k++) at[k] += index * strides[k][axis];
      i = rest;
    }
    for (int k = 0; k < kOperands; k++) at[k] += i * strides[k][0];
  }
};

// The offset of an index that is out of range; no distance between two elements is as large.
inline constexpr int64_t kNowhere = INT64_MIN / 2;
__device__ inline bool leads_nowhere(int64_t offset) { return offset < kNowhere / 2; }

inline constexpr int64_t kMaxLaunchElements = (int64_t{1} << 31) - 1;

// A part of a loop that 32-bit numbers can count, and where it starts in every operand.
template <int kOperands>
struct Piece {
  DeviceLoop<kOperands> loop;
  int64_t base[kOperands];  // element offsets
  uint32_t count;
};

template <int kOperands>
void append_pieces(const Loop& loop, const int64_t* base, std::vector<Piece<kOperands>>& pieces) {
  const int64_t size = loop.size();
  if (size == 0) return;
  if (size > kMaxLaunchElements) {
    int axis = 0;
    while (loop.shape[axis] == 1) axis++;
    Loop half = loop;
    half.shape[axis] = loop.shape[axis] / 2;
    append_pieces<kOperands>(half, base, pieces);
    int64_t rest[kOperands];
    for (int k = 0; k < kOperands; k++)
      rest[k] = base[k] + half.shape[axis] * loop.strides[k][axis];
    half.shape[axis] = loop.shape[axis] - half.shape[axis];
    append_pieces<kOperands>(half, rest, pieces);
    return;
  }
  Piece<kOperands> piece;
  piece.loop.ndim = loop.ndim;
  for (int axis = 0; axis < loop.ndim; axis++) {
    piece.loop.shape[axis] = Divisor(static_cast<uint32_t>(loop.shape[axis]));
    for (int k = 0; k < kOperands; k++) piece.loop.strides[k][axis] = loop.strides[k][axis];
  }
  for (int k = 0; k < kOperands; k++) piece.base[k] = base[k];
  piece.count = static_cast<uint32_t>(size);
  pieces.push_back(piece);
}

// One piece almost always; several along the outermost axes of a huge loop; none of an empty one.
template <int kOperands>
std::vector<Piece<kOperands>> pieces_of(const Loop& loop) {
  std::vector<Piece<kOperands>> pieces;
  const int64_t start[kOperands] = {};
  append_pieces<kOperands>(loop, start, pieces);
  return pieces;
}

// N neighbours at once. Below 4 bytes there is no wide access to gain.
template <class T, int N>
__device__ inline gpu::Vector<T, N> load_values(const T* from) {
  if constexpr (sizeof(T) * N >= 4) {
    return gpu::load_vec<gpu::Vector<T, N>>(from);
  } else {
    gpu::Vector<T, N> v;
    UNROLL for (int i = 0; i < N; i++) v[i] = from[i];
    return v;
  }
}
template <class T, int N>
__device__ inline void store_values(T* to, const gpu::Vector<T, N>& v) {
  if constexpr (sizeof(T) * N >= 4) {
    gpu::store_vec(to, v);
  } else {
    UNROLL for (int i = 0; i < N; i++) to[i] = v[i];
  }
}

// The same where memory holds halves and T is what they are computed in.
template <class T, int N, class Stored>
__device__ inline gpu::Vector<T, N> load_as(const Stored* from) {
  const auto stored = load_values<Stored, N>(from);
  gpu::Vector<T, N> v;
  UNROLL for (int i = 0; i < N; i++) v[i] = static_cast<T>(stored[i]);
  return v;
}
template <class Stored, class T, int N>
__device__ inline void store_as(Stored* to, const gpu::Vector<T, N>& v) {
  gpu::Vector<Stored, N> stored;
  UNROLL for (int i = 0; i < N; i++) stored[i] = static_cast<Stored>(v[i]);
  store_values(to, stored);
}

inline uint32_t blocks_for(int64_t threads, int block) {
  return static_cast<uint32_t>((threads + block - 1) / block);
}

}  // namespace weft::WEFT_GPU
