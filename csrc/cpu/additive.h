// What sums, means and products join, for the loops of cpu/reduction.h.
#pragma once

#include <type_traits>

#include "cpu/extreme.h"
#include "cpu/reduction.h"
#include "ops/reduce.h"

namespace weft::cpu::WEFT_ISA {

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
    if constexpr (__is_same(T, Part))
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
    if constexpr (__is_same(T, Part))
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

template <class Op>
void reduce_kernel(const ReduceParams& params, const Operand* operands) {
  reduce<Op>(operands[0], operands[1], params.axes);
}

}  // namespace weft::cpu::WEFT_ISA

#define WEFT_REDUCE_SUMS(T, DTYPE)                                 \
  kernel_entry<&reduce_kernel<Sum<T>>>(kernels::sum, DTYPE),       \
      kernel_entry<&reduce_kernel<Mean<T>>>(kernels::mean, DTYPE), \
      kernel_entry<&reduce_kernel<Product<T>>>(kernels::prod, DTYPE)
#define WEFT_REDUCE_EXTREMES(T, DTYPE)                                 \
  kernel_entry<&reduce_kernel<Extreme<T, true>>>(kernels::max, DTYPE), \
      kernel_entry<&reduce_kernel<Extreme<T, false>>>(kernels::min, DTYPE)
#define WEFT_REDUCE_ALL(T) WEFT_REDUCE_SUMS(T, dtype_of<T>), WEFT_REDUCE_EXTREMES(T, dtype_of<T>)
