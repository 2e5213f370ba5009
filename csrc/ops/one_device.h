// For contracts that call other operations: their users did not ask for a "cast".
#pragma once

#include <string_view>

#include "core/check.h"
#include "core/tensor.h"

namespace weft {

// ValueError that names `op` and both tensors unless they live on one device.
inline void check_one_device(std::string_view op, std::string_view x_name, const Tensor& x,
                             std::string_view other_name, const Tensor& other) {
  check(x.device() == other.device(), op, ": ", x_name, " on ", x.device(), " and ", other_name,
        " on ", other.device(), "; move them to one device with .to()");
}

}  // namespace weft
