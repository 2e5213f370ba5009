#include "core/program.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/allocator.h"
#include "core/check.h"

namespace weft {
namespace {

constexpr size_t kPage = 4096;

// Blocks of pages begin at different places within one: a processor that compares only the low 12
// bits of addresses otherwise takes a load for one of the bytes just stored.
size_t staggered(size_t offset, size_t bytes, size_t which) {
  offset = (offset + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes < kPage) return offset;
  const size_t wanted = which * 5 % 16 * (kPage / 16);
  return offset + (wanted + kPage - offset % kPage) % kPage;
}

}  // namespace

std::vector<char> values_of(const Storage& storage) {
  std::vector<char> values(storage.bytes());
  copy_bytes(values.data(), Device{}, storage.data(), storage.device(), values.size());
  return values;
}

Program::~Program() {
  free_graphs();
  for (const Held& held : held_)
    if (held.origin == Origin::outside) held.storage->release_for_program();
}

void Program::add_launch(LaunchRecord record, const char* params, size_t params_bytes) {
  // Parameters of every kind begin at a multiple of 16 bytes, and somewhere even if they are none.
  params_.resize((params_.size() + 31) / 16 * 16);
  record.params_at = params_.size();
  record.params_bytes = params_bytes;
  record.first_operand = operands_.size();
  params_.insert(params_.end(), params, params + params_bytes);
  launches_.push_back(std::move(record));
}

void Program::add_operand(const Operand& view, int32_t storage, int64_t offset) {
  operands_.push_back(view);
  storage_of_.push_back(storage);
  offset_of_.push_back(offset);
}

// --- ending a recording --------------------------------------------------------------------------

void Program::finish() {
  for (Held& held : held_) {
    held.version_gain = held.storage->version() - held.version;
    if (held.origin == Origin::outside) {
      held.storage->hold_for_program();
      outside_.push_back(held.storage.get());
    }
    if (held.origin == Origin::host && held.written)
      restored_.push_back(static_cast<int32_t>(&held - held_.data()));
  }
  // The argument itself was written to through a view that only the recording knows.
  for (size_t k = 0; k < inputs_.size(); k++)
    lenders_[k]->bump_version(held_[static_cast<size_t>(inputs_[k])].version_gain);
  // Results that nobody else holds need no memory until they get their place.
  for (Held& held : held_) {
    if (held.origin != Origin::made) continue;
    bytes_before_ += held.storage->bytes();
    if (held.storage->references() != 1) continue;
    held.bytes = held.storage->bytes();
    held.device = held.storage->device();
    held.storage = StoragePtr();
  }
}

void Program::prepare(const std::vector<std::string>& passes) {
  check(!prepared_, "program: it is prepared already");
  prepared_ = true;
  rewrite(passes);
  plan_memory();
  point_operands();
  input_operands_.resize(inputs_.size());
  for (size_t k = 0; k < inputs_.size(); k++)
    for (size_t i = 0; i < operands_.size(); i++)
      if (storage_of_[i] == inputs_[k]) input_operands_[k].push_back(i);
  for (size_t i = 0; i < held_.size(); i++)
    if (held_[i].version_gain > 0 && held_[i].storage) bumped_.push_back(static_cast<int32_t>(i));
  for (const LaunchRecord& launch : launches_) {
    steps_.push_back({launch.kernel, params_.data() + launch.params_at,
                      operands_.data() + launch.first_operand});
    total_.flops += launch.cost.flops;
    total_.bytes += launch.cost.bytes;
  }
}

void Program::plan_memory() {
  std::vector<size_t> order;
  for (size_t i = 0; i < held_.size(); i++) {
    const Held& held = held_[i];
    if (held.origin == Origin::outside || held.origin == Origin::input) continue;
    if (held.storage)
      bytes_kept_ += held.storage->bytes();
    else if (held.first >= 0)
      order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return held_[a].bytes > held_[b].bytes; });
  const auto on_gpu = std::stable_partition(order.begin(), order.end(),
                                            [&](size_t i) { return !is_gpu(held_[i].device); });
  bytes_planned_ = plan_block(Device{}, {order.begin(), on_gpu});
  bytes_planned_ += plan_block(gpu_, {on_gpu, order.end()});
}

