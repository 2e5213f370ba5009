// Temporary memory of a kernel: taken from a per-thread stack, aligned, freed at scope end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft {

void* scratch_acquire(size_t bytes);
void scratch_release(void* data) noexcept;  // in reverse order of acquiring, per thread

template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : data_(static_cast<T*>(scratch_acquire(static_cast<size_t>(count) * sizeof(T)))) {}
  ~Scratch() { scratch_release(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* get() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  T* data_;
};

}  // namespace weft
