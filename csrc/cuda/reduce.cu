// Sums, products and extremes: what each op joins; the kernels are in cuda/reduction.h.
//
// Integers of a size share a kernel: how they are widened or ordered is a parameter, as is which of
// two kindred ops is meant. Nothing here waits for arithmetic, so the parameter costs no time.
#include "ops/reduce.h"

#include <math.h>

#include "cuda/reduction.h"

namespace weft::WEFT_GPU {
namespace {

struct Times {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a * b;
  }
};

// ---- sums ---------------------------------------------------------------------------------------

// float32: the values a thread has in registers are added pairwise (at most 4 roundings), these
// sums in float64.
struct FloatTotal {
  double value;
  __device__ static FloatTotal zero() { return {0}; }
  __device__ void add(float x) { value += static_cast<double>(x); }
  __device__ void add(const FloatTotal& other) { value += other.value; }
  __device__ double get() const { return value; }
};
// float64: with Neumaier's compensation.
struct DoubleTotal {
  double value, lost;
  __device__ static DoubleTotal zero() { return {0, 0}; }
  __device__ void add(double x) {
    const double sum = value + x;
    const bool larger = fabs(value) >= fabs(x);
    const double big = larger ? value : x, small = larger ? x : value;
    lost += (big - sum) + small;
    value = sum;
  }
  __device__ void add(const DoubleTotal& other) {
    add(other.value);
    lost += other.lost;
  }
  // Infinities make `lost` NaN; the plain sum is then the answer.
  __device__ double get() const { return lost == lost ? value + lost : value; }
};

template <class Stored>
struct FloatSum : ContextFree<Stored> {
  using T = Compute<Stored>;
  using Acc = std::conditional_t<std::is_same_v<T, float>, FloatTotal, DoubleTotal>;
  Stored* y;
  double divisor;
  bool squares;

  __device__ Acc start() const { return Acc::zero(); }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const Stored (&v)[kCount], typename FloatSum::Context, int64_t,
                         int64_t) const {
    T part[kCount];
    UNROLL for (int k = 0; k < kCount; k++) {
      const T x = static_cast<T>(v[k]);
      part[k] = squares ? x * x : x;
    }
    acc.add(join_pairs(part, Plus()));
  }
  __device__ void merge(Acc& acc, const Acc& other) const { acc.add(other); }
  __device__ void write(const Acc& acc, int64_t at, const Stored*) const {
    y[at] = static_cast<Stored>(static_cast<T>(acc.get() / divisor));
  }
};

__device__ inline double to_double(uint64_t bits, bool is_signed) {
  return is_signed ? static_cast<double>(static_cast<int64_t>(bits)) : static_cast<double>(bits);
}

// Wraps around as NumPy's. A sum of at most 32-bit numbers has room in 64 bits, so that it serves
// for the mean as well.
template <class U>
struct IntegerSum : ContextFree<U> {
  using Acc = uint64_t;
  void* y;
  uint64_t sign;
  double divisor;  // 0 for the sum

  __device__ Acc start() const { return 0; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const U (&v)[kCount], typename IntegerSum::Context, int64_t,
                         int64_t) const {
    if constexpr (sizeof(U) < 4) {  // 32 bits hold what the registers hold, and add faster
      const auto narrow = static_cast<uint32_t>(sign);
      uint32_t part = 0;
      UNROLL for (int k = 0; k < kCount; k++) part += (uint32_t{v[k]} ^ narrow) - narrow;
      acc += static_cast<uint64_t>(int64_t{static_cast<int32_t>(part)});
    } else {
      UNROLL for (int k = 0; k < kCount; k++) acc += widened(v[k], sign);
    }
  }
  __device__ void merge(Acc& acc, Acc other) const { acc += other; }
  __device__ void write(Acc acc, int64_t at, const U*) const {
    if (divisor == 0)
      static_cast<uint64_t*>(y)[at] = acc;
    else
      static_cast<float*>(y)[at] = static_cast<float>(to_double(acc, sign != 0) / divisor);
  }
};

struct MeanOf64Bits : ContextFree<uint64_t> {
  using Acc = double;
  float* y;
  bool is_signed;
  double divisor;

