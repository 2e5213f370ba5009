// Element types: their sizes, names, kinds and NumPy's promotion rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string_view>

#include "core/half.h"

namespace weft {

enum class DType : uint8_t {
  boolean,
  uint8,
  uint16,
  uint32,
  uint64,
  int8,
  int16,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
};
inline constexpr int kNumDTypes = 13;

// The C++ type of each DType, and back. `bool` is one byte holding 0 or 1.
template <class T>
struct DTypeOf;
#define WEFT_DTYPE(T, NAME)                     \
  template <>                                   \
  struct DTypeOf<T> {                           \
    static constexpr DType value = DType::NAME; \
  };
WEFT_DTYPE(bool, boolean)
WEFT_DTYPE(uint8_t, uint8)
WEFT_DTYPE(uint16_t, uint16)
WEFT_DTYPE(uint32_t, uint32)
WEFT_DTYPE(uint64_t, uint64)
WEFT_DTYPE(int8_t, int8)
WEFT_DTYPE(int16_t, int16)
WEFT_DTYPE(int32_t, int32)
WEFT_DTYPE(int64_t, int64)
WEFT_DTYPE(Float16, float16)
WEFT_DTYPE(BFloat16, bfloat16)
WEFT_DTYPE(float, float32)
WEFT_DTYPE(double, float64)
#undef WEFT_DTYPE
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

constexpr size_t itemsize(DType t) {
  constexpr uint8_t sizes[kNumDTypes] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return sizes[static_cast<int>(t)];
}
constexpr bool is_floating(DType t) { return t >= DType::float16; }
constexpr bool is_half(DType t) { return t == DType::float16 || t == DType::bfloat16; }
constexpr bool is_signed(DType t) { return t >= DType::int8; }
constexpr bool is_integer(DType t) { return t > DType::boolean && t < DType::float16; }

const char* name(DType t);                 // "float32"; boolean is "bool" as in NumPy
DType parse_dtype(std::string_view name);  // TypeError with the nearest name when unknown
DType promote(DType a, DType b);           // NumPy's result_type; bfloat16 joins like float16
std::ostream& operator<<(std::ostream& out, DType t);

// Half precision is storage only on the CPU: arithmetic runs in the type named here.
constexpr DType compute_dtype(DType t) { return is_half(t) ? DType::float32 : t; }

}  // namespace weft
