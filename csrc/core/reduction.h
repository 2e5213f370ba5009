// How a reduction walks its input: axes split into kept and reduced ones, each group sorted by
// stride and merged, so that kernels see as few and as long axes as the layout allows.
#pragma once

#include <cstdint>

#include "core/kernel.h"

namespace weft {

// A group of axes, the one with the smallest step in x last; at least one (of length 1).
struct AxisGroup {
  int ndim = 0;
  int64_t shape[kMaxDims];
  int64_t x[kMaxDims];  // strides in elements
  int64_t y[kMaxDims];  // 0 for reduced axes

  int64_t inner() const { return shape[ndim - 1]; }
  int64_t x_step() const { return x[ndim - 1]; }
  int64_t y_step() const { return y[ndim - 1]; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < ndim; i++) n *= shape[i];
    return n;
  }
};

struct ReductionPlan {
  AxisGroup kept, reduced;
  int64_t x_offset = 0;  // where the walk starts: reduced axes of negative stride are turned round
};

// `y` has x's shape with 1 for every axis whose bit is set in `reduced_axes`. The order in which
// reduced elements are met is free to change.
ReductionPlan make_reduction_plan(const Operand& x, const Operand& y, uint32_t reduced_axes);

// body(x_offset, y_offset, n) for the elements [begin, end) of the group in row-major order: n
// consecutive ones along the inner axis at a time.
template <class Body>
inline void for_each_run(const AxisGroup& axes, int64_t begin, int64_t end, Body&& body) {
  const int last = axes.ndim - 1;
  int64_t index[kMaxDims], x = 0, y = 0, rest = begin;
  for (int axis = last; axis >= 0; axis--) {
    index[axis] = rest % axes.shape[axis];
    rest /= axes.shape[axis];
    x += index[axis] * axes.x[axis];
    y += index[axis] * axes.y[axis];
  }
  while (begin < end) {
    const int64_t room = axes.shape[last] - index[last];
    const int64_t n = room < end - begin ? room : end - begin;
    body(x, y, n);
    begin += n;
    if (begin >= end) return;
    x -= index[last] * axes.x[last];
    y -= index[last] * axes.y[last];
    index[last] = 0;
    for (int axis = last - 1; axis >= 0; axis--) {
      x += axes.x[axis];
      y += axes.y[axis];
      if (++index[axis] < axes.shape[axis]) break;
      index[axis] = 0;
      x -= axes.shape[axis] * axes.x[axis];
      y -= axes.shape[axis] * axes.y[axis];
    }
  }
}

}  // namespace weft
