// The maths of the shared functors on a GPU: one number at a time, the device's own functions.
#pragma once

#include <math.h>

#include <type_traits>

#include "cuda/gpu.h"
#include "ops/functors.h"

namespace weft::WEFT_GPU {

struct Math {
  template <class T>
  static WEFT_FUNCTION T constant(double value) {
    return static_cast<T>(value);
  }
  template <class T>
  static WEFT_FUNCTION T select(bool condition, T a, T b) {
    return condition ? a : b;
  }
  // The second argument where one is NaN.
  template <class T>
  static WEFT_FUNCTION T max(T a, T b) {
    return a > b ? a : b;
  }
  template <class T>
  static WEFT_FUNCTION T min(T a, T b) {
    return a < b ? a : b;
  }

#define WEFT_MATH_1(NAME, FLOAT, DOUBLE)                          \
  static WEFT_FUNCTION float NAME(float x) { return ::FLOAT(x); } \
  static WEFT_FUNCTION double NAME(double x) { return ::DOUBLE(x); }
#define WEFT_MATH_2(NAME, FLOAT, DOUBLE)                                      \
  static WEFT_FUNCTION float NAME(float a, float b) { return ::FLOAT(a, b); } \
  static WEFT_FUNCTION double NAME(double a, double b) { return ::DOUBLE(a, b); }
  WEFT_MATH_1(abs, fabsf, fabs)
  WEFT_MATH_1(sqrt, sqrtf, sqrt)
  WEFT_MATH_1(floor, floorf, floor)
  WEFT_MATH_1(ceil, ceilf, ceil)
  WEFT_MATH_1(round, rintf, rint)
  WEFT_MATH_1(trunc, truncf, trunc)
  WEFT_MATH_1(exp, expf, exp)
  WEFT_MATH_1(exp2, exp2f, exp2)
  WEFT_MATH_1(expm1, expm1f, expm1)
  WEFT_MATH_1(log, logf, log)
  WEFT_MATH_1(log2, log2f, log2)
  WEFT_MATH_1(log10, log10f, log10)
  WEFT_MATH_1(log1p, log1pf, log1p)
  WEFT_MATH_1(tanh, tanhf, tanh)
  WEFT_MATH_1(sinh, sinhf, sinh)
  WEFT_MATH_1(cosh, coshf, cosh)
  WEFT_MATH_1(erf, erff, erf)
  WEFT_MATH_1(sin, sinf, sin)
  WEFT_MATH_1(cos, cosf, cos)
  WEFT_MATH_1(tan, tanf, tan)
  WEFT_MATH_1(asin, asinf, asin)
  WEFT_MATH_1(acos, acosf, acos)
  WEFT_MATH_1(atan, atanf, atan)
  WEFT_MATH_1(asinh, asinhf, asinh)
  WEFT_MATH_1(acosh, acoshf, acosh)
  WEFT_MATH_1(atanh, atanhf, atanh)
  WEFT_MATH_2(with_sign, copysignf, copysign)
  WEFT_MATH_2(pow, powf, pow)
  WEFT_MATH_2(fmod, fmodf, fmod)
  WEFT_MATH_2(atan2, atan2f, atan2)
  WEFT_MATH_2(hypot, hypotf, hypot)
#undef WEFT_MATH_1
#undef WEFT_MATH_2

  template <class T>
  static WEFT_FUNCTION T sigmoid(T x) {
    return T(1) / (T(1) + exp(-x));
  }
  template <class T>
  static WEFT_FUNCTION T softplus(T x) {
    return max(T(0), x) + log1p(exp(-abs(x)));
  }
  // The standard normal distribution and its density at x.
  template <class T>
  struct NormalDistribution {
    T cdf, density;
  };
  static WEFT_FUNCTION NormalDistribution<float> normal_distribution(float x) {
    return {0.5f * ::erfcf(x * -0.70710678118654752f),
            ::expf(-0.5f * x * x) * 0.39894228040143268f};
  }
  static WEFT_FUNCTION NormalDistribution<double> normal_distribution(double x) {
    return {0.5 * ::erfc(x * -0.70710678118654752), ::exp(-0.5 * x * x) * 0.39894228040143268};
  }
};

// What arithmetic is done in: halves are storage only.
template <class Stored>
struct ComputeOf {
  using type = Stored;
};
template <>
struct ComputeOf<Float16> {
  using type = float;
};
template <>
struct ComputeOf<BFloat16> {
  using type = float;
};
template <class Stored>
using Compute = typename ComputeOf<Stored>::type;

}  // namespace weft::WEFT_GPU
