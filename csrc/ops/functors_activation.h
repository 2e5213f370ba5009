// Activations and their gradients. A gradient takes dy first, then what the forward op saved: its
// result y where that is enough, else its argument x.
#pragma once

#include "ops/functors.h"

namespace weft::functors {

template <int kArity, int kFlops>
using Activation = Elementwise<kArity, Domain::floats, Result::same, kFlops>;

// relu keeps NaN: M::max returns its second argument then.
struct Relu : Activation<1, 1> {
  static constexpr const char* kName = "relu";
  WEFT_APPLY T apply(T x) { return M::max(number<M, T>(0), x); }
};
struct ReluBackward : Activation<2, 1> {
  static constexpr const char* kName = "relu_backward";
  WEFT_APPLY T apply(T dy, T y) { return M::select(y > number<M, T>(0), dy, number<M, T>(0)); }
};
struct Relu6 : Activation<1, 2> {
  static constexpr const char* kName = "relu6";
  WEFT_APPLY T apply(T x) { return M::min(number<M, T>(6), M::max(number<M, T>(0), x)); }
};
struct Relu6Backward : Activation<2, 2> {
  static constexpr const char* kName = "relu6_backward";
  WEFT_APPLY T apply(T dy, T y) {
    return M::select((y > number<M, T>(0)) & (y < number<M, T>(6)), dy, number<M, T>(0));
  }
};
struct LeakyRelu : Activation<2, 2> {
  static constexpr const char* kName = "leaky_relu";
  WEFT_APPLY T apply(T x, T slope) { return M::select(x > number<M, T>(0), x, slope * x); }
};
struct LeakyReluBackward : Activation<3, 2> {
  static constexpr const char* kName = "leaky_relu_backward";
  WEFT_APPLY T apply(T dy, T x, T slope) { return M::select(x > number<M, T>(0), dy, slope * dy); }
};

// alpha (e^x - 1) for x <= 0; there the slope is y + alpha.
struct Elu : Activation<2, 16> {
  static constexpr const char* kName = "elu";
  WEFT_APPLY T apply(T x, T alpha) {
    return M::select(x > number<M, T>(0), x, alpha * M::expm1(x));
  }
};
struct EluBackward : Activation<3, 3> {
  static constexpr const char* kName = "elu_backward";
  WEFT_APPLY T apply(T dy, T x, T alpha) {
    return M::select(x > number<M, T>(0), dy, dy * alpha * M::exp(x));
  }
};
inline constexpr double kSeluAlpha = 1.6732632423543772848, kSeluScale = 1.0507009873554804934;
struct Selu : Activation<1, 16> {
  static constexpr const char* kName = "selu";
  WEFT_APPLY T apply(T x) {
    return M::select(x > number<M, T>(0), number<M, T>(kSeluScale) * x,
                     number<M, T>(kSeluScale * kSeluAlpha) * M::expm1(x));
  }
};
struct SeluBackward : Activation<2, 3> {
  static constexpr const char* kName = "selu_backward";
  WEFT_APPLY T apply(T dy, T y) {
    return dy * M::select(y > number<M, T>(0), number<M, T>(kSeluScale),
                          y + number<M, T>(kSeluScale * kSeluAlpha));
  }
};

struct Sigmoid : Activation<1, 16> {
  static constexpr const char* kName = "sigmoid";
  WEFT_APPLY T apply(T x) { return M::sigmoid(x); }
};
struct SigmoidBackward : Activation<2, 3> {
  static constexpr const char* kName = "sigmoid_backward";
  WEFT_APPLY T apply(T dy, T y) { return dy * y * (number<M, T>(1) - y); }
};
struct TanhBackward : Activation<2, 3> {
  static constexpr const char* kName = "tanh_backward";
  WEFT_APPLY T apply(T dy, T y) { return dy * (number<M, T>(1) - y * y); }
};

// x Phi(x), Phi the normal distribution.
struct Gelu : Activation<1, 32> {
  static constexpr const char* kName = "gelu";
  WEFT_APPLY T apply(T x) {
    const auto p = M::normal_distribution(x);
    return x * p.cdf;
  }
};
struct GeluBackward : Activation<2, 36> {
  static constexpr const char* kName = "gelu_backward";
  WEFT_APPLY T apply(T dy, T x) {
    const auto p = M::normal_distribution(x);
    // At +-infinity the density's 0 wins over x.
    const T tail = M::select(p.density == number<M, T>(0), number<M, T>(0), x * p.density);
    return dy * (p.cdf + tail);
  }
};
// 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3).
inline constexpr double kGeluScale = 1.5957691216057308, kGeluCubic = 0.044715;  // 2 sqrt(2/pi)
struct GeluTanh : Activation<1, 24> {
  static constexpr const char* kName = "gelu_tanh";
  WEFT_APPLY T apply(T x) {
    const T u = number<M, T>(kGeluScale) * x * (number<M, T>(1) + number<M, T>(kGeluCubic) * x * x);
    return x * M::sigmoid(u);
  }
};
struct GeluTanhBackward : Activation<2, 30> {
  static constexpr const char* kName = "gelu_tanh_backward";
  WEFT_APPLY T apply(T dy, T x) {
    const T z = number<M, T>(kGeluCubic) * x * x;
    const T s = M::sigmoid(number<M, T>(kGeluScale) * x * (number<M, T>(1) + z));
    const T inner = number<M, T>(kGeluScale) * (number<M, T>(1) + number<M, T>(3) * z);
    const T slope = s * (number<M, T>(1) - s);
    return dy * (s + M::select(slope == number<M, T>(0), number<M, T>(0), x * slope * inner));
  }
};

// log(1 + e^x).
struct Softplus : Activation<1, 32> {
  static constexpr const char* kName = "softplus";
  WEFT_APPLY T apply(T x) { return M::softplus(x); }
};
struct SoftplusBackward : Activation<2, 18> {
  static constexpr const char* kName = "softplus_backward";
  WEFT_APPLY T apply(T dy, T x) { return dy * M::sigmoid(x); }
};
struct LogSigmoid : Activation<1, 32> {
  static constexpr const char* kName = "log_sigmoid";
  WEFT_APPLY T apply(T x) { return -M::softplus(-x); }
};
struct LogSigmoidBackward : Activation<2, 18> {
  static constexpr const char* kName = "log_sigmoid_backward";
  WEFT_APPLY T apply(T dy, T x) { return dy * M::sigmoid(-x); }
};
struct Softsign : Activation<1, 3> {
  static constexpr const char* kName = "softsign";
  WEFT_APPLY T apply(T x) { return x / (number<M, T>(1) + M::abs(x)); }
};
struct SoftsignBackward : Activation<2, 5> {
  static constexpr const char* kName = "softsign_backward";
  WEFT_APPLY T apply(T dy, T x) {
    const T d = number<M, T>(1) + M::abs(x);
    return dy / (d * d);
  }
};
// x sigmoid(x).
struct Silu : Activation<1, 17> {
  static constexpr const char* kName = "silu";
  WEFT_APPLY T apply(T x) { return x * M::sigmoid(x); }
};
struct SiluBackward : Activation<2, 20> {
  static constexpr const char* kName = "silu_backward";
  WEFT_APPLY T apply(T dy, T x) {
    const T s = M::sigmoid(x);
    return dy * s * (number<M, T>(1) + x * (number<M, T>(1) - s));
  }
};
// relu6(x + 3) / 6, as in Keras 3.
struct HardSigmoid : Activation<1, 4> {
  static constexpr const char* kName = "hard_sigmoid";
  WEFT_APPLY T apply(T x) { return Relu6::apply<M>(x + number<M, T>(3)) * number<M, T>(1.0 / 6); }
};
struct HardSigmoidBackward : Activation<2, 3> {
  static constexpr const char* kName = "hard_sigmoid_backward";
  WEFT_APPLY T apply(T dy, T x) {
    return M::select(M::abs(x) < number<M, T>(3), dy * number<M, T>(1.0 / 6), number<M, T>(0));
  }
};
// x tanh(softplus(x)) = x n / (n + 2), n = e^x (e^x + 2).
struct Mish : Activation<1, 20> {
  static constexpr const char* kName = "mish";
  WEFT_APPLY T apply(T x) {
    const T e = M::exp(M::min(number<M, T>(20), x)), n = e * (e + number<M, T>(2));
    return x * (n / (n + number<M, T>(2)));
  }
};
struct MishBackward : Activation<2, 30> {
  static constexpr const char* kName = "mish_backward";
  WEFT_APPLY T apply(T dy, T x) {
    const T e = M::exp(M::min(number<M, T>(20), x)), n = e * (e + number<M, T>(2));
    const T t = n / (n + number<M, T>(2)), s = e / (number<M, T>(1) + e);
    // From 20 on tanh(softplus(x)) is 1 and flat; the bounded e must not be multiplied by a large
    // x.
    const T flat =
        M::select(x < number<M, T>(20), x * s * (number<M, T>(1) - t * t), number<M, T>(0));
    return dy * (t + flat);
  }
};
// 1 for x > 0, else 0; no gradient.
struct Step : Activation<1, 1> {
  static constexpr const char* kName = "step";
  WEFT_APPLY T apply(T x) {
    return M::select(x != x, x, M::select(x > number<M, T>(0), number<M, T>(1), number<M, T>(0)));
  }
};

using Activations = FunctorList<Relu, Relu6, LeakyRelu, Elu, Selu, Sigmoid, Gelu, GeluTanh,
                                Softplus, LogSigmoid, Softsign, Silu, HardSigmoid, Mish, Step>;
using ActivationGradients =
    FunctorList<ReluBackward, Relu6Backward, LeakyReluBackward, EluBackward, SeluBackward,
                SigmoidBackward, TanhBackward, GeluBackward, GeluTanhBackward, SoftplusBackward,
                LogSigmoidBackward, SoftsignBackward, SiluBackward, HardSigmoidBackward,
                MishBackward>;

}  // namespace weft::functors
