// Class numbers of any dtype.
#pragma once

#include "core/dtype.h"
#include "cuda/gpu.h"

namespace weft::WEFT_GPU {

// -1 for what is no integer (as the error message says it).
struct Labels {
  const void* data;
  DType dtype;

  template <class F>
  __device__ static int64_t whole(F value) {
    const bool integer = value >= F(-9e15) && value <= F(9e15) && value == floor(value);
    return integer ? static_cast<int64_t>(value) : -1;
  }
  template <class T>
  __device__ T number(int64_t i) const {
    return static_cast<const T*>(data)[i];
  }
  __device__ int64_t operator[](int64_t i) const {
    switch (dtype) {
      case DType::boolean: return number<bool>(i);
      case DType::uint8: return number<uint8_t>(i);
      case DType::uint16: return number<uint16_t>(i);
      case DType::uint32: return number<uint32_t>(i);
      case DType::uint64: return number<int64_t>(i);
      case DType::int8: return number<int8_t>(i);
      case DType::int16: return number<int16_t>(i);
      case DType::int32: return number<int32_t>(i);
      case DType::int64: return number<int64_t>(i);
      case DType::float16: return whole(static_cast<float>(number<Float16>(i)));
      case DType::bfloat16: return whole(static_cast<float>(number<BFloat16>(i)));
      case DType::float32: return whole(number<float>(i));
      case DType::float64: return whole(number<double>(i));
    }
    return -1;
  }
};

}  // namespace weft::WEFT_GPU
