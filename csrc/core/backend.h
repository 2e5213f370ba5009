// What core asks of a device that has memory and a queue of its own.
//
// Written once over the CUDA runtime API (csrc/cuda/backend.cu) and compiled twice: for `cuda`, and
// for `sim`, where that API is simulated on the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/device.h"

namespace weft {

struct DeviceMemory {
  size_t free = 0, total = 0;  // bytes
};

// Work is queued per device and runs in order; errors of queued work come out of the next call that
// waits for it.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual int device_count() = 0;
  virtual std::string why_unavailable() = 0;  // empty when there are devices
  virtual std::string device_name(int index) = 0;
  virtual DeviceMemory memory(int index) = 0;

  virtual void* allocate(int index, size_t bytes) = 0;  // null when the device refuses
  virtual void free(int index, void* data) noexcept = 0;
  // Blocks the caching allocator hands out of what it got; a checker wants their exact bounds.
  virtual void block_taken(void*, size_t) {}
  virtual void block_returned(void*) noexcept {}

  // Queued behind all work so far. When one side is the CPU the call returns after the bytes have
  // arrived, and so raises what went wrong before.
  virtual void copy(void* to, Device to_device, const void* from, Device from_device,
                    size_t bytes) = 0;
  virtual void synchronize(int index) = 0;

  // Kernels launched next by this thread go to the device.
  virtual void activate(int index) = 0;
};

void register_backend(DeviceType type, Backend* backend);
Backend* find_backend(DeviceType type);  // null when this build has none
Backend& backend_of(Device device);      // RuntimeError that says what is missing

// Copies between any two devices, also from and to the CPU.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t bytes);

}  // namespace weft
