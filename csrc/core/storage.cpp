#include "core/storage.h"

#include "core/allocator.h"

namespace weft {

Storage::Storage(Device device, size_t bytes) : bytes_(bytes), device_(device) {
  if (device.type != DeviceType::meta) data_ = allocate(device, bytes);
}

Storage::Storage(Device device, void* data, size_t bytes, bool writable,
                 std::function<void()> release)
    : data_(data),
      bytes_(bytes),
      device_(device),
      writable_(writable),
      release_(std::move(release)) {}

Storage::~Storage() {
  if (release_)
    release_();
  else if (device_.type != DeviceType::meta)
    deallocate(device_, data_, bytes_);
}

}  // namespace weft
