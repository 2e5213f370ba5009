// Exponentials, logarithms and trigonometry: each is the device's own function of that name.
#pragma once

#include "ops/functors.h"

namespace weft::functors {

#define WEFT_MATH_1(TYPE, NAME, FUNCTION)                          \
  struct TYPE : Elementwise<1, Domain::floats, Result::same, 16> { \
    static constexpr const char* kName = NAME;                     \
    WEFT_APPLY T apply(T x) { return M::FUNCTION(x); }             \
  };
#define WEFT_MATH_2(TYPE, NAME, FUNCTION)                          \
  struct TYPE : Elementwise<2, Domain::floats, Result::same, 16> { \
    static constexpr const char* kName = NAME;                     \
    WEFT_APPLY T apply(T a, T b) { return M::FUNCTION(a, b); }     \
  };
WEFT_MATH_1(Exp, "exp", exp)
WEFT_MATH_1(Exp2, "exp2", exp2)
WEFT_MATH_1(Expm1, "expm1", expm1)
WEFT_MATH_1(Log, "log", log)
WEFT_MATH_1(Log2, "log2", log2)
WEFT_MATH_1(Log10, "log10", log10)
WEFT_MATH_1(Log1p, "log1p", log1p)
WEFT_MATH_1(Tanh, "tanh", tanh)
WEFT_MATH_1(Sinh, "sinh", sinh)
WEFT_MATH_1(Cosh, "cosh", cosh)
WEFT_MATH_1(Erf, "erf", erf)
WEFT_MATH_1(Sin, "sin", sin)
WEFT_MATH_1(Cos, "cos", cos)
WEFT_MATH_1(Tan, "tan", tan)
WEFT_MATH_1(Arcsin, "arcsin", asin)
WEFT_MATH_1(Arccos, "arccos", acos)
WEFT_MATH_1(Arctan, "arctan", atan)
WEFT_MATH_1(Arcsinh, "arcsinh", asinh)
WEFT_MATH_1(Arccosh, "arccosh", acosh)
WEFT_MATH_1(Arctanh, "arctanh", atanh)
WEFT_MATH_2(Arctan2, "arctan2", atan2)
WEFT_MATH_2(Hypot, "hypot", hypot)
#undef WEFT_MATH_1
#undef WEFT_MATH_2

// log(e^a + e^b) without overflow.
struct Logaddexp : Elementwise<2, Domain::floats, Result::same, 32> {
  static constexpr const char* kName = "logaddexp";
  WEFT_APPLY T apply(T a, T b) {
    // Equal infinities: their difference has no value.
    const T gap = M::select(a == b, number<M, T>(0), M::abs(a - b));
    const T larger = M::select((a > b) | (a != a), a, b);
    return larger + M::log1p(M::exp(-gap));
  }
};

using Mathematics =
    FunctorList<Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Tanh, Sinh, Cosh, Erf, Logaddexp>;
using Trigonometry =
    FunctorList<Sin, Cos, Tan, Arcsin, Arccos, Arctan, Arcsinh, Arccosh, Arctanh, Arctan2, Hypot>;

}  // namespace weft::functors
