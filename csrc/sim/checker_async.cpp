// The checker's view of asynchronous copies and mbarriers.
//
// Between issue and landing the bytes belong to the copy: nobody may touch its destination or
// write its source. At the issue everything that was done with those bytes must be over for the
// thread that issues. Landing is a write by the thread that waited (cp.async), or by an agent of
// its own (TMA) that an mbarrier makes known.
#include "sim/block.h"
#include "sim/checker.h"

namespace weft::simulator {

void Checker::async_issue(const AsyncAccess& access) {
  const auto address = reinterpret_cast<uintptr_t>(access.address);
  if (access.bytes == 0) return;
  const AccessKind kind = access.write ? AccessKind::write : AccessKind::read;
  const Actor issuer = actor(kind, access.pc);
  if (shared_.contains(address))
    issue_shared(access, issuer);
  else if (!is_ignored(address, access.write))
    touch_global(address, access.bytes, kind, issuer);
}

void Checker::issue_shared(const AsyncAccess& access, const Actor& actor) {
  const auto address = reinterpret_cast<uintptr_t>(access.address);
  if (!access.write) touch_shared(address, access.bytes, AccessKind::read, actor);
  const auto arena = reinterpret_cast<uintptr_t>(shared_arena.bytes);
  if (address - arena < kMaxSharedBytes && address - arena + access.bytes > launch_.shared_bytes)
    stop(kinds::out_of_bounds, actor,
         "an asynchronous copy to offset " + std::to_string(address - arena) +
             " of shared memory, of which " + std::to_string(launch_.shared_bytes) +
             " bytes were given");
  const uint64_t ticket = access.ticket;
  for_each_cell(shared_.offset(address), access.bytes, [&](size_t index, uint8_t mask) {
    if (access.write) {
      check_pending(index, AccessKind::write, actor);
      check_cell(shared_.cell(index), AccessKind::write, mask, actor, true);
      shared_.pending_write(index) = ticket;
    } else {
      shared_.pending_read(index) = ticket;
    }
  });
  pending_[ticket] = {actor.record.thread, actor.record.pc};
}

// Tickets of copies that have landed, or that earlier blocks made, are not in the table.
void Checker::check_pending(size_t cell, AccessKind kind, const Actor& actor) {
  const auto complain = [&](uint64_t ticket, const char* what) {
    const auto copy = ticket == 0 ? pending_.end() : pending_.find(ticket);
    if (copy == pending_.end()) return;
    Place place = place_of(actor.record);
    place.pc = actor.pc;
    const std::string who = "started by thread " + to_text(thread_index(copy->second.thread));
    findings_.add({kinds::async_copy, launch_.function, place, "",
                   writes(kind) ? std::string("writes shared memory that ") + what
                                : std::string("reads shared memory that ") + what,
                   who, image_.pc(copy->second.pc)});
  };
  complain(shared_.pending_write(cell), "an asynchronous copy may still be writing,");
  if (writes(kind))
    complain(shared_.pending_read(cell), "an asynchronous copy may still be reading,");
}

void Checker::async_land(const AsyncAccess& access, const void* barrier) {
  const auto address = reinterpret_cast<uintptr_t>(access.address);
  if (access.bytes == 0 || !shared_.contains(address)) return;
  pending_.erase(access.ticket);
  Record record;
  record.block = block_;
  record.pc = image_.offset(access.pc);
  int agent = kAsyncAgent;
  if (barrier != nullptr) {
    record.thread = kAsyncThread;
  } else if (current != nullptr) {
    record.thread = static_cast<uint16_t>(current->linear);
    agent = current->warp;
  } else {
    return;  // at the block's end nobody is left
  }
  record.clock = clocks_.now(agent);
  const size_t offset = shared_.offset(address);
  const Actor lander{record, agent, access.pc};
  const AccessKind kind = access.write ? AccessKind::write : AccessKind::read;
  for_each_cell(offset, access.bytes, [&](size_t index, uint8_t mask) {
    remember(shared_.cell(index), kind, mask, lander, true);
  });
  if (!access.write) return;
  for (size_t i = 0; i < access.bytes; i++) shared_.written_by(offset + i) = block_;
  if (barrier == nullptr) return;
  mbarriers_[barrier].seen[kAsyncAgent] = record.clock;
  clocks_.next_epoch(kAsyncAgent);
}

// The barrier's own bytes: whoever uses it must know that it has been initialised.
void Checker::touch_mbarrier(const void* barrier, AccessKind kind, const void* pc) {
  const auto address = reinterpret_cast<uintptr_t>(barrier);
  if (shared_.contains(address)) touch_shared(address, sizeof(uint64_t), kind, actor(kind, pc));
}

void Checker::mbarrier_init(const void* barrier, const void* pc) {
  touch_mbarrier(barrier, AccessKind::write, pc);
  mbarriers_[barrier] = View{};
}
void Checker::mbarrier_release(const void* barrier, const void* pc) {
  touch_mbarrier(barrier, AccessKind::atomic_load, pc);
  clocks_.release(current->warp, mbarriers_[barrier]);
}
void Checker::mbarrier_acquire(const void* barrier, const void* pc) {
  touch_mbarrier(barrier, AccessKind::atomic_load, pc);
  clocks_.acquire(current->warp, mbarriers_[barrier]);
}

}  // namespace weft::simulator
