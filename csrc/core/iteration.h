// Walking several strided operands in step: axes are reordered and merged so that the inner loop
// is as long and as contiguous as the operands allow.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/kernel.h"
#include "core/parallel.h"

namespace weft {

inline constexpr int kMaxLoopOperands = 8;

struct Loop {
  int ndim = 0;  // at least 1; the last axis is the inner one
  int operands = 0;
  int64_t shape[kMaxDims];
  int64_t strides[kMaxLoopOperands][kMaxDims];  // in elements of each operand; 0 where broadcast

  int64_t inner() const { return shape[ndim - 1]; }
  int64_t inner_stride(int operand) const { return strides[operand][ndim - 1]; }
  int64_t rows() const {
    int64_t n = 1;
    for (int i = 0; i + 1 < ndim; i++) n *= shape[i];
    return n;
  }
  int64_t size() const { return rows() * inner(); }
};

// The loop over the shape of the last operand (the output); the others are broadcast to it.
// Axes are ordered by the output's strides, so that writes are contiguous where possible.
Loop make_loop(std::initializer_list<const Operand*> operands);

// body(const int64_t* offsets, int64_t n): n steps along the inner axis from these element offsets.
// Rows, or pieces of one long row, are shared among threads in chunks of about `grain` elements.
template <class Body>
inline void for_each_run(const Loop& loop, int64_t grain, Body&& body) {
  const int64_t inner = loop.inner(), rows = loop.rows();
  if (inner == 0 || rows == 0) return;
  if (rows == 1) {
    parallel_for(inner, grain, [&](int64_t begin, int64_t end) {
      int64_t offsets[kMaxLoopOperands];
      for (int k = 0; k < loop.operands; k++) offsets[k] = begin * loop.inner_stride(k);
      body(static_cast<const int64_t*>(offsets), end - begin);
    });
    return;
  }
  parallel_for(rows, grain / inner, [&](int64_t begin, int64_t end) {
    int64_t index[kMaxDims], offsets[kMaxLoopOperands] = {};
    int64_t rest = begin;
    for (int axis = loop.ndim - 2; axis >= 0; axis--) {
      index[axis] = rest % loop.shape[axis];
      rest /= loop.shape[axis];
      for (int k = 0; k < loop.operands; k++) offsets[k] += index[axis] * loop.strides[k][axis];
    }
    for (int64_t row = begin; row < end; row++) {
      body(static_cast<const int64_t*>(offsets), inner);
      for (int axis = loop.ndim - 2; axis >= 0; axis--) {
        for (int k = 0; k < loop.operands; k++) offsets[k] += loop.strides[k][axis];
        if (++index[axis] < loop.shape[axis]) break;
        index[axis] = 0;
        for (int k = 0; k < loop.operands; k++)
          offsets[k] -= loop.shape[axis] * loop.strides[k][axis];
      }
    }
  });
}

}  // namespace weft
