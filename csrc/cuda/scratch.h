// Temporary device memory of a launcher, from the caching allocator. It may be given back as soon
// as the kernels that use it are queued: whoever gets it next is queued behind them. While a graph
// is recorded it comes from the graph's own.
#pragma once

#include "core/allocator.h"
#include "core/kept_scratch.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {

inline Device this_device() {
  return {DeviceType::WEFT_GPU_DEVICE, static_cast<int8_t>(current_device())};
}

template <class T>
class DeviceScratch {
 public:
  explicit DeviceScratch(int64_t count)
      : device_(this_device()),
        bytes_(static_cast<size_t>(count) * sizeof(T)),
        kept_(KeptScratch::current()),
        data_(static_cast<T*>(kept_ ? kept_->take(bytes_) : allocate(device_, bytes_))) {}
  ~DeviceScratch() {
    if (!kept_) deallocate(device_, data_, bytes_);
  }
  DeviceScratch(const DeviceScratch&) = delete;
  DeviceScratch& operator=(const DeviceScratch&) = delete;

  T* get() const { return data_; }  // memory that kernels may use, not the host

 private:
  Device device_;
  size_t bytes_;
  KeptScratch* kept_;
  T* data_;
};

}  // namespace weft::WEFT_GPU
