#include "sim/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Pushes the callee-saved registers, stores the stack pointer in *save, and continues at `to`.
extern "C" void weft_simulator_switch_stack(void** save, void* to);

#if defined(__x86_64__)
asm(R"(
.text
.p2align 4
.hidden weft_simulator_switch_stack
.globl weft_simulator_switch_stack
.type weft_simulator_switch_stack,@function
weft_simulator_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size weft_simulator_switch_stack,.-weft_simulator_switch_stack
)");
#elif defined(__aarch64__)
asm(R"(
.text
.p2align 4
.hidden weft_simulator_switch_stack
.globl weft_simulator_switch_stack
.type weft_simulator_switch_stack,%function
weft_simulator_switch_stack:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size weft_simulator_switch_stack,.-weft_simulator_switch_stack
)");
#else
#error "the simulated CUDA device needs a stack switch for this processor (see fiber.cpp)"
#endif

namespace weft::simulator {
namespace {

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

#if defined(__SANITIZE_ADDRESS__)
thread_local Fiber* left = nullptr;     // the fiber that the last switch came from
thread_local Fiber* entered = nullptr;  // and the one it went to

void arrived() {
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(entered->fake_stack, &bottom, &bytes);
  if (left->sanitizer_stack == nullptr) {
    left->sanitizer_stack = bottom;
    left->sanitizer_bytes = bytes;
  }
}
#endif

// The last owner of a stack never returned from its functions, so the address sanitizer still has
// their red zones in its map, and would complain of whoever is given these addresses next.
void forget_red_zones([[maybe_unused]] void* stack) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack, kStackBytes);
#endif
}

}  // namespace

StackPool::~StackPool() {
  for (void* stack : all_) {
    forget_red_zones(stack);
    munmap(static_cast<char*>(stack) - page_bytes(), kStackBytes + page_bytes());
  }
}

void* StackPool::take() {
  if (!free_.empty()) {
    void* stack = free_.back();
    free_.pop_back();
    forget_red_zones(stack);
    return stack;
  }
  const size_t guard = page_bytes();
  void* memory = mmap(nullptr, kStackBytes + guard, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, guard, PROT_NONE);
  void* stack = static_cast<char*>(memory) + guard;
  all_.push_back(stack);
  return stack;
}

void prepare_fiber(Fiber& fiber, void* stack, void (*entry)()) {
  // Tops at the same offset of every page would fight for the same few cache sets.
  const size_t color = reinterpret_cast<uintptr_t>(stack) / kStackBytes % 16 * 192;
  void** top = reinterpret_cast<void**>(static_cast<char*>(stack) + kStackBytes - color);
#if defined(__x86_64__)
  *--top = nullptr;  // the return address of entry: debuggers stop here
  *--top = reinterpret_cast<void*>(entry);
  constexpr int kSavedWords = 6;
  top -= kSavedWords;
  std::memset(top, 0, kSavedWords * sizeof(void*));
#else
  constexpr int kSavedWords = 20, kLinkRegister = 11;
  top -= kSavedWords;
  std::memset(top, 0, kSavedWords * sizeof(void*));
  top[kLinkRegister] = reinterpret_cast<void*>(entry);
#endif
  fiber.stack_pointer = top;
  fiber.stack = stack;
  fiber.sanitizer_stack = stack;
  fiber.sanitizer_bytes = kStackBytes;
  fiber.fake_stack = nullptr;
}

void switch_fiber(Fiber& from, Fiber& to, [[maybe_unused]] bool ends) {
#if defined(__SANITIZE_ADDRESS__)
  left = &from;
  entered = &to;
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake_stack, to.sanitizer_stack,
                                 to.sanitizer_bytes);
#endif
  weft_simulator_switch_stack(&from.stack_pointer, to.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
  arrived();
#endif
}

void fiber_started() {
#if defined(__SANITIZE_ADDRESS__)
  arrived();
#endif
}

}  // namespace weft::simulator
