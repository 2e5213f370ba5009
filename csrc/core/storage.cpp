#include "core/storage.h"

#include "core/allocator.h"
#include "core/recorder.h"
#include "core/recording.h"

namespace weft {

Storage::Storage(Device device, size_t bytes) : bytes_(bytes), device_(device) {
  if (device.type != DeviceType::meta) data_ = allocate(device, bytes);
  if (is_recording()) [[unlikely]]
    Recorder::current()->created(this, false);
}

Storage::Storage(Device device, void* data, size_t bytes, bool writable,
                 std::function<void()> release)
    : data_(data),
      bytes_(bytes),
      device_(device),
      writable_(writable),
      release_(std::move(release)) {
  if (is_recording()) [[unlikely]]
    Recorder::current()->created(this, true);
}

Storage::~Storage() {
  if (release_)
    release_();
  else if (device_.type != DeviceType::meta)
    deallocate(device_, data_, bytes_);
}

void Storage::borrow(const StoragePtr& lender, void* data) {
  const char* end = static_cast<const char*>(lender->data()) + lender->bytes();
  data_ = data;
  bytes_ = static_cast<size_t>(end - static_cast<const char*>(data));
  writable_ = lender->writable();
  release_ = [lender] {};
}

}  // namespace weft