  __device__ Acc start() const { return 0; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const uint64_t (&v)[kCount], Context, int64_t, int64_t) const {
    double part[kCount];
    UNROLL for (int k = 0; k < kCount; k++) part[k] = to_double(v[k], is_signed);
    acc += join_pairs(part, Plus());
  }
  __device__ void merge(Acc& acc, Acc other) const { acc += other; }
  __device__ void write(Acc acc, int64_t at, const uint64_t*) const {
    y[at] = static_cast<float>(acc / divisor);
  }
};

// ---- products -----------------------------------------------------------------------------------

// float32 products are formed in float64: they neither overflow nor vanish on the way.
template <class T>
struct FloatProduct : ContextFree<T> {
  using Acc = double;
  T* y;

  __device__ Acc start() const { return 1; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const T (&v)[kCount], typename FloatProduct::Context, int64_t,
                         int64_t) const {
    double part[kCount];
    UNROLL for (int k = 0; k < kCount; k++) part[k] = static_cast<double>(v[k]);
    acc *= join_pairs(part, Times());
  }
  __device__ void merge(Acc& acc, Acc other) const { acc *= other; }
  __device__ void write(Acc acc, int64_t at, const T*) const { y[at] = static_cast<T>(acc); }
};

template <class U>
struct IntegerProduct : ContextFree<U> {
  using Acc = uint64_t;
  uint64_t* y;
  uint64_t sign;

  __device__ Acc start() const { return 1; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const U (&v)[kCount], typename IntegerProduct::Context, int64_t,
                         int64_t) const {
    UNROLL for (int k = 0; k < kCount; k++) acc *= widened(v[k], sign);
  }
  __device__ void merge(Acc& acc, Acc other) const { acc *= other; }
  __device__ void write(Acc acc, int64_t at, const U*) const { y[at] = acc; }
};

// ---- extremes and truth -------------------------------------------------------------------------

// The maximum, NaN if there is one; the minimum with every sign turned round.
template <class Stored>
struct FloatExtreme : ContextFree<Stored> {
  using T = Compute<Stored>;
  struct Acc {
    T value;
  };
  Stored* y;
  T sign;  // 1 or -1

  __device__ Acc start() const { return {static_cast<T>(-INFINITY)}; }
  __device__ void take(Acc& acc, T x) const { acc.value = x > acc.value || x != x ? x : acc.value; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const Stored (&v)[kCount], typename FloatExtreme::Context,
                         int64_t, int64_t) const {
    UNROLL for (int k = 0; k < kCount; k++) take(acc, static_cast<T>(v[k]) * sign);
  }
  __device__ void merge(Acc& acc, const Acc& other) const { take(acc, other.value); }
  __device__ void write(const Acc& acc, int64_t at, const Stored*) const {
    y[at] = static_cast<Stored>(acc.value * sign);
  }
};

// The maximum of unsigned numbers. Turning the sign bit round orders signed ones, turning all bits
// round makes it the minimum.
template <class U>
struct IntegerExtreme : ContextFree<U> {
  using Acc = std::conditional_t<sizeof(U) == 8, uint64_t, uint32_t>;
  U* y;
  U turned;

  __device__ Acc start() const { return 0; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const U (&v)[kCount], typename IntegerExtreme::Context, int64_t,
                         int64_t) const {
    UNROLL for (int k = 0; k < kCount; k++) merge(acc, static_cast<U>(v[k] ^ turned));
  }
  __device__ void merge(Acc& acc, Acc other) const { acc = other > acc ? other : acc; }
  __device__ void write(Acc acc, int64_t at, const U*) const {
    y[at] = static_cast<U>(acc) ^ turned;
  }
};

// Whether any element is true; whether all are, as no element being false.
struct Truth : ContextFree<uint8_t> {
  using Acc = uint32_t;
  bool* y;
  bool all;

  __device__ Acc start() const { return 0; }
  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const uint8_t (&v)[kCount], Context, int64_t, int64_t) const {
    UNROLL for (int k = 0; k < kCount; k++) acc |= (v[k] != 0) != all;
  }
  __device__ void merge(Acc& acc, Acc other) const { acc |= other; }
  __device__ void write(Acc acc, int64_t at, const uint8_t*) const { y[at] = (acc != 0) != all; }
};

// ---- launchers ----------------------------------------------------------------------------------

