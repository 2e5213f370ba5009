// Shapes, strides and indices: a short list of int64 that lives on the stack.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iosfwd>

#include "core/check.h"

namespace weft {

inline constexpr int kMaxDims = 16;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) {
    for (int64_t v : values) push_back(v);
  }
  explicit Dims(int size, int64_t fill = 0) : size_(size) {
    for (int i = 0; i < size; i++) values_[i] = fill;
  }
  // Copies only what is used: Dims are passed by value on the hot path.
  Dims(const Dims& other) : size_(other.size_) {
    for (int i = 0; i < size_; i++) values_[i] = other.values_[i];
  }
  Dims& operator=(const Dims& other) {
    size_ = other.size_;
    for (int i = 0; i < size_; i++) values_[i] = other.values_[i];
    return *this;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }

  void push_back(int64_t v) {
    check(size_ < kMaxDims, "a tensor has at most ", kMaxDims, " axes");
    values_[size_++] = v;
  }
  void erase(int at) {
    for (int i = at; i + 1 < size_; i++) values_[i] = values_[i + 1];
    size_--;
  }
  void insert(int at, int64_t v) {
    push_back(v);
    for (int i = size_ - 1; i > at; i--) values_[i] = values_[i - 1];
    values_[at] = v;
  }

  friend bool operator==(const Dims& a, const Dims& b) {
    if (a.size_ != b.size_) return false;
    for (int i = 0; i < a.size_; i++)
      if (a.values_[i] != b.values_[i]) return false;
    return true;
  }

 private:
  int64_t values_[kMaxDims];
  int size_ = 0;
};

using Shape = Dims;
using Strides = Dims;  // counted in elements, not bytes

int64_t num_elements(const Shape& shape);  // ValueError when the product overflows
Strides row_major_strides(const Shape& shape);
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op);
int normalize_axis(int64_t axis, int ndim, const char* op);     // accepts negative; IndexError
std::ostream& operator<<(std::ostream& out, const Dims& dims);  // (2, 3), (4,), ()

}  // namespace weft
