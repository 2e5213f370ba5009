// More work on parts of a kernel's result while they are in the cache.
//
// A step that was recorded may follow a kernel by elementwise launches (core/passes). Kernels whose
// slot says `Fusion::calls_tail` take the tail when they begin and call it on each part of their
// first output as soon as that is complete; every element is in exactly one part.
#pragma once

#include <cstdint>

namespace weft {

struct Tail {
  void (*run)(const Tail& tail, int64_t begin, int64_t end);
};

extern constinit thread_local const Tail* next_tail;

// What follows the kernel that begins on this thread, if anything. Threads that compute for it
// share the copy.
class TailOfKernel {
 public:
  TailOfKernel() : tail_(next_tail) { next_tail = nullptr; }

  explicit operator bool() const { return tail_ != nullptr; }
  // Elements [begin, end) of the first output, which is dense: whole rows of its last axis.
  void operator()(int64_t begin, int64_t end) const {
    if (tail_ != nullptr && begin < end) tail_->run(*tail_, begin, end);
  }

 private:
  const Tail* tail_;
};

}  // namespace weft
