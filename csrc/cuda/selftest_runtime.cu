// Self-tests of the runtime API: streams, events, graphs, pinned memory, errors. Faults of kernels
// are for the simulated device only: on a GPU they end the process's context.
#include "core/backend.h"
#include "cuda/selftest_support.h"
#include "cuda/stream.h"
#include "cuda/target.h"

#ifndef __CUDACC__
#include "sim/device_memory.h"
#include "sim/fault.h"
#endif

namespace weft::WEFT_GPU {
namespace {

__global__ void scale_and_add(int n, float factor, float term, float* x) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] = x[i] * factor + term;
}

void enqueue_scale(cudaStream_t stream, int n, float factor, float term, float* x) {
  gpu::launch(scale_and_add, dim3((n + 127) / 128), dim3(128), 0, stream, n, factor, term, x);
}

class StreamGuard {
 public:
  StreamGuard() { require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream"); }
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;
  ~StreamGuard() { cudaStreamDestroy(stream_); }
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

double wrong_values(const DeviceBuffer<float>& x, float expected) {
  double wrong = 0;
  for (const float value : x.host()) wrong += value != expected;
  return wrong;
}

WEFT_SELFTEST(streams_and_events, 80, 0) {
  constexpr int n = 1000;
  StreamGuard first, second;
  DeviceBuffer<float> x(std::vector<float>(n, 1.0f));
  cudaEvent_t begin, end;
  require(cudaEventCreate(&begin), "event");
  require(cudaEventCreate(&end), "event");
  require(cudaEventRecord(begin, first.get()), "record");
  enqueue_scale(first.get(), n, 2.0f, 1.0f, x.data());
  require(cudaEventRecord(end, first.get()), "record");
  require(cudaStreamWaitEvent(second.get(), end, 0), "wait");
  enqueue_scale(second.get(), n, 10.0f, 0.0f, x.data());
  require(cudaStreamSynchronize(second.get()), "synchronise");
  require(cudaEventSynchronize(end), "synchronise");
  float milliseconds = -1;
  require(cudaEventElapsedTime(&milliseconds, begin, end), "elapsed time");
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return wrong_values(x, 30.0f) + (milliseconds < 0);
}

// Two streams, forked and joined by events, recorded once and replayed twice.
WEFT_SELFTEST(graph_replay, 80, 0) {
  constexpr int n = 500;
  StreamGuard main, side;
  DeviceBuffer<float> x(std::vector<float>(n, 1.0f)), y(std::vector<float>(n, 3.0f));
  cudaEvent_t fork, join;
  require(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming), "event");
  require(cudaEventCreateWithFlags(&join, cudaEventDisableTiming), "event");
  require(cudaStreamBeginCapture(main.get(), cudaStreamCaptureModeThreadLocal), "begin");
  enqueue_scale(main.get(), n, 2.0f, 1.0f, x.data());
  require(cudaEventRecord(fork, main.get()), "record");
  require(cudaStreamWaitEvent(side.get(), fork, 0), "wait");
  enqueue_scale(side.get(), n, 3.0f, 0.0f, y.data());
  require(cudaEventRecord(join, side.get()), "record");
  require(cudaStreamWaitEvent(main.get(), join, 0), "wait");
  require(cudaMemcpyAsync(x.data(), y.data(), n / 2 * sizeof(float), cudaMemcpyDeviceToDevice,
                          main.get()),
          "copy");
  cudaGraph_t graph;
  require(cudaStreamEndCapture(main.get(), &graph), "end");
  double wrong = wrong_values(x, 1.0f);  // recorded, not run
  cudaGraphExec_t executable;
  require(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
  require(cudaGraphDestroy(graph), "destroy");
  for (int i = 0; i < 2; i++) require(cudaGraphLaunch(executable, main.get()), "launch");
  require(cudaStreamSynchronize(main.get()), "synchronise");
  require(cudaGraphExecDestroy(executable), "destroy");
  cudaEventDestroy(fork);
  cudaEventDestroy(join);
  const std::vector<float> result = x.host();
  for (int i = 0; i < n; i++) wrong += result[i] != (i < n / 2 ? 27.0f : 7.0f);
  return wrong + wrong_values(y, 27.0f);
}

// What must not be done while a stream captures, and what that does to the capture.
WEFT_SELFTEST(errors_while_capturing, 80, 0) {
  StreamGuard stream;
  double wrong = 0;
  for (const bool synchronise : {false, true}) {
    require(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), "begin");
    void* memory = nullptr;
    const cudaError_t error =
        synchronise ? cudaStreamSynchronize(stream.get()) : cudaMalloc(&memory, 64);
    wrong += error != cudaErrorStreamCaptureUnsupported;
    cudaGraph_t graph = nullptr;
    wrong += cudaStreamEndCapture(stream.get(), &graph) != cudaErrorStreamCaptureInvalidated;
    wrong += graph != nullptr;
    cudaGetLastError();
  }
  return wrong + (cudaStreamSynchronize(stream.get()) != cudaSuccess);
}

WEFT_SELFTEST(mapped_host_memory, 80, 0) {
  constexpr int n = 300;
  float* host = nullptr;
  require(cudaHostAlloc(reinterpret_cast<void**>(&host), n * sizeof(float), cudaHostAllocMapped),
          "pinned memory");
  for (int i = 0; i < n; i++) host[i] = static_cast<float>(i);
  float* device = nullptr;
  require(cudaHostGetDevicePointer(reinterpret_cast<void**>(&device), host, 0), "device pointer");
  enqueue_scale(nullptr, n, 2.0f, 0.5f, device);
  require(cudaDeviceSynchronize(), "synchronise");
  double wrong = 0;
  for (int i = 0; i < n; i++) wrong += host[i] != static_cast<float>(i) * 2.0f + 0.5f;
  require(cudaFreeHost(host), "free");
  return wrong;
}

WEFT_SELFTEST(out_of_memory, 80, 0) {
  size_t free_bytes = 0, total = 0;
  require(cudaMemGetInfo(&free_bytes, &total), "memory");
  void* memory = nullptr;
  double wrong = cudaMalloc(&memory, total + (size_t{1} << 30)) != cudaErrorMemoryAllocation;
  wrong += memory != nullptr;
  wrong += cudaGetLastError() != cudaErrorMemoryAllocation;
  wrong += cudaGetLastError() != cudaSuccess;
  require(cudaMalloc(&memory, 1 << 20), "allocation after a refused one");
  require(cudaFree(memory), "free");
  return wrong;
}

template <class Call>
bool refused(Call call, const char* reason) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(error.what()).find(reason) != std::string::npos;
  }
  return false;
}

