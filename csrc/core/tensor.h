// A strided view of a storage: shape, strides, offset, dtype. Copying a Tensor copies the view.
#pragma once

#include <cstdint>

#include "core/device.h"
#include "core/dims.h"
#include "core/dtype.h"
#include "core/storage.h"

namespace weft {

class Tensor {
 public:
  Tensor() = default;  // undefined: an absent optional operand
  Tensor(StoragePtr storage, DType dtype, const Shape& shape, const Strides& strides,
         int64_t offset)
      : storage_(std::move(storage)),
        shape_(shape),
        strides_(strides),
        offset_(offset),
        dtype_(dtype) {}

  // Uninitialised memory in row-major order. On `meta` no memory is taken.
  static Tensor empty(const Shape& shape, DType dtype, Device device = {});
  // Another view of the same storage; `offset` counts from the start of the storage.
  Tensor view(const Shape& shape, const Strides& strides, int64_t offset) const {
    return Tensor(storage_, dtype_, shape, strides, offset);
  }

  bool defined() const { return static_cast<bool>(storage_); }
  const Shape& shape() const { return shape_; }
  const Strides& strides() const { return strides_; }
  int64_t offset() const { return offset_; }
  int ndim() const { return shape_.size(); }
  int64_t dim(int axis) const { return shape_[axis < 0 ? axis + ndim() : axis]; }
  int64_t stride(int axis) const { return strides_[axis < 0 ? axis + ndim() : axis]; }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape_) n *= d;
    return n;
  }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }
  bool is_meta() const { return device().type == DeviceType::meta; }
  const StoragePtr& storage() const { return storage_; }
  bool is_contiguous() const;  // row-major without gaps; axes of length 1 do not matter

  void* data() const {
    return static_cast<char*>(storage_->data()) + offset_ * static_cast<int64_t>(itemsize(dtype_));
  }
  template <class T>
  T* data_as() const {
    return static_cast<T*>(data());
  }

 private:
  StoragePtr storage_;
  Shape shape_;
  Strides strides_;
  int64_t offset_ = 0;
  DType dtype_ = DType::float32;
};

// Views (no copies). Every one shares the storage and the version counter.
Tensor transpose(const Tensor& x, const Dims& permutation);
Tensor broadcast_to(const Tensor& x, const Shape& shape, const char* op = "broadcast_to");
Tensor slice(const Tensor& x, int axis, int64_t start, int64_t length, int64_t step);
// A view of the new shape when the strides allow it, else an undefined tensor.
Tensor try_reshape(const Tensor& x, const Shape& shape);

}  // namespace weft
