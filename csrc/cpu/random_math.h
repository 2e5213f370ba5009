// The functions behind the distributions, free of branches so that loops over them become vectors,
// and free of FMA (see cpu/random.cpp) so that every instruction set gives the same bits.
// Errors, in units of the last place of the result over the ranges used here: logarithm 2 (float)
// and 2 (double), sine and cosine 2 of the larger of both, inverse erf 8.
#pragma once

#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
  using type = uint32_t;
};
template <>
struct BitsOf<double> {
  using type = uint64_t;
};

template <class T>
WEFT_INLINE T square_root(T x) {
  if constexpr (sizeof(T) == 4)
    return __builtin_sqrtf(x);
  else
    return __builtin_sqrt(x);
}

// In (0, 1], with more bits near 0 than uniform_float has: the tails of the normal need them.
template <class T>
WEFT_INLINE T positive_uniform_at(const uint32_t* words, int64_t i) {
  if constexpr (sizeof(T) == 4)
    return static_cast<float>(static_cast<int32_t>(words[i] >> 1)) * 0x1p-31f + 0x1p-33f;
  else
    return static_cast<double>(
               static_cast<int64_t>(((uint64_t{words[2 * i]} << 32) | words[2 * i + 1]) >> 11)) *
               0x1p-53 +
           0x1p-54;
}

// log(1 + f) by its series in s = f / (2 + f), log(1 + f) = 2 atanh(s); |s| <= 0.1716.
WEFT_INLINE float atanh_series(float z) {
  return z * (0.66666667f + z * (0.4f + z * (0.28571429f + z * (0.22222222f + z * 0.18181818f))));
}
WEFT_INLINE double atanh_series(double z) {
  double p = 2.0 / 23;
  p = 2.0 / 21 + z * p;
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

// Natural logarithm of a positive, normal x.
template <class T>
WEFT_INLINE T logarithm(T x) {
  using U = typename BitsOf<T>::type;
  constexpr int kMantissa = sizeof(T) == 4 ? 23 : 52, kBias = sizeof(T) == 4 ? 127 : 1023;
  constexpr U kMantissaMask = (U{1} << kMantissa) - 1;
  // The bits of sqrt(1/2): mantissas are taken from [sqrt(1/2), sqrt(2)).
  constexpr U kRootHalf = sizeof(T) == 4 ? U(0x3f3504f3u) : U(0x3fe6a09e667f3bcdull);
  constexpr U kOne = U(kBias) << kMantissa;
  U bits;
  __builtin_memcpy(&bits, &x, sizeof x);
  const U shifted = bits + (kOne - kRootHalf);
  // Through 32 bits: small, and convertible to double in every instruction set.
  const T k = static_cast<T>(static_cast<int32_t>(shifted >> kMantissa) - kBias);
  const U mantissa_bits = (shifted & kMantissaMask) + kRootHalf;
  T m;
  __builtin_memcpy(&m, &mantissa_bits, sizeof m);
  const T f = m - T(1), s = f / (T(2) + f), half_square = T(0.5) * f * f;
  const T r = atanh_series(s * s);
  // log(1 + f) = f - f^2/2 + s (f^2/2 + r) is exact to the rounding of f^2/2 (fdlibm's form).
  constexpr T kLn2High = sizeof(T) == 4 ? T(0.693359375) : T(6.93147180369123816490e-01);
  constexpr T kLn2Low = sizeof(T) == 4 ? T(-2.12194440e-4) : T(1.90821492927058770002e-10);
  return k * kLn2High - ((half_square - (s * (half_square + r) + k * kLn2Low)) - f);
}

template <class T>
struct SineCosine {
  T sine, cosine;
};

// sin and cos of 2 pi u for u in [0, 1): a quarter turn is split off exactly, what remains lies in
// [-pi/4, pi/4].
template <class T>
WEFT_INLINE SineCosine<T> sine_cosine_of_turn(T u) {
  const T quarters = u * T(4);
  const int32_t q = static_cast<int32_t>(quarters + T(0.5));
  const T x = (quarters - static_cast<T>(q)) * T(1.57079632679489661923);
  const T z = x * x;
  T s, c;
  if constexpr (sizeof(T) == 4) {
    s = x + x * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
    c = 1.0f - 0.5f * z +
        z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
  } else {
    T p = 1.58962301576546568060e-10;
    p = -2.50507477628578072866e-8 + z * p;
    p = 2.75573136213857245213e-6 + z * p;
    p = -1.98412698295895385996e-4 + z * p;
    p = 8.33333333332211858878e-3 + z * p;
    p = -1.66666666666666307295e-1 + z * p;
    s = x + x * z * p;
    p = -1.13585365213876817300e-11;
    p = 2.08757008419747316778e-9 + z * p;
    p = -2.75573141792967388112e-7 + z * p;
    p = 2.48015872888517045348e-5 + z * p;
    p = -1.38888888888730564116e-3 + z * p;
    p = 4.16666666666665929218e-2 + z * p;
    c = 1.0 - 0.5 * z + z * z * p;
  }
  const T a = q & 1 ? c : s, b = q & 1 ? s : c;
  return {q & 2 ? -a : a, (q + 1) & 2 ? -b : b};
}

// sqrt(2) erfinv(x) for |x| <= erf(sqrt(2)): the central branch of Giles, "Approximating the erfinv
// function", GPU Computing Gems 2 (2010).
template <class T>
WEFT_INLINE T sqrt2_inverse_erf(T x) {
  T w = -logarithm((T(1) - x) * (T(1) + x));
  T p;
  if constexpr (sizeof(T) == 4) {
    w -= 2.5f;
    p = 2.81022636e-08f;
    p = 3.43273939e-07f + p * w;
    p = -3.5233877e-06f + p * w;
    p = -4.39150654e-06f + p * w;
    p = 0.00021858087f + p * w;
    p = -0.00125372503f + p * w;
    p = -0.00417768164f + p * w;
    p = 0.246640727f + p * w;
    p = 1.50140941f + p * w;
  } else {
    w -= 3.125;
    constexpr double kTerms[] = {
        -3.6444120640178196996e-21, -1.685059138182016589e-19,  1.2858480715256400167e-18,
        1.115787767802518096e-17,   -1.333171662854620906e-16,  2.0972767875968561637e-17,
        6.6376381343583238325e-15,  -4.0545662729752068639e-14, -8.1519341976054721522e-14,
        2.6335093153082322977e-12,  -1.2975133253453532498e-11, -5.4154120542946279317e-11,
        1.051212273321532285e-09,   -4.1126339803469836976e-09, -2.9070369957882005086e-08,
        4.2347877827932403518e-07,  -1.3654692000834678645e-06, -1.3882523362786468719e-05,
        0.0001867342080340571352,   -0.00074070253416626697512, -0.0060336708714301490533,
        0.24015818242558961693,     1.6536545626831027356};
    p = kTerms[0];
    for (int i = 1; i < 23; i++) p = kTerms[i] + p * w;
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
