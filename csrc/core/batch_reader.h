// Batches of rows that a thread copies out of larger arrays, a few batches ahead of whoever uses
// them: while a step runs, the rows of the next ones, which lie anywhere, come from memory. Where
// the thread does not get a core in time, the caller copies for itself.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/tensor.h"

namespace weft {

class Program;

class BatchReader {
 public:
  // `order`: int64 row numbers, dense; batch k has the rows order[k * batch : (k + 1) * batch].
  // Rows of the arrays are dense. Batches on their way to `device` lie in pinned memory.
  // Without `ahead` there is no thread, and `next` copies.
  BatchReader(std::vector<Tensor> arrays, Tensor order, int64_t batch, Device device, bool ahead);
  ~BatchReader();  // ends the thread
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  // The rows of the next batch, an array of its own for each array; empty behind the last.
  std::vector<Tensor> next();
  int64_t given() const { return given_; }  // batches so far
  int64_t next_rows() const { return given_ == batches_ ? 0 : rows_of(given_); }

 private:
  void read_ahead();
  void copy_rows(int64_t batch);
  void offer();  // room for further batches
  std::vector<Tensor> room_for(int64_t batch) const;
  int64_t rows_of(int64_t batch) const;

  const std::vector<Tensor> arrays_;
  const Tensor order_;
  const int64_t batch_size_, batches_;
  const Device device_;
  int64_t depth_;  // batches that may be ahead

  // Entry k % depth of the ring is the caller's until offered_ > k; then it belongs to who sets
  // claimed_ to k + 1, until its `read` is k + 1; then it is the caller's again.
  struct Entry {
    std::vector<Tensor> rows;
    std::atomic<int64_t> read{0};
  };
  Entry& entry(int64_t batch) const { return ring_[batch % depth_]; }
  bool claim(int64_t batch);
  std::unique_ptr<Entry[]> ring_;
  std::atomic<int64_t> offered_{0}, claimed_{0};
  std::atomic<bool> stop_{false}, reader_sleeps_{false}, caller_sleeps_{false};
  int64_t given_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_reader_, wake_caller_;
  std::thread thread_;
};

// Replays `program` on batch after batch of `reader`, as long as they have `rows` rows, for about
// `seconds`. Returns the number of the host entry that the last batch has come to, as
// `Program::run` does, or -1.
int64_t replay_batches(Program& program, BatchReader& reader, int64_t rows, double seconds);

}  // namespace weft
