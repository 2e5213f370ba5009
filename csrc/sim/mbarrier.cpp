// mbarriers: phases that complete when the expected arrivals and bytes have come.
#include <cstring>
#include <string>

#include "sim/async_copy.h"
#include "sim/block.h"
#include "sim/errors.h"

namespace weft::simulator {
namespace {

// How this simulator uses the 64 opaque bits of a barrier.
struct Barrier {
  uint32_t expected : 15;
  uint32_t missing : 15;  // arrivals that the running phase still needs
  uint32_t phase : 1;     // parity of the running phase
  uint32_t valid : 1;
  int32_t bytes;  // announced and not yet copied; copies may come before the announcement
};
static_assert(sizeof(Barrier) == sizeof(uint64_t));

Barrier load(const uint64_t* barrier) {
  Barrier value;
  std::memcpy(&value, barrier, sizeof value);
  return value;
}

void store(uint64_t* barrier, const Barrier& value) { std::memcpy(barrier, &value, sizeof value); }

Barrier load_valid(Block& block, const uint64_t* barrier, const void* pc) {
  if (reinterpret_cast<uintptr_t>(barrier) % sizeof(uint64_t) != 0)
    block.fail(cudaErrorMisalignedAddress, "misaligned mbarrier", pc);
  const Barrier value = load(barrier);
  if (!value.valid || value.expected == 0)
    block.fail(cudaErrorIllegalInstruction, "an mbarrier is used before mbarrier.init", pc);
  return value;
}

// Stores the barrier, and starts the next phase when this one is complete.
void update(Block& block, uint64_t* barrier, Barrier value) {
  if (value.missing != 0 || value.bytes != 0) {
    store(barrier, value);
    return;
  }
  value.phase ^= 1u;
  value.missing = value.expected;
  store(barrier, value);
  std::vector<MbarrierWaiter>& waiters = block.mbarrier_waiters;
  for (size_t i = 0; i < waiters.size();) {
    if (waiters[i].barrier == barrier && waiters[i].parity != value.phase) {
      block.wake(*waiters[i].thread);
      waiters.erase(waiters.begin() + static_cast<ptrdiff_t>(i));
    } else {
      i++;
    }
  }
}

void arrive(uint64_t* barrier, uint32_t count, uint32_t bytes, const void* pc) {
  SimulatorCall call;
  Block& block = call.block();
  Barrier value = load_valid(block, barrier, pc);
  if (value.missing < count)
    block.fail(cudaErrorLaunchFailure,
               "mbarrier: more arrivals in one phase than the " + std::to_string(value.expected) +
                   " it was initialised for",
               pc);
  if (Observer* watching = observer()) watching->mbarrier_release(barrier, pc);
  value.missing -= count;
  value.bytes += static_cast<int32_t>(bytes);
  update(block, barrier, value);
}

}  // namespace

void mbarrier_init(uint64_t* barrier, uint32_t count) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  if (reinterpret_cast<uintptr_t>(barrier) % sizeof(uint64_t) != 0)
    block.fail(cudaErrorMisalignedAddress, "misaligned mbarrier", pc);
  if (count == 0 || count >= 1u << 15)
    block.fail(cudaErrorIllegalInstruction, "mbarrier.init with a count out of range", pc);
  if (Observer* watching = observer()) watching->mbarrier_init(barrier, pc);
  store(barrier, Barrier{count, count, 0, 1, 0});
}

void mbarrier_invalidate(uint64_t* barrier) {
  SimulatorCall call;
  load_valid(call.block(), barrier, __builtin_return_address(0));
  store(barrier, Barrier{});
}

void mbarrier_arrive(uint64_t* barrier, uint32_t count) {
  arrive(barrier, count, 0, __builtin_return_address(0));
}

void mbarrier_arrive_expect_bytes(uint64_t* barrier, uint32_t bytes) {
  arrive(barrier, 1, bytes, __builtin_return_address(0));
}

void mbarrier_expect_bytes(uint64_t* barrier, uint32_t bytes) {
  SimulatorCall call;
  Block& block = call.block();
  Barrier value = load_valid(block, barrier, __builtin_return_address(0));
  value.bytes += static_cast<int32_t>(bytes);
  update(block, barrier, value);
}

void mbarrier_wait(uint64_t* barrier, uint32_t parity) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  if (load_valid(block, barrier, pc).phase == (parity & 1u)) {
    block.mbarrier_waiters.push_back({&Block::self(), barrier, parity & 1u});
    block.suspend("an mbarrier", pc);
  }
  if (Observer* watching = observer()) watching->mbarrier_acquire(barrier, pc);
}

bool mbarrier_test(uint64_t* barrier, uint32_t parity) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  if (load_valid(block, barrier, pc).phase == (parity & 1u)) {
    block.poll();
    if (load_valid(block, barrier, pc).phase == (parity & 1u)) return false;
  }
  if (Observer* watching = observer()) watching->mbarrier_acquire(barrier, pc);
  return true;
}

void complete_transaction(Block& block, uint64_t* barrier, size_t bytes) {
  Barrier value = load(barrier);
  value.bytes -= static_cast<int32_t>(bytes);
  update(block, barrier, value);
}

}  // namespace weft::simulator