template <class Op>
void run(const Op& op, const ReduceParams& params, const Operand* operands) {
  const ReductionPlan plan = make_reduction_plan(operands[0], operands[1], params.axes);
  reduce(op, plan, operands[0].as<typename Op::In>());
}

double count_of(const Operand* operands) {
  return static_cast<double>(operands[0].size()) / static_cast<double>(operands[1].size());
}

template <class T>
void sum(const ReduceParams& params, const Operand* operands) {
  if constexpr (is_floating(dtype_of<T>))
    run(FloatSum<T>{{}, operands[1].as<T>(), 1, false}, params, operands);
  else
    run(IntegerSum<Bits<T>>{{}, operands[1].data, kSignBit<T>, 0}, params, operands);
}

template <class T>
void sum_squares(const ReduceParams& params, const Operand* operands) {
  run(FloatSum<T>{{}, operands[1].as<T>(), 1, true}, params, operands);
}

template <class T>
void mean(const ReduceParams& params, const Operand* operands) {
  const double n = count_of(operands);
  if constexpr (is_floating(dtype_of<T>))
    run(FloatSum<T>{{}, operands[1].as<T>(), n, false}, params, operands);
  else if constexpr (sizeof(T) == 8)
    run(MeanOf64Bits{{}, operands[1].as<float>(), kSignBit<T> != 0, n}, params, operands);
  else
    run(IntegerSum<Bits<T>>{{}, operands[1].data, kSignBit<T>, n}, params, operands);
}

template <class T>
void prod(const ReduceParams& params, const Operand* operands) {
  if constexpr (is_floating(dtype_of<T>))
    run(FloatProduct<T>{{}, operands[1].as<T>()}, params, operands);
  else
    run(IntegerProduct<Bits<T>>{{}, operands[1].as<uint64_t>(), kSignBit<T>}, params, operands);
}

template <class T, bool kMax>
void extreme(const ReduceParams& params, const Operand* operands) {
  if constexpr (is_floating(dtype_of<T>)) {
    run(FloatExtreme<T>{{}, operands[1].as<T>(), kMax ? Compute<T>(1) : Compute<T>(-1)}, params,
        operands);
  } else {
    using U = Bits<T>;
    const uint64_t turned = kMax ? kSignBit<T> : ~kSignBit<T>;
    run(IntegerExtreme<U>{{}, operands[1].as<U>(), static_cast<U>(turned)}, params, operands);
  }
}

// The contract casts everything else to bool.
template <bool kAll>
void truth(const ReduceParams& params, const Operand* operands) {
  run(Truth{{}, operands[1].as<bool>(), kAll}, params, operands);
}

}  // namespace
}  // namespace weft::WEFT_GPU

// Products of halves are left to the kernels of float32: nobody waits for them.
#define REDUCTIONS_BUT_PRODUCTS(T)                                \
  kernel_entry<&sum<T>>(kernels::sum, dtype_of<T>),               \
      kernel_entry<&mean<T>>(kernels::mean, dtype_of<T>),         \
      kernel_entry<&extreme<T, true>>(kernels::max, dtype_of<T>), \
      kernel_entry<&extreme<T, false>>(kernels::min, dtype_of<T>)
#define REDUCTIONS(T) REDUCTIONS_BUT_PRODUCTS(T), kernel_entry<&prod<T>>(kernels::prod, dtype_of<T>)
#define SUM_SQUARES(T) kernel_entry<&sum_squares<T>>(kernels::sum_squares, dtype_of<T>)
WEFT_GPU_KERNELS(reduce, kernel_entry<&truth<false>>(kernels::any, DType::boolean),
                 kernel_entry<&truth<true>>(kernels::all, DType::boolean), REDUCTIONS(bool),
                 REDUCTIONS(uint8_t), REDUCTIONS(uint16_t), REDUCTIONS(uint32_t),
                 REDUCTIONS(uint64_t), REDUCTIONS(int8_t), REDUCTIONS(int16_t), REDUCTIONS(int32_t),
                 REDUCTIONS(int64_t), REDUCTIONS(float), REDUCTIONS(double),
                 REDUCTIONS_BUT_PRODUCTS(Float16), REDUCTIONS_BUT_PRODUCTS(BFloat16),
                 SUM_SQUARES(Float16), SUM_SQUARES(BFloat16), SUM_SQUARES(float),
                 SUM_SQUARES(double))
