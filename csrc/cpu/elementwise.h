// Elementwise kernels: what a file of csrc/cpu needs to offer a list of functors.
//
// A functor is compiled once per computing dtype, as a loop over contiguous memory (its `Core`).
// Everything else - broadcasting, strides, half precision - is done by one driver that feeds the
// cores through small tiles in L1, so a hundred ops compile in seconds.
#pragma once

#include <type_traits>

#include "core/kernel.h"
#include "cpu/simd_special.h"
#include "ops/functors.h"

namespace weft::cpu::WEFT_ISA {

// The maths of the functors on this device: vectors for floats, single numbers for the rest.
struct Math {
  template <class T>
  static WEFT_INLINE T constant(double value) {
    if constexpr (std::is_arithmetic_v<T>)
      return static_cast<T>(value);
    else
      return simd::constant<T>(value);
  }
  template <class C, class T>
  static WEFT_INLINE T select(C condition, T a, T b) {
    return condition ? a : b;
  }
#define WEFT_FORWARD_1(NAME, TO)      \
  template <class T>                  \
  static WEFT_INLINE auto NAME(T x) { \
    return simd::TO(x);               \
  }
#define WEFT_FORWARD_2(NAME, TO)        \
  template <class T>                    \
  static WEFT_INLINE T NAME(T a, T b) { \
    return simd::TO(a, b);              \
  }
  WEFT_FORWARD_1(abs, abs)
  WEFT_FORWARD_1(sqrt, sqrt)
  WEFT_FORWARD_1(floor, floor)
  WEFT_FORWARD_1(ceil, ceil)
  WEFT_FORWARD_1(round, round_even)
  WEFT_FORWARD_1(trunc, trunc)
  WEFT_FORWARD_1(exp, exp)
  WEFT_FORWARD_1(exp2, exp2)
  WEFT_FORWARD_1(expm1, expm1)
  WEFT_FORWARD_1(log, log)
  WEFT_FORWARD_1(log2, log2)
  WEFT_FORWARD_1(log10, log10)
  WEFT_FORWARD_1(log1p, log1p)
  WEFT_FORWARD_1(tanh, tanh)
  WEFT_FORWARD_1(sinh, sinh)
  WEFT_FORWARD_1(cosh, cosh)
  WEFT_FORWARD_1(sigmoid, sigmoid)
  WEFT_FORWARD_1(softplus, softplus)
  WEFT_FORWARD_1(erf, erf)
  WEFT_FORWARD_1(normal_distribution, normal_distribution)
  WEFT_FORWARD_1(sin, sin)
  WEFT_FORWARD_1(cos, cos)
  WEFT_FORWARD_1(tan, tan)
  WEFT_FORWARD_1(asin, asin)
  WEFT_FORWARD_1(acos, acos)
  WEFT_FORWARD_1(atan, atan)
  WEFT_FORWARD_1(asinh, asinh)
  WEFT_FORWARD_1(acosh, acosh)
  WEFT_FORWARD_1(atanh, atanh)
  WEFT_FORWARD_2(min, min)
  WEFT_FORWARD_2(max, max)
  WEFT_FORWARD_2(with_sign, with_sign)
  WEFT_FORWARD_2(pow, pow)
  WEFT_FORWARD_2(fmod, fmod)
  WEFT_FORWARD_2(atan2, atan2)
  WEFT_FORWARD_2(hypot, hypot)
#undef WEFT_FORWARD_1
#undef WEFT_FORWARD_2
};

// n contiguous elements; the output may be one of the inputs.
using Core = void (*)(const void* const* inputs, void* output, int64_t n);

// How an operand lies in memory and what the core computes with.
enum class Storage : uint8_t { bytes1, bytes2, bytes4, bytes8, float16, bfloat16 };
constexpr Storage storage_of(DType t) {
  if (t == DType::float16) return Storage::float16;
  if (t == DType::bfloat16) return Storage::bfloat16;
  return itemsize(t) == 1   ? Storage::bytes1
         : itemsize(t) == 2 ? Storage::bytes2
         : itemsize(t) == 4 ? Storage::bytes4
                            : Storage::bytes8;
}

inline constexpr int kMaxInputs = 3;
struct Recipe {
  Core core;  // null: one input, to be stored in another way and nothing else
  int arity;
  Storage inputs[kMaxInputs];
  Storage output;
  int64_t grain;                 // elements that are worth a chunk of their own
  Core core_of_first = nullptr;  // where the inputs but the first stand still: numbers, say
};
void run_elementwise(const Recipe& recipe, const Operand* operands);

// --- cores -------------------------------------------------------------------------------------

template <class Functor, class T, int kArity = Functor::kArity>
WEFT_INLINE auto apply(const T* x) {
  if constexpr (kArity == 1)
    return Functor::template apply<Math>(x[0]);
  else if constexpr (kArity == 2)
    return Functor::template apply<Math>(x[0], x[1]);
  else
    return Functor::template apply<Math>(x[0], x[1], x[2]);
}

// The first kMoving inputs are arrays; the others stand still.
template <class Functor, class T, int kMoving = Functor::kArity>
void vector_core(const void* const* inputs, void* output, int64_t n) {
  constexpr int kLanes = simd::kLanes<T>;
  const T* in[Functor::kArity];
  for (int k = 0; k < Functor::kArity; k++) in[k] = static_cast<const T*>(inputs[k]);
  T* out = static_cast<T*>(output);
  simd::Vec<T> x[Functor::kArity];
  for (int k = kMoving; k < Functor::kArity; k++) x[k] = simd::broadcast(*in[k]);
  int64_t i = 0;
  // Cheap ops are bound by the loads: several in flight per iteration.
  constexpr int kUnroll = Functor::kFlops <= 4 ? 4 : 1;
  for (; i + kUnroll * kLanes <= n; i += kUnroll * kLanes) {
#pragma GCC unroll 4
    for (int u = 0; u < kUnroll; u++) {
      for (int k = 0; k < kMoving; k++) x[k] = simd::load(in[k] + i + u * kLanes);
      // Nothing else fetches lines before they are written; in L2 worth 2 to 3 % on Zen 4.
      if constexpr (kUnroll > 1) __builtin_prefetch(out + i + (kUnroll + u) * kLanes, 1);
      simd::store(out + i + u * kLanes, apply<Functor>(x));
    }
  }
  if constexpr (kUnroll > 1)
    for (; i + kLanes <= n; i += kLanes) {
      for (int k = 0; k < kMoving; k++) x[k] = simd::load(in[k] + i);
      simd::store(out + i, apply<Functor>(x));
    }
  if (const int rest = static_cast<int>(n - i); rest > 0) {
    for (int k = 0; k < kMoving; k++) x[k] = simd::load_partial(in[k] + i, rest);
    simd::store_partial(out + i, apply<Functor>(x), rest);
  }
}

// One number at a time, for the compiler to vectorise. An input may be the output, which is no
// dependence between iterations.
template <class Functor, class T, class Y>
void scalar_core(const void* const* inputs, void* output, int64_t n) {
  const T* in[Functor::kArity];
  for (int k = 0; k < Functor::kArity; k++) in[k] = static_cast<const T*>(inputs[k]);
  Y* out = static_cast<Y*>(output);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    T x[Functor::kArity];
    for (int k = 0; k < Functor::kArity; k++) x[k] = in[k][i];
    out[i] = apply<Functor>(x);
  }
}

