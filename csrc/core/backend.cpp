#include "core/backend.h"

#include <atomic>
#include <cstring>

#include "core/check.h"
#include "core/pinned_memory.h"

namespace weft {
namespace {

Backend*& slot(DeviceType type) {
  static Backend* backends[kNumDeviceTypes] = {};
  return backends[static_cast<int>(type)];
}

std::atomic<int64_t> read_back{0};

}  // namespace

int64_t values_read_back() { return read_back.load(std::memory_order_relaxed); }

void register_backend(DeviceType type, Backend* backend) { slot(type) = backend; }

Backend* find_backend(DeviceType type) { return slot(type); }

Backend& backend_of(Device device) {
  Backend* backend = find_backend(device.type);
  if (backend == nullptr)
    fail(ErrorKind::value, "device '", device, "' is not in this build of weft",
         device.type == DeviceType::cuda
             ? "; build it where nvcc is installed (WEFT_CUDA=ON), or use 'sim' or 'cpu'"
             : "");
  const int count = backend->device_count();
  if (count == 0)
    fail(ErrorKind::value, "device '", device, "' cannot be used: ", backend->why_unavailable(),
         "; 'python -m weft doctor' explains what to do");
  check(device.index < count, "device '", device, "': there ", count == 1 ? "is " : "are ", count,
        count == 1 ? " such device" : " such devices", ", numbered from 0");
  return *backend;
}

void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t bytes) {
  if (bytes == 0) return;
  const bool to_cpu = to_device.type == DeviceType::cpu;
  const bool from_cpu = from_device.type == DeviceType::cpu;
  if (to_cpu && from_cpu) {
    std::memcpy(to, from, bytes);
  } else if (to_cpu) {
    read_back.fetch_add(1, std::memory_order_relaxed);
    Backend& backend = backend_of(from_device);
    backend.copy_to_host(from_device.index, to, from, bytes);
    backend.synchronize_stream(from_device.index, backend.current_stream(from_device.index));
  } else if (from_cpu) {
    pinned_memory(to_device.type).upload(to_device, to, from, bytes);
  } else {
    check(to_device.type == from_device.type, "copies between '", from_device, "' and '", to_device,
          "' go through the CPU: use .to('cpu') first");
    Backend& backend = backend_of(to_device);
    if (to_device.index == from_device.index)
      backend.copy_on_device(to_device.index, to, from, bytes);
    else
      backend.copy_to_peer(to_device.index, to, from_device.index, from, bytes);
  }
}

}  // namespace weft
