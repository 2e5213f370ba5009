#include "core/dtype.h"

#include <array>
#include <ostream>
#include <string>

#include "core/check.h"
#include "core/suggest.h"

namespace weft {
namespace {

constexpr std::array<const char*, kNumDTypes> kNames = {
    "bool",  "uint8", "uint16",  "uint32",   "uint64",  "int8",    "int16",
    "int32", "int64", "float16", "bfloat16", "float32", "float64",
};

DType integer_of(bool is_signed, size_t size) {
  const int step = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
  return static_cast<DType>(static_cast<int>(is_signed ? DType::int8 : DType::uint8) + step);
}

// The smallest float that holds every integer of `bytes` bytes, as NumPy counts it.
DType float_for_integer(size_t bytes) {
  return bytes <= 1 ? DType::float16 : bytes == 2 ? DType::float32 : DType::float64;
}

DType promote_integers(DType a, DType b) {
  if (is_signed(a) == is_signed(b)) return itemsize(a) > itemsize(b) ? a : b;
  const DType with_sign = is_signed(a) ? a : b, without = is_signed(a) ? b : a;
  if (itemsize(with_sign) > itemsize(without)) return with_sign;
  if (itemsize(without) == 8) return DType::float64;
  return integer_of(true, itemsize(without) * 2);
}

DType promote_floats(DType a, DType b) {
  if (a == b) return a;
  if (is_half(a) && is_half(b)) return DType::float32;  // float16 with bfloat16
  return a > b ? a : b;
}

}  // namespace

const char* name(DType t) { return kNames[static_cast<int>(t)]; }

std::ostream& operator<<(std::ostream& out, DType t) { return out << name(t); }

DType parse_dtype(std::string_view text) {
  for (int i = 0; i < kNumDTypes; i++)
    if (text == kNames[i]) return static_cast<DType>(i);
  if (text == "boolean") return DType::boolean;
  fail(ErrorKind::type, "unknown dtype '", text, "'",
       suggest(text, std::vector<std::string_view>(kNames.begin(), kNames.end())));
}

DType promote(DType a, DType b) {
  if (a == b || b == DType::boolean) return a;
  if (a == DType::boolean) return b;
  if (!is_floating(a) && !is_floating(b)) return promote_integers(a, b);
  if (!is_floating(a)) a = float_for_integer(itemsize(a));
  if (!is_floating(b)) b = float_for_integer(itemsize(b));
  // An 8-bit integer fits bfloat16's exponent range; it must not drag in float32.
  return promote_floats(a, b);
}

}  // namespace weft
