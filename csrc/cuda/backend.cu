// Memory, copies and streams of the GPUs, over the CUDA runtime API: the real one, or sim's.
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/backend.h"
#include "core/check.h"
#include "cuda/errors.h"
#include "cuda/stream.h"
#if !defined(__CUDACC__)
#include "sim/device_memory.h"
#endif
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

constexpr DeviceType kType = DeviceType::WEFT_GPU_DEVICE;

void require(cudaError_t error, const char* doing) {
  if (error == cudaSuccess) return;
  fail(ErrorKind::runtime, to_string({kType, 0}), ": ", doing, ": ", gpu::explain(error));
}

cudaEvent_t as_event(Backend::Event event) { return static_cast<cudaEvent_t>(event); }

// What one device needs besides its memory; made when it is first used.
struct DeviceState {
  std::array<cudaStream_t, kMaxStreams> streams = {};
  std::atomic<bool> several_streams{false};
  ErrorNote* note = nullptr;            // the host's address
  ErrorNote* note_on_device = nullptr;  // the same memory
  std::mutex mutex;                     // of what follows
  cudaEvent_t between = nullptr;        // for `order`
  int streams_made = kFirstUserStream;
  std::vector<int> streams_given_back;
  std::array<bool, kMaxDevices> peers = {};  // to which access is open, or was tried
};

class CudaBackend final : public Backend {
 public:
  // --- devices -----------------------------------------------------------------------------------

  int device_count() override {
    probe();
    return count_;
  }
  std::string why_unavailable() override {
    probe();
    return why_;
  }
  int driver_version() override {
    int version = 0;
    if (cudaDriverGetVersion(&version) != cudaSuccess) cudaGetLastError();
    return version;
  }
  int runtime_version() override {
    int version = 0;
    if (cudaRuntimeGetVersion(&version) != cudaSuccess) cudaGetLastError();
    return version;
  }
  DeviceFacts facts(int index) override {
    cudaDeviceProp properties;
    char bus_id[32] = "";
    require(cudaGetDeviceProperties(&properties, index), "reading the properties of the device");
    require(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, index), "reading where the device is");
    return {properties.name, bus_id, properties.major, properties.minor,
            properties.multiProcessorCount};
  }
  DeviceMemory memory(int index) override {
    activate(index);
    DeviceMemory memory;
    require(cudaMemGetInfo(&memory.free, &memory.total), "reading how much memory is free");
    return memory;
  }
  bool can_access_peer(int index, int peer) override {
    int can = 0;
    if (index != peer)
      require(cudaDeviceCanAccessPeer(&can, index, peer), "asking for access between devices");
    return can != 0;
  }

  // --- memory ------------------------------------------------------------------------------------

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
#if !defined(__CUDACC__)
  void block_taken(void* data, size_t bytes) override { simulator::block_taken(data, bytes); }
  void block_returned(void* data) noexcept override { simulator::block_returned(data); }
  size_t guard_bytes() override { return simulator::guard_bytes(); }
