// Logarithms to base 2 and 10 of float32 on AVX-512, whose permutes look up 16 numbers in one
// instruction.
//
// x = 2^e m with m in [3/4, 3/2). Four bits of m choose c close to 1/m, so that r = m c - 1 lies
// in [-1/32, 1/16] and e log(2) - log(c) + log(1 + r) needs a polynomial of five coefficients in
// place of eleven. Around m = 1 c is 1, so results near 0 keep their relative accuracy; every other
// c is the neighbour of the middle of its interval whose logarithm comes closest to a float.
#pragma once

#include "cpu/simd.h"

#if defined(__AVX512F__)
namespace weft::cpu::WEFT_ISA::simd {

// The constants: tools/fit_polynomials.py.
struct LogTable {
  alignas(64) float c[16];
  alignas(64) float minus_log_c[16];
  float polynomial[5];  // log(1 + r) / r, from the highest power down
  float high, low;      // log(2): an exponent times `high` is exact, and `low` is not negative
};
inline constexpr LogTable kBinaryLog = {
    {0x1p+0f, 0x1.d41bfap-1f, 0x1.bacf3cp-1f, 0x1.a418b6p-1f, 0x1.8f9fp-1f, 0x1.7d0532p-1f,
     0x1.6c1796p-1f, 0x1.5c9b1ep-1f, 0x1.4e5cc8p+0f, 0x1.4143e4p+0f, 0x1.351fb4p+0f, 0x1.29e352p+0f,
     0x1.1f6fcep+0f, 0x1.15af66p+0f, 0x1.0c951p+0f, 0x1p+0f},
    {0, 0x1.08cd9ep-3f, 0x1.acf81cp-3f, 0x1.2445eap-2f, 0x1.6e1762p-2f, 0x1.b481bp-2f,
     0x1.f7a4f8p-2f, 0x1.1bed8cp-1f, -0x1.8a83fp-2f, -0x1.4f7bdap-2f, -0x1.1691f2p-2f,
     -0x1.bfbf04p-3f, -0x1.5638dep-3f, -0x1.e07c7cp-4f, -0x1.1b86bcp-4f, 0},
    {0.271145054f, -0.360775068f, 0.480919063f, -0.721347556f, 1.44269504f},
    1,
    0};
inline constexpr LogTable kDecimalLog = {
    {0x1p+0f, 0x1.d41b66p-1f, 0x1.bad0c6p-1f, 0x1.a41d3ep-1f, 0x1.8f994ep-1f, 0x1.7d08c4p-1f,
     0x1.6c15d2p-1f, 0x1.5c9ac8p-1f, 0x1.4e5b96p+0f, 0x1.413f4p+0f, 0x1.351fc4p+0f, 0x1.29e2d8p+0f,
     0x1.1f719ap+0f, 0x1.15b0c6p+0f, 0x1.0c972cp+0f, 0x1p+0f},
    {0, 0x1.3edf3ap-5f, 0x1.023db4p-4f, 0x1.5fdb6p-4f, 0x1.b8eabcp-4f, 0x1.06c546p-3f,
     0x1.2f3db2p-3f, 0x1.55e2fap-3f, -0x1.db04dep-4f, -0x1.93dcc4p-4f, -0x1.4f6ee8p-4f,
     -0x1.0d8f16p-4f, -0x1.9c29d4p-5f, -0x1.2159b2p-5f, -0x1.559e34p-6f, 0},
    {0.0816227944f, -0.108604117f, 0.144771063f, -0.217147252f, 0.434294481f},
    0x1.344p-2f,
    4.605038981195214e-06f};

// Of any x: where it is 0, negative, infinite or NaN, so are the parts that give the result.
template <const LogTable& kTable>
WEFT_INLINE Vec<float> log_by_table(Vec<float> x) {
  const __m512 m = _mm512_getmant_ps((__m512)x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
  const __m512i bits = _mm512_castps_si512(m);
  // The highest bit of the fraction is set below 1, where the exponent is one more than x's.
  const __mmask16 below_one = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x400000));
  __m512 e = _mm512_getexp_ps((__m512)x);
  e = _mm512_mask_add_ps(e, below_one, e, _mm512_set1_ps(1));
  const __m512i at = _mm512_srli_epi32(bits, 19);  // permutes look at four bits
  const __m512 c = _mm512_permutexvar_ps(at, _mm512_load_ps(kTable.c));
  const __m512 start = _mm512_permutexvar_ps(at, _mm512_load_ps(kTable.minus_log_c));
  const __m512 r = _mm512_fmsub_ps(m, c, _mm512_set1_ps(1));
  __m512 p = _mm512_set1_ps(kTable.polynomial[0]);
#pragma GCC unroll 4
  for (int i = 1; i < 5; i++) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kTable.polynomial[i]));
  if constexpr (kTable.low == 0) return (Vec<float>)_mm512_fmadd_ps(p, r, _mm512_add_ps(e, start));
  const __m512 tail = _mm512_fmadd_ps(e, _mm512_set1_ps(kTable.low), _mm512_fmadd_ps(p, r, start));
  return (Vec<float>)_mm512_fmadd_ps(e, _mm512_set1_ps(kTable.high), tail);
}

}  // namespace weft::cpu::WEFT_ISA::simd
#endif
