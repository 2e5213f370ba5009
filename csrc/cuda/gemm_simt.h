// Tiles of a matrix product on the ordinary arithmetic units. The main loop knows its operands only
// through loaders, so that a convolution can feed it windows of an image.
//
// A block computes kTileM x kTileN results; a warp (4 * kRows) x (8 * kColumns) of them, its lanes
// 4 x 8, each lane kRows x kColumns in groups of 16 bytes:
//
//   tile     threads  per lane  depth  shared  multiply-adds per value read from shared memory
//   128x128  256      8x8       8      17 KB   4: 2 blocks per SM, bound by their 128 registers
//   64x64    128      8x4       16     20 KB   2.7: 4 blocks
//   32x32    64       4x4       16     11 KB   2: 8 blocks
//
// For float32 an SM does 128 multiply-adds per cycle and reads 128 bytes of shared memory (32
// lanes times 16 bytes take 4 cycles at most, 1 or 2 where lanes share addresses): the largest tile
// is bound by arithmetic, 67 TFLOP/s on an H200, and reads c's operands from L2 128 times less
// than it uses them. Depth k+1 is fetched into registers while depth k is computed from shared
// memory, of which there are two buffers: one barrier per depth.
#pragma once

#include "cuda/gemm.h"

namespace weft::WEFT_GPU {

// A tile of one operand in shared memory: kOuter values for every k, so that lanes read neighbours
// along m or n. The padding spreads the transposing stores of a k-contiguous operand over all
// banks: 4-byte values of 4 lanes along k (8 apart for depth 8: 2 lanes) go to banks 0, 16, 8 and
// 24, those of lanes along the other axis to the next ones; rows of 8-byte values are 4 banks apart
// modulo 32.
template <class Sum, int kOuter, int kDepth_>
struct SimtTile {
  static constexpr int kDepth = kDepth_;
  static constexpr bool kWide = sizeof(Sum) == 8;
  static constexpr int kRowStride = kOuter + (kWide ? 2 : kDepth == 8 ? 4 : 12);
  static constexpr int kSize = kDepth * kRowStride + kDepth - 8;
  static_assert(kDepth == 8 || (kDepth == 16 && !kWide));
  static __device__ __forceinline__ int index(int k, int outer) {
    return k * kRowStride + k / 8 * 8 + outer;
  }
};

// Fetches depth after depth of an operand. Other loaders have the same two functions.
template <class T, class Sum, class Tile_, int kOuter, int kThreads, Contiguous kAxis>
class MatrixLoader {
 public:
  using Tile = Tile_;
  static constexpr int kWidth = 16 / sizeof(Sum);
  static constexpr int kVectors = kOuter * Tile::kDepth / kWidth / kThreads;
  using Values = T[kVectors][kWidth];

  __device__ MatrixLoader(const GemmMatrix& matrix, int64_t offset, int first, int outer, int k_end)
      : matrix_(matrix),
        data_(static_cast<const T*>(matrix.data) + offset +
              (first + place(0).outer) * matrix.outer_stride + place(0).k * k_stride()),
        outer_left_(outer - first - place(0).outer),
        k_end_(k_end - place(0).k) {}

  // This thread's part of the values from k on; zeros outside of the matrix.
  __device__ __forceinline__ void fetch(int k, Values& values) const {
    const bool wide =
        kAxis != Contiguous::neither && matrix_.alignment >= static_cast<int>(kWidth * sizeof(T));
    UNROLL for (int v = 0; v < kVectors; v++) {
      const Place at = step(v);
      const T* const from = data_ + at.outer * matrix_.outer_stride + (k + at.k) * k_stride();
      const int k_left = k_end_ - k - at.k, outer_left = outer_left_ - at.outer;
      const int left = kAxis == Contiguous::k ? k_left : outer_left;
      const bool inside = (kAxis == Contiguous::k ? outer_left : k_left) > 0;
      if (wide && inside && left >= kWidth) {
        const auto vector = load_values<T, kWidth>(from);
        UNROLL for (int i = 0; i < kWidth; i++) values[v][i] = vector[i];
      } else {
        const int64_t stride = kAxis == Contiguous::neither ? matrix_.outer_stride : 1;
        UNROLL for (int i = 0; i < kWidth; i++) values[v][i] =
            inside && i < left ? from[i * stride] : T(0);
      }
    }
  }

