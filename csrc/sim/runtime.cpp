// Devices, memory, copies, errors and launches of the simulated runtime.
#include "sim/runtime.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "sim/device_memory.h"
#include "sim/fault.h"
#include "sim/launch.h"
#include "sim/stream.h"

namespace weft::simulator {
namespace {

constexpr size_t kSharedWithoutOptIn = 48 * 1024;
constexpr int kMultiprocessors = 4;  // few, so that grids sized by it exercise their loops

constexpr int kRuntimeVersion = 13000;

// WEFT_SIM_DRIVER=0 plays a machine without a driver, 12040 one whose driver is too old.
int driver_version() {
  static const int version = [] {
    const char* text = std::getenv("WEFT_SIM_DRIVER");
    return text == nullptr || *text == '\0' ? kRuntimeVersion : std::atoi(text);
  }();
  return version;
}

thread_local int device_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;

std::mutex function_mutex;
std::map<const void*, size_t> shared_limits;  // cudaFuncAttributeMaxDynamicSharedMemorySize

size_t shared_limit(const void* function) {
  std::lock_guard lock(function_mutex);
  const auto entry = shared_limits.find(function);
  return entry == shared_limits.end() ? kSharedWithoutOptIn : entry->second;
}

// The kind must agree with where the pointers lead, as far as the registry knows.
bool kind_agrees(cudaMemcpyKind kind, const void* to, const void* from) {
  Allocation found;
  const bool to_device = find_allocation(to, found) && !found.host;
  const bool from_device = find_allocation(from, found) && !found.host;
  switch (kind) {
    case cudaMemcpyHostToHost: return !to_device && !from_device;
    case cudaMemcpyHostToDevice: return to_device && !from_device;
    case cudaMemcpyDeviceToHost: return !to_device && from_device;
    case cudaMemcpyDeviceToDevice: return to_device && from_device;
    case cudaMemcpyDefault: return true;
  }
  return false;
}

bool fits(const void* pointer, size_t bytes) {
  Allocation found;
  if (bytes == 0 || !find_allocation(pointer, found)) return true;
  return reinterpret_cast<uintptr_t>(pointer) - found.begin + bytes <= found.bytes;
}

void tell_observer_of_copy(void* to, const void* from, size_t bytes) {
  Observer* watching = observer();
  if (watching == nullptr) return;
  Allocation found;
  const bool to_device = find_allocation(to, found), from_device = find_allocation(from, found);
  if (to_device && from_device)
    watching->device_copied(to, from, bytes);
  else if (to_device)
    watching->host_wrote(to, bytes);
  else if (from_device)
    watching->host_read(from, bytes);
}

void copy_now(void* to, const void* from, size_t bytes) {
  tell_observer_of_copy(to, from, bytes);
  std::memmove(to, from, bytes);
}

}  // namespace

int current_device() { return device_of_thread; }

cudaError_t report(cudaError_t error) {
  if (const int fault = fault_code()) error = static_cast<cudaError_t>(fault);
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

cudaError_t launch_kernel(const KernelLaunch& launch) {
  const int configuration = check_configuration(launch.grid, launch.block, launch.shared_bytes,
                                                shared_limit(launch.function));
  if (configuration != cudaSuccess) return report(static_cast<cudaError_t>(configuration));
  LaunchInfo info{launch.function,
                  launch.grid,
                  launch.block,
                  launch.shared_bytes,
                  launch.arguments,
                  launch.argument_bytes,
                  0};
  cudaError_t error;
  if (launch.stream == nullptr || launch.stream->capture == nullptr) {
    error = enqueue(launch.stream, [&] { run_launch(info, launch.invoke); });
  } else {
    std::shared_ptr<void> arguments(launch.copy_arguments(launch.arguments), launch.free_arguments);
    error = enqueue(launch.stream, [info, arguments, invoke = launch.invoke]() mutable {
      info.parameters = arguments.get();
      run_launch(info, invoke);
    });
  }
  // Not through report(): what this very launch did wrong shows in the next call, as with a device
  // that runs beside the host.
  if (error != cudaSuccess) last_error = error;
  return error;
}

namespace cuda {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (driver_version() < kRuntimeVersion) return report(cudaErrorInsufficientDriver);
  *count = device_count();
  return report(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= device_count()) return report(cudaErrorInvalidDevice);
  device_of_thread = device;
  return report(cudaSuccess);
}
cudaError_t cudaGetDevice(int* device) {
  *device = device_of_thread;
  return report(cudaSuccess);
}
cudaError_t cudaSetDeviceFlags(unsigned) { return report(cudaSuccess); }

cudaError_t cudaDeviceReset() {
  clear_fault();
  last_error = cudaSuccess;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return report(forbid_while_capturing()); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= device_count()) return report(cudaErrorInvalidDevice);
  *properties = cudaDeviceProp{};
  std::snprintf(properties->name, sizeof properties->name, "weft simulated device");
  properties->uuid.bytes[0] = static_cast<char>(device);
  properties->totalGlobalMem = device_memory_limit();
  properties->sharedMemPerBlock = kSharedWithoutOptIn;
  properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
  properties->warpSize = kWarpLanes;
  properties->maxThreadsPerBlock = kMaxBlockThreads;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = 0x7fffffff;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->major = 9;
  properties->minor = 0;
  properties->multiProcessorCount = kMultiprocessors;
  properties->l2CacheSize = 50 << 20;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->sharedMemPerMultiprocessor = 228 * 1024;
  properties->sharedMemPerBlockOptin = kMaxSharedBytes;
  properties->memoryBusWidth = 5120;
  properties->canMapHostMemory = properties->unifiedAddressing = 1;
  properties->concurrentKernels = 1;
  properties->asyncEngineCount = 3;
  properties->pciDeviceID = device;
  return report(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device)) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = properties.maxThreadsPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = kSharedWithoutOptIn; break;
    case cudaDevAttrWarpSize: *value = kWarpLanes; break;
    case cudaDevAttrMaxRegistersPerBlock: *value = properties.regsPerBlock; break;
    case cudaDevAttrClockRate: *value = 1'000'000; break;
    case cudaDevAttrMultiProcessorCount: *value = kMultiprocessors; break;
    case cudaDevAttrUnifiedAddressing: *value = 1; break;
    case cudaDevAttrL2CacheSize: *value = properties.l2CacheSize; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrComputeCapabilityMajor: *value = properties.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = properties.minor; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = 228 * 1024; break;
    case cudaDevAttrCooperativeLaunch: *value = 0; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kMaxSharedBytes; break;
    case cudaDevAttrCanMapHostMemory: *value = 1; break;
    case cudaDevAttrMemoryPoolsSupported: *value = 0; break;
    default: return report(cudaErrorInvalidValue);
  }
  return report(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return report(cudaSuccess);
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kRuntimeVersion;
  return report(cudaSuccess);
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  *can = device != peer;
  return report(cudaSuccess);
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  return report(peer >= 0 && peer < device_count() ? cudaSuccess : cudaErrorInvalidDevice);
}
cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  return report(peer >= 0 && peer < device_count() ? cudaSuccess : cudaErrorInvalidDevice);
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  std::snprintf(text, static_cast<size_t>(length), "0000:00:%02x.0", device);
  return report(cudaSuccess);
}

