// Devices as Python sees them: facts, memory, streams and events.
#include <memory>

#include "bindings/binding.h"
#include "core/allocator.h"
#include "core/backend.h"
#include "core/pinned_memory.h"

namespace py = pybind11;

namespace weft {
namespace {

// A stream of a device; streams for users go back when the object does.
class Stream {
 public:
  Stream(Device device, int number)
      : backend_(&gpu_backend(device)), device_(device), number_(number) {}
  static std::unique_ptr<Stream> take(Device device) {
    return std::make_unique<Stream>(device, gpu_backend(device).take_stream(device.index));
  }
  ~Stream() {
    if (number_ >= kFirstUserStream && owned_) backend_->give_back_stream(device_.index, number_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  static Backend& gpu_backend(Device device) {
    check(is_gpu(device), "device '", device, "' has no streams; those of 'cuda' and 'sim' have");
    return backend_of(device);
  }
  void lend() { owned_ = false; }

  Backend& backend() const { return *backend_; }
  Device device() const { return device_; }
  int index() const { return device_.index; }
  int number() const { return number_; }

 private:
  Backend* backend_;
  Device device_;
  int number_;
  bool owned_ = true;
};

class Event {
 public:
  Event(Device device, bool timed)
      : backend_(&Stream::gpu_backend(device)),
        device_(device),
        event_(backend_->make_event(device.index, timed)) {}
  ~Event() { backend_->free_event(device_.index, event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(const Stream& stream) {
    require_same(stream.device());
    backend_->record_event(device_.index, event_, stream.number());
    recorded_ = true;
  }
  // Also streams of another device of the same kind can wait.
  void wait(const Stream& stream) const {
    check(stream.device().type == device_.type, "Event: it belongs to ", device_,
          ", the stream to ", stream.device());
    if (recorded_) backend_->wait_event(stream.index(), event_, stream.number());
  }
  void synchronize() const {
    if (recorded_) backend_->synchronize_event(device_.index, event_);
  }
  bool done() const { return !recorded_ || backend_->event_done(device_.index, event_); }
  double elapsed_ms(const Event& end) const {
    require_same(end.device_);
    check(recorded_ && end.recorded_,
          "Event: both events must be recorded before the time between "
          "them can be read");
    return backend_->elapsed_ms(device_.index, event_, end.event_);
  }
  Device device() const { return device_; }

 private:
  void require_same(Device other) const {
    check(other == device_, "Event: it belongs to ", device_, ", the other side to ", other);
  }

  Backend* backend_;
  Device device_;
  Backend::Event event_;
  bool recorded_ = false;
};

void bind_facts(py::module_& m) {
  m.def(
      "device_count",
      [](Device device) {
        Backend* backend = find_backend(device.type);
        return backend ? backend->device_count() : 0;
      },
      py::arg("device"));
  m.def(
      "why_unavailable",
      [](Device device) -> std::string {
        Backend* backend = find_backend(device.type);
        return backend ? backend->why_unavailable()
                       : "this build of weft has no kernels for it (it was built without nvcc)";
      },
      py::arg("device"));
  m.def(
      "device_facts",
      [](Device device) {
        const DeviceFacts facts = backend_of(device).facts(device.index);
        py::dict d;
        d["name"] = facts.name;
        d["bus_id"] = facts.bus_id;
        d["compute_capability"] = py::make_tuple(facts.major, facts.minor);
        d["multiprocessors"] = facts.multiprocessors;
        return d;
      },
      py::arg("device"));
  m.def(
      "cuda_versions",
      [](Device device) {
        Backend* backend = find_backend(device.type);
        return backend ? py::make_tuple(backend->driver_version(), backend->runtime_version())
                       : py::make_tuple(0, 0);
      },
      py::arg("device"));
  m.def(
      "can_access_peer",
      [](Device device, Device peer) {
        backend_of(peer);
        return device.type == peer.type &&
               backend_of(device).can_access_peer(device.index, peer.index);
      },
      py::arg("device"), py::arg("peer"));
}

void bind_memory(py::module_& m) {
  m.def(
      "empty_cache",
      [](Device device) {
        empty_cache(device);
        if (is_gpu(device)) pinned_memory(device.type).empty_cache();
      },
      py::arg("device") = Device{}, py::call_guard<py::gil_scoped_release>());
  m.def("reset_peak_memory", &reset_peak, py::arg("device") = Device{});
  m.def(
      "memory_statistics",
      [](Device device) {
        const AllocatorStatistics s = allocator_statistics(device);
        py::dict d;
        d["allocated"] = s.allocated;
        d["reserved"] = s.reserved;
        d["peak"] = s.peak;
        d["allocations"] = s.allocations;
        d["cache_hits"] = s.cache_hits;
        if (is_gpu(device)) {
          const PinnedMemory::Statistics pinned = pinned_memory(device.type).statistics();
          d["pinned_allocated"] = pinned.allocated;
          d["pinned_reserved"] = pinned.reserved;
        }
        return d;
      },
      py::arg("device") = Device{});
  m.def(
      "device_memory",
      [](Device device) {
        const DeviceMemory memory = backend_of(device).memory(device.index);
        return py::make_tuple(memory.free, memory.total);
      },
      py::arg("device"));
  m.def("values_read_back", &values_read_back);
  m.def(
      "synchronize",
      [](Device device) {
        if (is_gpu(device)) backend_of(device).synchronize(device.index);
      },
      py::arg("device"), py::call_guard<py::gil_scoped_release>());
}

void bind_streams(py::module_& m) {
  using Unlocked = py::call_guard<py::gil_scoped_release>;
  py::class_<Stream>(m, "Stream")
      .def(py::init(&Stream::take), py::arg("device"))
      .def_property_readonly("device", &Stream::device)
      .def_property_readonly("number", &Stream::number)
      .def_property_readonly(
          "pointer",
          [](const Stream& s) { return s.backend().stream_pointer(s.index(), s.number()); })
      .def("make_current",
           [](const Stream& s) { s.backend().set_current_stream(s.index(), s.number()); })
      .def("done", [](const Stream& s) { return s.backend().stream_done(s.index(), s.number()); })
      .def(
          "wait_stream",
          [](const Stream& s, const Stream& other) {
            check(s.device() == other.device(), "Stream: the streams belong to ", s.device(),
                  " and ", other.device(), "; let one wait for an event of the other");
            s.backend().order(s.index(), other.number(), s.number());
          },
          py::arg("other"))
      .def(
          "synchronize",
          [](const Stream& s) { s.backend().synchronize_stream(s.index(), s.number()); },
          Unlocked());
  m.def(
      "stream",
      [](Device device, int number) {
        auto stream = std::make_unique<Stream>(device, number);
        stream->lend();
        return stream;
      },
      py::arg("device"), py::arg("number"));
  m.def(
      "current_stream",
      [](Device device) {
        const int number = Stream::gpu_backend(device).current_stream(device.index);
        auto stream = std::make_unique<Stream>(device, number);
        stream->lend();
        return stream;
      },
      py::arg("device"));
  py::class_<Event>(m, "Event")
      .def(py::init<Device, bool>(), py::arg("device"), py::arg("timed"))
      .def_property_readonly("device", &Event::device)
      .def("record", &Event::record, py::arg("stream"))
      .def("wait", &Event::wait, py::arg("stream"))
      .def("done", &Event::done)
      .def("synchronize", &Event::synchronize, Unlocked())
      .def("elapsed_ms", &Event::elapsed_ms, py::arg("end"));
}

}  // namespace

void bind_device(py::module_& m) {
  bind_facts(m);
  bind_memory(m);
  bind_streams(m);
}

}  // namespace weft
