// Vectorised erf, the normal distribution, sine, cosine, tangent, power, length and remainder.
// Error bounds as in simd_math.h; for double the first of these call the C library lane by lane.
#pragma once

#include <math.h>

#include "cpu/simd_inverse.h"
#include "cpu/simd_math.h"

namespace weft::cpu::WEFT_ISA::simd {

// --- erf and the normal distribution -----------------------------------------------------------

// 2 ULP (float); the C library's for double.
template <class V>
WEFT_INLINE V erf(V x) {
  if constexpr (!kIsFloat<V>) {
    return each_lane(x, [](double lane) { return ::erf(lane); });
  } else {
    const V z = x * x, t = at_most(abs(x), 4.1);
    const V small = x + x * polynomial(z, -0.000596731088, 0.00498890603, -0.0267639951,
                                       0.112817541, -0.37612489, 0.128379149);
    // 1 - e^(log erfc(t)): the exponential of a polynomial has no cancellation here.
    const V r = t * polynomial(t, 1.11275985e-6, -3.55228076e-5, 0.000506828298, -0.00433405792,
                               0.025205598, -0.107938535, -0.634092952, -0.128917851);
    const V large = constant<V>(1) - exp(r - t);
    return select(abs(x) < constant<V>(0.92), small, with_sign(large, x));
  }
}

template <class V>
struct NormalDistribution {
  V cdf;      // 0.5 erfc(-x / sqrt(2)): relative accuracy in the lower tail too
  V density;  // e^(-x^2/2) / sqrt(2 pi)
};

// cdf: 6 ULP for |x| < 1; in the lower tail the rounding of x^2 in the exponent adds x^2 ULP.
template <class V>
WEFT_INLINE NormalDistribution<V> normal_distribution(V x) {
  const V e = exp(constant<V>(-0.5) * x * x);
  const V density = e * constant<V>(0.3989422804014327);
  if constexpr (!kIsFloat<V>) {
    const V cdf =
        each_lane(x, [](double lane) { return 0.5 * ::erfc(-0.7071067811865476 * lane); });
    return {cdf, density};
  } else {
    // erfc(t) = e^(-t^2) v P(v), t = |x| / sqrt(2), v = 1 / (1 + t/2).
    const V t = at_most(abs(x) * constant<V>(0.7071067811865476), 10.3);
    const V v = constant<V>(1) / (constant<V>(1) + constant<V>(0.5) * t);
    const V p = polynomial(v, -0.05990217, 0.288648674, -0.495609649, 0.287597297, -0.0330758206,
                           0.205341371, 0.242458956, 0.282459365, 0.282081934);
    const V lower = constant<V>(0.5) * e * v * p;
    return {select(x > V{}, constant<V>(1) - lower, lower), density};
  }
}

// --- sine and cosine ---------------------------------------------------------------------------

struct Remainder {
  Vec<float> r;          // |r| <= pi/4
  Mask<float> quadrant;  // x = quadrant pi/2 + r; of its bits the lowest 14 count
};

// |x| <= 12867. With FMA the first part of pi/2 may have 23 bits: its product with the quadrant and
// x are multiples of 2^-24, and so is their difference below 1. Without, the quadrant (14 bits)
// times each of the first three parts (11 bits) is exact.
WEFT_INLINE Remainder reduce_by_quadrants(Vec<float> x) {
  using V = Vec<float>;
  const V shifted = x * constant<V>(0.6366197723675814) + round_magic<V>();
  const V n = shifted - round_magic<V>();
#if defined(__FMA__)
  V r = x - n * constant<V>(0x1.921fb4p+0);
  r = r - n * constant<V>(0x1.4442dp-24);
  r = r - n * constant<V>(0x1.846988p-48);
#else
  V r = x - n * constant<V>(0x1.92p+0);
  r = r - n * constant<V>(0x1.fb4p-12);
  r = r - n * constant<V>(0x1.444p-24);
  r = r - n * constant<V>(2.563344151594519e-12);
#endif
  return {r, (Mask<float>)shifted};
}

struct SinCos {
  Vec<float> sine, cosine;  // of the remainder
  Mask<float> quadrant;
};

WEFT_INLINE SinCos reduce_sincos(Vec<float> x) {
  using V = Vec<float>;
  const auto [r, quadrant] = reduce_by_quadrants(x);
  const V z = r * r;
  const V sine = r + r * z * polynomial(z, -0.000195873871, 0.00833274594, -0.166666647);
  const V cosine = (constant<V>(1) - constant<V>(0.5) * z) +
                   z * z * polynomial(z, 2.45474372e-5, -0.00138883007, 0.0416666646);
  return {sine, cosine, quadrant};
}

// True for lanes that the reduction cannot take: large, infinite or NaN.
WEFT_INLINE bool beyond_reduction(Vec<float> x) {
  const Vec<float> magnitude = abs(x), limit = constant<Vec<float>>(12867);
#if defined(__AVX512F__)  // from the vector GCC makes a mask, a vector and a mask again
  return _mm512_cmp_ps_mask((__m512)magnitude, (__m512)limit, _CMP_NLE_UQ) != 0;
#else
  return any(~(magnitude <= limit));
#endif
}

// Out of line: rare, and the loop around the fast path stays small.
template <float (*kFunction)(float)>
__attribute__((noinline)) Vec<float> by_library(Vec<float> x) {
  return each_lane(x, [](float lane) { return kFunction(lane); });
}

// 2.5 ULP for all arguments: large ones go to the C library, whose reduction is exact.
WEFT_INLINE Vec<float> sin(Vec<float> x) {
  if (beyond_reduction(x)) [[unlikely]]
    return by_library<sinf>(x);
  const SinCos p = reduce_sincos(x);
  const auto y = select((p.quadrant & 1) != 0, p.cosine, p.sine);
  // The addition of x's sign keeps sin(-0.0) = -0.0.
  const auto signed_y = (Vec<float>)((Mask<float>)y ^ ((p.quadrant & 2) << 30));
  return select(x == Vec<float>{}, x, signed_y);
}
WEFT_INLINE Vec<float> cos(Vec<float> x) {
  if (beyond_reduction(x)) [[unlikely]]
    return by_library<cosf>(x);
  const SinCos p = reduce_sincos(x);
  const auto y = select((p.quadrant & 1) != 0, p.sine, p.cosine);
  return (Vec<float>)((Mask<float>)y ^ (((p.quadrant + 1) & 2) << 30));
}
// 4 ULP, with FMA 3. One polynomial and a division for the odd quadrants only: dividing a sine by a
// cosine takes five more operations and rounds twice more.
WEFT_INLINE Vec<float> tan(Vec<float> x) {
  using V = Vec<float>;
  if (beyond_reduction(x)) [[unlikely]]
    return by_library<tanf>(x);
  const auto [r, quadrant] = reduce_by_quadrants(x);
  const V z = r * r;
  const V y = r + r * z *
                      polynomial(z, 0.00827004577, 0.00507077259, 0.0231749141, 0.0537719108,
                                 0.133343926, 0.333333242);
  return select((quadrant & 1) != 0, constant<V>(-1) / y, y);
}
WEFT_INLINE Vec<double> sin(Vec<double> x) {
  return each_lane(x, [](double lane) { return ::sin(lane); });
}
WEFT_INLINE Vec<double> cos(Vec<double> x) {
  return each_lane(x, [](double lane) { return ::cos(lane); });
}
WEFT_INLINE Vec<double> tan(Vec<double> x) {
  return each_lane(x, [](double lane) { return ::tan(lane); });
}

// --- power -------------------------------------------------------------------------------------

typedef float HalfFloats __attribute__((vector_size(kVectorBytes / 2), may_alias));

// e^(y log x) in double precision, for x > 0: correctly rounded to float but for rare ties.
WEFT_INLINE HalfFloats power_of_positive(HalfFloats x, HalfFloats y) {
  const auto wide_x = __builtin_convertvector(x, Vec<double>);
  const auto wide_y = __builtin_convertvector(y, Vec<double>);
  return __builtin_convertvector(exp(wide_y * log(wide_x)), HalfFloats);
}

// 1 ULP, special values as in C.
WEFT_INLINE Vec<float> pow(Vec<float> x, Vec<float> y) {
  using V = Vec<float>;
  const V a = abs(x);
  HalfFloats base[2], exponent[2];
  __builtin_memcpy(base, &a, sizeof a);
  __builtin_memcpy(exponent, &y, sizeof y);
  for (int half = 0; half < 2; half++) base[half] = power_of_positive(base[half], exponent[half]);
  V r;
  __builtin_memcpy(&r, base, sizeof r);

  const V one = constant<V>(1);
  r = select((y == V{}) | ((a == one) & (y == y)), one, r);
  // A negative base: the sign of odd powers; no value for powers that are not whole.
  const V magnitude = abs(y);
  const auto large = magnitude >= constant<V>(0x1p24);  // such numbers are whole and even
  const V within = select(large, V{}, magnitude);
  const auto n = __builtin_convertvector(within, Mask<float>);
  const auto whole = __builtin_convertvector(n, V) == within;
  const auto negative = ((Mask<float>)x >> 31) & ((n & 1) != 0) & whole;
  const V signed_r = (V)((Mask<float>)r ^ (negative & (Mask<float>)(-V{})));
  const auto undefined = (x < V{}) & (a < infinity<V>()) & ~whole & (magnitude < infinity<V>());
  r = select(undefined, constant<V>(__builtin_nanf("")), signed_r);
  return select(x == one, one, r);
}
WEFT_INLINE Vec<double> pow(Vec<double> x, Vec<double> y) {
  return each_lane(x, y, [](double a, double b) { return ::pow(a, b); });
}

// --- length and remainder ------------------------------------------------------------------

// 1.5 ULP, without overflow or underflow of the squares.
template <class V>
WEFT_INLINE V hypot(V x, V y) {
  const V a = abs(x), b = abs(y), longest = max(a, b), one = constant<V>(1);
  constexpr bool f32 = kIsFloat<V>;
  const V large = constant<V>(f32 ? 0x1p62 : 0x1p510),
          small = constant<V>(f32 ? 0x1p-40 : 0x1p-450);
  const V down = constant<V>(f32 ? 0x1p-66 : 0x1p-514), up = constant<V>(f32 ? 0x1p88 : 0x1p600);
  const V scale = select(longest > large, down, select(longest < small, up, one));
  const V back = select(longest > large, constant<V>(f32 ? 0x1p66 : 0x1p514),
                        select(longest < small, constant<V>(f32 ? 0x1p-88 : 0x1p-600), one));
  const V u = a * scale, v = b * scale;
  const V r = sqrt(u * u + v * v) * back;
  // An infinite side wins over NaN.
  return select(a == infinity<V>(), a, select(b == infinity<V>(), b, r));
}

// a - q b without rounding, where that is a number of the type.
WEFT_INLINE Vec<float> exact_rest(Vec<float> a, Vec<float> q, Vec<float> b) {
#if defined(__AVX512F__)
  return (Vec<float>)_mm512_fnmadd_ps((__m512)q, (__m512)b, (__m512)a);
#elif defined(__FMA__)
  return (Vec<float>)_mm256_fnmadd_ps((__m256)q, (__m256)b, (__m256)a);
#else
  HalfFloats as[2], qs[2], bs[2];
  __builtin_memcpy(as, &a, sizeof a);
  __builtin_memcpy(qs, &q, sizeof q);
  __builtin_memcpy(bs, &b, sizeof b);
  for (int i = 0; i < 2; i++) {
    const auto product =
        __builtin_convertvector(qs[i], Vec<double>) * __builtin_convertvector(bs[i], Vec<double>);
    as[i] =
        __builtin_convertvector(__builtin_convertvector(as[i], Vec<double>) - product, HalfFloats);
  }
  __builtin_memcpy(&a, as, sizeof a);
  return a;
#endif
}
#if defined(__FMA__)
WEFT_INLINE Vec<double> exact_rest(Vec<double> a, Vec<double> q, Vec<double> b) {
#if defined(__AVX512F__)
  return (Vec<double>)_mm512_fnmadd_pd((__m512d)q, (__m512d)b, (__m512d)a);
#else
  return (Vec<double>)_mm256_fnmadd_pd((__m256d)q, (__m256d)b, (__m256d)a);
#endif
}
#endif

__attribute__((noinline)) inline Vec<float> fmod_by_library(Vec<float> x, Vec<float> y) {
  return each_lane(x, y, [](float a, float b) { return ::fmodf(a, b); });
}
__attribute__((noinline)) inline Vec<double> fmod_by_library(Vec<double> x, Vec<double> y) {
  return each_lane(x, y, [](double a, double b) { return ::fmod(a, b); });
}

// The remainder of C, exact. Where the quotient has no more bits than a number of the type, its
// whole part is off by one at most, and what is left of x is a number of the type.
template <class V>
WEFT_INLINE V fmod(V x, V y) {
#if !defined(__FMA__)
  if constexpr (!kIsFloat<V>)
    return fmod_by_library(x, y);
  else
#endif
  {
    const V a = abs(x), b = abs(y);
    const V q = trunc(a / b);
    if (any(q >= constant<V>(kIsFloat<V> ? 0x1p24 : 0x1p53))) [[unlikely]]
      return fmod_by_library(x, y);
    const V rest = exact_rest(a, q, b);
    // a < b also stands for an infinite b.
    return with_sign(select(a < b, a, select(rest < V{}, rest + b, rest)), x);
  }
}

}  // namespace weft::cpu::WEFT_ISA::simd
