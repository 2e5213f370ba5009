// A block of device memory shared by the tensors that view it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "core/device.h"

namespace weft {

class StoragePtr;

class Storage {
 public:
  // Allocated by, and given back to, the caching allocator.
  Storage(Device device, size_t bytes);
  // Foreign memory (a NumPy array, a DLPack capsule): `release` runs when the last view is gone.
  Storage(Device device, void* data, size_t bytes, bool writable, std::function<void()> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  bool writable() const { return writable_; }

  // Counts in-place writes, so that autograd notices when a saved tensor was changed.
  int64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version(int64_t by = 1) { version_.fetch_add(by, std::memory_order_relaxed); }

  int64_t references() const { return references_.load(std::memory_order_relaxed); }

  // For programs (core/program.h). A storage of foreign memory becomes one of memory of `lender`,
  // from `data` on, and keeps it alive.
  void borrow(const StoragePtr& lender, void* data);
  void hold_for_program() { programs_.fetch_add(1, std::memory_order_relaxed); }
  void release_for_program() { programs_.fetch_sub(1, std::memory_order_relaxed); }
  bool only_programs_hold() const {
    return references() <= programs_.load(std::memory_order_relaxed);
  }

 private:
  friend class StoragePtr;
  std::atomic<int64_t> references_{0};
  std::atomic<int64_t> version_{0};
  std::atomic<int64_t> programs_{0};  // references that recorded programs keep
  void* data_ = nullptr;
  size_t bytes_ = 0;
  Device device_;
  bool writable_ = true;
  std::function<void()> release_;
};

// Intrusive pointer: one word, and no control block to allocate for each small result.
class StoragePtr {
 public:
  StoragePtr() = default;
  explicit StoragePtr(Storage* storage) : storage_(storage) { retain(); }
  StoragePtr(const StoragePtr& other) : storage_(other.storage_) { retain(); }
  StoragePtr(StoragePtr&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  StoragePtr& operator=(StoragePtr other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StoragePtr() { drop(); }

  Storage* operator->() const { return storage_; }
  Storage* get() const { return storage_; }
  explicit operator bool() const { return storage_ != nullptr; }

 private:
  void retain() const {
    if (storage_) storage_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  void drop() const {
    if (storage_ && storage_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete storage_;
  }
  Storage* storage_ = nullptr;
};

}  // namespace weft
