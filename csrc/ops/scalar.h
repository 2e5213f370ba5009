// Numbers from Python as 0-d tensors, so that kernels see nothing but tensors.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace weft {

// TypeError or ValueError when the value does not fit an integer dtype (2.5, or 300 for uint8).
Tensor scalar(double value, DType dtype, Device device = {});
Tensor scalar(int64_t value, DType dtype, Device device = {});  // exact for all 64 bits

// Where a number is kept that a kernel takes beside tensors on `device`: the kernels of a GPU get
// theirs from the host.
inline Device number_device(Device device) { return is_gpu(device) ? Device{} : device; }

}  // namespace weft
