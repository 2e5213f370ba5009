// Comparisons, logic and bits. Where the result is boolean, `apply` gets single numbers.
#pragma once

#include <type_traits>

#include "ops/functors.h"

namespace weft::functors {

#define WEFT_PREDICATE(TYPE, NAME, ARITY, SIGNLESS, ...)           \
  struct TYPE : Elementwise<ARITY, Domain::any, Result::boolean> { \
    static constexpr const char* kName = NAME;                     \
    static constexpr bool kSignless = SIGNLESS;                    \
    WEFT_APPLY bool apply __VA_ARGS__                              \
  };
WEFT_PREDICATE(Equal, "equal", 2, true, (T a, T b) { return a == b; })
WEFT_PREDICATE(NotEqual, "not_equal", 2, true, (T a, T b) { return a != b; })
WEFT_PREDICATE(Less, "less", 2, false, (T a, T b) { return a < b; })
WEFT_PREDICATE(LessEqual, "less_equal", 2, false, (T a, T b) { return a <= b; })
WEFT_PREDICATE(Greater, "greater", 2, false, (T a, T b) { return a > b; })
WEFT_PREDICATE(GreaterEqual, "greater_equal", 2, false, (T a, T b) { return a >= b; })
WEFT_PREDICATE(LogicalAnd, "logical_and", 2, true, (T a, T b) { return (a != T(0)) & (b != T(0)); })
WEFT_PREDICATE(LogicalOr, "logical_or", 2, true, (T a, T b) { return (a != T(0)) | (b != T(0)); })
WEFT_PREDICATE(
    LogicalXor, "logical_xor", 2, true, (T a, T b) { return (a != T(0)) != (b != T(0)); })
WEFT_PREDICATE(LogicalNot, "logical_not", 1, true, (T x) { return x == T(0); })
WEFT_PREDICATE(IsNan, "isnan", 1, true, (T x) { return x != x; })
WEFT_PREDICATE(
    IsInf, "isinf", 1, true, (T x) {
      if constexpr (std::is_floating_point_v<T>)
        return (x == x) & (x - x != T(0));
      else
        return false;
    })
WEFT_PREDICATE(
    IsFinite, "isfinite", 1, true, (T x) {
      if constexpr (std::is_floating_point_v<T>)
        return x - x == T(0);
      else
        return true;
    })
#undef WEFT_PREDICATE

#define WEFT_BITWISE(TYPE, NAME, OPERATOR)                                \
  struct TYPE : Elementwise<2, Domain::integers> {                        \
    static constexpr const char* kName = NAME;                            \
    static constexpr bool kSignless = true;                               \
    WEFT_APPLY T apply(T a, T b) { return static_cast<T>(a OPERATOR b); } \
  };
WEFT_BITWISE(BitwiseAnd, "bitwise_and", &)
WEFT_BITWISE(BitwiseOr, "bitwise_or", |)
WEFT_BITWISE(BitwiseXor, "bitwise_xor", ^)
#undef WEFT_BITWISE

struct BitwiseInvert : Elementwise<1, Domain::integers> {
  static constexpr const char* kName = "bitwise_invert";
  static constexpr bool kSignless = true;
  WEFT_APPLY T apply(T x) {
    if constexpr (std::is_same_v<T, bool>)
      return !x;
    else
      return static_cast<T>(~x);
  }
};

// Shifts by the width or more (or by a negative number) push every bit out, as in NumPy.
struct LeftShift : Elementwise<2, Domain::whole_numbers> {
  static constexpr const char* kName = "bitwise_left_shift";
  WEFT_APPLY T apply(T a, T b) {
    constexpr uint64_t kWidth = 8 * sizeof(T);
    const auto by = static_cast<uint64_t>(b);
    return by < kWidth ? static_cast<T>(static_cast<uint64_t>(a) << (by & 63)) : T(0);
  }
};
struct RightShift : Elementwise<2, Domain::whole_numbers> {
  static constexpr const char* kName = "bitwise_right_shift";
  WEFT_APPLY T apply(T a, T b) {
    constexpr uint64_t kWidth = 8 * sizeof(T);
    const auto by = static_cast<uint64_t>(b);
    if (by < kWidth) return static_cast<T>(a >> by);
    return a < T(0) ? static_cast<T>(-1) : T(0);
  }
};

using Comparison =
    FunctorList<Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, LogicalAnd, LogicalOr,
                LogicalXor, LogicalNot, IsNan, IsInf, IsFinite, BitwiseAnd, BitwiseOr, BitwiseXor,
                BitwiseInvert, LeftShift, RightShift>;

}  // namespace weft::functors
