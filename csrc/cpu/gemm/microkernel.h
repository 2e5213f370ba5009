// The micro-kernels under every matrix product and convolution: one small tile of C held in
// registers while K goes by.
//
//   C[i, j] = activation( [C[i, j] +] sum_k A(i, k) * B[k, j] [+ bias[j]] )
//
// A tile has 1..kMaxRows rows and 1..kMaxVectors vectors of columns; of the last vector any number
// of columns may be missing. B rows are contiguous (ldb apart: a packed panel or a plain matrix).
// A is never transposed, there are two flavours instead:
//   ALayout::rows     A(i, k) = a[i * lda + k]    (x in x @ w; a window row of a padded NHWC image)
//   ALayout::columns  A(i, k) = a[k * lda + i]    (x in x^T @ g: the gradient of weights)
// K runs in `segments` runs of k steps. Each run starts a_segment / b_segment elements after the
// start of the one before. So a 3x3 window in a padded NHWC band is three runs of 3*C steps with
// lda = stride * C, a_segment = one padded row, b_segment = 3 * C * ldb: no im2col.
//
// How to use them (driver.h and conv2d.cpp do):
//   Tile<float> t;                      // defaults: one segment, no bias, overwrite
//   t.k = ...; t.a = ...; t.b = ...;    // see the fields
//   run_tile(t, rows, columns, layout, BRows::padded);
// C and bias are never touched past column `columns`. Nor is B with BRows::exact; BRows::padded
// promises that B may be read up to whole vectors (a packed panel, pack.h), which is faster.
#pragma once

#include <stdint.h>

#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA::gemm {

using simd::kLanes;

inline constexpr bool kManyRegisters = WEFT_VECTOR_BYTES == 64;  // AVX-512: 32, and masks besides
// Elsewhere the mask of a partial load takes a register that the 6-row tiles do not have (-35 %): a
// B whose columns end inside a vector is better packed first.
inline constexpr bool kMaskedLoadsAreFree = kManyRegisters;

// Tile sizes are set by the register file. AVX-512: 14 x 2 accumulators + 2 vectors of B + 1
// broadcast of A fill 31 of 32 registers; AVX2 and SSE2 have 16: 6 x 2 + 2 + 1. Measured at 97 to
// 101 % of FMA peak (research/cpu.md, section 2).
inline constexpr int kMaxRows = kManyRegisters ? 14 : 6;
inline constexpr int kMaxVectors = 2;
template <class T>
inline constexpr int kPanelColumns = kMaxVectors * kLanes<T>;  // width of a full tile and panel

enum class ALayout : int { rows, columns };
enum class BRows : int { padded, exact };

// Rewrites rows x columns values at c in place: an activation that is more than a ReLU, applied
// while the tile is still in the first-level cache.
template <class T>
using ActivateTile = void (*)(T* c, int64_t ldc, int rows, int columns);

template <class T>
struct Tile {
  int64_t k = 0;         // steps in each segment; 0 gives zeros (plus bias, activation)
  int64_t segments = 1;  // runs of k steps
  const T* a = nullptr;
  int64_t lda = 0;
  int64_t a_segment = 0;  // from the start of one segment's A to the next one's
  const T* b = nullptr;
  int64_t ldb = 0;
  int64_t b_segment = 0;  // from the start of one segment's B to the next one's
  T* c = nullptr;
  int64_t ldc = 0;
  int last_columns = kLanes<T>;  // columns of the last vector: 1..lanes
  bool accumulate = false;       // add what C holds
  bool fetches_c = false;        // C lies beyond L2: ask for it before the first step
  bool relu = false;             // NaN stays NaN
  const T* bias = nullptr;       // one value per column
  ActivateTile<T> activate = nullptr;
};

template <class T>
using MicroKernel = void (*)(const Tile<T>&);

template <class T>
struct MicroKernelTable {
  MicroKernel<T> entry[2][2][kMaxVectors + 1][kMaxRows + 1];  // [ALayout][BRows][vectors][rows]
};
// Constant tables of all instantiations, built once per ISA in microkernel.cpp.
extern const MicroKernelTable<float> kFloatKernels;
extern const MicroKernelTable<double> kDoubleKernels;

template <class T>
WEFT_INLINE MicroKernel<T> micro_kernel(int rows, int vectors, ALayout layout, BRows b_rows) {
  const int l = static_cast<int>(layout), p = static_cast<int>(b_rows);
  if constexpr (sizeof(T) == 4)
    return kFloatKernels.entry[l][p][vectors][rows];
  else
    return kDoubleKernels.entry[l][p][vectors][rows];
}

// Runs one tile of 1..kPanelColumns columns.
template <class T>
WEFT_INLINE void run_tile(Tile<T>& tile, int rows, int columns, ALayout layout, BRows b_rows) {
  const int vectors = (columns + kLanes<T> - 1) / kLanes<T>;
  tile.last_columns = columns - (vectors - 1) * kLanes<T>;
  // Whole vectors need no mask, whatever lies behind them.
  if (tile.last_columns == kLanes<T>) b_rows = BRows::padded;
  micro_kernel<T>(rows, vectors, layout, b_rows)(tile);
}

// `total` rows cut into the fewest tiles, as even as possible: 15 is 8 + 7, never 14 + 1, so no
// tile runs at the speed of a single row.
struct RowTiles {
  int64_t count, base, larger;  // the first `larger` tiles have base + 1 rows

  explicit RowTiles(int64_t total)
      : count((total + kMaxRows - 1) / kMaxRows),
        base(count > 0 ? total / count : 0),
        larger(count > 0 ? total % count : 0) {}
  int64_t begin(int64_t tile) const { return tile * base + (tile < larger ? tile : larger); }
  int rows(int64_t tile) const { return static_cast<int>(base + (tile < larger)); }
};

}  // namespace weft::cpu::WEFT_ISA::gemm
