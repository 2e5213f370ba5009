// More work on parts of a kernel's result while they are in the cache.
//
// A step that was recorded may follow a kernel by elementwise launches (core/passes). Kernels whose
// slot says `Fusion::calls_tail` take the tail when they begin and call it on each part of their
// first output as soon as that is complete; every element is in exactly one part.
#pragma once

#include <cstdint>

namespace weft {

struct Tail {
  // Rows [row, end_row) and columns [column, end_column) of the result, whose last axis is
  // `columns` long.
  void (*run)(const Tail& tail, int64_t row, int64_t end_row, int64_t column, int64_t end_column);
  int64_t columns;
};

extern constinit thread_local const Tail* next_tail;

// What follows the kernel that begins on this thread, if anything. Threads that compute for it
// share the copy.
class TailOfKernel {
 public:
  TailOfKernel() : tail_(next_tail) { next_tail = nullptr; }
  // A kernel that does not call it this time leaves it alone: it is then run behind the kernel.
  explicit TailOfKernel(bool calls) : tail_(calls ? next_tail : nullptr) {
    if (calls) next_tail = nullptr;
  }

  explicit operator bool() const { return tail_ != nullptr; }
  // Elements [begin, end) of the first output, which is dense: whole rows of its last axis.
  void operator()(int64_t begin, int64_t end) const {
    if (tail_ != nullptr && begin < end)
      tail_->run(*tail_, begin / tail_->columns, end / tail_->columns, 0, tail_->columns);
  }
  // A part of the rows: [column, end_column) of each.
  void operator()(int64_t row, int64_t end_row, int64_t column, int64_t end_column) const {
    if (tail_ != nullptr && row < end_row) tail_->run(*tail_, row, end_row, column, end_column);
  }

 private:
  const Tail* tail_;
};

}  // namespace weft
