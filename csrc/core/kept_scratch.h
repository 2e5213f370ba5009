// Temporary memory of GPU launchers that stays in its place: a CUDA graph goes on using the
// addresses it was recorded with.
#pragma once

#include <cstddef>
#include <vector>

#include "core/device.h"

namespace weft {

// While one is current in a thread, launchers take their scratch memory from it. Launches of one
// stream run in order, so each of them may use the same blocks again.
class KeptScratch {
 public:
  explicit KeptScratch(Device device) : device_(device) {}
  ~KeptScratch();
  KeptScratch(const KeptScratch&) = delete;
  KeptScratch& operator=(const KeptScratch&) = delete;

  static KeptScratch* current() { return current_; }
  void* take(size_t bytes);
  void next_launch();
  void note_uses(int stream);  // the graph runs there
  size_t bytes() const;

  class Scope {
   public:
    explicit Scope(KeptScratch& scratch) : outer_(current_) { current_ = &scratch; }
    ~Scope() { current_ = outer_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    KeptScratch* outer_;
  };

 private:
  struct Block {
    void* data;
    size_t bytes;
    bool taken;
  };
  static thread_local KeptScratch* current_;
  Device device_;
  std::vector<Block> blocks_;
};

}  // namespace weft
