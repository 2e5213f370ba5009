// What the self-test files share: registration, device buffers, references.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "cuda/gpu.h"
#include "cuda/ptx.h"
#include "cuda/selftest.h"

namespace weft::WEFT_GPU {

struct Selftest {
  const char* name;
  int capability;  // 80 or 90
  double tolerance;
  double (*run)();
};

inline std::vector<Selftest>& selftests() {
  static std::vector<Selftest> all;
  return all;
}

struct SelftestRegistration {
  SelftestRegistration(const char* name, int capability, double tolerance, double (*run)()) {
    selftests().push_back({name, capability, tolerance, run});
  }
};

// WEFT_SELFTEST(name, capability, tolerance) { ...; return error; }
#define WEFT_SELFTEST(name, capability, tolerance)                                    \
  static double selftest_##name();                                                    \
  static const SelftestRegistration registration_##name(#name, capability, tolerance, \
                                                        &selftest_##name);            \
  static double selftest_##name()

inline void require(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail(ErrorKind::runtime, what, ": ", cudaGetErrorString(error));
}

template <class T>
class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t count) : count_(count) {
    require(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)), "cudaMalloc");
  }
  explicit DeviceBuffer(const std::vector<T>& values) : DeviceBuffer(values.size()) {
    require(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice),
            "copy to the device");
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { cudaFree(data_); }

  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(count_);
    require(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost),
            "copy to the host");
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

inline std::vector<float> random_floats(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

template <class T>
double count_different(const std::vector<T>& got, const std::vector<T>& expected) {
  double wrong = got.size() == expected.size() ? 0 : 1;
  for (size_t i = 0; i < expected.size() && i < got.size(); i++) wrong += got[i] != expected[i];
  return wrong;
}

inline double relative_error(const std::vector<float>& got, const std::vector<double>& expected) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    const double e = static_cast<double>(got[i]) - expected[i];
    if (std::isnan(e)) return std::numeric_limits<double>::infinity();
    difference += e * e;
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

// How a tensor core sees a float of each type: the bits to store, and their value.
template <class T>
struct TensorElement;
template <>
struct TensorElement<BFloat16> {
  using Storage = uint16_t;
  static uint16_t bits(float x) { return BFloat16::from_float(x); }
  static double value(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }
};
template <>
struct TensorElement<Float16> {
  using Storage = uint16_t;
  static uint16_t bits(float x) { return Float16::from_float(x); }
  static double value(uint16_t b) { return Float16::to_float(b); }
};
template <>
struct TensorElement<ptx::Tf32> {
  using Storage = uint32_t;
  static uint32_t bits(float x) { return std::bit_cast<uint32_t>(x) & ~0x1fffu; }
  static double value(uint32_t b) { return std::bit_cast<float>(b); }
};

template <class T>
std::vector<typename TensorElement<T>::Storage> random_elements(size_t count, unsigned seed) {
  std::vector<typename TensorElement<T>::Storage> elements;
  for (const float x : random_floats(count, seed)) elements.push_back(TensorElement<T>::bits(x));
  return elements;
}

// a: (M, K), b: (N, K), both row-major.
template <class T, class Storage>
std::vector<double> product(const std::vector<Storage>& a, const std::vector<Storage>& b, int M,
                            int N, int K) {
  std::vector<double> c(static_cast<size_t>(M) * N);
  for (int m = 0; m < M; m++)
    for (int n = 0; n < N; n++)
      for (int k = 0; k < K; k++)
        c[static_cast<size_t>(m) * N + n] +=
            TensorElement<T>::value(a[static_cast<size_t>(m) * K + k]) *
            TensorElement<T>::value(b[static_cast<size_t>(n) * K + k]);
  return c;
}

}  // namespace weft::WEFT_GPU