template <class T>
struct CoreTypeOf {
  using type = T;
  using unsigned_type = T;
};
template <>
struct CoreTypeOf<Float16> {
  using type = float;
  using unsigned_type = float;
};
template <>
struct CoreTypeOf<BFloat16> : CoreTypeOf<Float16> {};
#define WEFT_SIGNLESS(T)        \
  template <>                   \
  struct CoreTypeOf<T> {        \
    using type = T;             \
    using unsigned_type = u##T; \
  };
WEFT_SIGNLESS(int8_t)
WEFT_SIGNLESS(int16_t)
WEFT_SIGNLESS(int32_t)
WEFT_SIGNLESS(int64_t)
#undef WEFT_SIGNLESS

template <class Functor, class Stored>
constexpr Core core_of() {
  using T = std::conditional_t<Functor::kSignless, typename CoreTypeOf<Stored>::unsigned_type,
                               typename CoreTypeOf<Stored>::type>;
  if constexpr (Functor::kResult == Result::boolean)
    return &scalar_core<Functor, T, bool>;
  else if constexpr (std::is_floating_point_v<T>)
    return &vector_core<Functor, T>;
  else
    return &scalar_core<Functor, T, T>;
}

// Cheap functors of an array and numbers: to copy a number over a tile and load it again for every
// vector took x + 1 half as long again.
template <class Functor, class Stored>
constexpr Core core_of_first() {
  if constexpr (std::is_floating_point_v<Stored> && Functor::kResult != Result::boolean &&
                Functor::kArity > 1 && Functor::kFlops <= 4)
    return &vector_core<Functor, Stored, 1>;
  else
    return nullptr;
}

