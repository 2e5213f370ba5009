#include "core/reduction.h"

#include <cstdlib>
#include <utility>

namespace weft {
namespace {

void append(AxisGroup& group, int64_t length, int64_t x_stride, int64_t y_stride) {
  group.shape[group.ndim] = length;
  group.x[group.ndim] = x_stride;
  group.y[group.ndim] = y_stride;
  group.ndim++;
}

void swap_axes(AxisGroup& group, int a, int b) {
  std::swap(group.shape[a], group.shape[b]);
  std::swap(group.x[a], group.x[b]);
  std::swap(group.y[a], group.y[b]);
}

void sort_and_merge(AxisGroup& group) {
  if (group.ndim == 0) append(group, 1, 0, 0);
  for (int i = 1; i < group.ndim; i++)
    for (int j = i; j > 0 && std::abs(group.x[j]) > std::abs(group.x[j - 1]); j--)
      swap_axes(group, j, j - 1);
  int last = 0;
  for (int axis = 1; axis < group.ndim; axis++) {
    const int64_t length = group.shape[axis];
    if (group.x[last] == group.x[axis] * length && group.y[last] == group.y[axis] * length) {
      group.shape[last] *= length;
    } else {
      last++;
      group.shape[last] = length;
    }
    group.x[last] = group.x[axis];
    group.y[last] = group.y[axis];
  }
  group.ndim = last + 1;
}

}  // namespace

ReductionPlan make_reduction_plan(const Operand& x, const Operand& y, uint32_t reduced_axes) {
  ReductionPlan plan;
  for (int axis = 0; axis < x.shape.size(); axis++) {
    const int64_t length = x.shape[axis];
    if (length == 1) continue;
    if (reduced_axes >> axis & 1) {
      const int64_t stride = x.strides[axis];
      if (stride < 0) plan.x_offset += stride * (length - 1);
      append(plan.reduced, length, std::abs(stride), 0);
    } else {
      append(plan.kept, length, x.strides[axis], y.strides[axis]);
    }
  }
  sort_and_merge(plan.kept);
  sort_and_merge(plan.reduced);
  return plan;
}

}  // namespace weft
