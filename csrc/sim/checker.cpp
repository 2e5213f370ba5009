#include "sim/checker.h"

#include <algorithm>
#include <string>

#include "sim/block.h"
#include "sim/device_memory.h"
#include "sim/errors.h"
#include "sim/symbols.h"

namespace weft::simulator {
namespace {

bool is_atomic(AccessKind kind) { return kind > AccessKind::write; }

bool reads(AccessKind kind) {
  return kind != AccessKind::write && kind != AccessKind::volatile_write;
}

std::string size_text(AccessKind kind, size_t bytes, const char* memory) {
  const char* verb = kind == AccessKind::atomic ? "an atomic access to "
                     : writes(kind)             ? "writes "
                                                : "reads ";
  return verb + std::to_string(bytes) + (bytes == 1 ? " byte of " : " bytes of ") + memory +
         " memory";
}

// Where the oldest operation was issued; null when there is none. Groups may be empty.
template <class Operation>
const void* first_pc(OperationGroups<Operation> groups) {
  const void* pc = nullptr;
  groups.commit();
  groups.retire(0, [&pc](const Operation& operation) {
    if (pc == nullptr) pc = operation.pc;
  });
  return pc;
}

uint32_t warps_of(const int* threads, int count) {
  uint32_t warps = 0;
  for (int i = 0; i < count; i++) warps |= 1u << threads[i] / kWarpLanes;
  return warps;
}

}  // namespace

std::set<const void*>& Checker::functions_watched() {
  static std::set<const void*> all;
  return all;
}

// Memory that exists already counts as initialised: nobody watched it being written.
Checker::Checker() : image_(Image::of_this_library()) {
  for (const LiveMemory& memory : live_memory()) {
    global_.add(memory.begin, memory.bytes, ByteState::initialised);
    for (const auto& [begin, bytes] : memory.blocks)
      global_.take_block(begin, bytes, ByteState::initialised);
  }
}

std::vector<Report> Checker::take_reports() {
  std::lock_guard lock(mutex_);
  return findings_.take();
}

// ---- the course of a launch --------------------------------------------------------------------

void Checker::launch_begin(const LaunchInfo& info) {
  mutex_.lock();
  functions_watched().insert(info.function);
  launch_ = info;
  first_block_ = block_ + 1;
  blocks_.clear();
  variables_.clear();
  shared_.locate();
}

void Checker::launch_end(const LaunchInfo&) { mutex_.unlock(); }

void Checker::block_begin(const LaunchInfo& info, uint3 block) {
  block_++;
  blocks_.push_back(block);
  const dim3 dim = info.block;
  clocks_.reset(static_cast<int>((dim.x * dim.y * dim.z + kWarpLanes - 1) / kWarpLanes));
  mbarriers_.clear();
  pending_.clear();
  acquired_.clear();
  stopping_ = false;
}

void Checker::faulted(int code, const std::string& text, const void* pc) {
  if (stopping_) return;
  const char* kind = kinds::fault;
  if (code == cudaErrorMisalignedAddress) kind = kinds::misaligned;
  if (code == cudaErrorIllegalAddress) kind = kinds::out_of_bounds;
  if (code == cudaErrorIllegalInstruction) kind = kinds::synchronisation;
  if (code == cudaErrorLaunchTimeout || text.starts_with("deadlock")) kind = kinds::deadlock;
  if (text.find("TMA load was under way") != std::string::npos) kind = kinds::async_copy;
  if (text.starts_with("mbarrier")) kind = kinds::synchronisation;
  report(kind, actor(AccessKind::read, pc), text);
}

void Checker::thread_end(const ThreadContext&) {
  const Thread& thread = Block::self();
  if (!thread.async || thread.async->empty()) return;
  const auto unfinished = [this](const char* what, const void* pc) {
    if (pc != nullptr) report(kinds::async_copy, actor(AccessKind::read, pc), what);
  };
  unfinished("a cp.async that its thread never waits for", first_pc(thread.async->copies));
  unfinished("a TMA or bulk store that its thread never waits for", first_pc(thread.async->stores));
  unfinished("a wgmma that its warpgroup never waits for", first_pc(thread.async->mmas));
}

// ---- order -------------------------------------------------------------------------------------

void Checker::block_barrier() {
  check_barrier_lines();
  clocks_.barrier_of_all();
}

// Lanes of one warp that meet a barrier at different lines work here and may hang or corrupt
// elsewhere. The compiler copies code, so lines count, not addresses.
void Checker::check_barrier_lines() {
  Block& block = Block::running();
  const Thread* first = nullptr;
  for (int i = 0; i < block.thread_count(); i++) {
    const Thread& thread = block.thread(i);
    if (thread.lane == 0 || first == nullptr) first = nullptr;
    if (thread.state == ThreadState::done) continue;
    if (first == nullptr) {
      first = &thread;
    } else if (first->wait_pc != thread.wait_pc) {
      const std::string here = describe_address(thread.wait_pc);
      if (here == describe_address(first->wait_pc)) continue;
      Finding finding{kinds::barrier,
                      launch_.function,
                      {blocks_.back(), thread.thread_index, thread.wait_pc},
                      here,
                      "waits at another barrier than the rest of its warp:",
                      "thread " + to_text(first->thread_index) + " waits",
                      first->wait_pc};
      findings_.add(std::move(finding));
      return;
    }
  }
}

void Checker::named_barrier(int, const int* arrived, int arrived_count, const int* waited,
                            int waited_count) {
  clocks_.barrier(warps_of(arrived, arrived_count), warps_of(waited, waited_count));
}

void Checker::warp_sync(int warp, uint32_t, bool orders_memory) {
  if (orders_memory) clocks_.next_epoch(warp);
}

// The warps of a warpgroup leave a wgmma's wait together, with its operands read.
void Checker::warpgroup_sync(int warpgroup) {
  const uint32_t warps = 0xfu << warpgroup * 4;
  clocks_.barrier(warps, warps);
}

void Checker::fence(FenceScope scope) { clocks_.fence(current->warp, scope != FenceScope::block); }

// What was fenced before an atomic access is known to whoever finds its value there.
void Checker::synchronise(uintptr_t address, AccessKind kind, int agent) {
  View& mine = clocks_.view(agent);
  const auto found = variables_.find(address);
  const bool fenced = std::ranges::any_of(mine.fenced_block, [](uint32_t e) { return e != 0; });
  if (found == variables_.end() && !(fenced && writes(kind))) return;
  SyncVariable& variable = found == variables_.end() ? variables_[address] : found->second;
  if (variable.block == block_) clocks_.acquire(agent, variable.view);
  if (!variable.releases.empty()) acquired_.emplace_back(&variable, variable.releases.size());
  if (!writes(kind) || !fenced) return;
  if (variable.block != block_) {
    variable.block = block_;
    variable.view = View{};
  }
  join(variable.view.seen, mine.fenced_block);
  join(variable.view.fenced_device, mine.fenced_device);
  std::vector<Release>& releases = variable.releases;
  if (releases.empty() || releases.back().block != block_)
    releases.push_back({block_, mine.fenced_device});
  else
    join(releases.back().clock, mine.fenced_device);
}

bool Checker::acquired(const Record& earlier) const {
  for (const auto& [variable, count] : acquired_) {
    const auto end = variable->releases.begin() + static_cast<ptrdiff_t>(count);
    const auto release =
        std::lower_bound(variable->releases.begin(), end, earlier.block,
                         [](const Release& r, uint32_t block) { return r.block < block; });
    if (release != end && release->block == earlier.block &&
        earlier.clock <= release->clock[static_cast<size_t>(earlier.agent())])
      return true;
  }
  return false;
}

bool Checker::ordered(const Record& earlier, const Actor& actor) const {
  if (earlier.block < first_block_) return true;
  if (earlier.block != block_) return acquired(earlier);
  if (earlier.thread == actor.record.thread && actor.agent != kAsyncAgent) return true;
  return clocks_.knows(actor.agent, earlier.agent(), earlier.clock);
}

// ---- accesses ----------------------------------------------------------------------------------

Checker::Actor Checker::actor(AccessKind kind, const void* pc) const {
  Record record;
  record.block = block_;
  record.clock = clocks_.now(current->warp);
  record.pc = image_.offset(pc);
  record.thread = static_cast<uint16_t>(current->linear);
  record.atomic = is_atomic(kind);
  return {record, current->warp, pc};
}

bool Checker::is_ignored(uintptr_t address, bool write) const {
  const auto stack = reinterpret_cast<uintptr_t>(Block::self().fiber.stack);
  if (address - stack < kStackBytes) return true;
  if (write) return false;
  // Constants of the program, and the arguments.
  const auto parameters = reinterpret_cast<uintptr_t>(launch_.parameters);
  return image_.contains(address) || address - parameters < launch_.parameter_bytes;
}

void Checker::access(const Access& access) {
  const auto address = reinterpret_cast<uintptr_t>(access.address);
  if (access.bytes == 0) return;
  if (!shared_.contains(address) && is_ignored(address, writes(access.kind))) return;
  Actor who = actor(access.kind, access.pc);
  who.structure = access.structure;
  touch(address, access.bytes, access.kind, who);
}

void Checker::touch(uintptr_t address, size_t bytes, AccessKind kind, const Actor& actor) {
  if (is_atomic(kind)) synchronise(address, kind, actor.agent);
  if (shared_.contains(address))
    touch_shared(address, bytes, kind, actor);
  else
    touch_global(address, bytes, kind, actor);
}

void Checker::touch_shared(uintptr_t address, size_t bytes, AccessKind kind, const Actor& actor) {
  const auto arena = reinterpret_cast<uintptr_t>(shared_arena.bytes);
  const size_t in_arena = address - arena;
  if (in_arena < kMaxSharedBytes && in_arena + bytes > launch_.shared_bytes)
    stop(kinds::out_of_bounds, actor,
         size_text(kind, bytes, "shared") + " at offset " + std::to_string(in_arena) + ", but " +
             std::to_string(launch_.shared_bytes) + " bytes of dynamic shared memory were given");
  const size_t offset = shared_.offset(address);
  size_t unwritten = 0;
  for (size_t i = 0; i < bytes; i++) {
    uint32_t& writer = shared_.written_by(offset + i);
    unwritten += writer != block_;
    if (writes(kind)) writer = block_;
  }
  if (reads(kind) && unwritten > (actor.structure ? bytes - 1 : 0))
    report(kinds::uninitialised, actor,
           size_text(kind, bytes, "shared") + " that nobody in this block has written");
  for_each_cell(offset, bytes, [&](size_t index, uint8_t mask) {
    if (!pending_.empty()) check_pending(index, kind, actor);
    Cell& cell = shared_.cell(index);
    check_cell(cell, kind, mask, actor, true);
    remember(cell, kind, mask, actor, true);
  });
}

void Checker::check_bounds(Segment* segment, uintptr_t address, size_t bytes, AccessKind kind,
                           const Actor& actor) {
  const std::string text = size_text(kind, bytes, "global");
  if (segment == nullptr || address + bytes > segment->begin + segment->bytes) {
    const size_t past = global_.distance_past_memory(address + bytes - 1);
    stop(kinds::out_of_bounds, actor,
         past > 0 ? text + ", " + std::to_string(past) + " bytes past the end of what is allocated"
                  : text + " at an address that is not in the device's memory (a host pointer?)");
  }
  const ByteState* state = segment->state(address);
  for (size_t i = 0; i < bytes; i++) {
    if (state[i] == ByteState::returned)
      stop(kinds::out_of_bounds, actor, text + " that has been given back");
    if (state[i] == ByteState::outside) {
      const size_t past = global_.distance_past_memory(address + i);
      stop(kinds::out_of_bounds, actor,
           text + (past > 0 ? ", " + std::to_string(past + bytes - i - 1) +
                                  " bytes past the end of a tensor"
                            : ", which belongs to no tensor"));
    }
  }
}

void Checker::touch_global(uintptr_t address, size_t bytes, AccessKind kind, const Actor& actor) {
  Segment* segment = global_.find(address);
  bool usable = segment != nullptr && address + bytes <= segment->begin + segment->bytes;
  size_t unwritten = 0;
  if (usable) {
    ByteState* state = segment->state(address);
    for (size_t i = 0; i < bytes; i++) {
      usable = usable && state[i] <= ByteState::initialised;
      unwritten += state[i] != ByteState::initialised;
      if (writes(kind) && usable) state[i] = ByteState::initialised;
    }
  }
  if (!usable) check_bounds(segment, address, bytes, kind, actor);
  if (reads(kind) && unwritten > (actor.structure ? bytes - 1 : 0))
    report(kinds::uninitialised, actor,
           size_text(kind, bytes, "global") + " that nothing has written");
  for_each_cell(address - segment->begin, bytes, [&](size_t index, uint8_t mask) {
    Cell& cell = segment->cell(index);
    check_cell(cell, kind, mask, actor, false);
    remember(cell, kind, mask, actor, false);
  });
}

void Checker::check_cell(const Cell& cell, AccessKind kind, uint8_t bytes, const Actor& actor,
                         bool shared) {
  const bool atomic = is_atomic(kind);
  // Shared memory of earlier blocks is another memory at the same place.
  const auto conflicts = [&](const Record& other) {
    return (other.bytes & bytes) != 0 && !(atomic && other.atomic) &&
           (!shared || other.block == block_) && !ordered(other, actor);
  };
  if (conflicts(cell.write)) return report_race(cell.write, actor, kind, shared, true);
  if (!writes(kind)) return;
  for (const Record& read : cell.reads)
    if (conflicts(read)) return report_race(read, actor, kind, shared, false);
}

void Checker::remember(Cell& cell, AccessKind kind, uint8_t bytes, const Actor& actor,
                       bool shared) {
  Record mine = actor.record;
  mine.bytes = bytes;
  if (writes(kind)) {
    if (cell.write.same_time(mine)) mine.bytes |= cell.write.bytes;
    cell.write = mine;
    for (Record& read : cell.reads) read.bytes &= static_cast<uint8_t>(~bytes);
    return;
  }
  // A read that is over for this one adds nothing: what is ordered after this one is ordered after
  // it too. Of reads at the same time the first is kept, and the newest.
  Record& first = cell.reads[0];
  if (first.same_time(mine)) mine.bytes |= first.bytes;
  const bool stale = first.bytes == 0 || (shared && first.block != block_);
  if (stale || ((first.bytes & ~mine.bytes) == 0 && ordered(first, actor)))
    first = mine;
  else
    cell.reads[1] = mine;
}

void Checker::undefined_behaviour(const char* what, const char* file, int line) {
  std::string place = file;
  place = place.substr(place.rfind('/') + 1) + ":" + std::to_string(line);
  const Actor who = actor(AccessKind::read, nullptr);
  findings_.add(
      {kinds::out_of_bounds, launch_.function, place_of(who.record), place, what, "", nullptr});
  stopping_ = true;
  Block::running().abandon(cudaErrorIllegalAddress, std::string(what) + ", at " + place, nullptr);
}

// ---- reports -----------------------------------------------------------------------------------

uint3 Checker::thread_index(int linear) const {
  const dim3 dim = launch_.block;
  const unsigned i = static_cast<unsigned>(linear);
  return {i % dim.x, i / dim.x % dim.y, i / dim.x / dim.y};
}

Place Checker::place_of(const Record& record) const {
  Place place;
  place.block = blocks_[record.block - first_block_];
  if (record.thread != kAsyncThread) place.thread = thread_index(record.thread);
  place.pc = image_.pc(record.pc);
  return place;
}

void Checker::report(const char* kind, const Actor& actor, std::string problem) {
  Place place = place_of(actor.record);
  place.pc = actor.pc;
  findings_.add({kind, launch_.function, place, "", std::move(problem), "", nullptr});
}

void Checker::report_race(const Record& other, const Actor& actor, AccessKind kind, bool shared,
                          bool other_writes) {
  Place place = place_of(actor.record);
  place.pc = actor.pc;
  const Place where = place_of(other);
  std::string who = "which ";
  if (other.thread == kAsyncThread)
    who += "an asynchronous copy that this thread has not waited for wrote; it was started";
  else
    who += "thread " + to_text(where.thread) +
           (other.block == block_ ? "" : " of block " + to_text(where.block)) +
           (other_writes ? other.atomic ? " changes atomically" : " writes" : " reads") +
           ", with nothing that orders the two,";
  const size_t bytes = static_cast<size_t>(__builtin_popcount(other.bytes));
  findings_.add({kinds::race, launch_.function, place, "",
                 size_text(kind, bytes, shared ? "shared" : "global"), who, where.pc});
}

void Checker::stop(const char* kind, const Actor& actor, const std::string& problem) {
  report(kind, actor, problem);
  stopping_ = true;
  Block::running().abandon(cudaErrorIllegalAddress, problem, actor.pc);
}

// ---- memory, from the host's side --------------------------------------------------------------

void Checker::allocated(const void* address, size_t bytes) {
  std::lock_guard lock(mutex_);
  global_.add(reinterpret_cast<uintptr_t>(address), bytes, ByteState::uninitialised);
}
void Checker::freed(const void* address, size_t) {
  std::lock_guard lock(mutex_);
  global_.remove(reinterpret_cast<uintptr_t>(address));
}
void Checker::block_taken(const void* address, size_t bytes) {
  std::lock_guard lock(mutex_);
  global_.take_block(reinterpret_cast<uintptr_t>(address), bytes, ByteState::uninitialised);
}
void Checker::block_returned(const void* address) {
  std::lock_guard lock(mutex_);
  global_.return_block(reinterpret_cast<uintptr_t>(address));
}
void Checker::host_wrote(const void* address, size_t bytes) {
  std::lock_guard lock(mutex_);
  global_.mark_initialised(reinterpret_cast<uintptr_t>(address), bytes);
}
void Checker::device_copied(const void* to, const void* from, size_t bytes) {
  std::lock_guard lock(mutex_);
  global_.copy_states(reinterpret_cast<uintptr_t>(to), reinterpret_cast<uintptr_t>(from), bytes);
}

}  // namespace weft::simulator
