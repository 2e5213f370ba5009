// Pointwise losses: two streams in, one number a row out; and back, one pass for the gradient.
#include "ops/loss.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/isa.h"
#include "cpu/simd.h"
#include "cpu/simd_math.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using simd::Vec;

constexpr int64_t kGrain = 16 * 1024;  // elements in a chunk
// Lanes add up at most this many elements before they are handed to a double.
constexpr int64_t kBlock = 4096;

template <class V>
WEFT_INLINE V number(double x) {
  return simd::constant<V>(x);
}
template <class V>
WEFT_INLINE V sign(V x) {
  return simd::select(x > V{}, number<V>(1), simd::select(x < V{}, number<V>(-1), x));
}

// Each kind: f and df/dx of a vector of targets y and predictions x.
struct SquaredError {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V) {
    return (x - y) * (x - y);
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V) {
    return number<V>(2) * (x - y);
  }
};

struct AbsoluteError {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V) {
    return simd::abs(x - y);
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V) {
    return sign(x - y);
  }
};

struct Huber {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V delta) {
    const V e = simd::abs(x - y), half = number<V>(0.5);
    return simd::select(e > delta, delta * (e - half * delta), half * e * e);
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V delta) {
    const V e = x - y;
    return simd::select(simd::abs(e) > delta, delta * sign(e), e);
  }
};

struct LogCosh {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V) {
    const V e = simd::abs(x - y), twice = number<V>(-2) * e;
    // Near 0, e + log1p(exp(-2e)) - log 2 would lose its digits; there the series is exact.
    const V square = e * e;
    const V series =
        square * (number<V>(0.5) - square * (number<V>(1.0 / 12) - square * number<V>(1.0 / 45)));
    const V far = e + simd::log1p(simd::exp(twice)) - number<V>(0.6931471805599453);
    return simd::select(e < number<V>(simd::kIsFloat<V> ? 0.04 : 0.002), series, far);
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V) {
    return simd::tanh(x - y);
  }
};

struct Hinge {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V) {
    return simd::max(V{}, number<V>(1) - y * x);
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V) {
    return simd::select(number<V>(1) - y * x > V{}, -y, V{});
  }
};

struct SquaredHinge {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V) {
    const V margin = Hinge::value(y, x, V{});
    return margin * margin;
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V) {
    return number<V>(-2) * y * Hinge::value(y, x, V{});
  }
};

struct SigmoidCrossEntropy {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V) {
    // softplus(x) - y x, arranged so that neither term overflows.
    return simd::max(V{}, x) - y * x + simd::log1p(simd::exp(-simd::abs(x)));
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V) {
    return simd::sigmoid(x) - y;
  }
};

struct BinaryCrossEntropy {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V epsilon) {
    const V one = number<V>(1);
    const V p = simd::max(epsilon, simd::min(one - epsilon, x));
    return -(y * simd::log(p) + (one - y) * simd::log(one - p));
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V epsilon) {
    const V one = number<V>(1);
    const auto inside = (x >= epsilon) & (x <= one - epsilon);
    return simd::select(inside, (x - y) / (x * (one - x)), x - x);
  }
};

struct KlDivergence {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V epsilon) {
    const V one = number<V>(1);
    const V target = simd::max(epsilon, simd::min(one, y));
    const V p = simd::max(epsilon, simd::min(one, x));
    return target * simd::log(target / p);
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V epsilon) {
    const V one = number<V>(1);
    const V target = simd::max(epsilon, simd::min(one, y));
    const auto inside = (x >= epsilon) & (x <= one);
    return simd::select(inside, -target / x, x - x);
  }
};

struct Poisson {
  template <class V>
  WEFT_INLINE static V value(V y, V x, V epsilon) {
    return x - y * simd::log(x + epsilon);
  }
  template <class V>
  WEFT_INLINE static V slope(V y, V x, V epsilon) {
    return number<V>(1) - y / (x + epsilon);
  }
};

template <class T>
WEFT_INLINE Vec<T> load_some(const T* p, int n) {
  return n == simd::kLanes<T> ? simd::load(p) : simd::load_partial(p, n);
}
template <class T>
WEFT_INLINE void store_some(T* p, Vec<T> v, int n) {
  if (n == simd::kLanes<T>)
    simd::store(p, v);
  else
    simd::store_partial(p, v, n);
}
template <class T>
WEFT_INLINE int lanes_left(int64_t left) {
  return static_cast<int>(left < simd::kLanes<T> ? left : simd::kLanes<T>);
}

template <class T, class Kind>
double sum_of_row(const T* y, const T* x, int64_t C, Vec<T> constant) {
  constexpr int kLanes = simd::kLanes<T>;
  double total = 0;
  for (int64_t block = 0; block < C; block += kBlock) {
    const int64_t end = C - block < kBlock ? C : block + kBlock;
    Vec<T> sum{};
    int64_t c = block;
    for (; c + kLanes <= end; c += kLanes)
      sum += Kind::value(simd::load(y + c), simd::load(x + c), constant);
    T result = simd::reduce_add<T>(sum);
    if (c < end) {  // the lanes beyond the row have a loss of their own: 1 of a hinge
      const int n = static_cast<int>(end - c);
      T lanes[kLanes];
      simd::store(
          lanes, Kind::value(simd::load_partial(y + c, n), simd::load_partial(x + c, n), constant));
      for (int i = 0; i < n; i++) result += lanes[i];
    }
    total += static_cast<double>(result);
  }
  return total;
}

