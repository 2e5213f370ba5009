// Memory, copies and queues of the GPUs, over the CUDA runtime API: the real one, or sim's.
#include <array>
#include <memory>
#include <mutex>

#include "core/backend.h"
#include "core/check.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

constexpr DeviceType kType = DeviceType::WEFT_GPU_DEVICE;

[[noreturn]] void fail_with(cudaError_t error, const char* doing) {
  const char* hint = "";
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
      hint =
          "; a kernel of this process failed earlier: on a GPU its context is lost, so save "
          "what is on the CPU and start again";
      break;
    case cudaErrorInsufficientDriver:
      hint = "; the driver is too old for this build: install NVIDIA driver 580 or later";
      break;
    default: break;
  }
  fail(ErrorKind::runtime, to_string({kType, 0}), ": ", doing, ": ", cudaGetErrorString(error),
       hint);
}

void require(cudaError_t error, const char* doing) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // the error is reported here, once
  fail_with(error, doing);
}

// What one device needs besides its memory; made when it is first used.
struct Queue {
  cudaStream_t compute = nullptr;
  ErrorNote* note = nullptr;            // the host's address
  ErrorNote* note_on_device = nullptr;  // the same memory
};

class CudaBackend final : public Backend {
 public:
  int device_count() override {
    probe();
    return count_;
  }
  std::string why_unavailable() override {
    probe();
    return why_;
  }
  std::string device_name(int index) override {
    cudaDeviceProp properties;
    require(cudaGetDeviceProperties(&properties, index), "reading the properties of the device");
    return properties.name;
  }
  DeviceMemory memory(int index) override {
    activate(index);
    DeviceMemory memory;
    require(cudaMemGetInfo(&memory.free, &memory.total), "reading how much memory is free");
    return memory;
  }

  void* allocate(int index, size_t bytes) override {
    activate(index);
    void* data = nullptr;
    const cudaError_t error = cudaMalloc(&data, bytes);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    require(error, "allocating memory");
    return data;
  }
  // A failed device or one that is shutting down has nothing left to give back.
  void free(int index, void* data) noexcept override {
    if (cudaSetDevice(index) == cudaSuccess) cudaFree(data);
    cudaGetLastError();
    current_ = -1;
  }

  void copy(void* to, Device to_device, const void* from, Device from_device,
            size_t bytes) override {
    const bool to_host = !is_gpu(to_device), from_host = !is_gpu(from_device);
    activate(to_host ? from_device.index : to_device.index);
    const cudaStream_t queue = this->queue(current_).compute;
    if (!to_host && !from_host && to_device.index != from_device.index) {
      require(cudaStreamSynchronize(this->queue(from_device.index).compute), "copying");
      require(cudaMemcpyPeerAsync(to, to_device.index, from, from_device.index, bytes, queue),
              "copying between devices");
      return;
    }
    const cudaMemcpyKind kind = to_host     ? cudaMemcpyDeviceToHost
                                : from_host ? cudaMemcpyHostToDevice
                                            : cudaMemcpyDeviceToDevice;
    require(cudaMemcpyAsync(to, from, bytes, kind, queue), "copying");
    if (to_host) synchronize(from_device.index);
  }

  void synchronize(int index) override {
    activate(index);
    Queue& queue = this->queue(index);
    require(cudaStreamSynchronize(queue.compute), "waiting for kernels");
    raise_note(queue);
  }

  void activate(int index) override {
    if (current_ == index) return;
    require(cudaSetDevice(index), "choosing the device");
    current_ = index;
  }

  int current() const { return current_ < 0 ? 0 : current_; }
  Queue& queue(int index) {
    Queue& queue = queues_[static_cast<size_t>(index)];
    std::call_once(made_[static_cast<size_t>(index)], [&] {
      activate(index);
      require(cudaStreamCreateWithFlags(&queue.compute, cudaStreamNonBlocking),
              "creating a stream");
      void *host = nullptr, *device = nullptr;
      require(cudaHostAlloc(&host, sizeof(ErrorNote), cudaHostAllocMapped), "pinning host memory");
      require(cudaHostGetDevicePointer(&device, host, 0), "mapping host memory");
      queue.note = static_cast<ErrorNote*>(host);
      queue.note_on_device = static_cast<ErrorNote*>(device);
      *queue.note = {};
    });
    return queue;
  }

 private:
  void probe() {
    std::call_once(probed_, [this] {
      const cudaError_t error = cudaGetDeviceCount(&count_);
      if (error == cudaSuccess && count_ > 0) return;
      count_ = 0;
      why_ = error == cudaErrorInsufficientDriver
                 ? "no NVIDIA driver is loaded, or it is older than 580, which CUDA 13 needs"
             : error == cudaErrorNoDevice || error == cudaSuccess ? "there is no NVIDIA GPU"
                                                                  : cudaGetErrorString(error);
      cudaGetLastError();
    });
  }

  static void raise_note(Queue& queue) {
    const ErrorNote note = *queue.note;
    if (note.kind == ErrorNote::none) return;
    *queue.note = {};
    if (note.kind == ErrorNote::index)
      fail(ErrorKind::index, "index ", note.value, " is out of range for ",
           note.axis < 0 ? "an axis" : "axis " + std::to_string(note.axis), " with size ",
           note.limit, " (an earlier operation on this device; the values it made are not valid)");
    fail(ErrorKind::value, "label ", note.value, " is not the number of a class: with ", note.limit,
         " classes labels are integers from 0 to ", note.limit - 1,
         " (an earlier operation on this device; the values it made are not valid)");
  }

  std::once_flag probed_;
  int count_ = 0;
  std::string why_;
  std::array<Queue, kMaxDevices> queues_;
  std::array<std::once_flag, kMaxDevices> made_;
  static thread_local int current_;
};
thread_local int CudaBackend::current_ = -1;

// Never destroyed: tensors held by Python may be freed after C++ statics are gone.
CudaBackend& backend() {
  static auto* made = new CudaBackend;
  return *made;
}

const bool registered = [] {
  register_backend(kType, &backend());
  return true;
}();

}  // namespace

int current_device() { return backend().current(); }
cudaStream_t stream() { return backend().queue(current_device()).compute; }
ErrorNote* error_note() { return backend().queue(current_device()).note_on_device; }

}  // namespace weft::WEFT_GPU