#endif
  void* allocate_pinned(size_t bytes) override {
    void* data = nullptr;
    const cudaError_t error = cudaHostAlloc(&data, bytes, cudaHostAllocPortable);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    require(error, "pinning host memory");
    return data;
  }
  void free_pinned(void* data) noexcept override {
    cudaFreeHost(data);
    cudaGetLastError();
  }

  // --- copies ------------------------------------------------------------------------------------

  void copy_to_device(int index, void* to, const void* from, size_t bytes) override {
    copy(index, to, from, bytes, cudaMemcpyHostToDevice);
  }
  void copy_to_host(int index, void* to, const void* from, size_t bytes) override {
    copy(index, to, from, bytes, cudaMemcpyDeviceToHost);
  }
  void copy_on_device(int index, void* to, const void* from, size_t bytes) override {
    copy(index, to, from, bytes, cudaMemcpyDeviceToDevice);
  }
  // The streams of both devices wait for each other, so that neither end is written or given to
  // somebody else too early.
  void copy_to_peer(int to_index, void* to, int from_index, const void* from,
                    size_t bytes) override {
    open_peer(to_index, from_index);
    const int to_stream = current_stream(to_index), from_stream = current_stream(from_index);
    order_streams(from_index, stream(from_index, from_stream), to_index,
                  stream(to_index, to_stream));
    activate(to_index);
    require(cudaMemcpyPeerAsync(to, to_index, from, from_index, bytes, stream(to_index, to_stream)),
            "copying between devices");
    order_streams(to_index, stream(to_index, to_stream), from_index,
                  stream(from_index, from_stream));
  }

  // --- streams -----------------------------------------------------------------------------------

  void activate(int index) override {
    if (current_ == index) return;
    require(cudaSetDevice(index), "choosing the device");
    current_ = index;
  }
  int current_stream(int index) override { return chosen_[static_cast<size_t>(index)]; }
  void set_current_stream(int index, int stream) override {
    chosen_[static_cast<size_t>(index)] = static_cast<int8_t>(stream);
    if (stream != kComputeStream)
      state(index).several_streams.store(true, std::memory_order_relaxed);
  }
  bool several_streams(int index) override {
    return states_[static_cast<size_t>(index)].several_streams.load(std::memory_order_relaxed);
  }
  std::string explain_failure() override { return gpu::explain_lost(cudaPeekAtLastError()); }
  int take_stream(int index) override {
    DeviceState& state = this->state(index);
    std::lock_guard lock(state.mutex);
    if (!state.streams_given_back.empty()) {
      const int stream = state.streams_given_back.back();
      state.streams_given_back.pop_back();
      return stream;
    }
    check(state.streams_made < kMaxStreams, to_string({kType, static_cast<int8_t>(index)}),
          ": at most ", kMaxStreams - kFirstUserStream,
          " streams of a device can be in use; make fewer, and use them again");
    activate(index);
    require(cudaStreamCreateWithFlags(&state.streams[static_cast<size_t>(state.streams_made)],
                                      cudaStreamNonBlocking),
            "creating a stream");
    return state.streams_made++;
  }
  void give_back_stream(int index, int stream) noexcept override {
    DeviceState& state = this->state(index);
    std::lock_guard lock(state.mutex);
    state.streams_given_back.push_back(stream);
  }
  uintptr_t stream_pointer(int index, int stream) override {
    return reinterpret_cast<uintptr_t>(this->stream(index, stream));
  }
  cudaStream_t stream(int index, int stream) {
    return state(index).streams[static_cast<size_t>(stream)];
  }

  void synchronize(int index) override {
    DeviceState& state = this->state(index);
    activate(index);
    require(cudaDeviceSynchronize(), "waiting for kernels");
    raise_note(state);
  }
  void synchronize_stream(int index, int stream) override {
    DeviceState& state = this->state(index);
    activate(index);
    require(cudaStreamSynchronize(state.streams[static_cast<size_t>(stream)]),
            "waiting for kernels");
    raise_note(state);
  }
  bool stream_done(int index, int stream) override {
    activate(index);
    return is_done(cudaStreamQuery(this->stream(index, stream)));
  }
  void order(int index, int before, int after) override {
    order_streams(index, stream(index, before), index, stream(index, after));
  }
  void order_foreign(int index, int before, uintptr_t foreign_stream) override {
    order_streams(index, stream(index, before), index,
                  reinterpret_cast<cudaStream_t>(foreign_stream));
  }

  // --- events ------------------------------------------------------------------------------------

  Event make_event(int index, bool timed) override {
    activate(index);
    cudaEvent_t event = nullptr;
    require(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming),
            "creating an event");
    return event;
  }
  void free_event(int, Event event) noexcept override {
    cudaEventDestroy(as_event(event));
    cudaGetLastError();
  }
  void record_event(int index, Event event, int stream) override {
    activate(index);
    require(cudaEventRecord(as_event(event), this->stream(index, stream)), "recording an event");
  }
  void wait_event(int index, Event event, int stream) override {
    activate(index);
    require(cudaStreamWaitEvent(this->stream(index, stream), as_event(event), 0),
            "waiting for an event");
  }
  void synchronize_event(int index, Event event) override {
    activate(index);
    require(cudaEventSynchronize(as_event(event)), "waiting for an event");
  }
  bool event_done(int index, Event event) override {
    activate(index);
    return is_done(cudaEventQuery(as_event(event)));
  }
  double elapsed_ms(int index, Event begin, Event end) override {
    activate(index);
    float milliseconds = 0;
    require(cudaEventElapsedTime(&milliseconds, as_event(begin), as_event(end)),
            "reading the time between two events, which must be recorded and done");
    return milliseconds;
  }

  // --- graphs ------------------------------------------------------------------------------------

  // Other threads may allocate meanwhile, and so may the launchers of this one.
  void begin_graph(int index, int stream) override {
    activate(index);
    require(cudaStreamBeginCapture(this->stream(index, stream), cudaStreamCaptureModeRelaxed),
            "beginning a graph");
  }
  Graph end_graph(int index, int stream) override {
    activate(index);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    require(cudaStreamEndCapture(this->stream(index, stream), &graph), "recording a graph");
    const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    require(error, "making a graph ready to run");
    return executable;
  }
  void queue_graph(int index, Graph graph, int stream) override {
    activate(index);
    require(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), this->stream(index, stream)),
            "queueing a graph");
  }
  void free_graph(int index, Graph graph) noexcept override {
    if (cudaSetDevice(index) == cudaSuccess)
      cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
    cudaGetLastError();
    current_ = -1;
  }

  // --- for launchers -----------------------------------------------------------------------------

  int current() const { return current_ < 0 ? 0 : current_; }
  DeviceState& state(int index) {
    DeviceState& state = states_[static_cast<size_t>(index)];
    std::call_once(made_[static_cast<size_t>(index)], [&] {
      activate(index);
      for (const int stream : {kComputeStream, kCopyStream})
        require(cudaStreamCreateWithFlags(&state.streams[static_cast<size_t>(stream)],
                                          cudaStreamNonBlocking),
                "creating a stream");
      require(cudaEventCreateWithFlags(&state.between, cudaEventDisableTiming),
              "creating an event");
      void *host = nullptr, *device = nullptr;
      require(cudaHostAlloc(&host, sizeof(ErrorNote), cudaHostAllocMapped), "pinning host memory");
      require(cudaHostGetDevicePointer(&device, host, 0), "mapping host memory");
      state.note = static_cast<ErrorNote*>(host);
      state.note_on_device = static_cast<ErrorNote*>(device);
      *state.note = {};
    });
    return state;
  }

 private:
  void probe() {
    std::call_once(probed_, [this] {
      const cudaError_t error = cudaGetDeviceCount(&count_);
      if (error == cudaSuccess && count_ > 0) return;
      cudaGetLastError();
      count_ = 0;
      why_ = why_none(error);
    });
  }
  std::string why_none(cudaError_t error) {
    if (error == cudaErrorNoDevice || error == cudaSuccess)
      return "the NVIDIA driver finds no GPU (CUDA_VISIBLE_DEVICES may hide it)";
    if (error != cudaErrorInsufficientDriver) return cudaGetErrorString(error);
    const int driver = driver_version(), runtime = runtime_version();
    if (driver == 0) return "no NVIDIA driver is loaded; install driver 580 or later";
    return "the NVIDIA driver is too old: it supports CUDA " + version_text(driver) +
           ", this build of weft needs " + version_text(runtime) + "; install driver 580 or later";
  }
  static std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  }

  void copy(int index, void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    const cudaStream_t queue = stream(index, current_stream(index));
    activate(index);
    require(cudaMemcpyAsync(to, from, bytes, kind, queue), "copying");
  }

  static bool is_done(cudaError_t error) {
    if (error == cudaErrorNotReady) {
      cudaGetLastError();
      return false;
    }
    require(error, "asking whether work is done");
    return true;
  }

  // One event serves all calls: a wait goes for what it recorded when the wait was queued.
  void order_streams(int index, cudaStream_t before, int after_index, cudaStream_t after) {
    DeviceState& state = this->state(index);
    std::lock_guard lock(state.mutex);
    activate(index);
    require(cudaEventRecord(state.between, before), "recording an event");
    activate(after_index);
    require(cudaStreamWaitEvent(after, state.between, 0), "waiting for an event");
  }

  // Without it the driver takes the copy through host memory.
  void open_peer(int index, int peer) {
    DeviceState& state = this->state(index);
    {
      std::lock_guard lock(state.mutex);
      if (std::exchange(state.peers[static_cast<size_t>(peer)], true)) return;
    }
    if (!can_access_peer(index, peer)) return;
    activate(index);
    const cudaError_t error = cudaDeviceEnablePeerAccess(peer, 0);
    if (error != cudaErrorPeerAccessAlreadyEnabled) require(error, "opening access to a device");
    cudaGetLastError();
  }

  static void raise_note(DeviceState& state) {
    const ErrorNote note = *state.note;
    if (note.kind == ErrorNote::none) return;
    *state.note = {};
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
  std::array<DeviceState, kMaxDevices> states_;
  std::array<std::once_flag, kMaxDevices> made_;
  static thread_local int current_;
  static thread_local std::array<int8_t, kMaxDevices> chosen_;  // streams
};
thread_local int CudaBackend::current_ = -1;
thread_local std::array<int8_t, kMaxDevices> CudaBackend::chosen_ = {};

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
cudaStream_t stream() {
  const int device = current_device();
  return backend().stream(device, backend().current_stream(device));
}
ErrorNote* error_note() { return backend().state(current_device()).note_on_device; }

}  // namespace weft::WEFT_GPU
