#include "core/batch_reader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "core/launch.h"
#include "core/pinned_memory.h"
#include "core/program.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace weft {
namespace {

constexpr int64_t kAheadBytes = 4 << 20;  // part of an L3; the thread may wait for a core meanwhile
constexpr int64_t kFewest = 2, kMost = 64;
constexpr int kTurns = 50;  // about 20 us of giving way: sleeping and waking costs as much

int64_t row_bytes(const Tensor& array) {
  int64_t n = static_cast<int64_t>(itemsize(array.dtype()));
  for (int i = 1; i < array.ndim(); i++) n *= array.dim(i);
  return n;
}

bool has_dense_rows(const Tensor& array) {
  int64_t expected = 1;
  for (int i = array.ndim() - 1; i > 0; i--) {
    if (array.dim(i) > 1 && array.stride(i) != expected) return false;
    expected *= array.dim(i);
  }
  return true;
}

template <int64_t kBytes>
void gather(const char* from, int64_t stride, const int64_t* rows, int64_t count, char* to) {
  for (int64_t i = 0; i < count; i++) std::memcpy(to + i * kBytes, from + rows[i] * stride, kBytes);
}

void gather_rows(const char* from, int64_t stride, int64_t bytes, const int64_t* rows,
                 int64_t count, char* to) {
  switch (bytes) {  // labels and weights: a call for each would cost more than the copy
    case 1: return gather<1>(from, stride, rows, count, to);
    case 2: return gather<2>(from, stride, rows, count, to);
    case 4: return gather<4>(from, stride, rows, count, to);
    case 8: return gather<8>(from, stride, rows, count, to);
    default: break;
  }
  const auto size = static_cast<size_t>(bytes);
  for (int64_t i = 0; i < count; i++) std::memcpy(to + i * bytes, from + rows[i] * stride, size);
}

Tensor pinned_tensor(const Shape& shape, DType dtype, DeviceType type) {
  const auto bytes = static_cast<size_t>(num_elements(shape)) * itemsize(dtype);
  void* data = pinned_memory(type).allocate(bytes);
  StoragePtr storage(new Storage(Device{}, data, bytes, true,
                                 [type, data] { pinned_memory(type).deallocate(data); }));
  return Tensor(std::move(storage), dtype, shape, row_major_strides(shape), 0);
}

}  // namespace

BatchReader::BatchReader(std::vector<Tensor> arrays, Tensor order, int64_t batch, Device device,
                         bool ahead)
    : arrays_(std::move(arrays)),
      order_(std::move(order)),
      batch_size_(batch),
      batches_((order_.size() + batch - 1) / std::max<int64_t>(batch, 1)),
      device_(device) {
  check(batch > 0 && order_.dtype() == DType::int64 && order_.ndim() == 1 && !arrays_.empty(),
        "batch reader: needs arrays, row numbers in int64, and at least one row in a batch");
  int64_t bytes = 0, rows = -1;
  for (const Tensor& array : arrays_) {
    check(array.ndim() > 0 && has_dense_rows(array) && array.device() == Device{} &&
              (rows < 0 || rows == array.dim(0)),
          "batch reader: arrays must lie on the CPU and have dense rows, as many each");
    rows = array.dim(0);
    bytes += row_bytes(array) * batch_size_;
  }
  const int64_t* numbers = order_.data_as<int64_t>();
  check_index(order_.strides() == Strides{1} &&
                  std::all_of(numbers, numbers + order_.size(),
                              [rows](int64_t row) { return row >= 0 && row < rows; }),
              "batch reader: a row number lies outside the ", rows, " rows");
  depth_ = ahead ? std::clamp(kAheadBytes / std::max<int64_t>(bytes, 1), kFewest, kMost) : 1;
  ring_ = std::make_unique<Entry[]>(static_cast<size_t>(depth_));
  offer();
  if (ahead) thread_ = std::thread([this] { read_ahead(); });
}

BatchReader::~BatchReader() {
  {
    const std::lock_guard lock(mutex_);
    stop_.store(true);
  }
  wake_reader_.notify_one();
  if (thread_.joinable()) thread_.join();
}

