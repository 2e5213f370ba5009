#include "core/iteration.h"

#include <cstdlib>
#include <utility>

namespace weft {
namespace {

void swap_axes(Loop& loop, int a, int b) {
  std::swap(loop.shape[a], loop.shape[b]);
  for (int k = 0; k < loop.operands; k++) std::swap(loop.strides[k][a], loop.strides[k][b]);
}

// Whether axis `a` should lie outside axis `b`: larger steps outside, the output decides first.
bool belongs_outside(const Loop& loop, int a, int b) {
  for (int k = loop.operands - 1; k >= 0; k--) {
    const int64_t x = std::abs(loop.strides[k][a]), y = std::abs(loop.strides[k][b]);
    if (x != y) return x > y;
  }
  return false;
}

bool can_merge(const Loop& loop, int outer, int inner) {
  for (int k = 0; k < loop.operands; k++)
    if (loop.strides[k][outer] != loop.strides[k][inner] * loop.shape[inner]) return false;
  return true;
}

}  // namespace

Loop make_loop(std::initializer_list<const Operand*> operands) {
  Loop loop;
  loop.operands = static_cast<int>(operands.size());
  const Operand& output = *operands.begin()[operands.size() - 1];
  for (int axis = 0; axis < output.shape.size(); axis++) {
    if (output.shape[axis] == 1) continue;
    const int at = loop.ndim++;
    loop.shape[at] = output.shape[axis];
    int k = 0;
    for (const Operand* o : operands) {
      const int own = axis - (output.shape.size() - o->shape.size());
      loop.strides[k++][at] = own < 0 || o->shape[own] == 1 ? 0 : o->strides[own];
    }
  }
  if (loop.ndim == 0) {
    loop.ndim = 1;
    loop.shape[0] = 1;
    for (int k = 0; k < loop.operands; k++) loop.strides[k][0] = 0;
    return loop;
  }
  // Insertion sort keeps the given order among equals; there are few axes.
  for (int i = 1; i < loop.ndim; i++)
    for (int j = i; j > 0 && belongs_outside(loop, j, j - 1); j--) swap_axes(loop, j, j - 1);
  int last = 0;
  for (int axis = 1; axis < loop.ndim; axis++) {
    if (can_merge(loop, last, axis)) {
      loop.shape[last] *= loop.shape[axis];
      for (int k = 0; k < loop.operands; k++) loop.strides[k][last] = loop.strides[k][axis];
    } else {
      last++;
      loop.shape[last] = loop.shape[axis];
      for (int k = 0; k < loop.operands; k++) loop.strides[k][last] = loop.strides[k][axis];
    }
  }
  loop.ndim = last + 1;
  return loop;
}

}  // namespace weft
