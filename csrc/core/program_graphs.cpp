// Replays on a GPU: runs of launches as CUDA graphs.
#include <algorithm>

#include "core/backend.h"
#include "core/device_allocator.h"
#include "core/program.h"

namespace weft {
namespace {

bool is_dense(const Tensor& t) { return t.strides() == row_major_strides(t.shape()); }

// Recording takes a stream of its own: what other threads queue on theirs must not get into it.
class RecordingStream {
 public:
  explicit RecordingStream(Device device)
      : backend_(backend_of(device)),
        index_(device.index),
        stream_(backend_.take_stream(index_)),
        scope_(device, stream_) {}
  ~RecordingStream() { backend_.give_back_stream(index_, stream_); }
  RecordingStream(const RecordingStream&) = delete;
  RecordingStream& operator=(const RecordingStream&) = delete;

  void begin() { backend_.begin_graph(index_, stream_); }
  Backend::Graph end() { return backend_.end_graph(index_, stream_); }

 private:
  Backend& backend_;
  int index_, stream_;
  StreamScope scope_;
};

}  // namespace

// What is written to must be the argument itself.
bool Program::inputs_can_be_copied(const std::vector<const Tensor*>& inputs) const {
  for (size_t k = 0; k < inputs.size(); k++) {
    const Held& held = held_[static_cast<size_t>(inputs_[k])];
    if (inputs[k]->device() == gpu_ && (held.written || !is_dense(*inputs[k]))) return false;
  }
  return true;
}

bool Program::writes_into(const std::vector<const Tensor*>& inputs) const {
  for (size_t k = 0; k < inputs.size(); k++) {
    if (!held_[static_cast<size_t>(inputs_[k])].copy) continue;
    const Storage* given = inputs[k]->storage().get();
    for (const Held& held : held_)
      if (held.written && held.origin == Origin::outside && held.storage.get() == given)
        return true;
  }
  return false;
}

// Launchers read numbers that lie on the host: those must not change.
bool Program::fits_graph(const Entry& entry) const {
  if (entry.kind != Kind::launch) return false;
  const LaunchRecord& launch = launches_[entry.at];
  if (launch.device != gpu_) return false;
  for (int k = 0; k < launch.inputs + launch.outputs; k++) {
    const int32_t at = storage_of_[launch.first_operand + static_cast<size_t>(k)];
    if (at < 0 || !operand(launch, k).on_host) continue;
    const Held& held = held_[static_cast<size_t>(at)];
    if (held.origin != Origin::host || held.written) return false;
  }
  return true;
}

Program::Graph Program::make_graph(size_t begin, size_t end) {
  RecordingStream stream(gpu_);
  const KeptScratch::Scope scratch(*graph_scratch_);
  stream.begin();
  try {
    for (size_t i = begin; i < end; i++) {
      graph_scratch_->next_launch();
      run_launch(entries_[i].at);
    }
  } catch (...) {
    try {
      stream.end();
    } catch (const Error&) {
      // It was not going to be used.
    }
    throw;
  }
  return {begin, end, stream.end()};
}

void Program::make_graphs(const std::vector<const Tensor*>& inputs) {
  graph_scratch_ = std::make_unique<KeptScratch>(gpu_);
  if (!inputs_can_be_copied(inputs)) {
    graph_failure_ = "an argument is not dense in memory, or is written to";
    return;
  }
  for (size_t k = 0; k < inputs.size(); k++) {
    if (inputs[k]->device() != gpu_) continue;
    Held& held = held_[static_cast<size_t>(inputs_[k])];
    const auto bytes = static_cast<size_t>(bytes_of(*inputs[k]));
    held.copy = StoragePtr(new Storage(gpu_, bytes));
    // Results may be views of the argument.
    held.storage->borrow(held.copy, held.copy->data());
    for (const size_t i : input_operands_[k])
      operands_[i].data = static_cast<char*>(held.copy->data()) + offset_of_[i];
    bytes_kept_ += bytes;
  }
  try {
    for (size_t begin = 0; begin < entries_.size();) {
      size_t end = begin;
      while (end < entries_.size() && fits_graph(entries_[end])) end++;
      if (end > begin) graphs_.push_back(make_graph(begin, end));
      begin = end + 1;
    }
  } catch (const Error& error) {
    // Launches one by one give the same results; the caller says that they are slower, and why.
    free_graphs();
    graph_failure_ = error.what();
  }
  bytes_kept_ += graph_scratch_->bytes();
}

void Program::free_graphs() noexcept {
  for (const Graph& graph : graphs_) backend_of(gpu_).free_graph(gpu_.index, graph.graph);
  graphs_.clear();
}

size_t Program::launches_in_graphs() const {
  size_t count = 0;
  for (const Graph& graph : graphs_) count += graph.end - graph.begin;
  return count;
}

int64_t Program::run_entries_on_gpu() {
  Backend& backend = backend_of(gpu_);
  backend.activate(gpu_.index);
  auto graph = std::find_if(graphs_.begin(), graphs_.end(),
                            [this](const Graph& g) { return g.begin >= position_; });
  while (position_ < entries_.size()) {
    if (graph != graphs_.end() && graph->begin == position_) {
      position_ = graph->end;
      backend.queue_graph(gpu_.index, graph->graph, backend.current_stream(gpu_.index));
      ++graph;
      continue;
    }
    const Entry& entry = entries_[position_++];
    if (entry.kind == Kind::host) {
      if (is_turn_of_host(entry.at)) return static_cast<int64_t>(entry.at);
      continue;
    }
    if (entry.kind == Kind::check) {
      checks_[entry.at]();
      continue;
    }
    try {
      run_launch(entry.at);
    } catch (const Error& error) {
      rethrow_explained(error, launches_[entry.at].device);
    }
  }
  return -1;
}

// The allocator hands memory out again only behind the work of all streams it knows of; one note
// holds for as long as the memory is not given back.
void Program::note_uses(const std::vector<const Tensor*>& inputs) {
  const int stream = backend_of(gpu_).current_stream(gpu_.index);
  for (const Tensor* input : inputs)
    if (input->device() == gpu_) note_use(gpu_, input->storage()->data(), stream);
  if (noted_streams_ >> stream & 1) return;
  noted_streams_ |= uint64_t{1} << stream;
  for (const Held& held : held_) {
    if (held.copy) note_use(gpu_, held.copy->data(), stream);
    if (held.origin != Origin::input && held.storage && held.storage->device() == gpu_)
      note_use(gpu_, held.storage->data(), stream);
  }
  for (const StoragePtr& arena : arenas_)
    if (arena->device() == gpu_) note_use(gpu_, arena->data(), stream);
  graph_scratch_->note_uses(stream);
}

void Program::wait() const {
  if (is_gpu(gpu_)) backend_of(gpu_).synchronize(gpu_.index);
}

}  // namespace weft
