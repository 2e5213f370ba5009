#include "core/recorder.h"

#include <cstring>
#include <utility>

#include "core/recording.h"

namespace weft {

constinit thread_local Recorder* current_recorder = nullptr;

Recorder::Recorder(std::function<std::string()> label, std::function<std::string()> where)
    : program_(std::make_unique<Program>()), label_(std::move(label)), where_(std::move(where)) {}

Recorder::~Recorder() { stop(); }

void Recorder::start() {
  if (failure_.empty()) current_recorder = this;
}

void Recorder::stop() {
  if (current_recorder == this) current_recorder = nullptr;
}

void Recorder::give_up(const std::string& reason) {
  stop();
  if (failure_.empty()) failure_ = reason + " at " + where_();
  known_.clear();
  program_ = std::make_unique<Program>();
}

Tensor Recorder::input(const Tensor& given) {
  StoragePtr storage(new Storage(given.device(), nullptr, 0, false, nullptr));
  storage->borrow(given.storage(), given.data());
  known_[storage.get()] = static_cast<int32_t>(program_->held_.size());
  program_->inputs_.push_back(static_cast<int32_t>(program_->held_.size()));
  program_->held_.push_back({storage, Program::Origin::input});
  program_->lenders_.push_back(given.storage());
  return Tensor(storage, given.dtype(), given.shape(), given.strides(), 0);
}

int64_t Recorder::host_entry(const Tensor& unless_finite) {
  program_->entries_.push_back({Program::Kind::host, program_->hosts_.size()});
  program_->hosts_.push_back(unless_finite);
  return static_cast<int64_t>(program_->hosts_.size()) - 1;
}

void Recorder::check_entry(std::function<void()> check) {
  program_->entries_.push_back({Program::Kind::check, program_->checks_.size()});
  program_->checks_.push_back(std::move(check));
}

void Recorder::created(Storage* storage, bool foreign) {
  if (storage->device().type == DeviceType::meta) return;
  known_[storage] = static_cast<int32_t>(program_->held_.size());
  program_->held_.push_back(
      {StoragePtr(storage), foreign ? Program::Origin::host : Program::Origin::made, foreign});
}

void Recorder::host_made(const Storage* storage) {
  const auto found = known_.find(storage);
  if (found != known_.end())
    program_->held_[static_cast<size_t>(found->second)].origin = Program::Origin::host;
}

void Recorder::host_reads(const Tensor& t, const char* what) {
  if (t.is_meta()) return;
  const auto found = known_.find(t.storage().get());
  if (found != known_.end()) {
    // Numbers that came from Python are the same at every replay.
    const Program::Held& held = program_->held_[static_cast<size_t>(found->second)];
    if (held.origin == Program::Origin::host && !held.written) return;
  }
  give_up(std::string(what) + " reads values, which are not known before the step runs,");
}

bool Recorder::is_new(const Tensor& t) const {
  const auto found = known_.find(t.storage().get());
  return found != known_.end() &&
         program_->held_[static_cast<size_t>(found->second)].origin != Program::Origin::outside;
}

int32_t Recorder::find(const Tensor& t) {
  const Storage* storage = t.storage().get();
  const auto [found, is_new] =
      known_.try_emplace(storage, static_cast<int32_t>(program_->held_.size()));
  if (is_new) program_->held_.push_back({t.storage(), Program::Origin::outside});
  return found->second;
}

void Recorder::note_use(int32_t at, int64_t launch, bool written) {
  Program::Held& held = program_->held_[static_cast<size_t>(at)];
  if (held.first < 0) {
    held.first = launch;
    held.version = held.storage->version();
  }
  held.last = launch;
  if (!written || held.written) return;
  held.written = true;
  if (held.origin == Program::Origin::host) held.before = values_of(*held.storage.get());
}

void Recorder::before_launch(Device device, const KernelSlot& slot, KernelFunction kernel,
                             DType dtype, const void* params, size_t params_bytes, const Cost& cost,
                             Operands inputs, Operands outputs, const Operand* operands) {
  Program& p = *program_;
  if (is_gpu(device)) {
    if (is_gpu(p.gpu_) && p.gpu_ != device)
      return give_up("the step works on '" + to_string(p.gpu_) + "' and on '" + to_string(device) +
                     "',");
    p.gpu_ = device;
  }
  const auto number = static_cast<int64_t>(p.launches_.size());
  p.entries_.push_back({Program::Kind::launch, p.launches_.size()});
  p.add_launch({device, &slot, kernel, dtype, 0, 0, 0, static_cast<int>(inputs.size()),
                static_cast<int>(outputs.size()), cost, label_()},
               static_cast<const char*>(params), params_bytes);
  for (Operands group : {inputs, outputs})
    for (const Tensor* t : group) {
      const int32_t at = t->defined() ? find(*t) : -1;
      p.add_operand(*operands++, at,
                    t->defined() ? t->offset() * static_cast<int64_t>(itemsize(t->dtype())) : 0);
      if (at >= 0) note_use(at, number, group.data() == outputs.data());
    }
}

std::unique_ptr<Program> Recorder::finish() {
  stop();
  if (!failure_.empty()) return nullptr;
  known_.clear();
  program_->finish();
  return std::move(program_);
}

// --- what the rest of the code says --------------------------------------------------------------

void record_check(std::function<void()> check) { current_recorder->check_entry(std::move(check)); }

void record_host_read(const Tensor& t, const char* what) {
  if (is_recording()) current_recorder->host_reads(t, what);
}

void record_host_write(const Tensor& t) {
  if (is_recording()) current_recorder->host_made(t.storage().get());
}

}  // namespace weft
