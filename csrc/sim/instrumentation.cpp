// What the compiler calls at every access of the checked kernels (-fsanitize=thread, bounds,
// shift-exponent). The names are those of the sanitizers' run-time libraries, which are not linked:
// here an access goes to the observer. With no observer these are never reached, because the
// checked kernels run only while one is set.
#include <cstddef>
#include <cstdint>

#include "sim/observer.h"
#include "sim/thread.h"

namespace weft::simulator {
namespace {

// The report comes before the access: what it finds may keep the access from happening.
[[gnu::always_inline]] inline void instrumented(const volatile void* address, size_t bytes,
                                                AccessKind kind, const void* pc) {
  Observer* watching = observer();
  if (watching == nullptr || current == nullptr || current->in_simulator) return;
  const void* plain = const_cast<const void*>(address);
  if (simulator_owns(plain)) return;
  // No number is longer than 8 bytes.
  watching->access({plain, bytes, kind, pc, false, bytes > 8});
  maybe_preempt();
}

// The first words of what the compiler hands to the handlers of -fsanitize=undefined.
struct SourceLocation {
  const char* file;
  uint32_t line, column;
};

void undefined_behaviour(const char* what, const void* data) {
  Observer* watching = observer();
  if (watching == nullptr || current == nullptr || current->in_simulator) return;
  const auto* location = static_cast<const SourceLocation*>(data);
  watching->undefined_behaviour(what, location->file, static_cast<int>(location->line));
}

}  // namespace
}  // namespace weft::simulator

using weft::simulator::AccessKind;
using weft::simulator::instrumented;

#define WEFT_PC __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

#define WEFT_PLAIN(name, bytes)                                                                   \
  void __tsan_##name##read##bytes(void* p) { instrumented(p, bytes, AccessKind::read, WEFT_PC); } \
  void __tsan_##name##write##bytes(void* p) {                                                     \
    instrumented(p, bytes, AccessKind::write, WEFT_PC);                                           \
  }                                                                                               \
  void __tsan_##name##volatile_read##bytes(void* p) {                                             \
    instrumented(p, bytes, AccessKind::volatile_read, WEFT_PC);                                   \
  }                                                                                               \
  void __tsan_##name##volatile_write##bytes(void* p) {                                            \
    instrumented(p, bytes, AccessKind::volatile_write, WEFT_PC);                                  \
  }
#define WEFT_EVERY_ALIGNMENT(bytes) WEFT_PLAIN(, bytes) WEFT_PLAIN(unaligned_, bytes)
WEFT_PLAIN(, 1)
WEFT_EVERY_ALIGNMENT(2)
WEFT_EVERY_ALIGNMENT(4)
WEFT_EVERY_ALIGNMENT(8)
WEFT_EVERY_ALIGNMENT(16)

void __tsan_read_range(void* p, size_t bytes) { instrumented(p, bytes, AccessKind::read, WEFT_PC); }
void __tsan_write_range(void* p, size_t bytes) {
  instrumented(p, bytes, AccessKind::write, WEFT_PC);
}

// GCC turns the __atomic builtins into these. Memory orders are the strongest there are: what a
// kernel asked for is judged by its fences.
#define WEFT_EXCHANGE(bits, T, strength)                                                       \
  int __tsan_atomic##bits##_compare_exchange_##strength(volatile T* p, T* expected, T desired, \
                                                        int, int) {                            \
    instrumented(p, sizeof(T), AccessKind::atomic, WEFT_PC);                                   \
    return __atomic_compare_exchange_n(p, expected, desired, false, __ATOMIC_SEQ_CST,          \
                                       __ATOMIC_SEQ_CST);                                      \
  }
#define WEFT_MODIFY(bits, T, name)                              \
  T __tsan_atomic##bits##_##name(volatile T* p, T value, int) { \
    instrumented(p, sizeof(T), AccessKind::atomic, WEFT_PC);    \
    return __atomic_##name##_n(p, value, __ATOMIC_SEQ_CST);     \
  }
#define WEFT_FETCH(bits, T, name)                                     \
  T __tsan_atomic##bits##_fetch_##name(volatile T* p, T value, int) { \
    instrumented(p, sizeof(T), AccessKind::atomic, WEFT_PC);          \
    return __atomic_fetch_##name(p, value, __ATOMIC_SEQ_CST);         \
  }
#define WEFT_ATOMICS(bits, T)                                     \
  T __tsan_atomic##bits##_load(const volatile T* p, int) {        \
    instrumented(p, sizeof(T), AccessKind::atomic_load, WEFT_PC); \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                  \
  }                                                               \
  void __tsan_atomic##bits##_store(volatile T* p, T value, int) { \
    instrumented(p, sizeof(T), AccessKind::atomic, WEFT_PC);      \
    __atomic_store_n(p, value, __ATOMIC_SEQ_CST);                 \
  }                                                               \
  WEFT_MODIFY(bits, T, exchange)                                  \
  WEFT_FETCH(bits, T, add)                                        \
  WEFT_FETCH(bits, T, sub)                                        \
  WEFT_FETCH(bits, T, and)                                        \
  WEFT_FETCH(bits, T, or)                                         \
  WEFT_FETCH(bits, T, xor)                                        \
  WEFT_EXCHANGE(bits, T, strong)                                  \
  WEFT_EXCHANGE(bits, T, weak)
WEFT_ATOMICS(8, uint8_t)
WEFT_ATOMICS(16, uint16_t)
WEFT_ATOMICS(32, uint32_t)
WEFT_ATOMICS(64, uint64_t)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

void __ubsan_handle_out_of_bounds(void* data, void*) {
  weft::simulator::undefined_behaviour("an index beyond the end of its array", data);
}
void __ubsan_handle_shift_out_of_bounds(void* data, void*, void*) {
  weft::simulator::undefined_behaviour("a shift by a negative number or by the type's width", data);
}

}  // extern "C"