template <class T, class Kind>
void forward(const PointwiseLossParams& p, const Operand* operands) {
  const T *y = operands[0].as<T>(), *x = operands[1].as<T>();
  T* loss = operands[2].as<T>();
  const Vec<T> constant = number<Vec<T>>(p.number), scale = number<Vec<T>>(p.scale);
  if (p.C == 1) {
    parallel_for(p.N, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += simd::kLanes<T>) {
        const int n = lanes_left<T>(end - i);
        const Vec<T> value = Kind::value(load_some(y + i, n), load_some(x + i, n), constant);
        store_some(loss + i, scale * value, n);
      }
    });
    return;
  }
  if (p.N == 1) {  // one long row is shared out in pieces, summed in order
    const int64_t pieces = (p.C + kGrain - 1) / kGrain;
    Scratch<double> partial(pieces + 1);
    parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t at = i * kGrain, n = p.C - at < kGrain ? p.C - at : kGrain;
        partial[i] = sum_of_row<T, Kind>(y + at, x + at, n, constant);
      }
    });
    double total = 0;
    for (int64_t i = 0; i < pieces; i++) total += partial[i];
    *loss = static_cast<T>(p.scale * total);
    return;
  }
  parallel_for(p.N, kGrain / (p.C + 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++)
      loss[row] = static_cast<T>(p.scale *
                                 sum_of_row<T, Kind>(y + row * p.C, x + row * p.C, p.C, constant));
  });
}

template <class T, class Kind>
void backward(const PointwiseLossParams& p, const Operand* operands) {
  const T *dloss = operands[0].as<T>(), *y = operands[1].as<T>(), *x = operands[2].as<T>();
  const int64_t stride = operands[0].strides[0];
  T* dx = operands[3].as<T>();
  const Vec<T> constant = number<Vec<T>>(p.number);
  const auto range = [&](int64_t begin, int64_t end, Vec<T> g) {
    for (int64_t i = begin; i < end; i += simd::kLanes<T>) {
      const int n = lanes_left<T>(end - i);
      store_some(dx + i, g * Kind::slope(load_some(y + i, n), load_some(x + i, n), constant), n);
    }
  };
  if (stride == 0 || p.N == 1)
    return parallel_for(p.N * p.C, kGrain, [&](int64_t begin, int64_t end) {
      range(begin, end, simd::broadcast(static_cast<T>(p.scale) * *dloss));
    });
  if (p.C == 1 && stride == 1)
    return parallel_for(p.N, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += simd::kLanes<T>) {
        const int n = lanes_left<T>(end - i);
        const Vec<T> slope = Kind::slope(load_some(y + i, n), load_some(x + i, n), constant);
        store_some(dx + i, load_some(dloss + i, n) * slope, n);
      }
    });
  parallel_for(p.N, kGrain / (p.C + 1), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++)
      range(row * p.C, (row + 1) * p.C,
            simd::broadcast(static_cast<T>(p.scale) * dloss[row * stride]));
  });
}

// Runs f.template operator()<Kind>() for the functor of the kind.
template <class F>
void with_kind(PointwiseLoss kind, F&& f) {
  switch (kind) {
    case PointwiseLoss::squared_error: return f.template operator()<SquaredError>();
    case PointwiseLoss::absolute_error: return f.template operator()<AbsoluteError>();
    case PointwiseLoss::huber: return f.template operator()<Huber>();
    case PointwiseLoss::log_cosh: return f.template operator()<LogCosh>();
    case PointwiseLoss::hinge: return f.template operator()<Hinge>();
    case PointwiseLoss::squared_hinge: return f.template operator()<SquaredHinge>();
    case PointwiseLoss::sigmoid_cross_entropy: return f.template operator()<SigmoidCrossEntropy>();
    case PointwiseLoss::binary_cross_entropy: return f.template operator()<BinaryCrossEntropy>();
    case PointwiseLoss::kl_divergence: return f.template operator()<KlDivergence>();
    case PointwiseLoss::poisson: return f.template operator()<Poisson>();
  }
}

template <class T>
void pointwise_loss(const PointwiseLossParams& p, const Operand* operands) {
  with_kind(p.kind, [&]<class Kind>() { forward<T, Kind>(p, operands); });
}
template <class T>
void pointwise_loss_backward(const PointwiseLossParams& p, const Operand* operands) {
  with_kind(p.kind, [&]<class Kind>() { backward<T, Kind>(p, operands); });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_ONE_DTYPE(T)                                                  \
  kernel_entry<&pointwise_loss<T>>(kernels::pointwise_loss, dtype_of<T>), \
      kernel_entry<&pointwise_loss_backward<T>>(kernels::pointwise_loss_backward, dtype_of<T>)
WEFT_CPU_KERNELS(loss, FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double))
