// Places of the largest and smallest elements; the kernels are in cuda/reduction.h. All elements
// are compared by one rule, so that the order in which threads meet does not matter: the better
// value wins, of equal values the earlier place.
#include "ops/arg_reduce.h"

#include <math.h>

#include "cuda/reduction.h"

namespace weft::WEFT_GPU {
namespace {

// A NaN is better than every number, and equal to another NaN.
template <class T>
__device__ inline bool better(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a > b || (a != a && b == b);
  else
    return a > b;
}

inline constexpr int64_t kNowhere = INT64_MAX;

// Order: a number as it is compared, the largest being looked for.
template <class Order>
struct Place : ContextFree<typename Order::Stored> {
  using Stored = typename Order::Stored;
  using Value = typename Order::Value;
  struct Acc {
    int64_t index;
    Value value;
  };
  int64_t* y;
  Order order;

  __device__ Acc start() const { return {kNowhere, Order::lowest()}; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const Stored (&v)[kCount], typename Place::Context,
                         int64_t first, int64_t stride) const {
    UNROLL for (int k = 0; k < kCount; k++) {
      const Value value = order(v[k]);
      if (!better(value, acc.value)) continue;  // what a thread meets comes in order
      acc.value = value;
      acc.index = first + k / kWidth * stride + k % kWidth;
    }
  }
  __device__ void merge(Acc& acc, const Acc& other) const {
    const bool same = !better(acc.value, other.value) && other.index < acc.index;
    if (better(other.value, acc.value) || same) acc = other;
  }
  __device__ void write(const Acc& acc, int64_t at, const Stored*) const {
    // Nowhere: no element is above the lowest value there is, and the first is one of them.
    y[at] = acc.index == kNowhere ? 0 : acc.index;
  }
};

template <class T>
struct FloatOrder {
  using Stored = T;
  using Value = Compute<T>;
  Value sign;  // 1 or -1
  __device__ static Value lowest() { return static_cast<Value>(-INFINITY); }
  __device__ Value operator()(T x) const { return static_cast<Value>(x) * sign; }
};

// Unsigned integers of the same order: the sign bit turned round, or all others.
template <class U>
struct IntegerOrder {
  using Stored = U;
  using Value = std::conditional_t<sizeof(U) == 8, uint64_t, uint32_t>;
  U turned;
  __device__ static Value lowest() { return 0; }
  __device__ Value operator()(U x) const { return static_cast<U>(x ^ turned); }
};

template <class T, bool kMax>
void arg_reduce(const ArgReduceParams& params, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1];
  const ReductionPlan plan = make_reduction_plan(x, y, 1u << params.axis);
  if constexpr (is_floating(dtype_of<T>)) {
    const Place<FloatOrder<T>> op{{}, y.as<int64_t>(), {Compute<T>(kMax ? 1 : -1)}};
    reduce(op, plan, x.as<T>());
  } else {
    using U = Bits<T>;
    const auto turned = static_cast<U>(kMax ? kSignBit<T> : ~kSignBit<T>);
    const Place<IntegerOrder<U>> op{{}, y.as<int64_t>(), {turned}};
    reduce(op, plan, x.as<U>());
  }
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define ARGUMENTS(T)                                                \
  kernel_entry<&arg_reduce<T, true>>(kernels::argmax, dtype_of<T>), \
      kernel_entry<&arg_reduce<T, false>>(kernels::argmin, dtype_of<T>)
WEFT_GPU_KERNELS(arg_reduce, ARGUMENTS(bool), ARGUMENTS(uint8_t), ARGUMENTS(uint16_t),
                 ARGUMENTS(uint32_t), ARGUMENTS(uint64_t), ARGUMENTS(int8_t), ARGUMENTS(int16_t),
                 ARGUMENTS(int32_t), ARGUMENTS(int64_t), ARGUMENTS(Float16), ARGUMENTS(BFloat16),
                 ARGUMENTS(float), ARGUMENTS(double))
