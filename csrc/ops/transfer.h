// Copies between devices.
//
// Shapes: any; the copy has the shape of x.
// Saves: nothing but the device.
// Cost: no FLOPs; x is read on one device and written on the other.
// Error: none.
#pragma once

#include "core/recording.h"
#include "core/tensor.h"

namespace weft {

// The same values on another device, in row-major order; x itself when it is there already.
// TypeError from `meta`, which has no values.
Tensor to_device(const Tensor& x, Device device);

// A copy in memory of the CPU that the device reads by itself: `to_device` returns before the copy
// is done. Such memory is scarce, and the system has less of it for other things.
Tensor pin_memory(const Tensor& x, Device device);

// The value of a tensor with one element. On a GPU this waits for all work queued so far.
template <class T>
T read(const Tensor& x) {
  check(x.size() == 1 && x.dtype() == dtype_of<T>, "read: expected one ", dtype_of<T>, ", got ",
        x.dtype(), " of shape ", x.shape());
  record_host_read(x, "this operation");
  return *to_device(x, Device{}).data_as<T>();
}

}  // namespace weft
