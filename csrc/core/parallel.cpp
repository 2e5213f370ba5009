#include "core/parallel.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/warning.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#endif

namespace weft {
namespace {

// Iterations of the pause loop before a waiting thread sleeps: about 0.4 ms. Regions follow each
// other within that time in a training step, and waking a sleeper costs 7 to 40 us
// (research/cpu.md, section 8). A longer spin would burn a core that somebody else may need.
constexpr int kSpins = 10'000;

// More than any machine has; each is a stack and a place in the system's table.
constexpr int kMaxThreads = 4096;

// A chunk number that no region has: nothing can be claimed.
constexpr uint64_t kClosed = 0xffffffff;

inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One region at a time. Chunks are claimed from a shared counter by the caller and the workers
// alike, so a worker that the system does not schedule never delays the caller: "caller helps".
class Pool {
 public:
  // With as many of `threads`, the caller among them, as the system gives.
  explicit Pool(int threads) {
    try {
      workers_.reserve(static_cast<size_t>(threads) - 1);
      for (int i = 1; i < threads; i++) workers_.emplace_back([this] { work(); });
    } catch (const std::exception&) {
      // A limit of threads or of address space: those that run already are enough to go on.
    }
  }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  ~Pool() {
    stop_.store(true, std::memory_order_release);
    {
      std::lock_guard lock(sleep_mutex_);
      region_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  void run(int64_t chunks, void (*body)(void*, int64_t), void* context) {
    const uint32_t region = region_.load(std::memory_order_relaxed) + 1;
    // Closed first: a worker that was interrupted inside claim() still holds the last region's
    // word, and would otherwise take a chunk as soon as chunks_ allows it, while body_ is half
    // replaced.
    claim_.store(uint64_t{region} << 32 | kClosed, std::memory_order_seq_cst);
    body_ = body;
    context_ = context;
    unfinished_.store(chunks, std::memory_order_relaxed);
    chunks_.store(chunks, std::memory_order_release);
    claim_.store(uint64_t{region} << 32, std::memory_order_release);
    region_.store(region, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      {
        std::lock_guard lock(sleep_mutex_);
      }
      wake_.notify_all();
    }
    execute(region);
    for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; spins++) {
      if (spins < kSpins)
        pause_briefly();
      else
        std::this_thread::yield();
    }
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  // The claim word holds the region above and the next chunk below, so that a worker that wakes
  // late can never take a chunk of a region it has not seen.
  bool claim(uint32_t region, int64_t& chunk) {
    uint64_t word = claim_.load(std::memory_order_acquire);
    for (;;) {
      if (static_cast<uint32_t>(word >> 32) != region) return false;
      chunk = static_cast<uint32_t>(word);
      if (chunk >= chunks_.load(std::memory_order_acquire)) return false;
      if (claim_.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel)) return true;
    }
  }

  void execute(uint32_t region) {
    int64_t chunk;
    while (claim(region, chunk)) {
      try {
        body_(context_, chunk);
      } catch (...) {
        std::lock_guard lock(sleep_mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      unfinished_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  void work() {
    uint32_t seen = 0;
    while (!stop_.load(std::memory_order_acquire)) {
      wait_for_change(seen);
      seen = region_.load(std::memory_order_acquire);
      execute(seen);
    }
  }

  void wait_for_change(uint32_t seen) {
    for (int spins = 0; spins < kSpins; spins++) {
      if (region_.load(std::memory_order_acquire) != seen) return;
      pause_briefly();
    }
    std::unique_lock lock(sleep_mutex_);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(lock, [&] { return region_.load(std::memory_order_seq_cst) != seen; });
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  }

  alignas(64) std::atomic<uint64_t> claim_{0};
  alignas(64) std::atomic<int64_t> unfinished_{0};
  alignas(64) std::atomic<uint32_t> region_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  std::atomic<int64_t> chunks_{0};  // read by workers that are late for a region
  std::exception_ptr failure_;      // the first of the region, rethrown on the caller
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

int default_threads() {
  if (const char* text = std::getenv("WEFT_NUM_THREADS"); text && *text) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    check(*end == '\0' && n >= 1 && n <= kMaxThreads,
          "WEFT_NUM_THREADS must be a whole number from 1 to ", kMaxThreads, ", got '", text, "'");
    return static_cast<int>(n);
  }
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    return std::clamp(CPU_COUNT(&allowed), 1, kMaxThreads);
#endif
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 0u + kMaxThreads));
}

// A pool of `threads`, or of half as many as the system gives: whoever takes the last thread (or
// the last address space for stacks) leaves nothing for the tensors.
Pool* start_pool(int threads) {
  auto* pool = new Pool(threads);
  if (pool->threads() == threads) return pool;
  const int kept = std::max(1, pool->threads() / 2);
  delete pool;
  return new Pool(kept);
}

struct State {
  std::mutex region;  // held while a parallel region runs
  Pool* pool = nullptr;
  std::atomic<int> threads{0};  // 0: not asked yet
};

State& state() {
  static State* s = [] {
    // The child of a fork has none of the workers: it forgets the pool and starts a new one on
    // demand. The region lock is taken across the fork so that no region is cut in two.
    pthread_atfork([] { state().region.lock(); }, [] { state().region.unlock(); },
                   [] {
                     state().pool = nullptr;
                     state().region.unlock();
                   });
    return new State;
  }();
  return *s;
}

thread_local bool inside_region = false;

}  // namespace

int num_threads() {
  State& s = state();
  if (s.threads == 0) s.threads = default_threads();
  return s.threads;
}

void set_num_threads(int n) {
  check(n >= 1 && n <= kMaxThreads, "set_num_threads: n must be from 1 to ", kMaxThreads,
        " threads, got ", n);
  State& s = state();
  std::lock_guard lock(s.region);
  if (n == s.threads) return;
  delete s.pool;
  s.pool = nullptr;
  s.threads = n;
}

void parallel_run(int64_t chunks, void (*body)(void*, int64_t), void* context) {
  State& s = state();
  if (chunks <= 1 || inside_region || num_threads() == 1 || !s.region.try_lock()) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) body(context, chunk);
    return;
  }
  std::unique_lock lock(s.region, std::adopt_lock);
  const int wanted = s.threads;
  if (s.pool == nullptr) {
    s.pool = start_pool(wanted);
    s.threads = s.pool->threads();
  }
  const int obtained = s.threads;
  {
    struct Inside {
      Inside() { inside_region = true; }
      ~Inside() { inside_region = false; }
    } inside;
    s.pool->run(chunks, body, context);
  }
  lock.unlock();  // the warning runs Python's code, which may compute
  if (obtained < wanted)
    warn("the system does not give " + std::to_string(wanted) + " threads (see `ulimit -u` and " +
         "`ulimit -v`); weft goes on with " + std::to_string(obtained) +
         ". WEFT_NUM_THREADS or weft.set_num_threads ask for fewer");
}

}  // namespace weft
