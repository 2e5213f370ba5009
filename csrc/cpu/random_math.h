// The functions behind the distributions, on vectors and free of branches, and free of FMA (see
// cpu/random.cpp) so that every instruction set gives the same bits.
// Errors, in units of the last place of the result over the ranges used here: logarithm 2, sine
// and cosine 2 of the larger of both, inverse erf 8.
#pragma once

#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

template <class T>
struct FloatFormat;
template <>
struct FloatFormat<float> {
  using Bits = uint32_t;
  static constexpr int kMantissa = 23;
  static constexpr uint32_t kBias = 127;
  static constexpr uint32_t kRootHalf = 0x3f3504f3u;  // the bits of sqrt(1/2)
  static constexpr float kRounder = 12582912.0f;      // 1.5 * 2^23: adding it rounds to integers
  static constexpr uint32_t kRounderBits = 0x4b400000u;
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
};
template <>
struct FloatFormat<double> {
  using Bits = uint64_t;
  static constexpr int kMantissa = 52;
  static constexpr uint64_t kBias = 1023;
  static constexpr uint64_t kRootHalf = 0x3fe6a09e667f3bcdull;
  static constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr uint64_t kRounderBits = 0x4338000000000000ull;
  static constexpr double kLn2High = 6.93147180369123816490e-01,
                          kLn2Low = 1.90821492927058770002e-10;
};

// Vectors of T and of its bits.
template <class T>
using Bits = simd::Vec<typename FloatFormat<T>::Bits>;

// A small integer in every lane as a number; no instruction set need convert 64-bit integers.
template <class T>
WEFT_INLINE simd::Vec<T> small_integer(Bits<T> i) {
  return (simd::Vec<T>)(i + FloatFormat<T>::kRounderBits) - FloatFormat<T>::kRounder;
}

// One number in [0, 1) from each 32-bit (float) or 64-bit (double) word, as uniform_float and
// uniform_double of core/philox.h make them.
template <class T>
WEFT_INLINE simd::Vec<T> uniform_vector(const uint32_t* words) {
  using V = simd::Vec<T>;
  if constexpr (sizeof(T) == 4) {
    const simd::Vec<uint32_t> bits = simd::load(words) >> 8;
    return __builtin_convertvector((simd::Vec<int32_t>)bits, V) * 0x1p-24f;
  } else {
    simd::Vec<uint64_t> bits;
    __builtin_memcpy(&bits, words, sizeof bits);
    bits = ((bits << 32) | (bits >> 32)) >> 11;  // the first word is the high one
    const simd::Vec<uint64_t> high = bits >> 26, low = bits & ((uint64_t{1} << 26) - 1);
    return small_integer<T>(high) * 0x1p-27 + small_integer<T>(low) * 0x1p-53;
  }
}

// In (0, 1]: half a step above 0. float has 31 bits here, which the tails of the normal need.
template <class T>
WEFT_INLINE simd::Vec<T> positive_uniform_vector(const uint32_t* words) {
  using V = simd::Vec<T>;
  if constexpr (sizeof(T) == 4) {
    const simd::Vec<uint32_t> bits = simd::load(words) >> 1;
    return __builtin_convertvector((simd::Vec<int32_t>)bits, V) * 0x1p-31f + 0x1p-33f;
  } else {
    return uniform_vector<T>(words) + 0x1p-54;
  }
}

template <class V>
WEFT_INLINE V atanh_series(V z) {
  if constexpr (sizeof(simd::Lane<V>) == 4) {
    const V p = 0.28571429f + z * (0.22222222f + z * 0.18181818f);
    return z * (0.66666667f + z * (0.4f + z * p));
  } else {
    V p = 2.0 / 21 + z * (2.0 / 23);
    p = 2.0 / 19 + z * p;
    p = 2.0 / 17 + z * p;
    p = 2.0 / 15 + z * p;
    p = 2.0 / 13 + z * p;
    p = 2.0 / 11 + z * p;
    p = 2.0 / 9 + z * p;
    p = 2.0 / 7 + z * p;
    p = 2.0 / 5 + z * p;
    return z * (2.0 / 3 + z * p);
  }
}

// Natural logarithm of positive, normal numbers, with mantissas from [sqrt(1/2), sqrt(2)).
// log(1 + f) = 2 atanh(s) with s = f / (2 + f), |s| <= 0.1716; the form f - f^2/2 + s (f^2/2 + r)
// is exact to the rounding of f^2/2 (fdlibm).
template <class V>
WEFT_INLINE V logarithm(V x) {
  using T = simd::Lane<V>;
  using F = FloatFormat<T>;
  constexpr auto kOne = F::kBias << F::kMantissa;
  constexpr auto kMantissaMask = (typename F::Bits{1} << F::kMantissa) - 1;
  const Bits<T> shifted = (Bits<T>)x + (kOne - F::kRootHalf);
  const V k = small_integer<T>((shifted >> F::kMantissa) - F::kBias);
  const V f = (V)((shifted & kMantissaMask) + F::kRootHalf) - T(1);
  const V s = f / (T(2) + f), half_square = T(0.5) * f * f;
  const V r = atanh_series(s * s);
  return k * F::kLn2High - ((half_square - (s * (half_square + r) + k * F::kLn2Low)) - f);
}

