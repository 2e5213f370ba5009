// Vectorised erf, the normal distribution, sine, cosine, tangent and power. Error bounds as in
// simd_math.h; for double most of these call the C library lane by lane.
#pragma once

#include <math.h>

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
    const V v = divide_by_ordinary(constant<V>(1), constant<V>(1) + constant<V>(0.5) * t);
    const V p = polynomial(v, -0.05990217, 0.288648674, -0.495609649, 0.287597297, -0.0330758206,
                           0.205341371, 0.242458956, 0.282459365, 0.282081934);
    const V lower = constant<V>(0.5) * e * v * p;
    return {select(x > V{}, constant<V>(1) - lower, lower), density};
  }
}

// --- sine and cosine ---------------------------------------------------------------------------

struct SinCos {
  Vec<float> sine, cosine;  // of the remainder r, |r| <= pi/4
  Mask<float> quadrant;     // x = quadrant pi/2 + r
};

// |x| <= 12867. pi/2 is subtracted in four parts; quadrant (14 bits) times each of the first
// three (11 bits) is exact, with and without FMA.
WEFT_INLINE SinCos reduce_sincos(Vec<float> x) {
  using V = Vec<float>;
  const V shifted = x * constant<V>(0.6366197723675814) + round_magic<V>();
  const V n = shifted - round_magic<V>();
  V r = x - n * constant<V>(0x1.92p+0);
  r = r - n * constant<V>(0x1.fb4p-12);
  r = r - n * constant<V>(0x1.444p-24);
  r = r - n * constant<V>(2.563344151594519e-12);
  const V z = r * r;
  const V sine = r + r * z * polynomial(z, -0.000195873871, 0.00833274594, -0.166666647);
  const V cosine = (constant<V>(1) - constant<V>(0.5) * z) +
                   z * z * polynomial(z, 2.45474372e-5, -0.00138883007, 0.0416666646);
  return {sine, cosine, (Mask<float>)shifted - (Mask<float>)round_magic<V>()};
}

// True for lanes that the reduction cannot take: large, infinite or NaN.
WEFT_INLINE bool beyond_reduction(Vec<float> x) {
  return any(~(abs(x) <= constant<Vec<float>>(12867)));
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
// 4 ULP.
WEFT_INLINE Vec<float> tan(Vec<float> x) {
  if (beyond_reduction(x)) [[unlikely]]
    return by_library<tanf>(x);
  const SinCos p = reduce_sincos(x);
  const auto odd = (p.quadrant & 1) != 0;
  const auto y = select(odd, -p.cosine, p.sine) / select(odd, p.sine, p.cosine);
  return select(x == Vec<float>{}, x, y);
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

// --- lane by lane ------------------------------------------------------------------------------

#define WEFT_LANES_1(NAME, FLOAT, DOUBLE)                          \
  WEFT_INLINE Vec<float> NAME(Vec<float> x) {                      \
    return each_lane(x, [](float lane) { return FLOAT(lane); });   \
  }                                                                \
  WEFT_INLINE Vec<double> NAME(Vec<double> x) {                    \
    return each_lane(x, [](double lane) { return DOUBLE(lane); }); \
  }
#define WEFT_LANES_2(NAME, FLOAT, DOUBLE)                                    \
  WEFT_INLINE Vec<float> NAME(Vec<float> x, Vec<float> y) {                  \
    return each_lane(x, y, [](float a, float b) { return FLOAT(a, b); });    \
  }                                                                          \
  WEFT_INLINE Vec<double> NAME(Vec<double> x, Vec<double> y) {               \
    return each_lane(x, y, [](double a, double b) { return DOUBLE(a, b); }); \
  }
// The C library's float functions: 1 to 4 ULP.
WEFT_LANES_1(asin, ::asinf, ::asin)
WEFT_LANES_1(acos, ::acosf, ::acos)
WEFT_LANES_1(atan, ::atanf, ::atan)
WEFT_LANES_1(asinh, ::asinhf, ::asinh)
WEFT_LANES_1(acosh, ::acoshf, ::acosh)
WEFT_LANES_1(atanh, ::atanhf, ::atanh)
WEFT_LANES_2(atan2, ::atan2f, ::atan2)
WEFT_LANES_2(hypot, ::hypotf, ::hypot)
WEFT_LANES_2(fmod, ::fmodf, ::fmod)
#undef WEFT_LANES_1
#undef WEFT_LANES_2

}  // namespace weft::cpu::WEFT_ISA::simd
