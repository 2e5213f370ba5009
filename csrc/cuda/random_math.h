// The functions behind the distributions: those of cpu/random_math.h, one number at a time, with
// the same bits. Errors and sources are stated there.
#pragma once

#include <bit>

#include "cuda/random_stream.h"
#include "cuda/rounded.h"

namespace weft::WEFT_GPU {

template <class T>
struct FloatFormat;
template <>
struct FloatFormat<float> {
  using Bits = uint32_t;
  static constexpr int kMantissa = 23;
  static constexpr uint32_t kBias = 127;
  static constexpr uint32_t kRootHalf = 0x3f3504f3u;  // the bits of sqrt(1/2)
  static constexpr float kRounder = 12582912.0f;      // 1.5 * 2^23: adding it rounds to integers
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
};
template <>
struct FloatFormat<double> {
  using Bits = uint64_t;
  static constexpr int kMantissa = 52;
  static constexpr uint64_t kBias = 1023;
  static constexpr uint64_t kRootHalf = 0x3fe6a09e667f3bcdull;
  static constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kLn2High = 6.93147180369123816490e-01,
                          kLn2Low = 1.90821492927058770002e-10;
};

// In (0, 1]: half a step above 0. float has 31 bits here, which the tails of the normal need.
template <class T>
__device__ inline Rounded<T> positive_uniform_at(const PhiloxBlock& block, int i) {
  if constexpr (sizeof(T) == 4)
    return static_cast<float>(static_cast<int32_t>(block.x[i] >> 1)) * Rounded<T>(0x1p-31f) +
           0x1p-33f;
  else
    return uniform_at<T>(block, i) + Rounded<T>(0x1p-54);
}

// Horner's rule from the last coefficient to the first.
template <class T, int kTerms>
__device__ __forceinline__ Rounded<T> polynomial(Rounded<T> z, const T (&terms)[kTerms]) {
  Rounded<T> p = terms[kTerms - 1];
  UNROLL for (int i = kTerms - 2; i >= 0; i--) p = terms[i] + z * p;
  return p;
}

template <class T>
__device__ inline Rounded<T> atanh_series(Rounded<T> z) {
  if constexpr (sizeof(T) == 4) {
    const T terms[] = {0.66666667f, 0.4f, 0.28571429f, 0.22222222f, 0.18181818f};
    return z * polynomial(z, terms);
  } else {
    const T terms[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                       2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
    return z * polynomial(z, terms);
  }
}

// Natural logarithm of positive, normal numbers.
template <class T>
__device__ inline Rounded<T> logarithm(Rounded<T> x) {
  using F = FloatFormat<T>;
  using Bits = typename F::Bits;
  constexpr Bits kOne = F::kBias << F::kMantissa, kMantissaMask = (Bits{1} << F::kMantissa) - 1;
  const Bits shifted = std::bit_cast<Bits>(x.value) + (kOne - F::kRootHalf);
  const Rounded<T> k = static_cast<T>(static_cast<int32_t>(shifted >> F::kMantissa) -
                                      static_cast<int32_t>(F::kBias));
  const Rounded<T> f =
      Rounded<T>(std::bit_cast<T>((shifted & kMantissaMask) + F::kRootHalf)) - T(1);
  const Rounded<T> s = f / (T(2) + f), half_square = T(0.5) * f * f;
  const Rounded<T> r = atanh_series(s * s);
  return k * F::kLn2High - ((half_square - (s * (half_square + r) + k * F::kLn2Low)) - f);
}

template <class T>
struct SineCosine {
  Rounded<T> sine, cosine;
};

// sin and cos on [-pi/4, pi/4].
__device__ inline SineCosine<float> sine_cosine_near_zero(Rounded<float> x) {
  const Rounded<float> z = x * x;
  const float sine[] = {-1.6666654611e-1f, 8.3321608736e-3f, -1.9515295891e-4f};
  const float cosine[] = {4.166664568298827e-2f, -1.388731625493765e-3f, 2.443315711809948e-5f};
  return {x + x * z * polynomial(z, sine), 1.0f - 0.5f * z + z * z * polynomial(z, cosine)};
}
__device__ inline SineCosine<double> sine_cosine_near_zero(Rounded<double> x) {
  const Rounded<double> z = x * x;
  const double sine[] = {-1.66666666666666307295e-1, 8.33333333332211858878e-3,
                         -1.98412698295895385996e-4, 2.75573136213857245213e-6,
                         -2.50507477628578072866e-8, 1.58962301576546568060e-10};
  const double cosine[] = {4.16666666666665929218e-2, -1.38888888888730564116e-3,
                           2.48015872888517045348e-5, -2.75573141792967388112e-7,
                           2.08757008419747316778e-9, -1.13585365213876817300e-11};
  return {x + x * z * polynomial(z, sine), 1.0 - 0.5 * z + z * z * polynomial(z, cosine)};
}

// sin and cos of 2 pi u for u in [0, 1): quarter turns are split off exactly.
template <class T>
__device__ inline SineCosine<T> sine_cosine_of_turn(Rounded<T> u) {
  using F = FloatFormat<T>;
  const Rounded<T> quarters = u * T(4), rounded = quarters + F::kRounder;
  const auto q = std::bit_cast<typename F::Bits>(rounded.value);  // its low bits count the quarters
  const SineCosine<T> near =
      sine_cosine_near_zero((quarters - (rounded - F::kRounder)) * T(1.57079632679489661923));
  const bool odd = (q & 1) != 0;
  const Rounded<T> a = odd ? near.cosine : near.sine, b = odd ? near.sine : near.cosine;
  return {(q & 2) != 0 ? -a : a, ((q + 1) & 2) != 0 ? -b : b};
}

// sqrt(2) erfinv(x) for |x| <= erf(sqrt(2)).
template <class T>
__device__ inline Rounded<T> sqrt2_inverse_erf(Rounded<T> x) {
  const Rounded<T> w = -logarithm((T(1) - x) * (T(1) + x));
  const Rounded<T> root = T(1.41421356237309504880);
  if constexpr (sizeof(T) == 4) {
    const T terms[] = {1.50140941f,     0.246640727f,    -0.00417768164f,
                       -0.00125372503f, 0.00021858087f,  -4.39150654e-06f,
                       -3.5233877e-06f, 3.43273939e-07f, 2.81022636e-08f};
    return polynomial(w - 2.5f, terms) * x * root;
  } else {
    const T terms[] = {
        1.6536545626831027356,      0.24015818242558961693,    -0.0060336708714301490533,
        -0.00074070253416626697512, 0.0001867342080340571352,  -1.3882523362786468719e-05,
        -1.3654692000834678645e-06, 4.2347877827932403518e-07, -2.9070369957882005086e-08,
        -4.1126339803469836976e-09, 1.051212273321532285e-09,  -5.4154120542946279317e-11,
        -1.2975133253453532498e-11, 2.6335093153082322977e-12, -8.1519341976054721522e-14,
        -4.0545662729752068639e-14, 6.6376381343583238325e-15, 2.0972767875968561637e-17,
        -1.333171662854620906e-16,  1.115787767802518096e-17,  1.2858480715256400167e-18,
        -1.685059138182016589e-19,  -3.6444120640178196996e-21};
    return polynomial(w - 3.125, terms) * x * root;
  }
}

// e^x for x <= 0; 0 below -708 and for NaN.
__device__ inline double exponential(double x) {
  if (!(x > -708)) return 0;
  const Rounded<double> scaled = Rounded<double>(x) * 1.44269504088896340736 - 0.5;
  const auto k = static_cast<int32_t>(scaled.value);
  const Rounded<double> whole = static_cast<double>(k);
  const Rounded<double> r =
      (x - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;
  const double terms[] = {1.0,
                          1.0,
                          1.0 / 2.0,
                          1.0 / 6.0,
                          1.0 / 24.0,
                          1.0 / 120.0,
                          1.0 / 720.0,
                          1.0 / 5040.0,
                          1.0 / 40320.0,
                          1.0 / 362880.0,
                          1.0 / 3628800.0,
                          1.0 / 39916800.0,
                          1.0 / 479001600.0,
                          1.0 / 6227020800.0,
                          1.0 / 87178291200.0};
  const auto power = std::bit_cast<double>(static_cast<uint64_t>(1023 + int64_t{k}) << 52);
  return (polynomial(r, terms) * power).value;
}

}  // namespace weft::WEFT_GPU
