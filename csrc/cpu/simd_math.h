// Vectorised exp, log and their relatives for float and double.
//
// Each function states its largest error in ULP (units in the last place) over the whole range of
// its argument; tests/test_math_accuracy.py asserts these bounds on every instruction set against
// float64, and that infinities, NaN, zeros and subnormal numbers come out as in C. Polynomials are
// fitted by tools/fit_polynomials.py.
#pragma once

#include "cpu/simd.h"
#include "cpu/simd_log_table.h"

namespace weft::cpu::WEFT_ISA::simd {

template <class V>
WEFT_INLINE V constant(double value) {
  return broadcast(static_cast<Lane<V>>(value));
}

// c[0] x^(n-1) + ... + c[n-1], from the highest power down.
template <class V, class... Rest>
WEFT_INLINE V polynomial(V x, double first, Rest... rest) {
  V sum = constant<V>(first);
  ((sum = sum * x + constant<V>(rest)), ...);
  return sum;
}

template <class V>
inline constexpr bool kIsFloat = sizeof(Lane<V>) == 4;
template <class V>
using Bits = Mask<Lane<V>>;  // the vector's lanes as integers

template <class V>
WEFT_INLINE V infinity() {
  return constant<V>(__builtin_inf());
}
template <class V>
WEFT_INLINE Bits<V> sign_bits(V x) {
  return (Bits<V>)x & (Bits<V>)(-V{});
}
// |magnitude| with the sign of `sign`; `magnitude` must not be negative itself.
template <class V>
WEFT_INLINE V with_sign(V magnitude, V sign) {
  return (V)((Bits<V>)magnitude | sign_bits(sign));
}
// Keep NaN in x, unlike min(x, bound).
template <class V>
WEFT_INLINE V at_most(V x, double bound) {
  return min(constant<V>(bound), x);
}
template <class V>
WEFT_INLINE V at_least(V x, double bound) {
  return max(constant<V>(bound), x);
}

template <class M>
WEFT_INLINE bool any(M mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_epi8((__m256i)mask) != 0;
#elif defined(__x86_64__)
  return _mm_movemask_epi8((__m128i)mask) != 0;
#else
  int64_t lanes[kVectorBytes / 8];
  __builtin_memcpy(lanes, &mask, sizeof lanes);
  int64_t all = 0;
  for (int64_t lane : lanes) all |= lane;
  return all != 0;
#endif
}

// f on every lane: for what is rare, or not worth a vector version.
template <class V, class F>
WEFT_INLINE V each_lane(V x, F f) {
  Lane<V> lanes[kLanes<Lane<V>>];
  store(lanes, x);
  for (Lane<V>& lane : lanes) lane = f(lane);
  return load(lanes);
}
template <class V, class F>
WEFT_INLINE V each_lane(V x, V y, F f) {
  Lane<V> xs[kLanes<Lane<V>>], ys[kLanes<Lane<V>>];
  store(xs, x);
  store(ys, y);
  for (int i = 0; i < kLanes<Lane<V>>; i++) xs[i] = f(xs[i], ys[i]);
  return load(xs);
}

// --- rounding to whole numbers -----------------------------------------------------------------

// Adding 1.5 * 2^mantissa_bits leaves the nearest integer in the low bits of the sum.
template <class V>
WEFT_INLINE V round_magic() {
  return constant<V>(kIsFloat<V> ? 0x1.8p23 : 0x1.8p52);
}
template <class V>
WEFT_INLINE Bits<V> to_integer(V whole) {  // |whole| < 2^22 (float), 2^51 (double)
  return (Bits<V>)(whole + round_magic<V>()) - (Bits<V>)round_magic<V>();
}
template <class V>
WEFT_INLINE V to_float(Bits<V> n) {  // the same range
  return (V)(n + (Bits<V>)round_magic<V>()) - round_magic<V>();
}

#if defined(__AVX2__)
// By the instruction that rounds; kMode is one of the _MM_FROUND_TO_ constants.
template <int kMode, class V>
WEFT_INLINE V round_by(V x) {
#if defined(__AVX512F__)
  if constexpr (kIsFloat<V>)
    return (V)_mm512_roundscale_ps((__m512)x, kMode | _MM_FROUND_NO_EXC);
  else
    return (V)_mm512_roundscale_pd((__m512d)x, kMode | _MM_FROUND_NO_EXC);
#else
  if constexpr (kIsFloat<V>)
    return (V)_mm256_round_ps((__m256)x, kMode | _MM_FROUND_NO_EXC);
  else
    return (V)_mm256_round_pd((__m256d)x, kMode | _MM_FROUND_NO_EXC);
#endif
}
#endif

template <class V>
WEFT_INLINE V round_even(V x) {
#if defined(__AVX2__)
  return round_by<_MM_FROUND_TO_NEAREST_INT>(x);
#else
  const V limit = constant<V>(kIsFloat<V> ? 0x1p23 : 0x1p52);  // from here on all are whole
  const V magnitude = abs(x);
  const V rounded = with_sign((magnitude + limit) - limit, x);
  return select(magnitude < limit, rounded, x);
#endif
}
template <class V>
WEFT_INLINE V floor(V x) {
#if defined(__AVX2__)
  return round_by<_MM_FROUND_TO_NEG_INF>(x);
#else
  const V r = round_even(x);
  return select(r > x, r - constant<V>(1), r);
#endif
}
template <class V>
WEFT_INLINE V ceil(V x) {
#if defined(__AVX2__)
  return round_by<_MM_FROUND_TO_POS_INF>(x);
#else
  const V r = round_even(x);
  return select(r < x, with_sign(abs(r + constant<V>(1)), x), r);
#endif
}
template <class V>
WEFT_INLINE V trunc(V x) {
#if defined(__AVX2__)
  return round_by<_MM_FROUND_TO_ZERO>(x);
#else
  return with_sign(floor(abs(x)), x);
#endif
}

// --- exp ---------------------------------------------------------------------------------------

// p * 2^n with one rounding, for -300 < n < 300 (float), -2200 < n < 2200 (double).
template <class V>
WEFT_INLINE V scale_by_power(V p, [[maybe_unused]] V n_float, [[maybe_unused]] Bits<V> n) {
#if defined(__AVX512F__)
  if constexpr (kIsFloat<V>)
    return (V)_mm512_scalef_ps((__m512)p, (__m512)n_float);
  else
    return (V)_mm512_scalef_pd((__m512d)p, (__m512d)n_float);
#else
  constexpr int kBits = kIsFloat<V> ? 23 : 52, kBias = kIsFloat<V> ? 127 : 1023;
  // 2^n in two factors: the result may be subnormal or infinite although p 2^(n/2) is neither.
  const Bits<V> half = to_integer(n_float * constant<V>(0.5));
  const V a = (V)((half + kBias) << kBits), b = (V)((n - half + kBias) << kBits);
  return p * a * b;
#endif
}

template <class V>
struct Reduced {
  V expm1_r;  // e^r - 1 of the remainder |r| <= ln(2)/2
  V n_float;  // x = n ln(2) + r
  Bits<V> n;
};

// e^x = 2^n e^r. ln(2) is subtracted in two parts, the first with so few bits that n times it is
// exact.
template <class V>
WEFT_INLINE Reduced<V> reduce_exp(V x) {
  const V shifted = x * constant<V>(1.4426950408889634) + round_magic<V>();
  const V n = shifted - round_magic<V>();
  V r, q;
  if constexpr (kIsFloat<V>) {
    r = x - n * constant<V>(0x1.62e4p-1);
    r = r - n * constant<V>(1.4286068203094173e-06);
    q = polynomial(r, 0.00139262135, 0.00836320297, 0.0416665544, 0.166665768, 0.5);
  } else {
    r = x - n * constant<V>(0x1.62e42feep-1);
    r = r - n * constant<V>(0x1.a39ef35793c76p-33);
    q = polynomial(r, 2.0914717341716376e-9, 2.5105259538448493e-8, 2.755727357010214e-7,
                   2.7557255297969644e-6, 2.4801587325605323e-5, 0.00019841269874901259,
                   0.0013888888888883732, 0.0083333333333261121, 0.04166666666666667,
                   0.16666666666666671, 0.5);
  }
  return {r + (r * r) * q, n, (Bits<V>)shifted - (Bits<V>)round_magic<V>()};
}

// 1.1 ULP; subnormal results and overflow to infinity as in C.
template <class V>
WEFT_INLINE V exp(V x) {
  const V bounded = kIsFloat<V> ? at_least(at_most(x, 89), -104) : at_least(at_most(x, 710), -746);
  const Reduced<V> e = reduce_exp(bounded);
  return scale_by_power(constant<V>(1) + e.expm1_r, e.n_float, e.n);
}

// e^x - 1: 2 ULP, also near 0.
template <class V>
WEFT_INLINE V expm1(V x) {
  const V bounded = kIsFloat<V> ? at_least(at_most(x, 89), -20) : at_least(at_most(x, 710), -40);
  const Reduced<V> e = reduce_exp(bounded);
  constexpr int kBits = kIsFloat<V> ? 23 : 52, kBias = kIsFloat<V> ? 127 : 1023;
  // Half of 2^n (e^r - 1) + (2^n - 1), so that 2^n stays finite up to the largest result.
  const V half_power = (V)((e.n + (kBias - 1)) << kBits);
  const V half = half_power * e.expm1_r + (half_power - constant<V>(0.5));
  return select(x == V{}, x, half + half);
}

// 2^x: 1.5 ULP; whole x give exact powers.
template <class V>
WEFT_INLINE V exp2(V x) {
  V n, r;
  Bits<V> power{};
#if defined(__AVX512F__)
  n = round_even(x);
  // inf - inf: any number will do, the power decides. (max drops a NaN in front.)
  r = max(x - n, constant<V>(-0.5));
#else
  const V bounded =
      kIsFloat<V> ? at_least(at_most(x, 129), -151) : at_least(at_most(x, 1025), -1076);
  const V shifted = bounded + round_magic<V>();
  n = shifted - round_magic<V>();
  r = bounded - n;
  power = (Bits<V>)shifted - (Bits<V>)round_magic<V>();
#endif
  V q;
  if constexpr (kIsFloat<V>)
    q = polynomial(r, 0.000154531629, 0.00133908634, 0.00961808256, 0.0555035711, 0.240226508,
                   0.693147188);
  else
    q = polynomial(r, 4.4549605981865184e-10, 7.0725859492692237e-9, 1.0178062445845774e-7,
                   1.321544258792169e-6, 1.5252733829836118e-5, 0.0001540353044173605,
                   0.0013333558146416935, 0.0096181291076068885, 0.055504108664821594,
                   0.24022650695910098, 0.69314718055994531);
  return scale_by_power(constant<V>(1) + r * q, n, power);
}

// --- log ---------------------------------------------------------------------------------------

template <class V>
struct LogParts {
  V f, correction;  // log(m) = f + correction, m in [3/4, 3/2)
  V exponent;       // x = 2^exponent m
};

// The parts of m 2^exponent.
template <class V>
WEFT_INLINE LogParts<V> log_parts(V m, V exponent) {
  const V f = m - constant<V>(1);
  if constexpr (kIsFloat<V>) {
    const V z = f * f;
    const V q = polynomial(f, 0.042871978, -0.0956134001, 0.116806818, -0.126393111, 0.14268306,
                           -0.166608175, 0.200001409, -0.250000567, 0.333333331);
    return {f, f * z * q - constant<V>(0.5) * z, exponent};
  } else {
    const V s = f / (f + constant<V>(2)), z = s * s, half = constant<V>(0.5) * f * f;
    const V q = polynomial(z, 0.13604015707124077, 0.1321036048513262, 0.15388834677801915,
                           0.18181738454723026, 0.22222223037807242, 0.28571428567339189,
                           0.40000000000007801, 0.66666666666666664);
    return {f, s * (half + z * q) - half, exponent};
  }
}

// Of a positive x that is neither subnormal nor infinite.
template <class V>
WEFT_INLINE LogParts<V> split_log_of_normal(V x) {
  using I = typename SignedOf<Lane<V>>::type;
  constexpr I kThreeQuarters = kIsFloat<V> ? I(0x3f400000) : I(0x3fe8000000000000);
  constexpr int kBits = kIsFloat<V> ? 23 : 52;
  // The bits of x minus those of 3/4: the top part is the exponent, the rest the mantissa.
  const Bits<V> e = ((Bits<V>)x - kThreeQuarters) >> kBits;
  return log_parts((V)((Bits<V>)x - (e << kBits)), to_float<V>(e));
}

// Of any x. AVX-512 has instructions whose results for 0, negative numbers, infinity and NaN are
// what the sum of the parts needs; elsewhere `finish_log` mends them.
template <class V>
WEFT_INLINE LogParts<V> split_log(V x) {
#if defined(__AVX512F__)
  if constexpr (kIsFloat<V>) {
    const __m512 m = _mm512_getmant_ps((__m512)x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    return log_parts((V)m, (V)_mm512_getexp_ps((__m512)x) - (V)_mm512_getexp_ps(m));
  } else {
    const __m512d m = _mm512_getmant_pd((__m512d)x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan);
    return log_parts((V)m, (V)_mm512_getexp_pd((__m512d)x) - (V)_mm512_getexp_pd(m));
  }
#else
  constexpr bool f32 = kIsFloat<V>;
  const V least = constant<V>(f32 ? 0x1p-126 : 0x1p-1022);
  LogParts<V> p = split_log_of_normal(select(x < least, x * constant<V>(f32 ? 0x1p23 : 0x1p52), x));
  p.exponent = p.exponent - select(x < least, constant<V>(f32 ? 23 : 52), V{});
  return p;
#endif
}

// The results for 0, negative numbers, infinity and NaN.
template <class V>
WEFT_INLINE V finish_log([[maybe_unused]] V x, V result) {
#if defined(__AVX512F__)
  return result;
#else
  result = select(x < infinity<V>(), result, x);
  result = select(x == V{}, -infinity<V>(), result);
  return select(x < V{}, constant<V>(__builtin_nan("")), result);
#endif
}

template <class V>
WEFT_INLINE V join_log(const LogParts<V>& p) {
  const V high = constant<V>(kIsFloat<V> ? 0x1.62e4p-1 : 0x1.62e42feep-1);
  const V low = constant<V>(kIsFloat<V> ? 1.4286068203094173e-06 : 0x1.a39ef35793c76p-33);
  const V tail = p.correction + p.exponent * low;
  return p.exponent * high + (p.f + tail);
}

// 1.5 ULP, subnormal arguments included.
template <class V>
WEFT_INLINE V log(V x) {
  return finish_log(x, join_log(split_log(x)));
}

// 2.5 ULP; exact for powers of two.
template <class V>
WEFT_INLINE V log2(V x) {
#if defined(__AVX512F__)
  if constexpr (kIsFloat<V>) return log_by_table<kBinaryLog>(x);
#endif
  const LogParts<V> p = split_log(x);
  return finish_log(x, p.exponent + (p.f + p.correction) * constant<V>(1.4426950408889634));
}

// 2.5 ULP.
template <class V>
WEFT_INLINE V log10(V x) {
#if defined(__AVX512F__)
  if constexpr (kIsFloat<V>) return log_by_table<kDecimalLog>(x);
#endif
  const LogParts<V> p = split_log(x);
  const V high = constant<V>(kIsFloat<V> ? 0x1.344p-2 : 0x1.34413509fp-2);
  const V low = constant<V>(kIsFloat<V> ? 4.605038981195214e-06 : 0x1.e7fbcc47c4acdp-40);
  // f, which is exact, is scaled by itself and by both parts of 1 / log(10): at 0.7499 the rounding
  // of f + correction and that of the scale made 2.8 ULP.
  const V scale = constant<V>(0.4342944819032518);
  const V scale_low = constant<V>(kIsFloat<V> ? -1.0103049952192528e-08 : 1.0983196502167651e-17);
  const V small = p.f * scale_low + p.exponent * low;
  const V tail = p.f * scale + (p.correction * scale + small);
  return finish_log(x, p.exponent * high + tail);
}

// log(1 + x): 2.5 ULP, also near 0.
template <class V>
WEFT_INLINE V log1p(V x) {
  const V u = constant<V>(1) + x;
  // What the rounding of 1 + x lost, to first order.
  const V lost = x - (u - constant<V>(1));
  // At the ends there is nothing to correct: the quotient is no small number.
  const V correction = lost / u;
  const V result = log(u) + select(abs(correction) < constant<V>(1), correction, V{});
  return with_sign(result, x);
}

// --- hyperbolic and logistic -------------------------------------------------------------------

// 2^n for whole n within the exponents of normal numbers.
template <class V>
WEFT_INLINE V power_of_two(Bits<V> n) {
  return (V)((n + (kIsFloat<V> ? 127 : 1023)) << (kIsFloat<V> ? 23 : 52));
}

// 2.5 ULP: t / (t + 2) for t = e^2|x| - 1.
template <class V>
WEFT_INLINE V tanh(V x) {
  const V a = at_most(abs(x), kIsFloat<V> ? 10 : 20);
  const Reduced<V> e = reduce_exp(a + a);
  const V power = power_of_two<V>(e.n);
  const V t = power * e.expm1_r + (power - constant<V>(1));
  return with_sign(t / (t + constant<V>(2)), x);
}

// 1 / (1 + e^-x): 2.5 ULP, also where the result is subnormal. The division is one instruction that
// overlaps the next vector's exponential; a reciprocal and Newton steps measured slower on Zen 4.
template <class V>
WEFT_INLINE V sigmoid(V x) {
  const V e = exp(-abs(x));
  return select(x < V{}, e, constant<V>(1)) / (constant<V>(1) + e);
}

// log(1 + e^x): 2.5 ULP.
template <class V>
WEFT_INLINE V softplus(V x) {
  return max(V{}, x) + log1p(exp(-abs(x)));
}

// 3 ULP.
template <class V>
WEFT_INLINE V sinh(V x) {
  const Reduced<V> e = reduce_exp(at_most(abs(x), kIsFloat<V> ? 89.5 : 710.6));
  // A quarter of e^|x| - 1: finite as long as the result is.
  const V power = power_of_two<V>(e.n - 2);
  const V t = power * e.expm1_r + (power - constant<V>(0.25));
  const V half = t + t / (constant<V>(4) * t + constant<V>(1));
  return with_sign(half + half, x);
}

// 2.5 ULP.
template <class V>
WEFT_INLINE V cosh(V x) {
  const Reduced<V> e = reduce_exp(at_most(abs(x), kIsFloat<V> ? 89.5 : 710.6));
  const V power = power_of_two<V>(e.n - 2);
  const V t = power * e.expm1_r + power;  // a quarter of e^|x|
  const V half = t + constant<V>(0.0625) / t;
  return half + half;
}

}  // namespace weft::cpu::WEFT_ISA::simd
