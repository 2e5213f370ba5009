// cp.async: copies of one thread from global to shared memory.
#include <cstring>
#include <string>

#include "sim/async_copy.h"
#include "sim/block.h"
#include "sim/errors.h"

namespace weft::simulator {
namespace {

void perform(const ThreadCopy& copy) {
  std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.source_bytes));
  std::memset(static_cast<char*>(copy.to) + copy.source_bytes, 0,
              static_cast<size_t>(copy.bytes - copy.source_bytes));
}

void land(const ThreadCopy& copy) {
  if (Observer* watching = observer())
    watching->async_land({copy.ticket, copy.to, static_cast<size_t>(copy.bytes), true, copy.pc},
                         nullptr);
  perform(copy);
}

}  // namespace

void copy_async(void* shared, const void* global, int bytes, int source_bytes) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  const uintptr_t both = reinterpret_cast<uintptr_t>(shared) |
                         (source_bytes > 0 ? reinterpret_cast<uintptr_t>(global) : 0);
  if (both % static_cast<unsigned>(bytes) != 0)
    block.fail(cudaErrorMisalignedAddress, "misaligned " + std::to_string(bytes) + "-byte cp.async",
               pc);
  const ThreadCopy copy{shared, global, bytes, source_bytes, block.next_ticket(), pc};
  if (Observer* watching = observer()) {
    watching->async_issue({copy.ticket, global, static_cast<size_t>(source_bytes), false, pc});
    watching->async_issue({copy.ticket, shared, static_cast<size_t>(bytes), true, pc});
  }
  // It may land early, and then once more at the wait, as if it had been split.
  if (block.seeded() && block.random() % 2 == 0) perform(copy);
  SimulatorCall().thread().pending().copies.add(copy);
}

void copy_async_commit() { SimulatorCall().thread().pending().copies.commit(); }

void copy_async_wait(int keep_groups) {
  SimulatorCall().thread().pending().copies.retire(static_cast<size_t>(keep_groups), land);
}

void copy_async_wait_all() {
  copy_async_commit();
  copy_async_wait(0);
}

}  // namespace weft::simulator
