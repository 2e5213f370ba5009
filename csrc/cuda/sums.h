// Sums of long vectors in two stages, and the row that an element of a dense matrix lies in.
#pragma once

#include "cuda/block.h"
#include "cuda/layout.h"
#include "cuda/rows.h"
#include "cuda/scratch.h"

namespace weft::WEFT_GPU {

// The row of element i of a dense matrix of `columns` columns.
struct RowFinder {
  Divisor by;
  int64_t columns;
  bool narrow;  // 32-bit numbers count the elements

  RowFinder(int64_t count, int64_t columns) : columns(columns), narrow(count < kMaxLaunchElements) {
    if (narrow) by = Divisor(static_cast<uint32_t>(columns));
  }
  __device__ int64_t row(int64_t i) const {
    return narrow ? int64_t{by.quotient(static_cast<uint32_t>(i))} : i / columns;
  }
};

inline constexpr int kSumThreads = 256;

// y[row] = scale * sum of x[row, :], one block a row, added in float64.
template <class In, class T>
__global__ void __launch_bounds__(kSumThreads)
    row_sums_kernel(const In* __restrict__ x, int64_t n, double scale, T* __restrict__ y) {
  x += int64_t{blockIdx.x} * n;
  double chains[4] = {};
  int64_t i = threadIdx.x;
  for (; i + 3 * kSumThreads < n; i += 4 * kSumThreads) {
    UNROLL for (int k = 0; k < 4; k++) chains[k] += static_cast<double>(x[i + k * kSumThreads]);
  }
  for (; i < n; i += kSumThreads) chains[0] += static_cast<double>(x[i]);
  const double total = team_sum<kSumThreads>(sum_values(chains));
  if (threadIdx.x == 0) y[blockIdx.x] = static_cast<T>(scale * total);
}

// The sums of pieces of `piece` elements of one vector.
template <class T>
__global__ void __launch_bounds__(kSumThreads)
    piece_sums_kernel(const T* __restrict__ x, int64_t n, int64_t piece,
                      double* __restrict__ partial) {
  const int64_t begin = blockIdx.x * piece, end = begin + piece < n ? begin + piece : n;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kSumThreads) sum += static_cast<double>(x[i]);
  sum = team_sum<kSumThreads>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// How one vector is cut into at most kMostPieces.
inline constexpr int64_t kMostPieces = 1024, kSmallestPiece = 16 * 1024;
inline int64_t piece_of(int64_t n) {
  const int64_t even = (n + kMostPieces - 1) / kMostPieces;
  return even < kSmallestPiece ? kSmallestPiece : (even + 1023) / 1024 * 1024;
}

// *y = scale * sum(x). `x` and `y` are on the device.
template <class T>
void sum_of_all(const T* x, int64_t n, double scale, T* y) {
  const int64_t piece = piece_of(n), pieces = (n + piece - 1) / piece;
  if (pieces == 1) {
    gpu::launch(row_sums_kernel<T, T>, dim3(1), dim3(kSumThreads), 0, stream(), x, n, scale, y);
    return;
  }
  const DeviceScratch<double> partial(pieces);
  gpu::launch(piece_sums_kernel<T>, dim3(static_cast<uint32_t>(pieces)), dim3(kSumThreads), 0,
              stream(), x, n, piece, partial.get());
  gpu::launch(row_sums_kernel<double, T>, dim3(1), dim3(kSumThreads), 0, stream(), partial.get(),
              pieces, scale, y);
}

}  // namespace weft::WEFT_GPU