WEFT_SELFTEST(bad_configurations, 80, 0) {
  DeviceBuffer<float> x(std::vector<float>(64, 1.0f));
  double wrong = !refused(
      [&] {
        gpu::launch(scale_and_add, dim3(1), dim3(2048), 0, nullptr, 64, 2.0f, 0.0f, x.data());
      },
      "invalid configuration argument");
  wrong += !refused(
      [&] { gpu::launch(scale_and_add, dim3(0), dim3(64), 0, nullptr, 64, 2.0f, 0.0f, x.data()); },
      "scale_and_add");
  wrong += !refused(
      [&] {
        gpu::launch(scale_and_add, dim3(1), dim3(64), 300'000, nullptr, 64, 2.0f, 0.0f, x.data());
      },
      "300000 bytes");
  cudaGetLastError();
  enqueue_scale(nullptr, 64, 2.0f, 0.0f, x.data());
  return wrong + wrong_values(x, 2.0f);
}

#ifndef __CUDACC__

__global__ void divergent_barrier(int* out) {
  if (threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncwarp();
  out[threadIdx.x] = 1;
}
__global__ void misaligned_load(const float* in, float4* out) {
  if (threadIdx.x == 5) out[0] = gpu::load_vec<float4>(in + 1);
}
__global__ void failed_assertion(int* out) {
  if (threadIdx.x == 3) out = nullptr;
  assert(out != nullptr);
}
__global__ void different_intrinsics(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = i < 16 ? __shfl_sync(gpu::kAllLanes, i, 0)
                  : static_cast<int>(__ballot_sync(gpu::kAllLanes, i));
}
__global__ void barrier_without_init(int* out) {
  __shared__ uint64_t barrier;
  barrier = 0;
  ptx::mbarrier_arrive(&barrier);
  out[0] = 1;
}
__global__ void too_many_arrivals(int* out) {
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) ptx::mbarrier_init(&barrier, 60);
  __syncthreads();
  if (threadIdx.x < 59) ptx::mbarrier_arrive(&barrier);
  if (threadIdx.x == 63) ptx::mbarrier_expect_bytes(&barrier, 16);
  __syncthreads();
  if (threadIdx.x < 2) ptx::mbarrier_arrive(&barrier);
  out[0] = 1;
}
__global__ void wait_for_no_copy(int* out) {
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::mbarrier_arrive_expect_bytes(&barrier, 64);
  }
  __syncthreads();
  ptx::mbarrier_wait(&barrier, 0);
  out[0] = 1;
}
__global__ void trapped(int*) { __trap(); }