cudaError_t cudaGetLastError() {
  if (const int fault = fault_code()) return static_cast<cudaError_t>(fault);
  return std::exchange(last_error, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
  if (const int fault = fault_code()) return static_cast<cudaError_t>(fault);
  return last_error;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  *pointer = nullptr;
  if (const cudaError_t error = report(forbid_while_capturing())) return error;
  if (bytes == 0) return cudaSuccess;
  *pointer = allocate_device_memory(bytes, device_of_thread);
  return report(*pointer != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}
// A fault does not keep memory from being freed: the device will be used again.
cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return report(cudaSuccess);
  if (const cudaError_t error = forbid_while_capturing()) return report(error);
  return report(free_device_memory(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t) {
  return cudaMalloc(pointer, bytes);
}
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) { return cudaFree(pointer); }

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  *pointer = nullptr;
  if (const cudaError_t error = report(forbid_while_capturing())) return error;
  if (bytes == 0) return cudaSuccess;
  *pointer = allocate_host_memory(bytes);
  return report(*pointer != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}
cudaError_t cudaFreeHost(void* pointer) {
  if (pointer == nullptr) return report(cudaSuccess);
  return report(free_host_memory(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned) {
  return report(register_host_memory(pointer, bytes) ? cudaSuccess
                                                     : cudaErrorHostMemoryAlreadyRegistered);
}
cudaError_t cudaHostUnregister(void* pointer) {
  return report(unregister_host_memory(pointer) ? cudaSuccess : cudaErrorHostMemoryNotRegistered);
}
cudaError_t cudaHostGetDevicePointer(void** device_pointer, void* host_pointer, unsigned) {
  Allocation found;
  *device_pointer = nullptr;
  if (!find_allocation(host_pointer, found) || !found.host) return report(cudaErrorInvalidValue);
  *device_pointer = host_pointer;
  return report(cudaSuccess);
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  Allocation found;
  void* const address = const_cast<void*>(pointer);
  if (!find_allocation(pointer, found))
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, address};
  else if (found.host)
    *attributes = {cudaMemoryTypeHost, found.device, address, address};
  else
    *attributes = {cudaMemoryTypeDevice, found.device, address, nullptr};
  return report(cudaSuccess);
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const size_t used = device_memory_used(device_of_thread);
  *total_bytes = device_memory_limit();
  *free_bytes = used < *total_bytes ? *total_bytes - used : 0;
  return report(cudaSuccess);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (!fits(to, bytes) || !fits(from, bytes)) return report(cudaErrorInvalidValue);
  if (bytes != 0 && !kind_agrees(kind, to, from)) return report(cudaErrorInvalidValue);
  return report(enqueue(stream, [=] { copy_now(to, from, bytes); }));
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return report(cudaErrorInvalidPitchValue);
  if (width * height != 0 && !kind_agrees(kind, to, from)) return report(cudaErrorInvalidValue);
  return report(enqueue(stream, [=] {
    for (size_t row = 0; row < height; row++)
      copy_now(static_cast<char*>(to) + row * to_pitch,
               static_cast<const char*>(from) + row * from_pitch, width);
  }));
}
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device,
                                size_t bytes, cudaStream_t stream) {
  if (std::min(to_device, from_device) < 0 || std::max(to_device, from_device) >= device_count())
    return report(cudaErrorInvalidDevice);
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}
cudaError_t cudaMemcpyPeer(void* to, int to_device, const void* from, int from_device,
                           size_t bytes) {
  return cudaMemcpyPeerAsync(to, to_device, from, from_device, bytes, nullptr);
}
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  if (!fits(pointer, bytes)) return report(cudaErrorInvalidValue);
  return report(enqueue(stream, [=] {
    if (Observer* watching = observer()) watching->host_wrote(pointer, bytes);
    std::memset(pointer, value, bytes);
  }));
}
cudaError_t cudaMemset(void* pointer, int value, size_t bytes) {
  return cudaMemsetAsync(pointer, value, bytes, nullptr);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || static_cast<size_t>(value) > kMaxSharedBytes)
      return report(cudaErrorInvalidValue);
    std::lock_guard lock(function_mutex);
    shared_limits[function] = static_cast<size_t>(value);
  }
  return report(cudaSuccess);
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  *attributes = cudaFuncAttributes{};
  attributes->maxThreadsPerBlock = kMaxBlockThreads;
  attributes->binaryVersion = attributes->ptxVersion = 90;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(shared_limit(function));
  return report(cudaSuccess);
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*,
                                                          int block_threads, size_t shared_bytes) {
  if (block_threads <= 0) return report(cudaErrorInvalidValue);
  const size_t by_shared = shared_bytes == 0 ? 32 : kMaxSharedBytes / shared_bytes;
  *blocks = static_cast<int>(std::min<size_t>({32, by_shared, size_t{2048} / block_threads}));
  return report(cudaSuccess);
}

}  // namespace cuda
}  // namespace weft::simulator
