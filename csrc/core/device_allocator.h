// What the allocator of a GPU's memory tells, and is told, besides what every allocator does.
#pragma once

#include <string>

#include "core/check.h"
#include "core/device.h"

namespace weft {

class OutOfMemory : public Error {
 public:
  OutOfMemory(Device device, const std::string& message)
      : Error(ErrorKind::memory, message), device_(device) {}
  Device device() const { return device_; }

 private:
  Device device_;
};

std::string size_text(int64_t bytes);  // "3.5 MiB"

// Work on `stream` uses the memory that starts at `data`: if it was allocated on another stream, it
// is handed out again only behind that work. Memory that is not weft's own is left alone.
void note_use(Device device, void* data, int stream);

}  // namespace weft