// Results that nobody else holds are given places in one block: the largest first, each at the
// lowest place where nothing lies that is in use at the same time.
size_t Program::plan_block(Device device, const std::vector<size_t>& largest_first) {
  std::vector<size_t> offset(held_.size()), placed;  // `placed` in the order of offsets
  size_t total = 0;
  for (const size_t i : largest_first) {
    const Held& held = held_[i];
    const size_t bytes = held.bytes;
    size_t at = staggered(0, bytes, placed.size());
    for (const size_t other : placed) {
      const Held& o = held_[other];
      if (o.last < held.first || held.last < o.first) continue;
      if (offset[other] >= at + bytes) break;
      at = std::max(at, staggered(offset[other] + o.bytes, bytes, placed.size()));
    }
    offset[i] = at;
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](size_t a, size_t b) { return offset[a] < offset[b]; }),
                  i);
    total = std::max(total, at + bytes);
  }
  if (total == 0) return 0;
  arenas_.emplace_back(new Storage(device, total + kPage));
  for (const size_t i : largest_first) {
    // The block begins where a page does, so that the places within pages are as planned.
    auto* base = static_cast<char*>(arenas_.back()->data());
    base += (kPage - reinterpret_cast<uintptr_t>(base) % kPage) % kPage;
    held_[i].data = base + offset[i];
  }
  return total;
}

void* Program::base_of(const Held& held) const {
  return held.storage ? held.storage->data() : held.data;
}

void Program::point_operands() {
  for (size_t i = 0; i < operands_.size(); i++)
    if (storage_of_[i] >= 0)
      operands_[i].data =
          static_cast<char*>(base_of(held_[static_cast<size_t>(storage_of_[i])])) + offset_of_[i];
}

// --- replay --------------------------------------------------------------------------------------

bool Program::is_current() const {
  if (isa_ != current_isa() || gpu_variant_ != current_gpu_variant()) return false;
  return std::none_of(outside_.begin(), outside_.end(),
                      [](const Storage* storage) { return storage->only_programs_hold(); });
}

void Program::bind(const std::vector<const Tensor*>& inputs) {
  check(inputs.size() == inputs_.size(), "program: recorded with ", inputs_.size(),
        " inputs, given ", inputs.size());
  for (size_t k = 0; k < inputs.size(); k++) {
    const Held& held = held_[static_cast<size_t>(inputs_[k])];
    if (held.copy) {
      copy_bytes(held.copy->data(), gpu_, inputs[k]->data(), gpu_, held.copy->bytes());
      continue;
    }
    Storage& own = *held.storage.get();
    own.borrow(inputs[k]->storage(), inputs[k]->data());
    lenders_[k] = inputs[k]->storage();
    // Views of an argument count from its first element, wherever that lies in its storage.
    for (const size_t i : input_operands_[k])
      operands_[i].data = static_cast<char*>(own.data()) + offset_of_[i];
  }
}

void Program::restore_host_values() {
  for (const int32_t i : restored_) {
    const Held& held = held_[static_cast<size_t>(i)];
    copy_bytes(held.storage->data(), held.storage->device(), held.before.data(), Device{},
               held.before.size());
  }
}

int64_t Program::run(const std::vector<const Tensor*>& inputs) {
  check(prepared_, "program: it is not prepared");
  if (is_gpu(gpu_)) {
    if (!graph_scratch_) make_graphs(inputs);
    if (writes_into(inputs)) return -2;
    note_uses(inputs);
  }
  bind(inputs);
  restore_host_values();
  count_launches({static_cast<int64_t>(launches_.size()), total_.flops, total_.bytes});
  position_ = 0;
  return go_on();
}

int64_t Program::go_on() {
  try {
    const int64_t host = run_entries();
    if (host < 0) gain_versions(entries_.size());
    return host;
  } catch (...) {
    gain_versions(position_);
    throw;
  }
}

bool Program::is_turn_of_host(size_t host) const {
  const Tensor& number = hosts_[host];
  if (!number.defined() || number.device().type != DeviceType::cpu) return true;
  if (number.dtype() == DType::float32) return !std::isfinite(*number.data_as<float>());
  if (number.dtype() == DType::float64) return !std::isfinite(*number.data_as<double>());
  return true;
}

int64_t Program::run_entries() {
  const SuspendInterpreter suspended(total_);
  if (is_gpu(gpu_)) return run_entries_on_gpu();
  while (position_ < entries_.size()) {
    const Entry& entry = entries_[position_++];
    switch (entry.kind) {
      case Kind::launch: run_launch(entry.at); break;
      case Kind::check: checks_[entry.at](); break;
      case Kind::host:
        if (is_turn_of_host(entry.at)) return static_cast<int64_t>(entry.at);
        break;
    }
  }
  return -1;
}

