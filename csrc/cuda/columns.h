// Blocks that walk down the columns of matrices: neighbouring threads have neighbouring columns, so
// that every access is coalesced, and the rows are shared out among the rest of the block.
#pragma once

#include <bit>

#include "cuda/gpu.h"
#include "cuda/rows.h"

namespace weft::WEFT_GPU {

inline constexpr int kColumnThreads = 256;

// A block of `across` by `down` threads, both powers of two.
struct ColumnBlock {
  int across, down;

  __device__ int column() const { return static_cast<int>(threadIdx.x) & (across - 1); }
  __device__ int row() const { return static_cast<int>(threadIdx.x) / across; }

  // As wide as `columns` up to a warp, and no higher than `rows` need.
  static ColumnBlock of(int64_t columns, int64_t rows) {
    const int across =
        static_cast<int>(std::bit_ceil(static_cast<uint64_t>(columns < 32 ? columns : 32)));
    const int most = kColumnThreads / across;
    int down = static_cast<int>(std::bit_ceil(static_cast<uint64_t>(rows < most ? rows : most)));
    while (across * down < 32) down *= 2;  // warps are whole
    return {across, down};
  }
  int threads() const { return across * down; }
};

// Joins the values of all rows of the block; every thread gets the result of its column. All
// threads of the block call it.
template <class T, class Join>
__device__ inline T column_reduce(const ColumnBlock& block, T value, Join join) {
  __shared__ T shared[kColumnThreads];
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

// y[c] = sum over rows of x[row, c]: the second stage of sums over columns, for a few hundred rows
// of partial sums. Added in float64, in the same order for any device.
template <class T>
struct ColumnSums {
  const T* x;
  int64_t rows, stride;  // `stride` elements from row to row
  int64_t columns;       // of each output
  T* y[2];               // columns [0, columns), then [columns, 2 * columns)
};

template <class T>
__global__ void __launch_bounds__(kColumnThreads)
    column_sums_kernel(const __grid_constant__ ColumnSums<T> p, ColumnBlock block) {
  const int64_t c = int64_t{blockIdx.x} * block.across + block.column();
  const bool inside = c < 2 * p.columns;
  double total = 0;
  if (inside)
    for (int64_t row = block.row(); row < p.rows; row += block.down)
      total += static_cast<double>(p.x[row * p.stride + c]);
  total = column_reduce(block, total, Adding{});
  if (!inside || block.row() != 0) return;
  if (c < p.columns)
    p.y[0][c] = static_cast<T>(total);
  else
    p.y[1][c - p.columns] = static_cast<T>(total);
}

}  // namespace weft::WEFT_GPU
