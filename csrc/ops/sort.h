// Sorting along an axis. NaN counts as larger than every number: last in ascending order, first in
// descending order. Equal elements keep their order (all sorts are stable).
//
// Saves: the positions, where x needs a gradient.
// Cost: log2(n + 1) comparisons for each element; x is read, y written.
// Error: none.
#pragma once

#include <utility>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct SortParams {
  bool descending;
};
struct TopkParams {
  int64_t k;
  bool largest;
};

namespace kernels {
// Operands: x (rows, n), y (rows, n): both contiguous, y of x's dtype.
extern Kernel<SortParams> sort;
// Operands: x (rows, n), y (rows, n) int64: y[r] lists the positions of x[r] in order.
extern Kernel<SortParams> argsort;
// Operands: x (rows, n), y (rows, k) int64: the positions of the k first of the order.
extern Kernel<TopkParams> topk;
}  // namespace kernels

Tensor sort(const Tensor& x, int64_t axis, bool descending);
Tensor argsort(const Tensor& x, int64_t axis, bool descending);
// Positions of the k largest (or smallest) elements, best first; of equal ones the first counts.
Tensor topk_indices(const Tensor& x, int64_t k, int64_t axis, bool largest);

}  // namespace weft