// In-place writes of the first `entries` count as if they had been made one by one.
void Program::gain_versions(size_t entries) {
  auto launches = static_cast<int64_t>(launches_.size());
  if (entries < entries_.size())
    launches = std::count_if(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(entries),
                             [](const Entry& e) { return e.kind == Kind::launch; });
  for (const int32_t i : bumped_) {
    const Held& held = held_[static_cast<size_t>(i)];
    if (held.first < launches) held.storage->bump_version(held.version_gain);
  }
  for (size_t k = 0; k < inputs_.size(); k++) {
    const Held& held = held_[static_cast<size_t>(inputs_[k])];
    if (held.first < launches) lenders_[k]->bump_version(held.version_gain);
  }
}

std::vector<double> Program::profile(int repeat) {
  check(prepared_, "program: it is not prepared");
  std::vector<std::pair<StoragePtr, std::vector<char>>> saved;
  for (const Held& held : held_)
    if (held.written && held.storage)
      saved.emplace_back(held.storage, values_of(*held.storage.get()));
  std::vector<double> seconds(launches_.size(), std::numeric_limits<double>::infinity());
  for (int r = 0; r < repeat; r++) {
    restore_host_values();
    wait();
    for (size_t i = 0; i < steps_.size(); i++) {
      const auto begin = std::chrono::steady_clock::now();
      run_launch(i);
      wait();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      seconds[i] = std::min(seconds[i], took.count());
    }
    for (const auto& [storage, values] : saved)
      copy_bytes(storage->data(), storage->device(), values.data(), Device{}, values.size());
  }
  return seconds;
}

// --- comparing two recordings --------------------------------------------------------------------

std::string Program::storage_difference(int32_t i, const Program& other, int32_t j) const {
  const Held &a = held_[static_cast<size_t>(i)], &b = other.held_[static_cast<size_t>(j)];
  if (a.origin != b.origin) return "takes an operand from elsewhere";
  if (a.origin == Origin::outside && a.storage.get() != b.storage.get())
    return "works on a tensor that was replaced since; assign to it in place "
           "(Variable.assign) instead";
  if (a.origin == Origin::input) {
    const auto number = [](const Program& p, int32_t at) {
      return std::find(p.inputs_.begin(), p.inputs_.end(), at) - p.inputs_.begin();
    };
    if (number(*this, i) != number(other, j)) return "takes another argument";
  }
  if (a.origin != Origin::host) return "";
  if ((a.written ? a.before : values_of(*a.storage.get())) !=
      (b.written ? b.before : values_of(*b.storage.get())))
    return "takes numbers from Python that change from call to call; pass them as an argument, or "
           "keep them in a weft.Variable";
  return "";
}

std::string Program::launch_difference(const LaunchRecord& a, const Program& other,
                                       const LaunchRecord& b, std::vector<int32_t>& partner) const {
  if (a.slot != b.slot || a.device != b.device || a.dtype != b.dtype || a.inputs != b.inputs ||
      a.outputs != b.outputs)
    return std::string("is another operation (") + b.slot->name() + ")";
  if (a.params_bytes != b.params_bytes ||
      std::memcmp(params_.data() + a.params_at, other.params_.data() + b.params_at,
                  a.params_bytes) != 0)
    return "has other parameters";
  for (int k = 0; k < a.inputs + a.outputs; k++) {
    const Operand &x = operand(a, k), &y = other.operand(b, k);
    if (x.present != y.present) return "has other operands";
    if (!x.present) continue;
    if (!(x.shape == y.shape) || !(x.strides == y.strides) || x.dtype != y.dtype)
      return "has operands of another shape";
    const size_t at = a.first_operand + static_cast<size_t>(k);
    const size_t other_at = b.first_operand + static_cast<size_t>(k);
    const int32_t i = storage_of_[at], j = other.storage_of_[other_at];
    if (partner[static_cast<size_t>(i)] < 0) {
      if (std::string found = storage_difference(i, other, j); !found.empty()) return found;
      partner[static_cast<size_t>(i)] = j;
    }
    if (partner[static_cast<size_t>(i)] != j || offset_of_[at] != other.offset_of_[other_at])
      return "takes an operand from elsewhere";
  }
  return "";
}

std::string Program::difference(const Program& other) const {
  const size_t both = std::min(entries_.size(), other.entries_.size());
  std::vector<int32_t> partner(held_.size(), -1);
  for (size_t i = 0; i < both; i++) {
    const Entry &x = entries_[i], &y = other.entries_[i];
    if (x.kind != y.kind || x.at != y.at) return "another number of launches";
    if (x.kind != Kind::launch) continue;
    const LaunchRecord &a = launches_[x.at], &b = other.launches_[y.at];
    if (std::string found = launch_difference(a, other, b, partner); !found.empty())
      return a.name_of() + (a.label.empty() ? "" : " of " + a.label) + " " + found;
  }
  return entries_.size() == other.entries_.size() ? "" : "another number of launches";
}

}  // namespace weft
