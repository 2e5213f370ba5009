// Blocks that walk down the columns of matrices: neighbouring threads have neighbouring columns, so
// that every access is coalesced, and the rows are shared out among the rest of the block.
#pragma once

#include <bit>

#include "cuda/gpu.h"
#include "cuda/rows.h"
#include "cuda/stream.h"

namespace weft::WEFT_GPU {

inline constexpr int kColumnThreads = 256;
// For the second stage of sums, whose few columns must occupy the device.
inline constexpr int kWideColumnThreads = 1024;

// A block of `across` by `down` threads, both powers of two.
struct ColumnBlock {
  int across, down;

  __device__ int column() const { return static_cast<int>(threadIdx.x) & (across - 1); }
  __device__ int row() const { return static_cast<int>(threadIdx.x) / across; }

  // As wide as `columns` up to a warp, and no higher than `rows` need.
  static ColumnBlock of(int64_t columns, int64_t rows, int threads = kColumnThreads) {
    const int across = power(columns, 32);
    int down = power(rows, threads / across);
    while (across * down < 32) down *= 2;  // warps are whole
    return {across, down};
  }
  int threads() const { return across * down; }
  __host__ __device__ int64_t tiles(int64_t columns) const {
    return (columns + across - 1) / across;
  }

 private:
  static int power(int64_t wanted, int most) {
    return static_cast<int>(std::bit_ceil(static_cast<uint64_t>(wanted < most ? wanted : most)));
  }
};

// Joins the values of all rows of a block of at most kThreads; every thread gets the result of its
// column. All threads of the block call it.
template <int kThreads = kColumnThreads, class T, class Join>
__device__ inline T column_reduce(const ColumnBlock& block, T value, Join join) {
  __shared__ T shared[kThreads];
  const int me = static_cast<int>(threadIdx.x);
  __syncthreads();  // a former call may still be reading
  shared[me] = value;
  for (int some = block.across * block.down / 2; some >= block.across; some /= 2) {
    __syncthreads();
    if (me < some) shared[me] = join(shared[me], shared[me + some]);
  }
  __syncthreads();
  return shared[block.column()];
}

// The second stage of sums over columns, for a few hundred rows of partial sums: y[0] the first
// `columns` of them, y[1] the others. Added in float64, in the same order on any device.
template <class T>
struct ColumnSums {
  const T* x;  // (rows, 2 * columns)
  int64_t rows, columns;
  T* y[2];
};

template <class T>
__global__ void __launch_bounds__(kWideColumnThreads)
    column_sums_kernel(const __grid_constant__ ColumnSums<T> p, ColumnBlock block) {
  const int64_t c = int64_t{blockIdx.x} * block.across + block.column();
  const bool inside = c < 2 * p.columns;
  double total = 0;
  if (inside)
    for (int64_t row = block.row(); row < p.rows; row += block.down)
      total += static_cast<double>(p.x[row * 2 * p.columns + c]);
  total = column_reduce<kWideColumnThreads>(block, total, Adding{});
  if (!inside || block.row() != 0) return;
  p.y[c < p.columns ? 0 : 1][c < p.columns ? c : c - p.columns] = static_cast<T>(total);
}

template <class T>
void sum_columns(const ColumnSums<T>& p) {
  const ColumnBlock block = ColumnBlock::of(2 * p.columns, p.rows, kWideColumnThreads);
  gpu::launch(column_sums_kernel<T>, dim3(static_cast<uint32_t>(block.tiles(2 * p.columns))),
              dim3(block.threads()), 0, stream(), p, block);
}

}  // namespace weft::WEFT_GPU