  __device__ __forceinline__ void put(const Values& values, Sum* shared) const {
    UNROLL for (int v = 0; v < kVectors; v++) {
      const Place at = place(v);
      if constexpr (kAxis == Contiguous::k) {
        UNROLL for (int i = 0; i < kWidth; i++) shared[Tile::index(at.k + i, at.outer)] =
            static_cast<Sum>(values[v][i]);
      } else {
        gpu::Vector<Sum, kWidth> vector;
        UNROLL for (int i = 0; i < kWidth; i++) vector[i] = static_cast<Sum>(values[v][i]);
        gpu::store_vec(shared + Tile::index(at.k, at.outer), vector);
      }
    }
  }

 private:
  struct Place {
    int outer, k;
  };
  static __device__ __forceinline__ Place place(int v) {
    const int number = static_cast<int>(threadIdx.x) + v * kThreads;
    if constexpr (kAxis == Contiguous::k) {
      constexpr int kPerRow = Tile::kDepth / kWidth;
      return {number / kPerRow, number % kPerRow * kWidth};
    } else {
      constexpr int kPerRow = kOuter / kWidth;
      return {number % kPerRow * kWidth, number / kPerRow};
    }
  }

  // From this thread's first vector to its v-th.
  static constexpr __device__ __forceinline__ Place step(int v) {
    constexpr int kPerRow = (kAxis == Contiguous::k ? Tile::kDepth : kOuter) / kWidth;
    static_assert(kThreads % kPerRow == 0);
    return kAxis == Contiguous::k ? Place{v * (kThreads / kPerRow), 0}
                                  : Place{0, v * (kThreads / kPerRow)};
  }
  __device__ __forceinline__ int64_t k_stride() const {
    return kAxis == Contiguous::k ? 1 : matrix_.k_stride;
  }

  const GemmMatrix& matrix_;  // the kernel's parameter: constant memory
  const T* data_;             // at this thread's first vector
  int outer_left_, k_end_;    // counted from there
};

template <class Sum_, int kTileM_, int kTileN_, int kDepth_, int kRows_, int kColumns_>
struct SimtShape {
  using Sum = Sum_;
  using TileA = SimtTile<Sum, kTileM_, kDepth_>;
  using TileB = SimtTile<Sum, kTileN_, kDepth_>;
  static constexpr int kTileM = kTileM_, kTileN = kTileN_, kRows = kRows_, kColumns = kColumns_;
  static constexpr int kThreads = kTileM * kTileN / (kRows * kColumns);
  static constexpr int kDepth = kDepth_;
  // Steps of k that the compiler may mix: more of them cost the largest tile spilled registers.
  static constexpr int kUnroll = kRows * kColumns < 64 ? kDepth : 2;
  static constexpr int kGroup = 16 / sizeof(Sum);  // neighbours of a lane
  static constexpr int kLanesM = 4, kLanesN = 8;   // of a warp
  static constexpr int kWarpsN = kTileN / (kLanesN * kColumns);
  static_assert(kTileM % (kLanesM * kRows) == 0 && kTileN % (kLanesN * kColumns) == 0);

