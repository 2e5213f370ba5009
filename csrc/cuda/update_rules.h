// The rules of cpu/optimizer.cpp for one element: the parameter w, its gradient g, its slots s.
// The host converts the settings; what changes from step to step is read on the device.
#pragma once

#include "cuda/math.h"
#include "ops/optimizer.h"

namespace weft::WEFT_GPU {

// Coefficients written by `optimizer_step`: the rate itself, then what the rule derives.
enum Coefficient { kRate, kScaled, kGradient, kSecondMoment };

template <class T>
struct Sgd {
  static constexpr int kSlots = 0;
  T rate = 0;
  explicit Sgd(const UpdateSettings&) {}
  __device__ void begin_step(const double* c) { rate = static_cast<T>(c[kRate]); }
  __device__ __forceinline__ void operator()(T& w, T g, T*) const { w -= rate * g; }
};

template <class T>
struct Momentum {
  static constexpr int kSlots = 1;
  T rate = 0, momentum;
  bool nesterov;
  explicit Momentum(const UpdateSettings& p)
      : momentum(static_cast<T>(p.momentum)), nesterov(p.nesterov) {}
  __device__ void begin_step(const double* c) { rate = static_cast<T>(c[kRate]); }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    s[0] = momentum * s[0] - rate * g;
    w += nesterov ? momentum * s[0] - rate * g : s[0];
  }
};

template <class T, bool kMomentum, bool kCentered>
struct Rmsprop {
  static constexpr int kSlots = 1 + kMomentum + kCentered;
  T rate = 0, rho, one_minus_rho, epsilon, momentum;
  explicit Rmsprop(const UpdateSettings& p)
      : rho(static_cast<T>(p.rho)),
        one_minus_rho(static_cast<T>(1 - p.rho)),
        epsilon(static_cast<T>(p.epsilon)),
        momentum(static_cast<T>(p.momentum)) {}
  __device__ void begin_step(const double* c) { rate = static_cast<T>(c[kRate]); }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    s[0] = rho * s[0] + one_minus_rho * g * g;
    T variance = s[0] + epsilon;
    if constexpr (kCentered) {
      T& mean = s[1 + kMomentum];
      mean = rho * mean + one_minus_rho * g;
      variance -= mean * mean;
    }
    const T step = rate * g / Math::sqrt(variance);
    if constexpr (kMomentum) {
      s[1] = momentum * s[1] + step;
      w -= s[1];
    } else {
      w -= step;
    }
  }
};

// The constants that Adam and its relatives share.
template <class T>
struct Moments {
  T beta_1, beta_2, one_minus_beta_1, one_minus_beta_2, epsilon;
  explicit Moments(const UpdateSettings& p)
      : beta_1(static_cast<T>(p.beta_1)),
        beta_2(static_cast<T>(p.beta_2)),
        one_minus_beta_1(static_cast<T>(1 - p.beta_1)),
        one_minus_beta_2(static_cast<T>(1 - p.beta_2)),
        epsilon(static_cast<T>(p.epsilon)) {}
};

template <class T, bool kAmsgrad>
struct Adam : Moments<T> {
  static constexpr int kSlots = 2 + kAmsgrad;
  T rate = 0;
  explicit Adam(const UpdateSettings& p) : Moments<T>(p) {}
  __device__ void begin_step(const double* c) { rate = static_cast<T>(c[kScaled]); }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    s[0] = this->beta_1 * s[0] + this->one_minus_beta_1 * g;
    s[1] = this->beta_2 * s[1] + this->one_minus_beta_2 * g * g;
    T v = s[1];
    if constexpr (kAmsgrad) v = s[2] = Math::max(s[2], v);
    w -= rate * s[0] / (Math::sqrt(v) + this->epsilon);
  }
};

template <class T>
struct Adagrad {
  static constexpr int kSlots = 1;
  T rate = 0, epsilon;
  explicit Adagrad(const UpdateSettings& p) : epsilon(static_cast<T>(p.epsilon)) {}
  __device__ void begin_step(const double* c) { rate = static_cast<T>(c[kRate]); }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    s[0] += g * g;
    w -= rate * g / Math::sqrt(s[0] + epsilon);
  }
};

template <class T>
struct Adadelta {
  static constexpr int kSlots = 2;
  T rate = 0, rho, one_minus_rho, epsilon;
  explicit Adadelta(const UpdateSettings& p)
      : rho(static_cast<T>(p.rho)),
        one_minus_rho(static_cast<T>(1 - p.rho)),
        epsilon(static_cast<T>(p.epsilon)) {}
  __device__ void begin_step(const double* c) { rate = static_cast<T>(c[kRate]); }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    s[0] = rho * s[0] + one_minus_rho * g * g;
    const T step = Math::sqrt((s[1] + epsilon) / (s[0] + epsilon)) * g;
    s[1] = rho * s[1] + one_minus_rho * step * step;
    w -= rate * step;
  }
};

template <class T>
struct Adamax : Moments<T> {
  static constexpr int kSlots = 2;
  T rate = 0;
  explicit Adamax(const UpdateSettings& p) : Moments<T>(p) {}
  __device__ void begin_step(const double* c) { rate = static_cast<T>(c[kScaled]); }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    s[0] = this->beta_1 * s[0] + this->one_minus_beta_1 * g;
    s[1] = Math::max(this->beta_2 * s[1], Math::abs(g));
    w -= rate * s[0] / (s[1] + this->epsilon);
  }
};

template <class T>
struct Nadam : Moments<T> {
  static constexpr int kSlots = 2;
  T of_mean = 0, of_gradient = 0, correction = 0;
  explicit Nadam(const UpdateSettings& p) : Moments<T>(p) {}
  __device__ void begin_step(const double* c) {
    of_mean = static_cast<T>(c[kScaled]);
    of_gradient = static_cast<T>(c[kGradient]);
    correction = static_cast<T>(c[kSecondMoment]);
  }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    s[0] = this->beta_1 * s[0] + this->one_minus_beta_1 * g;
    s[1] = this->beta_2 * s[1] + this->one_minus_beta_2 * g * g;
    w -= (of_mean * s[0] + of_gradient * g) / (Math::sqrt(s[1] * correction) + this->epsilon);
  }
};

template <class T, bool kSquareRoot>
struct Ftrl {
  static constexpr int kSlots = 2;
  T power, l1, twice_shrinkage, inverse_rate = 0, twice_l2 = 0;
  double l2, beta;
  explicit Ftrl(const UpdateSettings& p)
      : power(static_cast<T>(-p.learning_rate_power)),
        l1(static_cast<T>(p.l1)),
        twice_shrinkage(static_cast<T>(2 * p.l2_shrinkage)),
        l2(p.l2),
        beta(p.beta) {}
  __device__ void begin_step(const double* c) {
    inverse_rate = static_cast<T>(1 / c[kRate]);
    twice_l2 = static_cast<T>(2 * l2 + beta / c[kRate]);
  }
  __device__ __forceinline__ T raised(T n) const {
    return kSquareRoot ? Math::sqrt(n) : Math::pow(n, power);
  }
  __device__ __forceinline__ void operator()(T& w, T g, T* s) const {
    const T before = raised(s[0]);
    s[0] += g * g;
    const T after = raised(s[0]);
    s[1] += g + twice_shrinkage * w - (after - before) * inverse_rate * w;
    const T z = s[1];
    const T cut = z > l1 ? l1 : z < -l1 ? -l1 : z;
    w = (cut - z) / (after * inverse_rate + twice_l2);
  }
};

}  // namespace weft::WEFT_GPU