int64_t BatchReader::rows_of(int64_t batch) const {
  return std::min(batch_size_, order_.size() - batch * batch_size_);
}

std::vector<Tensor> BatchReader::room_for(int64_t batch) const {
  std::vector<Tensor> room;
  for (const Tensor& array : arrays_) {
    Shape shape = array.shape();
    shape[0] = rows_of(batch);
    room.push_back(is_gpu(device_) ? pinned_tensor(shape, array.dtype(), device_.type)
                                   : Tensor::empty(shape, array.dtype(), Device{}));
  }
  return room;
}

void BatchReader::offer() {
  const int64_t end = std::min(given_ + depth_, batches_);
  for (int64_t k = offered_.load(); k < end; k++) entry(k).rows = room_for(k);
  offered_.store(end);
  if (!reader_sleeps_.load()) return;
  {
    const std::lock_guard lock(mutex_);
  }
  wake_reader_.notify_one();
}

bool BatchReader::claim(int64_t batch) {
  return claimed_.compare_exchange_strong(batch, batch + 1);
}

std::vector<Tensor> BatchReader::next() {
  if (given_ == batches_) return {};
  Entry& own = entry(given_);
  const auto is_read = [this, &own] { return own.read.load() > given_; };
  if (!is_read() && claim(given_)) copy_rows(given_);
  for (int i = 0; i < kTurns && !is_read(); i++) std::this_thread::yield();
  if (!is_read()) {
    // Somebody else may have the interpreter meanwhile.
    const SuspendInterpreter suspended({0, kAheadBytes});
    std::unique_lock lock(mutex_);
    caller_sleeps_.store(true);
    wake_caller_.wait(lock, is_read);
    caller_sleeps_.store(false);
  }
  std::vector<Tensor> batch = std::move(own.rows);
  given_++;
  // Not after each batch: waking the thread costs a system call.
  if (offered_.load() - given_ <= depth_ / 2) offer();
  return batch;
}

void BatchReader::copy_rows(int64_t batch) {
  const int64_t* rows = order_.data_as<int64_t>() + batch * batch_size_;
  for (size_t i = 0; i < arrays_.size(); i++) {
    const Tensor& array = arrays_[i];
    gather_rows(static_cast<const char*>(array.data()),
                array.stride(0) * static_cast<int64_t>(itemsize(array.dtype())), row_bytes(array),
                rows, rows_of(batch), static_cast<char*>(entry(batch).rows[i].data()));
  }
  entry(batch).read.store(batch + 1);
}

namespace {

// A thread that wakes up goes first by default, often on the core of the thread that woke it: the
// step would wait for what should run beside it.
void give_way_to_others() {
#if defined(__linux__)
  const sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);  // refused: it is only slower
#endif
}

}  // namespace

void BatchReader::read_ahead() {
  give_way_to_others();
  for (;;) {
    const int64_t k = claimed_.load();
    if (stop_.load() || k == batches_) return;
    if (k < offered_.load()) {
      if (!claim(k)) continue;  // the caller was faster
      copy_rows(k);
      if (!caller_sleeps_.load()) continue;
      {
        const std::lock_guard lock(mutex_);
      }
      wake_caller_.notify_one();
      continue;
    }
    const auto has_work = [this] { return claimed_.load() < offered_.load() || stop_.load(); };
    for (int i = 0; i < kTurns && !has_work(); i++) std::this_thread::yield();
    std::unique_lock lock(mutex_);
    reader_sleeps_.store(true);
    wake_reader_.wait(lock, [&] { return has_work() || claimed_.load() == batches_; });
    reader_sleeps_.store(false);
  }
}

int64_t replay_batches(Program& program, BatchReader& reader, int64_t rows, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (reader.next_rows() == rows && program.is_current() && Clock::now() < end) {
    const std::vector<Tensor> batch = reader.next();
    std::vector<const Tensor*> inputs;
    for (const Tensor& array : batch) inputs.push_back(&array);
    if (const int64_t host = program.run(inputs); host >= 0) return host;
  }
  return -1;
}

}  // namespace weft
