// Tiles of a matrix product on the tensor cores that every GPU since compute capability 8.0 has:
// mma.sync with operands that cp.async brings into a ring of shared memory. As in gemm_simt.h the
// main loop knows its operands through loaders.
//
// A step of k is 128 bytes of every row: 64 halves or 32 floats. The four warps of a block compute
// a quarter of its tile each:
//
//   tile     of a warp  accumulators  ring          blocks per SM (228 KB, 64 K registers)
//   128x128  64x64      128           3 x 32 KB     2
//   64x64    32x32      32            3 x 16 KB     4
//
// Expected bound on an H200: about 62 % of its 990 TFLOP/s, which is all that mma.sync reaches
// there; on sm_80 the tensor cores themselves. A 64x64 warp tile reads 4 KB of fragments from
// shared memory for 64 x 64 x 16 multiply-adds, 32 cycles of its port for 32 mma (of 16 cycles on
// an A100, shared by 4 schedulers: 128).
#pragma once

#include "cuda/gemm.h"

namespace weft::WEFT_GPU {

constexpr int kUnit = 16;        // bytes that are copied, and swizzled, as one
constexpr int kStepBytes = 128;  // of k

// T is what the tensor core multiplies: BFloat16, Float16 or ptx::Tf32.
template <class T>
struct MmaElement {
  using Stored = T;
  static constexpr bool kHalf = true;
};
template <>
struct MmaElement<ptx::Tf32> {
  using Stored = float;
  static constexpr bool kHalf = false;
};

// One operand's part of a step in shared memory: kOuter rows of k, or, if the other axis is
// contiguous in global memory, rows of m or n for every k. The 16-byte units of a row are permuted,
// so that the 8 rows of an ldmatrix, and the 4 x 8 words of a warp where floats are read one by
// one, lie in different banks.
template <class T, int kOuter_, Contiguous kAxis_>
struct MmaTile {
  using Stored = typename MmaElement<T>::Stored;
  static constexpr bool kHalf = MmaElement<T>::kHalf, kAlongK = kAxis_ == Contiguous::k;
  static constexpr int kOuter = kOuter_, kElement = sizeof(Stored);
  static constexpr int kDepth = kStepBytes / kElement, kStep = ptx::MmaShape<T>::k;
  static constexpr int kRowBytes = kAlongK ? kStepBytes : kOuter * kElement;
  static constexpr int kBytes = kOuter * kStepBytes;

  static __device__ __forceinline__ int offset(int outer, int k) {
    const int row = kAlongK ? outer : k, byte = (kAlongK ? k : outer) * kElement;
    const int swizzle = kAlongK || kHalf ? row % 8 : row % 4 * 2;
    return row * kRowBytes + (byte / kUnit ^ swizzle) * kUnit + byte % kUnit;
  }

  // The 16 x kStep fragment of a at (outer, k).
  static __device__ __forceinline__ void load_a(const unsigned char* tile, int outer, int k,
                                                uint32_t (&a)[4]) {
    const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
    if constexpr (kAlongK)
      ptx::ldmatrix(a, tile + offset(outer + lane % 16, k + lane / 16 * (kStep / 2)));
    else if constexpr (kHalf)
      ptx::ldmatrix_trans(a, tile + offset(outer + lane / 8 % 2 * 8, k + lane / 16 * 8 + lane % 8));
    else
      UNROLL for (int r = 0; r < 4; r++) a[r] =
          word(tile, outer + lane / 4 + r % 2 * 8, k + lane % 4 + r / 2 * 4);
    round(a);
  }

  // Two kStep x 8 fragments of b, at (k, outer) and (k, outer + 8).
  static __device__ __forceinline__ void load_b(const unsigned char* tile, int outer, int k,
                                                uint32_t (&b)[4]) {
    const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
    if constexpr (kAlongK)
      ptx::ldmatrix(
          b, tile + offset(outer + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * (kStep / 2)));
    else if constexpr (kHalf)
      ptx::ldmatrix_trans(b, tile + offset(outer + lane / 16 * 8, k + lane / 8 % 2 * 8 + lane % 8));
    else
      UNROLL for (int r = 0; r < 4; r++) b[r] =
          word(tile, outer + lane / 4 + r / 2 * 8, k + lane % 4 + r % 2 * 4);
    round(b);
  }