  static __device__ __forceinline__ int first_row(int thread) {
    const int warp = thread / gpu::kWarp;
    return warp / kWarpsN * kLanesM * kRows + thread % gpu::kWarp / kLanesN * kGroup;
  }
  static __device__ __forceinline__ int first_column(int thread) {
    const int warp = thread / gpu::kWarp;
    return warp % kWarpsN * kLanesN * kColumns + thread % kLanesN * kGroup;
  }
  // From a lane's first row or column to its i-th.
  static constexpr __device__ int row(int i) { return i / kGroup * kLanesM * kGroup + i % kGroup; }
  static constexpr __device__ int column(int i) {
    return i / kGroup * kLanesN * kGroup + i % kGroup;
  }
};

// One k: from this lane's first row of a and first column of b.
template <class Shape, class Sum>
__device__ __forceinline__ void simt_multiply(const Sum* a, const Sum* b,
                                              Sum (&sums)[Shape::kRows][Shape::kColumns]) {
  constexpr int kGroup = Shape::kGroup;
  using Group = gpu::Vector<Sum, kGroup>;
  Group x[Shape::kRows / kGroup], y[Shape::kColumns / kGroup];
  UNROLL for (int g = 0; g < Shape::kRows / kGroup; g++) x[g] =
      gpu::load_vec<Group>(a + Shape::row(g * kGroup));
  UNROLL for (int g = 0; g < Shape::kColumns / kGroup; g++) y[g] =
      gpu::load_vec<Group>(b + Shape::column(g * kGroup));
  UNROLL for (int i = 0; i < Shape::kRows; i++) {
    UNROLL for (int j = 0; j < Shape::kColumns; j++) sums[i][j] +=
        x[i / kGroup][i % kGroup] * y[j / kGroup][j % kGroup];
  }
}

// sums += a[., k_begin..k_end] * b[k_begin..k_end, .]. The first turn of the loop only fetches:
// written out before it, fetching would be half of the kernel's code.
template <class Shape, class LoaderA, class LoaderB>
__device__ __forceinline__ void simt_main_loop(
    const LoaderA& a, const LoaderB& b, int k_begin, int k_end,
    typename Shape::Sum (&sums)[Shape::kRows][Shape::kColumns]) {
  using Sum = typename Shape::Sum;
  using TileA = typename Shape::TileA;
  using TileB = typename Shape::TileB;
  __shared__ __align__(16) Sum shared_a[2][TileA::kSize], shared_b[2][TileB::kSize];
  const int thread = static_cast<int>(threadIdx.x);
  const int row = Shape::first_row(thread), column = Shape::first_column(thread);

  typename LoaderA::Values next_a{};
  typename LoaderB::Values next_b{};
  int buffer = 1;
  for (int k = k_begin - Shape::kDepth; k < k_end; k += Shape::kDepth, buffer ^= 1) {
    const bool more = k + Shape::kDepth < k_end;
    if (more) {
      a.fetch(k + Shape::kDepth, next_a);
      b.fetch(k + Shape::kDepth, next_b);
    }
    if (k >= k_begin) {
      _Pragma("unroll 1") for (int part = 0; part < Shape::kDepth; part += Shape::kUnroll) {
        UNROLL for (int i = 0; i < Shape::kUnroll; i++)
            simt_multiply<Shape>(&shared_a[buffer][TileA::index(part + i, row)],
                                 &shared_b[buffer][TileB::index(part + i, column)], sums);
      }
    }
    if (more) {
      a.put(next_a, shared_a[buffer ^ 1]);
      b.put(next_b, shared_b[buffer ^ 1]);
    }
    __syncthreads();
  }
}

template <class Shape, class C>
__device__ __forceinline__ void simt_store(
    const Epilogue<C, typename Shape::Sum>& epilogue, const TileOrigin& origin,
    const typename Shape::Sum (&sums)[Shape::kRows][Shape::kColumns]) {
  constexpr int kGroup = Shape::kGroup;
  const int thread = static_cast<int>(anew(threadIdx.x));
  const int row = origin.row + Shape::first_row(thread);
  const int column = origin.column + Shape::first_column(thread);
  UNROLL for (int i = 0; i < Shape::kRows; i++) {
    UNROLL for (int g = 0; g < Shape::kColumns / kGroup; g++) {
      typename Shape::Sum group[kGroup];
      UNROLL for (int j = 0; j < kGroup; j++) group[j] = sums[i][g * kGroup + j];
      epilogue.store(row + Shape::row(i), column + Shape::column(g * kGroup), group);
    }
  }
}

}  // namespace weft::WEFT_GPU
