// What core asks of a device that has memory and queues of its own.
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

struct DeviceFacts {
  std::string name, bus_id;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
};

// The streams of a device have numbers: work within one runs in order, between two of them only
// where one is made to wait for the other. A device's streams are made once and never destroyed.
inline constexpr int kComputeStream = 0;
inline constexpr int kCopyStream = 1;  // uploads, beside the kernels
inline constexpr int kFirstUserStream = 2;
inline constexpr int kMaxStreams = 64;  // of one device, so that a set of them is one word

// Errors of queued work come out of the next call that waits for it.
class Backend {
 public:
  using Event = void*;  // a point in a stream

  virtual ~Backend() = default;

  virtual int device_count() = 0;
  virtual std::string why_unavailable() = 0;  // empty when there are devices
  virtual int driver_version() = 0;           // 13020 for CUDA 13.2, 0 without a driver
  virtual int runtime_version() = 0;
  virtual DeviceFacts facts(int index) = 0;
  virtual DeviceMemory memory(int index) = 0;
  virtual bool can_access_peer(int index, int peer) = 0;

  virtual void* allocate(int index, size_t bytes) = 0;  // null when the device refuses
  virtual void free(int index, void* data) noexcept = 0;
  // Host memory that copies to and from a device pass through without the CPU; null when refused.
  virtual void* allocate_pinned(size_t bytes) = 0;
  virtual void free_pinned(void* data) noexcept = 0;
  // Blocks the caching allocator hands out of what it got; a checker wants their exact bounds.
  virtual void block_taken(void*, size_t) {}
  virtual void block_returned(void*) noexcept {}
  virtual size_t guard_bytes() { return 0; }  // to be left free behind every block

  // Queued on the calling thread's stream of the device. Host memory must stay until the copy is
  // done; `copy_bytes` sees to it.
  virtual void copy_to_device(int index, void* to, const void* from, size_t bytes) = 0;
  virtual void copy_to_host(int index, void* to, const void* from, size_t bytes) = 0;
  virtual void copy_on_device(int index, void* to, const void* from, size_t bytes) = 0;
  virtual void copy_to_peer(int to_index, void* to, int from_index, const void* from,
                            size_t bytes) = 0;

  // Kernels launched next by this thread go to the device, on the stream chosen for it.
  virtual void activate(int index) = 0;
  virtual int current_stream(int index) = 0;
  virtual bool several_streams(int index) = 0;  // whether any but the first was ever chosen
  virtual void set_current_stream(int index, int stream) = 0;
  virtual int take_stream(int index) = 0;  // for a user; given back streams come first
  virtual void give_back_stream(int index, int stream) noexcept = 0;
  virtual uintptr_t stream_pointer(int index, int stream) = 0;  // its cudaStream_t

  // What a launch that was refused adds to its message; a failure of an earlier kernel is forgotten
  // where the device allows it.
  virtual std::string explain_failure() = 0;

  // Waiting raises what went wrong before, also the note that a kernel left about bad values.
  virtual void synchronize(int index) = 0;  // all streams
  virtual void synchronize_stream(int index, int stream) = 0;
  virtual bool stream_done(int index, int stream) = 0;
  // What is queued on `after` from now on runs behind what is queued on `before` so far.
  virtual void order(int index, int before, int after) = 0;
  // The same with a stream of another library, as DLPack passes it.
  virtual void order_foreign(int index, int before, uintptr_t foreign_stream) = 0;

  virtual Event make_event(int index, bool timed) = 0;
  virtual void free_event(int index, Event event) noexcept = 0;
  virtual void record_event(int index, Event event, int stream) = 0;
  virtual void wait_event(int index, Event event, int stream) = 0;
  virtual void synchronize_event(int index, Event event) = 0;
  virtual bool event_done(int index, Event event) = 0;
  virtual double elapsed_ms(int index, Event begin, Event end) = 0;

  // What is queued on the stream between both calls does not run: it is kept, to be queued as a
  // whole any number of times. `end_graph` raises when something of it cannot be kept.
  using Graph = void*;
  virtual void begin_graph(int index, int stream) = 0;
  virtual Graph end_graph(int index, int stream) = 0;
  virtual void queue_graph(int index, Graph graph, int stream) = 0;
  virtual void free_graph(int index, Graph graph) noexcept = 0;
};

void register_backend(DeviceType type, Backend* backend);
Backend* find_backend(DeviceType type);  // null when this build has none
Backend& backend_of(Device device);      // RuntimeError that says what is missing

// The calling thread's stream of a device while the object lives.
class StreamScope {
 public:
  StreamScope(Device device, int stream)
      : backend_(backend_of(device)),
        index_(device.index),
        outer_(backend_.current_stream(index_)) {
    backend_.set_current_stream(index_, stream);
  }
  ~StreamScope() { backend_.set_current_stream(index_, outer_); }
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  Backend& backend_;
  int index_, outer_;
};

// Copies between any two devices, also from and to the CPU, behind all work that was queued on the
// stream so far. A copy to the CPU returns after the bytes have arrived, and so raises what went
// wrong before. A copy from the CPU returns when the source may be changed: at once for pageable
// memory, which is staged; pinned memory is read later and must not be changed until then.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t bytes);

// How often the CPU has waited for values of a GPU, in this process: each time ends what the two
// could do at the same time.
int64_t values_read_back();

}  // namespace weft
