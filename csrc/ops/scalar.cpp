#include "ops/scalar.h"

#include <cmath>
#include <limits>

#include "core/recording.h"

namespace weft {
namespace {

template <class T, class Value>
Tensor make(Value value, Device device) {
  Tensor t = Tensor::empty({}, dtype_of<T>, device);
  if (!t.is_meta()) {
    *t.data_as<T>() = static_cast<T>(value);
    record_host_write(t);
  }
  return t;
}

template <class T>
Tensor make_integer(int64_t value, Device device) {
  if constexpr (sizeof(T) < 8 || std::is_unsigned_v<T>)
    check(value >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
              (sizeof(T) == 8 || value <= static_cast<int64_t>(std::numeric_limits<T>::max())),
          "the number ", value, " does not fit dtype ", dtype_of<T>);
  return make<T>(value, device);
}

}  // namespace

Tensor scalar(int64_t value, DType dtype, Device device) {
  switch (dtype) {
    case DType::boolean: return make<bool>(value != 0, device);
    case DType::uint8: return make_integer<uint8_t>(value, device);
    case DType::uint16: return make_integer<uint16_t>(value, device);
    case DType::uint32: return make_integer<uint32_t>(value, device);
    case DType::uint64: return make_integer<uint64_t>(value, device);
    case DType::int8: return make_integer<int8_t>(value, device);
    case DType::int16: return make_integer<int16_t>(value, device);
    case DType::int32: return make_integer<int32_t>(value, device);
    case DType::int64: return make<int64_t>(value, device);
    default: return scalar(static_cast<double>(value), dtype, device);
  }
}

Tensor scalar(double value, DType dtype, Device device) {
  switch (dtype) {
    case DType::boolean: return make<bool>(value != 0, device);
    case DType::float16: return make<Float16>(static_cast<float>(value), device);
    case DType::bfloat16: return make<BFloat16>(static_cast<float>(value), device);
    case DType::float32: return make<float>(value, device);
    case DType::float64: return make<double>(value, device);
    default:
      check_type(std::floor(value) == value && std::abs(value) < 0x1p63, "the number ", value,
                 " cannot be stored as ", dtype);
      return scalar(static_cast<int64_t>(value), dtype, device);
  }
}

}  // namespace weft
