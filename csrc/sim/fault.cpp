#include "sim/fault.h"

#include <atomic>
#include <mutex>

namespace weft::simulator {
namespace {

std::mutex mutex;
std::string text;
std::atomic<int> code{0};

}  // namespace

std::string last_fault() {
  std::lock_guard lock(mutex);
  return text;
}

int fault_code() { return code.load(std::memory_order_acquire); }

void clear_fault() {
  std::lock_guard lock(mutex);
  text.clear();
  code.store(0, std::memory_order_release);
}

void record_fault(int new_code, const std::string& new_text) {
  std::lock_guard lock(mutex);
  if (code.load(std::memory_order_relaxed) != 0) return;
  text = new_text;
  code.store(new_code, std::memory_order_release);
}

}  // namespace weft::simulator
