// Vectorised inverse trigonometric and hyperbolic functions. Error bounds as in simd_math.h, for
// float and double alike; results at zeros, infinities, the ends of the domain and beyond it are
// those of C, but for the sign of NaN.
#pragma once

#include "cpu/simd_math.h"

namespace weft::cpu::WEFT_ISA::simd {

inline constexpr double kPi = 3.14159265358979323846;

// What the nearest number of the lane's type leaves of c pi, as a share of that number. It is the
// same for pi and pi/2, pi/4: they differ by a power of two.
template <class V>
inline constexpr double kPiRest = kIsFloat<V> ? -2.7827534e-8 : 3.8981718325193755e-17;

// --- arctangent --------------------------------------------------------------------------------

template <class V>
struct Angle {
  V start, t;  // start + atan(t)
};

// The angle whose tangent is low / high, for 0 <= low <= high and high > 0.
template <class V>
WEFT_INLINE Angle<V> first_octant(V low, V high) {
  if constexpr (kIsFloat<V>) {
    return {V{}, low / high};
  } else {
    // Above tan(pi/8) relative to pi/4, which halves the terms of the polynomial.
    const V scale = select(high > constant<V>(0x1p1000), constant<V>(0.5), constant<V>(1));
    const V u = low * scale, v = high * scale;
    const V bound = constant<V>(0.41421356237309503) * v;
    const V numerator = select(u > bound, u - v, u);
    const V denominator = select(u > bound, u + v, v);
    return {select(u > bound, constant<V>(kPi / 4), V{}), numerator / denominator};
  }
}

template <class V>
WEFT_INLINE V finish_atan(V start, V t) {
  const V z = t * t;
  V q;
  if constexpr (kIsFloat<V>)
    q = polynomial(z, -0.00238699732, 0.0135077714, -0.035871539, 0.0625016944, -0.0865688043,
                   0.110337641, -0.142785687, 0.199997393, -0.333333317);
  else
    q = polynomial(z, 0.016283572356482589, -0.0345685906686069, 0.045515165635903106,
                   -0.052304374642516871, 0.058789267157567258, -0.066664246872464995,
                   0.07692296363979951, -0.090909087531185939, 0.11111111105147764,
                   -0.14285714285659749, 0.19999999999999804, -0.33333333333333333);
  return start + (t + (t * z * q + start * constant<V>(kPiRest<V>)));
}

// 2 ULP.
template <class V>
WEFT_INLINE V atan(V x) {
  // atan(a) = pi/2 - atan(1/a). NaN goes the way of small numbers.
  const V a = abs(x), one = constant<V>(1);
  const V low = select(a > one, one, a), high = select(a > one, a, one);
  const Angle<V> angle = first_octant(low, high);
  const V start = select(a > one, constant<V>(kPi / 2) - angle.start, angle.start);
  const V t = (V)((Bits<V>)angle.t ^ (Bits<V>)select(a > one, -V{}, V{}));
  return with_sign(finish_atan(start, t), x);
}

// 2.5 ULP.
template <class V>
WEFT_INLINE V atan2(V y, V x) {
  const V a = abs(x), b = abs(y);
  // 0 / tiny is 0; and inf / inf shall be 1.
  const V least = constant<V>(kIsFloat<V> ? 0x1p-149 : 0x1p-1074);
  const V low = min(a, b), high = max(least, max(a, b));
  Angle<V> angle = first_octant(low, high);
  if constexpr (kIsFloat<V>) {
    angle.t = select(low == infinity<V>(), constant<V>(1), angle.t);
  } else {
    angle.start = select(low == infinity<V>(), constant<V>(kPi / 4), angle.start);
    angle.t = select(low == infinity<V>(), V{}, angle.t);
  }
  // Mirrored at the diagonal, then at the y axis.
  const V x_sign = (V)sign_bits(x);
  const V swap = select(b > a, -V{}, V{});
  const Bits<V> flip = (Bits<V>)x_sign ^ (Bits<V>)swap;
  const V behind = (V)(((Bits<V>)x >> (8 * sizeof(Lane<V>) - 1)) & (Bits<V>)constant<V>(kPi));
  const V axis = select(b > a, constant<V>(kPi / 2), behind);
  const V start = axis + (V)((Bits<V>)angle.start ^ flip);
  const V r = finish_atan(start, (V)((Bits<V>)angle.t ^ flip));
  return select(x == x, with_sign(r, y), x);
}

// --- arcsine and arccosine ---------------------------------------------------------------------

// t + t z q(z) = asin(t) for z = t^2 <= 1/4.
template <class V>
WEFT_INLINE V asin_quotient(V z) {
  if constexpr (kIsFloat<V>)
    return polynomial(z, 0.0380850236, 0.0265545422, 0.0450013801, 0.0749885507, 0.166666724);
  else
    return polynomial(z, 0.028757851367421565, -0.014851887071247203, 0.017400879442694022,
                      0.0054575067186403583, 0.010322814350185779, 0.011479177415184906,
                      0.013971212973552933, 0.017352392720869973, 0.022372172942149888,
                      0.030381944138531247, 0.04464285714635543, 0.074999999999984329,
                      0.16666666666666668);
}

// 2 ULP. From 1/2 on: asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)).
template <class V>
WEFT_INLINE V asin(V x) {
  const V a = abs(x), half = constant<V>(0.5);
  const V z = select(a > half, half - half * a, a * a);
  const V t = select(a > half, constant<V>(-2) * sqrt(z), a);
  const V start = select(a > half, constant<V>(kPi / 2), V{});
  const V tail = t * z * asin_quotient(z) + start * constant<V>(kPiRest<V>);
  return with_sign(start + (t + tail), x);
}

// 2 ULP.
template <class V>
WEFT_INLINE V acos(V x) {
  const V a = abs(x), half = constant<V>(0.5);
  const V z = select(a > half, half - half * a, a * a);
  const V t = select(a > half, with_sign(constant<V>(2) * sqrt(z), x), -x);
  const V far = select(x < V{}, constant<V>(kPi), V{});
  const V start = select(a > half, far, constant<V>(kPi / 2));
  const V tail = t * z * asin_quotient(z) + start * constant<V>(kPiRest<V>);
  return start + (t + tail);
}

// --- inverse hyperbolic functions --------------------------------------------------------------

template <class V>
struct Scaled {
  V mantissa, exponent;  // x = 2^exponent mantissa, in [1, 2)
};
// Of a positive x that is neither subnormal nor infinite.
template <class V>
WEFT_INLINE Scaled<V> split_normal(V x) {
  constexpr int kBits = kIsFloat<V> ? 23 : 52, kBias = kIsFloat<V> ? 127 : 1023;
  using I = typename SignedOf<Lane<V>>::type;
  const Bits<V> mantissa = (Bits<V>)x & ((I{1} << kBits) - 1);
  const V exponent = to_float<V>((Bits<V>)x >> kBits) - constant<V>(kBias);
  return {(V)(mantissa | (Bits<V>)constant<V>(1)), exponent};
}

// log(x) + n log(2) for x >= 1; infinity and NaN stay as they are. 1 ULP of log(2) beside that of
// the result.
template <class V>
WEFT_INLINE V log_from_one(V x, V n) {
  if constexpr (kIsFloat<V>) {
    // log(m) = 2 atanh(t), with t = (m - 1) / (m + 1) < 1/3.
    const Scaled<V> p = split_normal(x);
    const V one = constant<V>(1), t = (p.mantissa - one) / (p.mantissa + one), z = t * t;
    const V q = polynomial(z, 0.13425749, 0.141183099, 0.200037803, 0.333333202);
    const V half = (p.exponent + n) * constant<V>(0.34657359027997264) + (t + t * z * q);
    return select(x < infinity<V>(), half + half, x);
  } else {
    LogParts<V> p = split_log_of_normal(x);
    p.exponent = p.exponent + n;
    return select(x < infinity<V>(), join_log(p), x);
  }
}

// 3 ULP.
template <class V>
WEFT_INLINE V asinh(V x) {
  const V a = abs(x), z = a * a, one = constant<V>(1);
  V q;
  if constexpr (kIsFloat<V>)
    q = polynomial(z, 0.000871529981, -0.00460146639, 0.0116181784, -0.0201326529, 0.0298702461,
                   -0.0445828239, 0.0749972327, -0.166666645);
  else
    q = polynomial(z, 2.6494777134581717e-6, -2.9430312431991292e-5, 0.00015516973961886287,
                   -0.00051995927491869162, 0.0012552340804393354, -0.0023576164490915407,
                   0.0036558529515519642, -0.0049355696143215996, 0.0060957839941165367,
                   -0.0071894207119874332, 0.0083562558695463867, -0.0097542809914106133,
                   0.011550603223513749, -0.01396469924481466, 0.017352752052879584,
                   -0.022372158381225779, 0.030381944419423804, -0.044642857142388178,
                   0.074999999999996494, -0.16666666666666666);
  const V near = a + a * z * q;
  // log(a + sqrt(a^2 + 1)), which is log(a) + log(2) long before the square overflows.
  const V large = constant<V>(0x1p32);
  const V sum = a + select(a > large, V{}, sqrt(z + one));
  const V far = log_from_one(sum, select(a > large, one, V{}));
  return with_sign(select(a > one, far, near), x);
}

// 3 ULP.
template <class V>
WEFT_INLINE V acosh(V x) {
  const V one = constant<V>(1), t = x - one;
  V q;
  if constexpr (kIsFloat<V>)
    q = polynomial(t, 9.57350273e-5, -0.00054371819, 0.00182696984, -0.00556447637, 0.0187486772,
                   -0.0833333151);
  else
    q = polynomial(t, 2.8202240853617817e-9, -2.887283566028395e-8, 1.4652287771243901e-7,
                   -5.0717842546350199e-7, 1.4036107159504199e-6, -3.4565892992899526e-6,
                   8.1361256604675294e-6, -1.9043892329179463e-5, 4.5118162672735727e-5,
                   -0.00010909912562434955, 0.00027113677427568882, -0.00069912995593691499,
                   0.0018988715269012998, -0.0055803571428312689, 0.018749999999999697,
                   -0.083333333333333333);
  // Up to x = 2 sqrt(2t) (1 + t q); from there log(x + sqrt(x^2 - 1)), as in asinh.
  const V root = sqrt(select(t < one, t + t, t * (t + constant<V>(2))));
  const V near = root + root * t * q;
  const V large = constant<V>(0x1p32);
  const V sum = x + select(x > large, V{}, root);
  const V far = log_from_one(sum, select(x > large, one, V{}));
  return select(t < one, near, far);
}

// 2.5 ULP. From 1/2 on: 1 - a = 2^n d with d in [1, 2), and the addition theorem gives
// atanh(a) = -n log(2) / 2 + atanh(t), t = ((1 + a) - d) / ((1 + a) + d), -1/7 < t < 1/3.
template <class V>
WEFT_INLINE V atanh(V x) {
  const V a = abs(x), one = constant<V>(1), half = constant<V>(0.5);
  const Scaled<V> rest = split_normal(one - a);
  const V d = rest.mantissa, sum = one + a;
  const V t = select(a > half, (sum - d) / (sum + d), a), z = t * t;
  V q;
  if constexpr (kIsFloat<V>)
    q = polynomial(z, 0.157517803, 0.0649348957, 0.114698752, 0.142639799, 0.200004733,
                   0.333333317);
  else
    q = polynomial(z, 0.21098097885975797, -0.14450491183414468, 0.13557903913692298,
                   0.012292448728540532, 0.054419154182345872, 0.05160769881147162,
                   0.058930996925900416, 0.066658863527018841, 0.076923459402706383,
                   0.090909078815091881, 0.11111111133938969, 0.14285714285490105,
                   0.20000000000000865, 0.33333333333333333);
  const V start = select(a > half, rest.exponent * constant<V>(-0.34657359027997264), V{});
  const V inside = start + (t + t * z * q);
  const V end = select(a == one, infinity<V>(), constant<V>(__builtin_nan("")));
  return with_sign(select(a < one, inside, end), x);
}

}  // namespace weft::cpu::WEFT_ISA::simd
