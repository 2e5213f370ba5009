// y[i] = x[0] + ... + x[i] along an axis, or the product.
//
// Saves: nothing of sums, x of products.
// Cost: one FLOP for each element; x is read, y written.
// Error: |error| <= n 2^-53 sum |x| and one rounding to y's dtype; integers wrap.
#pragma once

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

// x as (outer, n, inner), row-major; the scan runs along n.
struct ScanParams {
  int64_t outer, n, inner;
  bool reverse;  // y[i] = x[i] + ... + x[n-1]
};

namespace kernels {
// Operands: x, y (both row-major, y of the dtype of a sum). Floats are accumulated in float64.
extern Kernel<ScanParams> cumsum;
extern Kernel<ScanParams> cumprod;
}  // namespace kernels

Tensor cumsum(const Tensor& x, int64_t axis, bool reverse);
Tensor cumprod(const Tensor& x, int64_t axis, bool reverse);

}  // namespace weft