template <class T>
struct SineCosine {
  simd::Vec<T> sine, cosine;
};

// sin and cos of 2 pi u for u in [0, 1): quarter turns are split off exactly, what remains lies in
// [-pi/4, pi/4].
template <class V>
WEFT_INLINE SineCosine<simd::Lane<V>> sine_cosine_of_turn(V u) {
  using T = simd::Lane<V>;
  const V quarters = u * T(4);
  const V rounded = quarters + FloatFormat<T>::kRounder;
  const simd::Mask<T> q = (simd::Mask<T>)rounded;  // its low bits count the quarters
  const V x = (quarters - (rounded - FloatFormat<T>::kRounder)) * T(1.57079632679489661923);
  const V z = x * x;
  V s, c;
  if constexpr (sizeof(T) == 4) {
    s = x + x * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
    c = 1.0f - 0.5f * z +
        z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
  } else {
    V p = -2.50507477628578072866e-8 + z * 1.58962301576546568060e-10;
    p = 2.75573136213857245213e-6 + z * p;
    p = -1.98412698295895385996e-4 + z * p;
    p = 8.33333333332211858878e-3 + z * p;
    p = -1.66666666666666307295e-1 + z * p;
    s = x + x * z * p;
    p = 2.08757008419747316778e-9 + z * -1.13585365213876817300e-11;
    p = -2.75573141792967388112e-7 + z * p;
    p = 2.48015872888517045348e-5 + z * p;
    p = -1.38888888888730564116e-3 + z * p;
    p = 4.16666666666665929218e-2 + z * p;
    c = 1.0 - 0.5 * z + z * z * p;
  }
  const simd::Mask<T> odd = (q & 1) != 0;
  const V a = simd::select(odd, c, s), b = simd::select(odd, s, c);
  return {simd::select((q & 2) != 0, -a, a), simd::select(((q + 1) & 2) != 0, -b, b)};
}

// sqrt(2) erfinv(x) for |x| <= erf(sqrt(2)): the central branch of Giles, "Approximating the erfinv
// function", GPU Computing Gems 2 (2010).
template <class V>
WEFT_INLINE V sqrt2_inverse_erf(V x) {
  using T = simd::Lane<V>;
  V w = -logarithm((T(1) - x) * (T(1) + x));
  V p;
  if constexpr (sizeof(T) == 4) {
    w = w - 2.5f;
    p = 3.43273939e-07f + w * 2.81022636e-08f;
    p = -3.5233877e-06f + p * w;
    p = -4.39150654e-06f + p * w;
    p = 0.00021858087f + p * w;
    p = -0.00125372503f + p * w;
    p = -0.00417768164f + p * w;
    p = 0.246640727f + p * w;
    p = 1.50140941f + p * w;
  } else {
    w = w - 3.125;
    constexpr double kTerms[] = {
        -1.685059138182016589e-19,  1.2858480715256400167e-18,  1.115787767802518096e-17,
        -1.333171662854620906e-16,  2.0972767875968561637e-17,  6.6376381343583238325e-15,
        -4.0545662729752068639e-14, -8.1519341976054721522e-14, 2.6335093153082322977e-12,
        -1.2975133253453532498e-11, -5.4154120542946279317e-11, 1.051212273321532285e-09,
        -4.1126339803469836976e-09, -2.9070369957882005086e-08, 4.2347877827932403518e-07,
        -1.3654692000834678645e-06, -1.3882523362786468719e-05, 0.0001867342080340571352,
        -0.00074070253416626697512, -0.0060336708714301490533,  0.24015818242558961693,
        1.6536545626831027356};
    p = w * -3.6444120640178196996e-21 + kTerms[0];
    for (int i = 1; i < 22; i++) p = kTerms[i] + p * w;
  }
  return p * x * T(1.41421356237309504880);
}

// e^x for x <= 0, to 1 unit in the last place; 0 below -708 and for NaN.
inline double exponential(double x) {
  if (!(x > -708)) return 0;
  const double k = static_cast<double>(static_cast<int32_t>(x * 1.44269504088896340736 - 0.5));
  const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  double p = 1.0 / 87178291200.0;  // 1/14!
  constexpr double kInverseFactorials[] = {1.0 / 6227020800.0,
                                           1.0 / 479001600.0,
                                           1.0 / 39916800.0,
                                           1.0 / 3628800.0,
                                           1.0 / 362880.0,
                                           1.0 / 40320.0,
                                           1.0 / 5040.0,
                                           1.0 / 720.0,
                                           1.0 / 120.0,
                                           1.0 / 24.0,
                                           1.0 / 6.0,
                                           1.0 / 2.0,
                                           1.0,
                                           1.0};
  for (double c : kInverseFactorials) p = c + p * r;
  const uint64_t bits = static_cast<uint64_t>(1023 + static_cast<int64_t>(k)) << 52;
  double power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return p * power;
}

}  // namespace weft::cpu::WEFT_ISA
