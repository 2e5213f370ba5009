#include "sim/launch.h"

#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

#include "core/parallel.h"
#include "sim/block.h"
#include "sim/errors.h"
#include "sim/fault.h"

namespace weft::simulator {

Observer* active_observer = nullptr;
void set_observer(Observer* observer) { active_observer = observer; }

namespace {

std::atomic<uint64_t> launch_count{0};

// A chunk of the thread pool should hold about 10 us of work: that many threads that do little.
constexpr int64_t kThreadsPerChunk = 1024;

// Above this many blocks a seeded run keeps their order: the permutation would cost too much.
constexpr int64_t kMaxShuffledBlocks = 1 << 20;

uint64_t initial_seed() {
  const char* text = std::getenv("WEFT_SIM_SEED");
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

std::atomic<uint64_t>& seed() {
  static std::atomic<uint64_t> value{initial_seed()};
  return value;
}

uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t z = (a + 0x9e3779b97f4a7c15u) ^ (b * 0xbf58476d1ce4e5b9u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  return z ^ z >> 27;
}

std::vector<int64_t> shuffled_blocks(const Launch& launch, int64_t blocks) {
  std::vector<int64_t> order;
  if (launch.seed == 0 || blocks > kMaxShuffledBlocks) return order;
  order.resize(static_cast<size_t>(blocks));
  std::iota(order.begin(), order.end(), int64_t{0});
  uint64_t state = mix(launch.seed, launch.info.number);
  for (size_t i = order.size() - 1; i > 0; i--) {
    state = mix(state, i);
    std::swap(order[i], order[state % (i + 1)]);
  }
  return order;
}

}  // namespace

void set_schedule_seed(uint64_t value) { seed().store(value, std::memory_order_relaxed); }
uint64_t schedule_seed() { return seed().load(std::memory_order_relaxed); }

int check_configuration(dim3 grid, dim3 block, size_t shared_bytes, size_t limit) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0)
    return cudaErrorInvalidConfiguration;
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    return cudaErrorInvalidConfiguration;
  if (block.x > 1024 || block.y > 1024 || block.z > 64 || threads > kMaxBlockThreads)
    return cudaErrorInvalidConfiguration;
  if (shared_bytes > limit) return cudaErrorInvalidValue;
  return cudaSuccess;
}

void run_launch(LaunchInfo info, Invoke invoke) {
  info.number = launch_count.fetch_add(1, std::memory_order_relaxed) + 1;
  Launch launch{info, invoke, schedule_seed(), {}};
  if (Observer* watching = observer()) watching->launch_begin(info);
  const dim3 grid = info.grid;
  const int64_t blocks = int64_t{grid.x} * grid.y * grid.z;
  const int64_t threads = int64_t{info.block.x} * info.block.y * info.block.z;
  const std::vector<int64_t> order = shuffled_blocks(launch, blocks);
  const int64_t grain = observer() != nullptr ? blocks : kThreadsPerChunk / threads;
  parallel_for(blocks, grain, [&](int64_t begin, int64_t end) {
    Block& block = Block::of_this_thread();
    for (int64_t i = begin; i < end && !launch.failed.load(std::memory_order_relaxed); i++) {
      const int64_t at = order.empty() ? i : order[static_cast<size_t>(i)];
      const uint3 index{static_cast<unsigned>(at % grid.x),
                        static_cast<unsigned>(at / grid.x % grid.y),
                        static_cast<unsigned>(at / grid.x / grid.y)};
      block.run(launch, index, mix(launch.seed ^ info.number, static_cast<uint64_t>(at)));
    }
  });
  if (Observer* watching = observer()) watching->launch_end(info);
}

}  // namespace weft::simulator