// The fault is reported by the next call with all of `parts` in its text, stays until it is
// cleared, and leaves the device usable.
template <class... Parameters, class... Arguments>
double check_fault(cudaError_t code, std::vector<const char*> parts, void (*kernel)(Parameters...),
                   Arguments... arguments) {
  gpu::launch(kernel, dim3(3), dim3(64), 0, nullptr, arguments...);
  double wrong = cudaDeviceSynchronize() != code;
  wrong += cudaGetLastError() != code;
  const std::string text = simulator::last_fault();
  for (const char* part : parts) wrong += text.find(part) == std::string::npos;
  simulator::clear_fault();
  cudaGetLastError();
  DeviceBuffer<float> x(std::vector<float>(64, 1.0f));
  enqueue_scale(nullptr, 64, 2.0f, 0.0f, x.data());
  return wrong + wrong_values(x, 2.0f) + !simulator::last_fault().empty();
}

WEFT_SELFTEST(faults, 80, 0) {
  DeviceBuffer<int> out(64);
  DeviceBuffer<float> in(64);
  double wrong = check_fault(cudaErrorLaunchFailure,
                             {"divergent_barrier", "deadlock", "32 threads", "__syncthreads",
                              "__syncwarp", "selftest_runtime.cu:"},
                             divergent_barrier, out.data());
  wrong += check_fault(cudaErrorMisalignedAddress,
                       {"misaligned_load", "thread (5,0,0)", "16-byte", "selftest_runtime.cu:"},
                       misaligned_load, in.data(), reinterpret_cast<float4*>(in.data()));
  wrong += check_fault(cudaErrorAssert, {"failed_assertion", "thread (3,0,0)", "out != nullptr"},
                       failed_assertion, out.data());
  wrong += check_fault(cudaErrorIllegalInstruction, {"__shfl_sync", "__ballot_sync"},
                       different_intrinsics, out.data());
  wrong += check_fault(cudaErrorIllegalInstruction, {"before mbarrier.init"}, barrier_without_init,
                       out.data());
  wrong += check_fault(cudaErrorLaunchFailure, {"more arrivals"}, too_many_arrivals, out.data());
  wrong += check_fault(cudaErrorLaunchFailure, {"deadlock", "64 threads", "an mbarrier"},
                       wait_for_no_copy, out.data());
  return wrong + check_fault(cudaErrorLaunchFailure, {"trapped", "__trap"}, trapped, out.data());
}

// What a call of the backend says, empty if it raises nothing.
template <class Call>
std::string message_of(Call call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// A user sees the fault once, with its place, and then works on with the same device.
WEFT_SELFTEST(faults_are_told_once, 80, 0) {
  Backend& backend = backend_of({DeviceType::WEFT_GPU_DEVICE, 0});
  DeviceBuffer<int> out(64);
  const auto wait = [&] { backend.synchronize(0); };
  gpu::launch(trapped, dim3(3), dim3(64), 0, stream(), out.data());
  const std::string told = message_of(wait);
  double wrong = 0;
  for (const char* part : {"waiting for kernels", "an earlier kernel failed", "trapped", "goes on"})
    wrong += told.find(part) == std::string::npos;
  wrong += !message_of(wait).empty();
  const std::string refused =
      message_of([&] { gpu::launch(trapped, dim3(1), dim3(5000), 0, stream(), out.data()); });
  wrong += refused.find("block (5000, 1, 1)") == std::string::npos;
  cudaGetLastError();
  return wrong + !message_of(wait).empty();
}

__global__ void read_uninitialised(const float* in, float* out) {
  DYN_SMEM(float, shared);
  out[threadIdx.x] = threadIdx.x % 2 == 0 ? in[threadIdx.x] : shared[threadIdx.x];
}

WEFT_SELFTEST(fresh_memory_holds_nans, 80, 0) {
  DeviceBuffer<float> in(64), out(64);
  gpu::launch(read_uninitialised, dim3(1), dim3(64), 256, nullptr, in.data(), out.data());
  double wrong = 0;
  for (const float value : out.host()) wrong += !std::isnan(value);
  return wrong;
}

WEFT_SELFTEST(memory_limit, 80, 0) {
  const size_t limit = simulator::device_memory_limit();
  const size_t used = simulator::device_memory_used(0);
  simulator::set_device_memory_limit(used + 1000);
  void *first = nullptr, *second = nullptr;
  double wrong = cudaMalloc(&first, 600) != cudaSuccess;
  wrong += cudaMalloc(&second, 600) != cudaErrorMemoryAllocation;
  cudaGetLastError();
  wrong += cudaFree(first) != cudaSuccess;
  wrong += cudaMalloc(&second, 600) != cudaSuccess;
  cudaFree(second);
  simulator::set_device_memory_limit(limit);
  return wrong;
}

#endif

}  // namespace
}  // namespace weft::WEFT_GPU
