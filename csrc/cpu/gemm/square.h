// Squares of numbers transposed in registers: what packing a transposed matrix is made of.
#pragma once

#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA::gemm {

namespace detail {

// Side of the square that `transpose_square` turns in registers; 1: element by element.
template <class T>
inline constexpr int kSquare = 1;
#if defined(__AVX2__)
template <>
inline constexpr int kSquare<float> = WEFT_VECTOR_BYTES == 64 ? 16 : 8;
template <>
inline constexpr int kSquare<double> = 4;
#elif defined(__x86_64__)
template <>
inline constexpr int kSquare<float> = 4;
#endif

// out[i * ld + j] = rows[j][i] for a square of kSquare<T>.
WEFT_INLINE void transpose_square(const float* const* rows, int64_t at, float* out, int64_t ld) {
#if defined(__AVX512F__)
  // Whole cache lines are read and written: 64 shuffles and 32 memory accesses for 256 elements,
  // where four squares of 8 x 8 take as many shuffles, but 128 accesses.
  __m512 quads[16];
#pragma GCC unroll 4
  for (int r = 0; r < 16; r += 4) {
    const __m512 r0 = _mm512_loadu_ps(rows[r] + at), r1 = _mm512_loadu_ps(rows[r + 1] + at);
    const __m512 r2 = _mm512_loadu_ps(rows[r + 2] + at), r3 = _mm512_loadu_ps(rows[r + 3] + at);
    const __m512d t0 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
    const __m512d t1 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
    const __m512d t2 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
    const __m512d t3 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
    quads[r] = _mm512_castpd_ps(_mm512_unpacklo_pd(t0, t2));
    quads[r + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(t0, t2));
    quads[r + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(t1, t3));
    quads[r + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(t1, t3));
  }
  // quads[4 * g + c] has column c of the rows 4 * g .. 4 * g + 3, and columns c + 4, c + 8, c + 12.
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const __m512 t0 = _mm512_shuffle_f32x4(quads[c], quads[4 + c], 0x88);
    const __m512 t1 = _mm512_shuffle_f32x4(quads[c], quads[4 + c], 0xdd);
    const __m512 t2 = _mm512_shuffle_f32x4(quads[8 + c], quads[12 + c], 0x88);
    const __m512 t3 = _mm512_shuffle_f32x4(quads[8 + c], quads[12 + c], 0xdd);
    _mm512_storeu_ps(out + c * ld, _mm512_shuffle_f32x4(t0, t2, 0x88));
    _mm512_storeu_ps(out + (4 + c) * ld, _mm512_shuffle_f32x4(t1, t3, 0x88));
    _mm512_storeu_ps(out + (8 + c) * ld, _mm512_shuffle_f32x4(t0, t2, 0xdd));
    _mm512_storeu_ps(out + (12 + c) * ld, _mm512_shuffle_f32x4(t1, t3, 0xdd));
  }
#elif defined(__AVX2__)
  // Loading two half rows into one register saves a third of the shuffles, which all compete for
  // one port.
  const auto halves = [&](int r, int offset) __attribute__((always_inline)) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[r] + at + offset)),
                                _mm_loadu_ps(rows[r + 4] + at + offset), 1);
  };
  for (int half = 0; half < 8; half += 4) {
    const __m256 r0 = halves(0, half), r1 = halves(1, half);
    const __m256 r2 = halves(2, half), r3 = halves(3, half);
    const __m256 t0 = _mm256_unpacklo_ps(r0, r1), t1 = _mm256_unpackhi_ps(r0, r1);
    const __m256 t2 = _mm256_unpacklo_ps(r2, r3), t3 = _mm256_unpackhi_ps(r2, r3);
    float* to = out + half * ld;
    _mm256_storeu_ps(to, _mm256_shuffle_ps(t0, t2, 0x44));
    _mm256_storeu_ps(to + ld, _mm256_shuffle_ps(t0, t2, 0xee));
    _mm256_storeu_ps(to + 2 * ld, _mm256_shuffle_ps(t1, t3, 0x44));
    _mm256_storeu_ps(to + 3 * ld, _mm256_shuffle_ps(t1, t3, 0xee));
  }
#elif defined(__x86_64__)
  __m128 r0 = _mm_loadu_ps(rows[0] + at), r1 = _mm_loadu_ps(rows[1] + at);
  __m128 r2 = _mm_loadu_ps(rows[2] + at), r3 = _mm_loadu_ps(rows[3] + at);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(out, r0);
  _mm_storeu_ps(out + ld, r1);
  _mm_storeu_ps(out + 2 * ld, r2);
  _mm_storeu_ps(out + 3 * ld, r3);
#else
  *out = rows[0][at];
  (void)ld;
#endif
}
WEFT_INLINE void transpose_square(const double* const* rows, int64_t at, double* out, int64_t ld) {
#if defined(__AVX2__)
  const auto halves = [&](int r, int offset) __attribute__((always_inline)) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(rows[r] + at + offset)),
                                _mm_loadu_pd(rows[r + 2] + at + offset), 1);
  };
  for (int half = 0; half < 4; half += 2) {
    const __m256d r0 = halves(0, half), r1 = halves(1, half);
    _mm256_storeu_pd(out + half * ld, _mm256_unpacklo_pd(r0, r1));
    _mm256_storeu_pd(out + (half + 1) * ld, _mm256_unpackhi_pd(r0, r1));
  }
#else
  *out = rows[0][at];
  (void)ld;
#endif
}

}  // namespace detail
}  // namespace weft::cpu::WEFT_ISA::gemm
