// Arithmetic, rounding, comparisons, logic and bits.
#pragma once

#include <type_traits>

#include "ops/functors.h"

namespace weft::functors {

struct Add : Elementwise<2, Domain::any> {
  static constexpr const char* kName = "add";
  static constexpr bool kSignless = true;
  WEFT_APPLY T apply(T a, T b) { return static_cast<T>(a + b); }
};
struct Subtract : Elementwise<2, Domain::signed_maths> {
  static constexpr const char* kName = "subtract";
  static constexpr bool kSignless = true;
  WEFT_APPLY T apply(T a, T b) { return static_cast<T>(a - b); }
};
struct Multiply : Elementwise<2, Domain::any> {
  static constexpr const char* kName = "multiply";
  static constexpr bool kSignless = true;
  WEFT_APPLY T apply(T a, T b) {
    // 1u: the product of two uint16_t would otherwise be a (signed) int and could overflow.
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(1u * a * b);
    else
      return a * b;
  }
};
struct Divide : Elementwise<2, Domain::floats> {
  static constexpr const char* kName = "divide";
  WEFT_APPLY T apply(T a, T b) { return a / b; }
};

// The remainder has the sign of the divisor, as in Python. Integers: x % 0 is 0, as in NumPy.
struct Remainder : Elementwise<2, Domain::numbers> {
  static constexpr const char* kName = "remainder";
  WEFT_APPLY T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      if (b == T(0) || b == T(-1)) return std::is_unsigned_v<T> && b != T(0) ? T(a % b) : T(0);
      const T r = static_cast<T>(a % b);
      return r != T(0) && (r < T(0)) != (b < T(0)) ? static_cast<T>(r + b) : r;
    } else {
      const T zero = number<M, T>(0), r = M::fmod(a, b);
      const T shifted = M::select((r < zero) != (b < zero), r + b, r);
      return M::select(r == zero, M::with_sign(zero, b), shifted);
    }
  }
};
// Rounded down. Integers: x // 0 is 0 and the smallest number // -1 wraps around, as in NumPy.
struct FloorDivide : Elementwise<2, Domain::numbers> {
  static constexpr const char* kName = "floor_divide";
  WEFT_APPLY T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>) {
        using U = std::make_unsigned_t<T>;
        if (b == T(-1)) return static_cast<T>(static_cast<U>(U(0) - static_cast<U>(a)));
        const T q = static_cast<T>(a / b);
        return (a % b != 0) && ((a < 0) != (b < 0)) ? static_cast<T>(q - 1) : q;
      } else {
        return static_cast<T>(a / b);
      }
    } else {
      // From the exact remainder: a / b itself may round up to the next whole number.
      const T zero = number<M, T>(0), half = number<M, T>(0.5);
      const T one = number<M, T>(1);
      const T r = M::fmod(a, b);
      T q = (a - r) / b;
      q = M::select((r != zero) & ((r < zero) != (b < zero)), q - one, q);
      const T down = M::floor(q);
      const T whole = M::select(q - down > half, down + one, down);
      const T result = M::select(q == zero, M::with_sign(zero, a / b), whole);
      return M::select(b == zero, a / b, result);
    }
  }
};
// The remainder has the sign of the dividend, as in C. Integers: fmod(x, 0) is 0.
struct Fmod : Elementwise<2, Domain::numbers> {
  static constexpr const char* kName = "fmod";
  WEFT_APPLY T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>)
        if (b == T(-1)) return T(0);
      return static_cast<T>(a % b);
    } else {
      return M::fmod(a, b);
    }
  }
};
// Integers: by repeated squaring, wrapping around; the contract rejects negative exponents.
struct Power : Elementwise<2, Domain::numbers, Result::same, 32> {
  static constexpr const char* kName = "power";
  static constexpr bool kSignless = true;
  WEFT_APPLY T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      T result = 1;
      for (; b != 0; b = static_cast<T>(b >> 1)) {
        if (b & 1) result = static_cast<T>(1u * result * a);
        a = static_cast<T>(1u * a * a);
      }
      return result;
    } else {
      return M::pow(a, b);
    }
  }
};
// NaN in either operand gives NaN: M::max gives b where one is.
struct Maximum : Elementwise<2, Domain::any> {
  static constexpr const char* kName = "maximum";
  WEFT_APPLY T apply(T a, T b) { return M::select(a != a, a, M::max(a, b)); }
};
struct Minimum : Elementwise<2, Domain::any> {
  static constexpr const char* kName = "minimum";
  WEFT_APPLY T apply(T a, T b) { return M::select(a != a, a, M::min(a, b)); }
};
// min(max(x, low), high): `high` wins where low > high; NaN in any operand gives NaN.
struct Clip : Elementwise<3, Domain::any, Result::same, 2> {
  static constexpr const char* kName = "clip";
  WEFT_APPLY T apply(T x, T low, T high) {
    // Numbers are looked at for NaN once, before the loop.
    const T above = M::select(low != low, low, M::max(low, x));
    return M::select(high != high, high, M::min(high, above));
  }
};

