// What the matrix products of this folder share: the problem, the tiles of its result, and what is
// done to a result before it is written.
//
//   c[i, j] = activation( sum_k a[i, k] * b[k, j] [+ c[i, j]] [+ bias[j]] )
//
// matmul.cu          chooses a variant for a problem
// matmul_vector.cu   one vector: a warp, or a column of threads, per result
// matmul_simt.cu     tiles on the ordinary units (gemm_simt.h)
// matmul_mma.cu      tiles on the tensor cores of sm_80 (gemm_mma.h)
// matmul_wgmma.cu    tiles on those of sm_90a, fed by its copy engine (gemm_wgmma.h)
#pragma once

#include "cuda/layout.h"
#include "cuda/ptx.h"
#include "ops/matmul.h"

namespace weft::WEFT_GPU {

// A matrix in memory as a tile loader sees it: `outer` is the axis of m or n, the other one is k.
struct GemmMatrix {
  const void* data;
  int64_t outer_stride, k_stride;  // elements
  int alignment;                   // of every row that begins at a multiple of 16 bytes: 1 to 16
};

// Which axis of a matrix has stride 1.
enum class Contiguous : int { k, outer, neither };

// A product as the parameter of a kernel of tiles. The columns of c are contiguous.
struct GemmArguments {
  int m, n, k;
  GemmMatrix a, b;
  void* c;
  const void* bias;
  int64_t c_row_stride;
  int c_alignment;  // bytes, as GemmMatrix::alignment
  bool accumulate, relu;
  bool c_is_sum;  // c and bias have the type of the sums, not that of a and b
  int tiles_m, tiles_n;
  int k_per_split;       // a multiple of the tile's depth; k when there is one split
  int64_t split_stride;  // elements between the partial results of two splits
  DeviceLoop<3> batch;
  uint32_t first_product;
};

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The same number, but what was computed from it before is computed anew: it then takes no
// registers throughout a main loop.
__device__ __forceinline__ unsigned anew(unsigned x) {
#ifdef __CUDACC__
  asm volatile("" : "+r"(x));
#endif
  return x;
}

// The first row and column of the block's tile. `group` rows of tiles are walked column by column,
// so that the blocks that run at one time share rows of a and columns of b in the L2 cache.
struct TileOrigin {
  int row, column;
};
__device__ __forceinline__ TileOrigin tile_origin(unsigned tile, int tiles_m, int tiles_n,
                                                  int tile_rows, int tile_columns,
                                                  unsigned group = 8) {
  const unsigned per_group = group * static_cast<unsigned>(tiles_n);
  const unsigned number = tile / per_group, within = tile % per_group;
  const unsigned first = number * group, left = static_cast<unsigned>(tiles_m) - first;
  const unsigned rows = left < group ? left : group;
  return {static_cast<int>(first + within % rows) * tile_rows,
          static_cast<int>(within / rows) * tile_columns};
}

// What happens to sums on their way to memory; C is the type there.
template <class C, class Sum>
struct Epilogue {
  C* c;
  const C* bias;
  int64_t row_stride;
  int m, n, alignment;
  bool accumulate, relu;

  __device__ Sum finish(Sum sum, const C* at, int column) const {
    if (accumulate) sum += static_cast<Sum>(*at);
    if (bias != nullptr) sum += static_cast<Sum>(bias[column]);
    return relu && sum < Sum(0) ? Sum(0) : sum;  // NaN stays NaN
  }

  // kCount neighbours of a row; those outside of the matrix are left out.
  template <int kCount>
  __device__ __forceinline__ void store(int row, int column, const Sum (&sums)[kCount]) const {
    if (row < m) store_row(c + row * row_stride, column, sums);
  }
  template <int kCount>
  __device__ __forceinline__ void store_row(C* row, int column, const Sum (&sums)[kCount]) const {
    C* const at = row + column;
    constexpr int kBytes = kCount * static_cast<int>(sizeof(C));
    if constexpr (kBytes == 4 || kBytes == 8 || kBytes == 16) {
      if (alignment >= kBytes && column + kCount <= n) {
        gpu::Vector<C, kCount> old, v;
        if (accumulate) old = gpu::load_vec<gpu::Vector<C, kCount>>(at);
        UNROLL for (int i = 0; i < kCount; i++) v[i] =
            static_cast<C>(finish(sums[i], &old[i], column + i));
        gpu::store_vec(at, v);
        return;
      }
    }
    UNROLL for (int i = 0; i < kCount; i++) {
      if (column + i < n) at[i] = static_cast<C>(finish(sums[i], at + i, column + i));
    }
  }
};

template <class C, class Sum>
__device__ __forceinline__ Epilogue<C, Sum> epilogue_of(const GemmArguments& g, int64_t c_offset,
                                                        unsigned split) {
  return {static_cast<C*>(g.c) + c_offset + split * g.split_stride,
          static_cast<const C*>(g.bias),
          g.c_row_stride,
          g.m,
          g.n,
          g.c_alignment,
          g.accumulate,
          g.relu};
}

}  // namespace weft::WEFT_GPU
