#include "sim/block.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <sstream>
#include <utility>

#include "sim/async_copy.h"
#include "sim/errors.h"
#include "sim/fault.h"
#include "sim/symbols.h"

namespace weft::simulator {

constinit thread_local ThreadContext* current = nullptr;
constinit thread_local SharedArena shared_arena{};

namespace {

// Dynamic shared memory starts with NaNs in every floating-point type, so that what a kernel forgot
// to initialise shows in its result.
constexpr int kPoison = 0xff;

// A thread may poll this long for something no other thread brings.
constexpr int64_t kPollSeconds = 30;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string to_text(uint3 v) {
  std::ostringstream text;
  text << '(' << v.x << ',' << v.y << ',' << v.z << ')';
  return text.str();
}

}  // namespace

Block& Block::of_this_thread() {
  static thread_local Block block;
  return block;
}

uint64_t Block::random() {
  // splitmix64
  uint64_t z = random_state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

void Block::reset(Launch& launch, uint3 index, uint64_t block_seed) {
  launch_ = &launch;
  index_ = index;
  const dim3 dim = launch.info.block;
  thread_count_ = alive_ = static_cast<int>(dim.x * dim.y * dim.z);
  if (threads_.size() < static_cast<size_t>(thread_count_)) {
    threads_.clear();
    threads_.resize(kMaxBlockThreads);
    ready_.resize(kMaxBlockThreads);
  }
  for (int i = 0; i < thread_count_; i++) {
    Thread& thread = threads_[i];
    thread.state = ThreadState::fresh;
    if (thread.async && !thread.async->empty()) thread.async->clear();
  }
  for (int warp = 0; warp * kWarpLanes < thread_count_; warp++) {
    const int lanes = thread_count_ - warp * kWarpLanes;
    alive_lanes_[warp] = lanes >= kWarpLanes ? 0xffffffffu : (1u << lanes) - 1u;
  }
  ready_head_ = ready_tail_ = 0;
  started_ = 0;
  failed_ = false;
  polls_ = 0;
  poll_deadline_ = 0;
  random_state_ = block_seed;
  fresh_.clear();
  if (seeded()) {
    fresh_.resize(static_cast<size_t>(thread_count_));
    for (int i = 0; i < thread_count_; i++) fresh_[i] = i;
    for (int i = thread_count_ - 1; i > 0; i--)
      std::swap(fresh_[i], fresh_[random() % static_cast<uint64_t>(i + 1)]);
  }
  std::memset(shared_arena.bytes, kPoison, launch.info.shared_bytes);
}

void Block::run(Launch& launch, uint3 index, uint64_t block_seed) {
  reset(launch, index, block_seed);
  if (Observer* watching = observer()) watching->block_begin(launch.info, index);
  resume(*pick(), scheduler_, false);
  current = nullptr;
  if (failed_)
    abandon_threads();
  else
    finish_bulk_stores(*this);
  if (Observer* watching = observer()) watching->block_end();
}

// After a fault the other threads are left where they stand: their stacks go back as they are.
void Block::abandon_threads() {
  for (int i = 0; i < thread_count_; i++) {
    Thread& thread = threads_[i];
    if (thread.state != ThreadState::done && thread.state != ThreadState::fresh)
      stacks_.give_back(thread.fiber.stack);
    if (thread.async) thread.async->clear();
  }
  for (NamedBarrier& barrier : barriers_) {
    barrier.arrived.clear();
    barrier.waiting.clear();
  }
  for (std::vector<WarpMeeting>& meetings : meetings_) meetings.clear();
  for (WarpgroupMeeting& meeting : warpgroups_) meeting = WarpgroupMeeting{};
  mbarrier_waiters.clear();
  loads_in_flight.clear();
}

void Block::begin(Thread& thread) {
  const int linear = static_cast<int>(&thread - threads_.data());
  const dim3 dim = launch_->info.block;
  const unsigned i = static_cast<unsigned>(linear);
  if (dim.x == static_cast<unsigned>(thread_count_))
    thread.thread_index = {i, 0, 0};
  else
    thread.thread_index = {i % dim.x, i / dim.x % dim.y, i / dim.x / dim.y};
  thread.block_index = index_;
  thread.block_dim = dim;
  thread.grid_dim = launch_->info.grid;
  thread.linear = linear;
  thread.lane = linear % kWarpLanes;
  thread.warp = linear / kWarpLanes;
  thread.block = this;
  thread.in_simulator = true;
  thread.state = ThreadState::running;
}

void Block::run_thread(Thread& me) {
  if (Observer* watching = observer()) watching->thread_begin(me, me.fiber.stack, kStackBytes);
  std::string thrown;
  try {
    me.in_simulator = false;
    launch_->invoke(launch_->info.parameters);
  } catch (const std::exception& error) {
    thrown = error.what();
  } catch (const ThreadFailed&) {
    throw;
  } catch (...) {
    thrown = "of unknown type";
  }
  me.in_simulator = true;
  if (!thrown.empty()) fail(cudaErrorLaunchFailure, "exception: " + thrown, nullptr);
  if (Observer* watching = observer()) watching->thread_end(me);
  finish(me);
}

void Block::fiber_main() {
  fiber_started();
  for (;;) {
    Thread& me = self();
    Block& block = *me.block;
    Thread* next = nullptr;
    try {
      block.run_thread(me);
      if (block.alive_ > 0) next = block.pick();
    } catch (const ThreadFailed&) {
    }
    block.leave_ended_fiber(me, next);
  }
}

// A thread that has not started can go on this same stack, with no switch: returns for it.
void Block::leave_ended_fiber(Thread& me, Thread* next) {
  if (next == nullptr) {
    me.state = ThreadState::done;
    stacks_.give_back(me.fiber.stack);
    switch_fiber(me.fiber, scheduler_, true);
  } else if (next->state == ThreadState::fresh) {
    next->fiber = me.fiber;
    begin(*next);
    current = next;
  } else {
    stacks_.give_back(me.fiber.stack);
    resume(*next, me.fiber, true);
  }
}

void Block::resume(Thread& next, Fiber& from, bool ends) {
  if (next.state == ThreadState::fresh) {
    begin(next);
    prepare_fiber(next.fiber, stacks_.take(), &Block::fiber_main);
  }
  next.state = ThreadState::running;
  current = &next;
  switch_fiber(from, next.fiber, ends);
}

void Block::suspend(const char* what, const void* pc) {
  Thread& me = self();
  me.waits_for = what;
  me.wait_pc = pc;
  if (me.state == ThreadState::running) me.state = ThreadState::waiting;
  Thread* next = pick();
  if (next == &me)
    me.state = ThreadState::running;
  else
    resume(*next, me.fiber, false);
}

void Block::wake(Thread& thread) {
  thread.state = ThreadState::ready;
  ready_[ready_tail_++ % kMaxBlockThreads] = &thread;
}

void Block::yield() {
  Thread& me = self();
  wake(me);
  suspend("its turn", nullptr);
}

void Block::poll() {
  // A full round of polls without an event: what they wait for may be a copy that is under way, a
  // thread that has not started, or another block.
  if (++polls_ > alive_) {
    polls_ = 0;
    land_one_copy();
    const int64_t now = now_ns();
    if (poll_deadline_ == 0) poll_deadline_ = now + kPollSeconds * 1'000'000'000;
    if (now > poll_deadline_)
      fail(cudaErrorLaunchTimeout, "a thread polls memory for something that never comes", nullptr);
  }
  Thread& me = self();
  wake(me);
  if (Thread* fresh = next_fresh())
    resume(*fresh, me.fiber, false);
  else
    suspend("its turn", nullptr);
}

Thread* Block::next_ready() {
  const size_t count = ready_tail_ - ready_head_;
  if (count == 0) return nullptr;
  if (seeded())
    std::swap(ready_[ready_head_ % kMaxBlockThreads],
              ready_[(ready_head_ + random() % count) % kMaxBlockThreads]);
  return ready_[ready_head_++ % kMaxBlockThreads];
}

Thread* Block::next_fresh() {
  if (started_ == thread_count_) return nullptr;
  const int linear = fresh_.empty() ? started_ : fresh_[started_];
  started_++;
  return &threads_[linear];
}

// Threads that wait no longer come before those that have not started: a warp that only talks to
// itself ends before the next one begins, on the stacks the last one used.
Thread* Block::pick() {
  for (;;) {
    if (seeded()) {
      if (!loads_in_flight.empty() && random() % 8 == 0) land_one_copy();
      if (random() % 2 == 0)
        if (Thread* fresh = next_fresh()) return fresh;
    }
    if (Thread* ready = next_ready()) return ready;
    if (Thread* fresh = next_fresh()) return fresh;
    if (!land_one_copy()) fail(cudaErrorLaunchFailure, deadlock_report(), nullptr);
  }
}

bool Block::land_one_copy() {
  if (loads_in_flight.empty()) return false;
  land_bulk_load(*this, seeded() ? random() % loads_in_flight.size() : 0);
  return true;
}

void Block::finish(Thread& thread) {
  thread.state = ThreadState::done;
  poll_deadline_ = 0;
  alive_--;
  const uint32_t lane = 1u << thread.lane;
  alive_lanes_[thread.warp] &= ~lane;
  // Those who wait for all living threads may have waited for this one.
  if (!barriers_[0].arrived.empty() && complete(barriers_[0])) release(0);
  for (WarpMeeting& meeting : meetings_[thread.warp])
    if (meeting.arrived != 0 && meeting.arrived == (meeting.mask & alive_lanes_[thread.warp]))
      complete_meeting(meeting, thread.warp);
  if (alive_ == 0 && !loads_in_flight.empty())
    fail(cudaErrorLaunchFailure, "the block ended while a TMA load was under way",
         loads_in_flight.front().pc);
}

std::string Block::deadlock_report() {
  using Place = std::pair<std::string, const void*>;
  std::map<Place, std::pair<int, const Thread*>> groups;
  for (int i = 0; i < thread_count_; i++) {
    const Thread& thread = threads_[i];
    if (thread.state != ThreadState::waiting) continue;
    auto& [count, first] = groups[{thread.waits_for, thread.wait_pc}];
    if (count++ == 0) first = &thread;
  }
  std::ostringstream text;
  text << "deadlock: no thread can go on";
  for (const auto& [place, group] : groups)
    text << "; " << group.first << " thread" << (group.first == 1 ? "" : "s") << " (first "
         << to_text(group.second->thread_index) << ") wait at " << place.first << ", "
         << describe_address(place.second);
  if (alive_ < thread_count_) text << "; " << thread_count_ - alive_ << " threads have exited";
  return text.str();
}

void Block::record_failure(int code, const std::string& text, const void* pc) {
  Thread& me = self();
  me.in_simulator = true;
  if (Observer* watching = observer()) watching->faulted(code, text, pc);
  std::ostringstream report;
  report << kernel_name(launch_->info.function) << ", block " << to_text(index_);
  if (text.compare(0, 8, "deadlock") != 0) report << ", thread " << to_text(me.thread_index);
  report << ": " << text;
  if (pc != nullptr) report << ", at " << describe_address(pc);
  record_fault(code, report.str());
  launch_->failed.store(true, std::memory_order_relaxed);
  failed_ = true;
}

void Block::fail(int code, const std::string& text, const void* pc) {
  record_failure(code, text, pc);
  throw ThreadFailed{};
}

void Block::abandon(int code, const std::string& text, const void* pc) {
  record_failure(code, text, pc);
  leave_ended_fiber(self(), nullptr);
  std::abort();  // nobody continues a fiber that has ended
}

}  // namespace weft::simulator
