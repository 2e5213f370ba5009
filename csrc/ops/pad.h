// y = x with a border of one value around it.
#pragma once

#include "core/tensor.h"

namespace weft {

// before[i] and after[i] elements of `value` are put around axis i.
Tensor pad(const Tensor& x, const Dims& before, const Dims& after, double value);

}  // namespace weft
