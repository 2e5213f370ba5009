// Copies between memory orders that disagree about the fastest axis, in square tiles: every cache
// line that is touched is used completely while it is near.
#pragma once

#include "core/iteration.h"
#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

#if defined(__x86_64__)
// Four rows of four 32-bit elements; eight shuffles instead of sixteen scalar copies.
WEFT_INLINE void transpose_4x4(const float* x, int64_t x_stride, float* y, int64_t y_stride) {
  __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + x_stride), c = _mm_loadu_ps(x + 2 * x_stride),
         d = _mm_loadu_ps(x + 3 * x_stride);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(y, a);
  _mm_storeu_ps(y + y_stride, b);
  _mm_storeu_ps(y + 2 * y_stride, c);
  _mm_storeu_ps(y + 3 * y_stride, d);
}

WEFT_INLINE void transpose_2x2(const double* x, int64_t x_stride, double* y, int64_t y_stride) {
  const __m128d a = _mm_loadu_pd(x), b = _mm_loadu_pd(x + x_stride);
  _mm_storeu_pd(y, _mm_unpacklo_pd(a, b));
  _mm_storeu_pd(y + y_stride, _mm_unpackhi_pd(a, b));
}
#endif

// y[i * y_stride + j] = x[j * x_stride + i] for i < rows, j < columns.
template <class T>
inline void transpose_tile(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t rows,
                           int64_t columns) {
  int64_t i = 0;
#if defined(__x86_64__)
  if constexpr (sizeof(T) == 4 || sizeof(T) == 8) {
    constexpr int64_t kSide = 16 / sizeof(T);
    const int64_t whole_columns = columns / kSide * kSide;
    for (; i + kSide <= rows; i += kSide) {
      for (int64_t j = 0; j < whole_columns; j += kSide) {
        const T* from = x + j * x_stride + i;
        T* to = y + i * y_stride + j;
        if constexpr (sizeof(T) == 4)
          transpose_4x4(reinterpret_cast<const float*>(from), x_stride,
                        reinterpret_cast<float*>(to), y_stride);
        else
          transpose_2x2(reinterpret_cast<const double*>(from), x_stride,
                        reinterpret_cast<double*>(to), y_stride);
      }
      for (int64_t j = whole_columns; j < columns; j++)
        for (int64_t k = i; k < i + kSide; k++) y[k * y_stride + j] = x[j * x_stride + k];
    }
  }
#endif
  for (; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) y[i * y_stride + j] = x[j * x_stride + i];
}

// The axis of the loop that is contiguous in operand 0 while the inner one is contiguous in
// operand 1; -1 when this is no transposition worth tiles.
inline int transposed_axis(const Loop& loop) {
  constexpr int64_t kWorthwhile = 8;
  if (loop.inner_stride(1) != 1 || loop.inner_stride(0) == 0 || loop.inner_stride(0) == 1 ||
      loop.inner() < kWorthwhile)
    return -1;
  for (int axis = 0; axis + 1 < loop.ndim; axis++)
    if (loop.strides[0][axis] == 1 && loop.shape[axis] >= kWorthwhile) return axis;
  return -1;
}

// Runs a loop for which transposed_axis(loop) is `axis`.
template <class T>
inline void copy_transposed(const Loop& loop, int axis, const T* x, T* y, int64_t grain) {
  constexpr int64_t kTile = 64 / sizeof(T) * 2;  // two cache lines
  const int64_t columns = loop.inner(), length = loop.shape[axis];
  const int64_t bands = (length + kTile - 1) / kTile;
  const int64_t planes = loop.rows() / length;
  const int64_t x_stride = loop.inner_stride(0), y_stride = loop.strides[1][axis];
  parallel_for(planes * bands, grain / (kTile * columns), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t i = task % bands * kTile;
      const int64_t rows = length - i < kTile ? length - i : kTile;
      int64_t plane = task / bands, x_at = i, y_at = i * y_stride;
      for (int other = loop.ndim - 2; other >= 0; other--) {
        if (other == axis) continue;
        const int64_t index = plane % loop.shape[other];
        plane /= loop.shape[other];
        x_at += index * loop.strides[0][other];
        y_at += index * loop.strides[1][other];
      }
      for (int64_t j = 0; j < columns; j += kTile)
        transpose_tile(x + x_at + j * x_stride, x_stride, y + y_at + j, y_stride, rows,
                       columns - j < kTile ? columns - j : kTile);
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA
