// Packing: copies of A and B in the order in which the micro-kernels read them.
//
// B (k x n) becomes panels of kPanelColumns<T> columns, each k rows of whole vectors one after the
// other; the last panel has as many vectors as it needs, its missing columns hold values that no
// result depends on. Panels are panel_stride<T>(k) elements apart.
#pragma once

#include <string.h>

#include "cpu/gemm/microkernel.h"
#include "cpu/gemm/square.h"

namespace weft::cpu::WEFT_ISA::gemm {

// One cache line more than the panel: panels of a power of two of bytes would all fall into the
// same sets of the first-level cache.
template <class T>
WEFT_INLINE int64_t panel_stride(int64_t k) {
  return k * kPanelColumns<T> + 64 / static_cast<int64_t>(sizeof(T));
}
template <class T>
WEFT_INLINE int64_t panel_count(int64_t n) {
  return (n + kPanelColumns<T> - 1) / kPanelColumns<T>;
}
template <class T>
WEFT_INLINE int64_t packed_size(int64_t k, int64_t n) {  // elements of scratch for pack_b
  return panel_count<T>(n) * panel_stride<T>(k);
}
// Row stride inside a packed panel that holds `columns` columns: whole vectors.
template <class T>
WEFT_INLINE int64_t packed_ld(int64_t columns) {
  return (columns + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

namespace detail {

// Rows of B are contiguous: whole rows of up to eight panels at a time, so that memory is read in
// long runs although the panels are written 128 bytes at a time.
template <class T>
void pack_b_rows(int64_t k, int64_t n, const T* b, int64_t ldb, T* out) {
  constexpr int kColumns = kPanelColumns<T>, kTogether = 8;
  const int64_t stride = panel_stride<T>(k), whole = n / kColumns;
  for (int64_t first = 0; first < whole; first += kTogether) {
    const int64_t count = whole - first < kTogether ? whole - first : kTogether;
    for (int64_t row = 0; row < k; row++) {
      const T* from = b + row * ldb + first * kColumns;
      T* to = out + first * stride + row * kColumns;
      for (int64_t p = 0; p < count; p++, from += kColumns, to += stride)
        for (int v = 0; v < kMaxVectors; v++)
          simd::store(to + v * kLanes<T>, simd::load(from + v * kLanes<T>));
    }
  }
  const int64_t rest = n - whole * kColumns;
  if (rest == 0) return;
  const int64_t ld = packed_ld<T>(rest), full = ld - kLanes<T>;
  const T* from = b + whole * kColumns;
  T* to = out + whole * stride;
  for (int64_t row = 0; row < k; row++, from += ldb, to += ld) {
    for (int64_t j = 0; j < full; j += kLanes<T>) simd::store(to + j, simd::load(from + j));
    simd::store(to + full, simd::load_partial(from + full, static_cast<int>(rest - full)));
  }
}

// Columns of B are contiguous (B is the transpose of a row-major matrix).
template <class T>
void pack_b_columns(int64_t k, int64_t n, const T* b, int64_t ldb, T* out) {
  constexpr int kColumns = kPanelColumns<T>, kSide = kSquare<T>;
  const int64_t stride = panel_stride<T>(k), squares = k / kSide * kSide;
  for (int64_t first = 0; first < n; first += kColumns, out += stride) {
    const int64_t columns = n - first < kColumns ? n - first : kColumns;
    const int64_t ld = packed_ld<T>(columns);
    for (int64_t j = 0; j < ld; j += kSide) {
      // Columns past the end repeat the last one: valid memory, and the results are thrown away.
      const T* source[kSide];
      for (int q = 0; q < kSide; q++)
        source[q] = b + (first + (j + q < columns ? j + q : columns - 1)) * ldb;
      for (int64_t row = 0; row < squares; row += kSide)
        transpose_square(source, row, out + row * ld + j, ld);
      for (int64_t row = squares; row < k; row++)
        for (int q = 0; q < kSide; q++) out[row * ld + j + q] = source[q][row];
    }
  }
}

}  // namespace detail

// Packs B(row, column) = b[row * row_stride + column * column_stride], one of the strides being 1
// (or of no matter, its axis having length 1).
template <class T>
inline void pack_b(int64_t k, int64_t n, const T* b, int64_t row_stride, int64_t column_stride,
                   T* out) {
  if (column_stride == 1 || n == 1)
    detail::pack_b_rows(k, n, b, row_stride, out);
  else
    detail::pack_b_columns(k, n, b, column_stride, out);
}

// One tile of A. By rows: a copy with a row stride that is no multiple of a large power of two
// (returned). By columns: k runs of exactly `rows` elements. `out` holds packed_a_size elements.
template <class T>
inline constexpr int64_t kRowPadding = 64 / sizeof(T);
template <class T>
WEFT_INLINE int64_t packed_a_ld(int64_t k) {  // of a copy by rows
  return (k / kRowPadding<T> + 1) * kRowPadding<T>;
}
template <class T>
WEFT_INLINE int64_t packed_a_size(int64_t k) {
  return kMaxRows * (k + 2 * kRowPadding<T>)+kLanes<T>;
}

// Several tiles by columns at once, one below the other in A and `tile_stride` apart in `out`:
// where each step of K lies in another page, this visits it once for all of them.
template <class T>
inline void pack_a_columns(const int* rows, int tiles, int64_t k, const T* a, int64_t lda, T* out,
                           int64_t tile_stride) {
  for (int64_t step = 0; step < k; step++, a += lda) {
    const T* from = a;
    for (int tile = 0; tile < tiles; tile++) {
      const int count = rows[tile];
      T* to = out + tile * tile_stride + step * count;
      // A whole vector may be written where fewer elements are due: the next step overwrites the
      // rest.
      int i = 0;
      for (; i + kLanes<T> <= count; i += kLanes<T>) simd::store(to + i, simd::load(from + i));
      if (i < count) simd::store(to + i, simd::load_partial(from + i, count - i));
      from += count;
    }
  }
}

template <class T>
inline int64_t pack_a(int rows, int64_t k, const T* a, int64_t lda, ALayout layout, T* out) {
  if (layout == ALayout::rows) {
    const int64_t ld = packed_a_ld<T>(k);
    for (int i = 0; i < rows; i++)
      memcpy(out + i * ld, a + i * lda, static_cast<size_t>(k) * sizeof(T));
    return ld;
  }
  pack_a_columns(&rows, 1, k, a, lda, out, int64_t{0});
  return rows;
}

}  // namespace weft::cpu::WEFT_ISA::gemm