// --- tables ------------------------------------------------------------------------------------

template <class Functor, class Stored>
void run(const void*, const Operand* operands) {
  constexpr Storage s = storage_of(dtype_of<Stored>);
  static constexpr Recipe recipe = {
      core_of<Functor, Stored>(),
      Functor::kArity,
      {s, s, s},
      Functor::kResult == Result::boolean ? Storage::bytes1 : s,
      // About 10 us: 32K elements of one operation, fewer of the longer ones.
      32 * 1024 / (1 + Functor::kFlops / 8),
      core_of_first<Functor, Stored>()};
  run_elementwise(recipe, operands);
}

template <class Functor, class Stored>
constexpr KernelEntry elementwise_entry() {
  constexpr DType dtype = dtype_of<Stored>;
  if constexpr (accepts(Functor::kDomain, dtype))
    return {&kernels::elementwise<Functor>, dtype, &run<Functor, Stored>};
  else
    return {&kernels::elementwise<Functor>, dtype, nullptr};  // no kernel
}

template <int kCount>
struct KernelTable {
  KernelEntry entries[kCount];
};

template <class... Functors>
constexpr KernelTable<kNumDTypes * sizeof...(Functors)> table_of(FunctorList<Functors...>) {
  KernelTable<kNumDTypes * sizeof...(Functors)> table{};
  int at = 0;
  auto add = [&]<class F>(F*) {
    for (const KernelEntry& entry :
         {elementwise_entry<F, bool>(), elementwise_entry<F, uint8_t>(),
          elementwise_entry<F, uint16_t>(), elementwise_entry<F, uint32_t>(),
          elementwise_entry<F, uint64_t>(), elementwise_entry<F, int8_t>(),
          elementwise_entry<F, int16_t>(), elementwise_entry<F, int32_t>(),
          elementwise_entry<F, int64_t>(), elementwise_entry<F, Float16>(),
          elementwise_entry<F, BFloat16>(), elementwise_entry<F, float>(),
          elementwise_entry<F, double>()})
      table.entries[at++] = entry;
  };
  (add(static_cast<Functors*>(nullptr)), ...);
  return table;
}

}  // namespace weft::cpu::WEFT_ISA

// WEFT_CPU_FUNCTORS(stem, functors::Arithmetic) at the end of a file is WEFT_CPU_KERNELS for all
// functors of a list; see cpu/isa.h.
#if defined(WEFT_REGISTER_ISAS)
#define WEFT_CPU_FUNCTORS(stem, LIST)                                             \
  namespace weft::cpu {                                                           \
  static constexpr auto stem##_table = baseline::table_of(LIST{});                \
  inline constexpr int stem##_count = sizeof(stem##_table) / sizeof(KernelEntry); \
  namespace avx2 {                                                                \
  extern const KernelEntry (&stem##_kernels)[stem##_count];                       \
  }                                                                               \
  namespace avx512 {                                                              \
  extern const KernelEntry (&stem##_kernels)[stem##_count];                       \
  }                                                                               \
  namespace {                                                                     \
  const bool stem##_registered = [] {                                             \
    register_kernels(DeviceType::cpu, Isa::baseline, stem##_table.entries);       \
    register_kernels(DeviceType::cpu, Isa::avx2, avx2::stem##_kernels);           \
    register_kernels(DeviceType::cpu, Isa::avx512, avx512::stem##_kernels);       \
    return true;                                                                  \
  }();                                                                            \
  }                                                                               \
  }
#elif WEFT_VECTOR_BYTES == 16
#define WEFT_CPU_FUNCTORS(stem, LIST)                                       \
  namespace weft::cpu {                                                     \
  static constexpr auto stem##_table = baseline::table_of(LIST{});          \
  namespace {                                                               \
  const bool stem##_registered = [] {                                       \
    register_kernels(DeviceType::cpu, Isa::baseline, stem##_table.entries); \
    return true;                                                            \
  }();                                                                      \
  }                                                                         \
  }
#else
#define WEFT_CPU_FUNCTORS(stem, LIST)                                                         \
  namespace weft::cpu::WEFT_ISA {                                                             \
  static constexpr auto stem##_table = table_of(LIST{});                                      \
  extern const KernelEntry (&stem##_kernels)[sizeof(stem##_table) / sizeof(KernelEntry)];     \
  constexpr const KernelEntry (&stem##_kernels)[sizeof(stem##_table) / sizeof(KernelEntry)] = \
      stem##_table.entries;                                                                   \
  }
#endif