 private:
  static __device__ __forceinline__ uint32_t word(const unsigned char* tile, int outer, int k) {
    return *reinterpret_cast<const uint32_t*>(tile + offset(outer, k));
  }
  // The tensor core would cut off what tf32 has no bits for.
  static __device__ __forceinline__ void round(uint32_t (&r)[4]) {
    if constexpr (!kHalf) {
      UNROLL for (int i = 0; i < 4; i++) r[i] = ptx::tf32_bits(__uint_as_float(r[i]));
    }
  }
};

// Brings step after step of a matrix into shared memory. Rows that do not begin at multiples of 16
// bytes go in words, or, with an odd number of halves, through registers.
template <class Tile, int kThreads>
class MmaMatrixLoader {
 public:
  using T = typename Tile::Stored;
  static constexpr int kElements = kUnit / sizeof(T);
  static constexpr int kUnitsPerRow = Tile::kRowBytes / kUnit;
  static constexpr int kUnits = Tile::kBytes / kUnit / kThreads;
  static constexpr int kRowStep = kThreads / kUnitsPerRow;  // rows from one unit to the next
  static_assert(kThreads % kUnitsPerRow == 0);

  __device__ MmaMatrixLoader(const GemmMatrix& matrix, int64_t offset, int first, int outer,
                             int k_end)
      : matrix_(matrix),
        row_(static_cast<int>(threadIdx.x) / kUnitsPerRow),
        along_(static_cast<int>(threadIdx.x) % kUnitsPerRow * kElements),
        data_(static_cast<const T*>(matrix.data) + offset + first * matrix.outer_stride),
        outer_(outer - first),
        k_end_(k_end) {}

  __device__ __forceinline__ void fetch(unsigned char* tile, int k) const {
    if (matrix_.alignment >= kUnit) {
      UNROLL for (int i = 0; i < kUnits; i++) {
        const Place at = place(i, k);
        ptx::cp_async<kUnit>(tile + at.offset, at.valid > 0 ? at.from : data_,
                             at.valid * static_cast<int>(sizeof(T)));
      }
    } else {
      fetch_unaligned(tile, k);
    }
  }

 private:
  struct Place {
    const T* from;
    int offset, valid;  // elements inside of the matrix
  };
  __device__ __forceinline__ Place place(int i, int k) const {
    const int row = row_ + i * kRowStep;
    const int outer = Tile::kAlongK ? row : along_, depth = Tile::kAlongK ? along_ : row;
    const int outer_left = outer_ - outer, k_left = k_end_ - k - depth;
    const int left = Tile::kAlongK ? k_left : outer_left;
    const bool inside = (Tile::kAlongK ? outer_left : k_left) > 0;
    const int64_t k_stride = Tile::kAlongK ? 1 : matrix_.k_stride;
    return {data_ + outer * matrix_.outer_stride + (k + depth) * k_stride,
            Tile::offset(outer, depth),
            !inside || left < 0 ? 0
            : left < kElements  ? left
                                : kElements};
  }

  __device__ void fetch_unaligned(unsigned char* tile, int k) const {
    for (int i = 0; i < kUnits; i++) {
      const Place at = place(i, k);
      if (matrix_.alignment >= 4) {
        for (int w = 0; w < kUnit / 4; w++) {
          const int left = at.valid * static_cast<int>(sizeof(T)) - 4 * w;
          ptx::cp_async<4>(tile + at.offset + 4 * w,
                           left > 0 ? at.from + w * 4 / static_cast<int>(sizeof(T)) : data_,
                           left < 0   ? 0
                           : left < 4 ? left
                                      : 4);
        }
      } else {
        gpu::Vector<T, kElements> values;
        UNROLL for (int e = 0; e < kElements; e++) values[e] = e < at.valid ? at.from[e] : T(0.0f);
        gpu::store_vec(tile + at.offset, values);
      }
    }
  }

