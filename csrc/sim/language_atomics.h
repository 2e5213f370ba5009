// Atomic functions. Part of language.h. Real atomics, because blocks run on several OS threads.
#pragma once

namespace weft::simulator {

// Counts the atomics of this OS thread, so that a thread that spins on one lets the others run.
extern constinit thread_local uint32_t atomics_since_poll;

}  // namespace weft::simulator

namespace weft::simulator::cuda {

namespace detail {

constexpr uint32_t kAtomicsPerPoll = 256;

WEFT_SIM_FUNCTION void count_atomic() {
  if (++atomics_since_poll >= kAtomicsPerPoll) [[unlikely]] {
    atomics_since_poll = 0;
    poll();
  }
}

template <size_t bytes>
struct WordOf;
template <>
struct WordOf<2> {
  using type = uint16_t;
};
template <>
struct WordOf<4> {
  using type = uint32_t;
};
template <>
struct WordOf<8> {
  using type = uint64_t;
};

template <class T>
WEFT_SIM_FUNCTION T exchange_if_equal(T* address, T expected, T desired) {
  using Word = typename WordOf<sizeof(T)>::type;
  Word old, fresh;
  std::memcpy(&old, &expected, sizeof(T));
  std::memcpy(&fresh, &desired, sizeof(T));
  __atomic_compare_exchange_n(reinterpret_cast<Word*>(address), &old, fresh, false,
                              __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  T result;
  std::memcpy(&result, &old, sizeof(T));
  return result;
}

// old = *address; *address = f(old); returns old.
template <class T, class F>
WEFT_SIM_FUNCTION T update(T* address, F f) {
  using Word = typename WordOf<sizeof(T)>::type;
  count_atomic();
  Word* word = reinterpret_cast<Word*>(address);
  Word old = __atomic_load_n(word, __ATOMIC_RELAXED), fresh;
  T value;
  do {
    std::memcpy(&value, &old, sizeof(T));
    const T result = f(value);
    std::memcpy(&fresh, &result, sizeof(T));
  } while (
      !__atomic_compare_exchange_n(word, &old, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  return value;
}

}  // namespace detail

#define WEFT_SIM_ATOMIC(name, T, expression)                                    \
  WEFT_SIM_FUNCTION T name(T* address, T value) {                               \
    return detail::update(address, [value](T old) -> T { return expression; }); \
  }                                                                             \
  WEFT_SIM_FUNCTION T name##_block(T* address, T value) { return name(address, value); }
#define WEFT_SIM_ATOMIC_INTEGERS(name, expression) \
  WEFT_SIM_ATOMIC(name, int, expression)           \
  WEFT_SIM_ATOMIC(name, unsigned, expression)      \
  WEFT_SIM_ATOMIC(name, unsigned long long, expression)

// Signed sums wrap, as in hardware.
WEFT_SIM_ATOMIC(atomicAdd, int,
                static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value)))
WEFT_SIM_ATOMIC(atomicAdd, unsigned, old + value)
WEFT_SIM_ATOMIC(atomicAdd, unsigned long long, old + value)
WEFT_SIM_ATOMIC(atomicAdd, float, old + value)
WEFT_SIM_ATOMIC(atomicAdd, double, old + value)
WEFT_SIM_ATOMIC(atomicSub, int,
                static_cast<int>(static_cast<unsigned>(old) - static_cast<unsigned>(value)))
WEFT_SIM_ATOMIC(atomicSub, unsigned, old - value)
WEFT_SIM_ATOMIC_INTEGERS(atomicMin, value < old ? value : old)
WEFT_SIM_ATOMIC(atomicMin, long long, value < old ? value : old)
WEFT_SIM_ATOMIC_INTEGERS(atomicMax, old < value ? value : old)
WEFT_SIM_ATOMIC(atomicMax, long long, old < value ? value : old)
WEFT_SIM_ATOMIC_INTEGERS(atomicAnd, old& value)
WEFT_SIM_ATOMIC_INTEGERS(atomicOr, old | value)
WEFT_SIM_ATOMIC_INTEGERS(atomicXor, old ^ value)
WEFT_SIM_ATOMIC_INTEGERS(atomicExch, (static_cast<void>(old), value))
WEFT_SIM_ATOMIC(atomicExch, float, (static_cast<void>(old), value))
WEFT_SIM_ATOMIC(atomicInc, unsigned, old >= value ? 0u : old + 1u)
WEFT_SIM_ATOMIC(atomicDec, unsigned, old == 0u || old > value ? value : old - 1u)
#undef WEFT_SIM_ATOMIC_INTEGERS
#undef WEFT_SIM_ATOMIC

#define WEFT_SIM_ATOMIC_CAS(T)                                             \
  WEFT_SIM_FUNCTION T atomicCAS(T* address, T expected, T desired) {       \
    detail::count_atomic();                                                \
    return detail::exchange_if_equal(address, expected, desired);          \
  }                                                                        \
  WEFT_SIM_FUNCTION T atomicCAS_block(T* address, T expected, T desired) { \
    return atomicCAS(address, expected, desired);                          \
  }
WEFT_SIM_ATOMIC_CAS(int)
WEFT_SIM_ATOMIC_CAS(unsigned)
WEFT_SIM_ATOMIC_CAS(unsigned long long)
WEFT_SIM_ATOMIC_CAS(unsigned short)
#undef WEFT_SIM_ATOMIC_CAS

}  // namespace weft::simulator::cuda
