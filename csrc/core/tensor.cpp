#include "core/tensor.h"

namespace weft {

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  const size_t bytes = static_cast<size_t>(num_elements(shape)) * itemsize(dtype);
  return Tensor(StoragePtr(new Storage(device, bytes)), dtype, shape, row_major_strides(shape), 0);
}

bool Tensor::is_contiguous() const {
  int64_t expected = 1;
  for (int i = ndim() - 1; i >= 0; i--) {
    if (shape_[i] == 0) return true;
    if (shape_[i] != 1 && strides_[i] != expected) return false;
    expected *= shape_[i];
  }
  return true;
}

Tensor transpose(const Tensor& x, const Dims& permutation) {
  check(permutation.size() == x.ndim(), "transpose: axes ", permutation,
        " do not name each of the ", x.ndim(), " axes of shape ", x.shape(), " once");
  Shape shape(x.ndim());
  Strides strides(x.ndim());
  bool seen[kMaxDims] = {};
  for (int i = 0; i < x.ndim(); i++) {
    const int from = normalize_axis(permutation[i], x.ndim(), "transpose");
    check(!seen[from], "transpose: axes ", permutation, " name axis ", from, " twice");
    seen[from] = true;
    shape[i] = x.dim(from);
    strides[i] = x.stride(from);
  }
  return x.view(shape, strides, x.offset());
}

Tensor broadcast_to(const Tensor& x, const Shape& shape, const char* op) {
  check(shape.size() >= x.ndim(), op, ": shape ", x.shape(), " cannot be broadcast to ", shape);
  Strides strides(shape.size(), 0);
  const int lead = shape.size() - x.ndim();
  for (int i = 0; i < x.ndim(); i++) {
    check(x.dim(i) == shape[lead + i] || x.dim(i) == 1, op, ": shape ", x.shape(),
          " cannot be broadcast to ", shape, ": axis ", i, " has size ", x.dim(i), ", needed ",
          shape[lead + i], " or 1");
    strides[lead + i] = x.dim(i) == 1 ? 0 : x.stride(i);
  }
  return x.view(shape, strides, x.offset());
}

Tensor slice(const Tensor& x, int axis, int64_t start, int64_t length, int64_t step) {
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape[axis] = length;
  strides[axis] *= step;
  // An empty slice may start one past the end; its offset is never read.
  return x.view(shape, strides, length > 0 ? x.offset() + start * x.stride(axis) : x.offset());
}

Tensor try_reshape(const Tensor& x, const Shape& shape) {
  if (x.is_contiguous()) return x.view(shape, row_major_strides(shape), x.offset());
  // Walk both shapes from the right. Each group of new axes must lie in a run of old axes that
  // step through memory evenly.
  Strides strides(shape.size());
  int old_axis = x.ndim() - 1, new_axis = shape.size() - 1;
  while (old_axis >= 0) {
    if (x.dim(old_axis) == 1) {
      old_axis--;
      continue;
    }
    int64_t run = x.dim(old_axis);
    const int64_t step = x.stride(old_axis);
    while (old_axis > 0 && (x.dim(old_axis - 1) == 1 || x.stride(old_axis - 1) == run * step)) {
      old_axis--;
      run *= x.dim(old_axis);
    }
    old_axis--;
    int64_t covered = 1;
    while (new_axis >= 0 && covered < run) {
      strides[new_axis] = step * covered;
      covered *= shape[new_axis--];
    }
    if (covered != run) return Tensor();
  }
  for (; new_axis >= 0; new_axis--) strides[new_axis] = 1;  // leading axes of length 1
  return x.view(shape, strides, x.offset());
}

}  // namespace weft