  const GemmMatrix& matrix_;
  int row_, along_;
  const T* data_;
  int outer_, k_end_;
};

template <class T_, int kTile_, Contiguous kAxisA, Contiguous kAxisB>
struct MmaShape {
  using T = T_;
  using TileA = MmaTile<T, kTile_, kAxisA>;
  using TileB = MmaTile<T, kTile_, kAxisB>;
  static constexpr int kTile = kTile_, kThreads = 128, kStages = 3;
  static constexpr int kWarpTile = kTile / 2;
  static constexpr int kRows = kWarpTile / 16, kColumns = kWarpTile / 8;  // mma tiles of a warp
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  static constexpr int kSharedBytes = kStages * kStageBytes;

  static __device__ __forceinline__ int first_row(int thread) {
    return thread / gpu::kWarp / 2 * kWarpTile;
  }
  static __device__ __forceinline__ int first_column(int thread) {
    return thread / gpu::kWarp % 2 * kWarpTile;
  }
};

// The fragments of one k-step of a warp.
template <class Shape>
struct MmaFragments {
  uint32_t a[Shape::kRows][4], b[Shape::kColumns / 2][4];

  __device__ __forceinline__ void load(const unsigned char* stage, int row, int column, int k) {
    UNROLL for (int i = 0; i < Shape::kRows; i++)
        Shape::TileA::load_a(stage, row + i * 16, k, a[i]);
    UNROLL for (int j = 0; j < Shape::kColumns / 2; j++)
        Shape::TileB::load_b(stage + Shape::TileA::kBytes, column + j * 16, k, b[j]);
  }
  __device__ __forceinline__ void multiply(float (&sums)[Shape::kRows][Shape::kColumns][4]) const {
    UNROLL for (int i = 0; i < Shape::kRows; i++) {
      UNROLL for (int j = 0; j < Shape::kColumns; j++) {
        const uint32_t pair[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
        ptx::mma<typename Shape::T>(sums[i][j], a[i], pair);
      }
    }
  }
};

// sums += a[., k_begin..k_end] * b[k_begin..k_end, .]; `ring` has Shape::kSharedBytes. The first
// turns of the loop only fetch: written out before it, fetching would be most of the kernel's code.
template <class Shape, class LoaderA, class LoaderB>
__device__ __forceinline__ void mma_main_loop(const LoaderA& a, const LoaderB& b, int k_begin,
                                              int k_end, unsigned char* ring,
                                              float (&sums)[Shape::kRows][Shape::kColumns][4]) {
  constexpr int kStages = Shape::kStages, kDepth = Shape::TileA::kDepth;
  constexpr int kStep = Shape::TileA::kStep, kSteps = kDepth / kStep;
  const int thread = static_cast<int>(threadIdx.x);
  const int row = Shape::first_row(thread), column = Shape::first_column(thread);
  int reading = 1, writing = 0;
  _Pragma("unroll 1") for (int next = k_begin; next < k_end + (kStages - 1) * kDepth;
                           next += kDepth) {
    const bool filled = next >= k_begin + (kStages - 1) * kDepth;
    if (filled) {
      ptx::cp_async_wait<kStages - 2>();
      __syncthreads();  // the step has arrived for all, and all are done with the one before
    }
    if (next < k_end) {
      a.fetch(ring + writing * Shape::kStageBytes, next);
      b.fetch(ring + writing * Shape::kStageBytes + Shape::TileA::kBytes, next);
    }
    ptx::cp_async_commit();
    const unsigned char* const stage = ring + reading * Shape::kStageBytes;
    reading = reading + 1 == kStages ? 0 : reading + 1;
    writing = writing + 1 == kStages ? 0 : writing + 1;
    if (!filled) continue;
    if constexpr (Shape::TileA::kHalf) {
      // The next fragments are loaded while these are multiplied.
      MmaFragments<Shape> fragments[2];
      fragments[0].load(stage, row, column, 0);
      UNROLL for (int s = 0; s < kSteps; s++) {
        if (s + 1 < kSteps) fragments[(s + 1) % 2].load(stage, row, column, (s + 1) * kStep);
        fragments[s % 2].multiply(sums);
      }
    } else {
      // Rounding takes registers that more than one step's fragments would not leave.
      _Pragma("unroll 1") for (int s = 0; s < kSteps; s++) {
        MmaFragments<Shape> fragments;
        fragments.load(stage, row, column, s * kStep);
        fragments.multiply(sums);
      }
    }
  }
}

// A warp's sums on their way to memory: rows of floats in shared memory. Fragments give a lane
// pairs of columns of several rows; read back as whole rows, whole sectors are written, by a short
// loop instead of a store for every pair. Units of 16 bytes are permuted as TMA would do it,
// against bank conflicts.
template <int kColumns>
struct WarpRows {
  static constexpr int kRowBytes = kColumns * 4, kLanes = kColumns / 4;  // kLanes: of a row
  unsigned char* rows;

