// Where values would be inserted into a sorted list.
//
// Saves: nothing; places have no gradient.
// Cost: log2(n + 1) comparisons for each value; the list and the values are read, y written.
// Error: none.
#pragma once

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct SearchsortedParams {
  bool right;  // after equal elements rather than before
};

namespace kernels {
// Operands: sorted (n,) contiguous, values (any contiguous shape, the same dtype), y int64.
// NaN counts as larger than every number. Dtypes: float32, float64, int64.
extern Kernel<SearchsortedParams> searchsorted;
}  // namespace kernels

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right);

}  // namespace weft
