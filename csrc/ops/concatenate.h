// y = the tensors one after the other along an axis.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace weft {

// Every size but that of `axis` must agree; the result has the promoted dtype.
Tensor concatenate(const std::vector<Tensor>& tensors, int64_t axis);
Tensor stack(const std::vector<Tensor>& tensors, int64_t axis);  // along a new axis

}  // namespace weft