struct Negative : Elementwise<1, Domain::signed_maths> {
  static constexpr const char* kName = "negative";
  static constexpr bool kSignless = true;
  WEFT_APPLY T apply(T x) { return static_cast<T>(-x); }
};
struct Absolute : Elementwise<1, Domain::any> {
  static constexpr const char* kName = "absolute";
  WEFT_APPLY T apply(T x) {
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      using U = std::make_unsigned_t<T>;
      return x < 0 ? static_cast<T>(static_cast<U>(U(0) - static_cast<U>(x))) : x;
    } else if constexpr (std::is_integral_v<T>) {
      return x;
    } else {
      return M::abs(x);
    }
  }
};
struct Sign : Elementwise<1, Domain::signed_maths> {
  static constexpr const char* kName = "sign";
  WEFT_APPLY T apply(T x) {
    const T zero = number<M, T>(0), one = number<M, T>(1);
    // x + 0 is NaN for NaN, and 0 for -0.
    const T rest = static_cast<T>(x + zero);
    return M::select(x > zero, one, M::select(x < zero, static_cast<T>(zero - one), rest));
  }
};
struct Square : Elementwise<1, Domain::numbers> {
  static constexpr const char* kName = "square";
  static constexpr bool kSignless = true;
  WEFT_APPLY T apply(T x) { return Multiply::apply<M>(x, x); }
};
struct Sqrt : Elementwise<1, Domain::floats, Result::same, 4> {
  static constexpr const char* kName = "sqrt";
  WEFT_APPLY T apply(T x) { return M::sqrt(x); }
};
struct Rsqrt : Elementwise<1, Domain::floats, Result::same, 8> {
  static constexpr const char* kName = "rsqrt";
  WEFT_APPLY T apply(T x) { return number<M, T>(1) / M::sqrt(x); }
};
struct Reciprocal : Elementwise<1, Domain::floats, Result::same, 4> {
  static constexpr const char* kName = "reciprocal";
  WEFT_APPLY T apply(T x) { return number<M, T>(1) / x; }
};

// Rounding: the contract returns integers as they are.
struct Floor : Elementwise<1, Domain::floats> {
  static constexpr const char* kName = "floor";
  WEFT_APPLY T apply(T x) { return M::floor(x); }
};
struct Ceil : Elementwise<1, Domain::floats> {
  static constexpr const char* kName = "ceil";
  WEFT_APPLY T apply(T x) { return M::ceil(x); }
};
struct Round : Elementwise<1, Domain::floats> {  // ties to even
  static constexpr const char* kName = "round";
  WEFT_APPLY T apply(T x) { return M::round(x); }
};
struct Trunc : Elementwise<1, Domain::floats> {
  static constexpr const char* kName = "trunc";
  WEFT_APPLY T apply(T x) { return M::trunc(x); }
};

using Arithmetic = FunctorList<Add, Subtract, Multiply, Divide, Remainder, FloorDivide, Fmod, Power,
                               Maximum, Minimum, Clip, Negative, Absolute, Sign, Square, Sqrt,
                               Rsqrt, Reciprocal, Floor, Ceil, Round, Trunc>;

}  // namespace weft::functors
