#include "sim/trace.h"

#include <utility>

#include "sim/block.h"
#include "sim/shadow.h"
#include "sim/symbols.h"

namespace weft::simulator {
namespace {

constexpr size_t kMostEvents = 100'000;

bool equal(uint3 a, uint3 b) { return a.x == b.x && a.y == b.y && a.z == b.z; }
bool inside(uint3 index, dim3 size) {
  return index.x < size.x && index.y < size.y && index.z < size.z;
}

std::string bytes_at(const void* address, size_t bytes) {
  return {static_cast<const char*>(address), bytes};
}

}  // namespace

void Trace::choose(uint3 block, uint3 thread) {
  block_ = block;
  thread_ = thread;
}

void Trace::launch_begin(const LaunchInfo& info) {
  mutex_.lock();
  launches_.push_back(info);
  has_thread_.push_back(inside(block_, info.grid) && inside(thread_, info.block));
  const SharedRegion shared = shared_region();
  shared_begin_ = shared.begin;
  shared_bytes_ = shared.bytes;
}
void Trace::launch_end(const LaunchInfo&) { mutex_.unlock(); }

void Trace::block_begin(const LaunchInfo& info, uint3 block) {
  running_ = equal(block, block_) && inside(thread_, info.block);
  linear_ = static_cast<int>(thread_.x + info.block.x * (thread_.y + info.block.y * thread_.z));
  stored_at_ = nullptr;
}

void Trace::add(Event event) {
  if (events_.size() < kMostEvents)
    events_.push_back(std::move(event));
  else
    complete_ = false;
}

void Trace::finish_store() {
  if (stored_at_ != nullptr && complete_)
    events_.back().value = bytes_at(stored_at_, stored_bytes_);
  stored_at_ = nullptr;
}

void Trace::thread_begin(const ThreadContext&, const void*, size_t) {}

void Trace::thread_end(const ThreadContext& thread) {
  if (running_ && thread.linear == linear_) finish_store();
}

void Trace::access(const Access& access) {
  if (!running_ || current->linear != linear_ || access.by_warpgroup) return;
  finish_store();
  if (access.kind == AccessKind::atomic_load) return;
  const auto address = reinterpret_cast<uintptr_t>(access.address);
  const auto stack = reinterpret_cast<uintptr_t>(Block::self().fiber.stack);
  const auto parameters = reinterpret_cast<uintptr_t>(launches_.back().parameters);
  if (address - stack < kStackBytes || address - parameters < launches_.back().parameter_bytes)
    return;
  const bool shared = address - shared_begin_ < shared_bytes_;
  if (!shared && Image::of_this_library().contains(address)) return;
  const bool write = writes(access.kind);
  const char* operation = access.kind == AccessKind::atomic ? "atomic" : write ? "store" : "load";
  add({launches_.size() - 1, access.pc, operation, shared ? "shared" : "global",
       shared ? shared_address(access.address) : address,
       write ? std::string() : bytes_at(access.address, access.bytes)});
  if (!write) return;
  stored_at_ = access.address;
  stored_bytes_ = access.bytes;
}

void Trace::async_issue(const AsyncAccess& access) {
  if (!running_ || current->linear != linear_ || !access.write) return;
  finish_store();
  const bool shared = reinterpret_cast<uintptr_t>(access.address) - shared_begin_ < shared_bytes_;
  add({launches_.size() - 1, access.pc, "issue", shared ? "shared" : "global",
       shared ? shared_address(access.address) : reinterpret_cast<uintptr_t>(access.address),
       std::string()});
}

void Trace::add_wait(const char* operation) {
  // A thread that waits stored before; the running one may still be about to.
  finish_store();
  add({launches_.size() - 1, Block::running().thread(linear_).wait_pc, operation, "", 0, ""});
}

void Trace::block_barrier() {
  if (running_ && Block::running().thread(linear_).state != ThreadState::done) add_wait("barrier");
}

void Trace::named_barrier(int, const int*, int, const int* waited, int waited_count) {
  if (!running_) return;
  for (int i = 0; i < waited_count; i++)
    if (waited[i] == linear_) add_wait("barrier");
}

void Trace::warp_sync(int warp, uint32_t mask, bool) {
  if (running_ && linear_ / kWarpLanes == warp && (mask >> linear_ % kWarpLanes & 1) != 0)
    add_wait("warp");
}

std::vector<TracedLaunch> Trace::launches() {
  std::lock_guard lock(mutex_);
  std::vector<TracedLaunch> result;
  for (size_t i = 0; i < launches_.size(); i++) {
    const LaunchInfo& info = launches_[i];
    result.push_back({kernel_name(info.function), info.grid, info.block, info.shared_bytes,
                      static_cast<bool>(has_thread_[i])});
  }
  return result;
}

std::vector<TracedEvent> Trace::events() {
  std::lock_guard lock(mutex_);
  std::vector<TracedEvent> result;
  for (const Event& e : events_)
    result.push_back({e.launch, describe_address(e.pc), e.operation, e.memory, e.address, e.value});
  return result;
}

}  // namespace weft::simulator
