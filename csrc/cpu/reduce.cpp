// Sums, products and extremes: what each op joins; the loops are in cpu/reduction.h.
#include "ops/reduce.h"

#include <type_traits>

#include "cpu/extreme.h"
#include "cpu/reduction.h"

namespace weft::cpu::WEFT_ISA {
namespace {

// NumPy's dtype of a sum: integers become 64 bits wide, bool counts as signed.
template <class T>
using SumOf = std::conditional_t<kIsFloatingType<T>, T,
                                 std::conditional_t<kIsUnsigned<T>, uint64_t, int64_t>>;

// What short blocks are summed in. Integers add without sign: they wrap, as NumPy's do, where the
// signed sum would be undefined.
template <class T>
using Addend = std::conditional_t<kIsFloatingType<T>, T, uint64_t>;

// Adds block sums: float32 blocks in float64, float64 blocks with Neumaier's compensation,
// integers as they are.
template <class T>
struct Total {
  T value = 0;
  void add(T x) { value += x; }
  void add(const Total& other) { add(other.value); }
  T get() const { return value; }
};
template <>
struct Total<float> {
  double value = 0;
  void add(float x) { value += static_cast<double>(x); }
  void add(const Total& other) { value += other.value; }
  double get() const { return value; }
};
template <>
struct Total<double> {
  double value = 0, lost = 0;
  void add(double x) {
    const double sum = value + x;
    const bool larger = __builtin_fabs(value) >= __builtin_fabs(x);
    const double big = larger ? value : x, small = larger ? x : value;
    lost += (big - sum) + small;
    value = sum;
  }
  void add(const Total& other) {
    add(other.value);
    lost += other.lost;
  }
  // Infinities make `lost` NaN; the plain sum is then the answer.
  double get() const { return lost == lost ? value + lost : value; }
};

template <class T>
struct Sum {
  using In = T;
  using Part = Addend<T>;
  using Acc = Total<Part>;
  using Out = SumOf<T>;
  static constexpr Part identity = 0;
  template <class V>
  static auto lift(V x) {
    if constexpr (kIsFloatingType<T>)
      return x;
    else
      return static_cast<Part>(x);
  }
  template <class V>
  static V join(V a, V b) {
    return a + b;
  }
  static void absorb(Acc& acc, Part part) { acc.add(part); }
  static void merge(Acc& acc, const Acc& other) { acc.add(other); }
  static Out finish(const Acc& acc, int64_t) { return static_cast<Out>(acc.get()); }
};

template <class T>
struct SumSquares : Sum<T> {
  template <class V>
  static V lift(V x) {
    return x * x;
  }
};

// Integers are averaged in float64 and end as float32, weft's default.
template <class T>
struct Mean : Sum<T> {
  using Part = std::conditional_t<kIsFloatingType<T>, T, double>;
  using Acc = Total<Part>;
  using Out = std::conditional_t<kIsFloatingType<T>, T, float>;
  static constexpr Part identity = 0;
  template <class V>
  static auto lift(V x) {
    if constexpr (kIsFloatingType<T>)
      return x;
    else
      return static_cast<double>(x);
  }
  static void absorb(Acc& acc, Part part) { acc.add(part); }
  static void merge(Acc& acc, const Acc& other) { acc.add(other); }
  static Out finish(const Acc& acc, int64_t n) {
    return static_cast<Out>(acc.get() / static_cast<double>(n));
  }
};

// float32 products are formed in float64: they neither overflow nor vanish on the way.
template <class T>
struct Product {
  using In = T;
  using Part = std::conditional_t<__is_same(T, float), double, Addend<T>>;
  struct Acc {
    Part value = 1;
  };
  using Out = SumOf<T>;
  static constexpr Part identity = 1;
  template <class V>
  static auto lift(V x) {
    if constexpr (__is_same(T, double))
      return x;
    else
      return static_cast<Part>(x);
  }
  template <class V>
  static V join(V a, V b) {
    return a * b;
  }
  static void absorb(Acc& acc, Part part) { acc.value *= part; }
  static void merge(Acc& acc, const Acc& other) { acc.value *= other.value; }
  static Out finish(const Acc& acc, int64_t) { return static_cast<Out>(acc.value); }
};

template <class T, bool kAny>
struct Logical {
  using In = T;
  using Part = uint8_t;
  using Out = bool;
  static constexpr uint8_t identity = !kAny;
  struct Acc {
    uint8_t value = identity;
  };
  static uint8_t lift(T x) { return x != T(0); }
  static uint8_t join(uint8_t a, uint8_t b) { return kAny ? a | b : a & b; }
  static void absorb(Acc& acc, uint8_t part) { acc.value = join(acc.value, part); }
  static void merge(Acc& acc, const Acc& other) { absorb(acc, other.value); }
  static bool finish(const Acc& acc, int64_t) { return acc.value; }
};

template <class Op>
void kernel(const ReduceParams& params, const Operand* operands) {
  reduce<Op>(operands[0], operands[1], params.axes);
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define ADDITIVE(T)                                               \
  kernel_entry<&kernel<Sum<T>>>(kernels::sum, dtype_of<T>),       \
      kernel_entry<&kernel<Mean<T>>>(kernels::mean, dtype_of<T>), \
      kernel_entry<&kernel<Product<T>>>(kernels::prod, dtype_of<T>)
// For ordering bool is uint8; for truth every integer is the unsigned one of its size.
#define ORDERED(T, DTYPE)                                       \
  kernel_entry<&kernel<Extreme<T, true>>>(kernels::max, DTYPE), \
      kernel_entry<&kernel<Extreme<T, false>>>(kernels::min, DTYPE)
#define LOGICAL(T, DTYPE)                                       \
  kernel_entry<&kernel<Logical<T, true>>>(kernels::any, DTYPE), \
      kernel_entry<&kernel<Logical<T, false>>>(kernels::all, DTYPE)
WEFT_CPU_KERNELS(reduce, ADDITIVE(bool), ADDITIVE(uint8_t), ADDITIVE(uint16_t), ADDITIVE(uint32_t),
                 ADDITIVE(uint64_t), ADDITIVE(int8_t), ADDITIVE(int16_t), ADDITIVE(int32_t),
                 ADDITIVE(int64_t), ADDITIVE(float), ADDITIVE(double),
                 kernel_entry<&kernel<SumSquares<float>>>(kernels::sum_squares, DType::float32),
                 kernel_entry<&kernel<SumSquares<double>>>(kernels::sum_squares, DType::float64),
                 ORDERED(uint8_t, DType::boolean), ORDERED(uint8_t, DType::uint8),
                 ORDERED(uint16_t, DType::uint16), ORDERED(uint32_t, DType::uint32),
                 ORDERED(uint64_t, DType::uint64), ORDERED(int8_t, DType::int8),
                 ORDERED(int16_t, DType::int16), ORDERED(int32_t, DType::int32),
                 ORDERED(int64_t, DType::int64), ORDERED(float, DType::float32),
                 ORDERED(double, DType::float64), LOGICAL(uint8_t, DType::boolean),
                 LOGICAL(uint8_t, DType::uint8), LOGICAL(uint8_t, DType::int8),
                 LOGICAL(uint16_t, DType::uint16), LOGICAL(uint16_t, DType::int16),
                 LOGICAL(uint32_t, DType::uint32), LOGICAL(uint32_t, DType::int32),
                 LOGICAL(uint64_t, DType::uint64), LOGICAL(uint64_t, DType::int64),
                 LOGICAL(float, DType::float32), LOGICAL(double, DType::float64))