  __device__ __forceinline__ unsigned char* at(int row, int column) const {
    return rows + row * kRowBytes + (column / 4 ^ row % 4 * 2) * kUnit + column % 4 * 4;
  }
  __device__ __forceinline__ void put(int row, int column, float first, float second) const {
    gpu::store_vec(at(row, column), gpu::Vector<float, 2>{{first, second}});
  }

  // `row_of(row)` is the address of a row's column 0 in memory, null where there is no such row.
  template <class C, class RowOf>
  __device__ __forceinline__ void write(const Epilogue<C, float>& epilogue, const RowOf& row_of,
                                        int count, int column) const {
    const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
    if (epilogue.alignment >= 4 * static_cast<int>(sizeof(C))) {
      _Pragma("unroll 1") for (int row = lane / kLanes; row < count; row += gpu::kWarp / kLanes) {
        const int first = lane % kLanes * 4;
        const auto four = gpu::load_vec<gpu::Vector<float, 4>>(at(row, first));
        if (C* const to = row_of(row); to != nullptr)
          epilogue.store_row(to, column + first, four.values);
      }
      return;
    }
    _Pragma("unroll 1") for (int row = 0; row < count; row++) {
      C* const to = row_of(row);
      if (to == nullptr) continue;
      _Pragma("unroll 1") for (int first = lane; first < kColumns; first += gpu::kWarp) {
        const float one[1] = {*reinterpret_cast<const float*>(at(row, first))};
        epilogue.store_row(to, column + first, one);
      }
    }
  }
};

// Rows `first`, first + 1, ... of a matrix.
template <class C>
struct MatrixRows {
  const Epilogue<C, float>& epilogue;
  int first;
  __device__ __forceinline__ C* operator()(int row) const {
    row += first;
    return row < epilogue.m ? epilogue.c + row * epilogue.row_stride : nullptr;
  }
};

// The sums of the block's warps to the ring, which all threads are done with.
template <class Shape>
__device__ __forceinline__ WarpRows<Shape::kWarpTile> mma_stage(
    unsigned char* ring, const float (&sums)[Shape::kRows][Shape::kColumns][4]) {
  constexpr int kWarpBytes = Shape::kWarpTile * Shape::kWarpTile * 4;
  static_assert(Shape::kThreads / gpu::kWarp * kWarpBytes <= Shape::kSharedBytes);
  const int thread = static_cast<int>(anew(threadIdx.x)), lane = thread % gpu::kWarp;
  const WarpRows<Shape::kWarpTile> staged{ring + thread / gpu::kWarp * kWarpBytes};
  __syncthreads();
  UNROLL for (int i = 0; i < Shape::kRows; i++) {
    UNROLL for (int j = 0; j < Shape::kColumns; j++) {
      UNROLL for (int h = 0; h < 2; h++) staged.put(lane / 4 + i * 16 + h * 8, lane % 4 * 2 + j * 8,
                                                    sums[i][j][2 * h], sums[i][j][2 * h + 1]);
    }
  }
  __syncwarp();
  return staged;
}

template <class Shape, class C>
__device__ __forceinline__ void mma_write(const WarpRows<Shape::kWarpTile>& staged,
                                          const Epilogue<C, float>& epilogue,
                                          const TileOrigin& origin) {
  const int thread = static_cast<int>(threadIdx.x);
  const MatrixRows<C> rows{epilogue, origin.row + Shape::first_row(thread)};
  staged.write(epilogue, rows, Shape::kWarpTile, origin.column + Shape::first_column(thread));
}

}  // namespace weft::WEFT_GPU
