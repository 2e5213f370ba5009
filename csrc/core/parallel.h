// The thread pool. Work is cut into chunks by size alone, never by the number of threads, so the
// same bits come out of 1 or N threads.
#pragma once

#include <cstdint>

namespace weft {

void set_num_threads(int n);  // ValueError below 1; 1 keeps all work on the caller
int num_threads();

// Runs body(context, chunk) for every chunk in [0, chunks), on the pool and the caller, and waits.
// Nested calls, and calls while another Python thread uses the pool, run on the caller alone.
// What the body throws (a scratch buffer that cannot be had) is thrown again on the caller.
void parallel_run(int64_t chunks, void (*body)(void* context, int64_t chunk), void* context);

// body(begin, end) over [0, n) in chunks of `grain`; below two chunks it is a plain call.
// A chunk should hold at least ~10 us of work (about 16 KiB of bytes or 1 MFLOP).
template <class Body>
inline void parallel_for(int64_t n, int64_t grain, Body&& body) {
  if (grain < 1) grain = 1;
  const int64_t chunks = (n + grain - 1) / grain;
  if (chunks <= 1) {
    if (n > 0) body(int64_t{0}, n);
    return;
  }
  struct Context {
    Body* body;
    int64_t n, grain;
  } context{&body, n, grain};
  parallel_run(
      chunks,
      [](void* erased, int64_t chunk) {
        const Context& c = *static_cast<Context*>(erased);
        const int64_t begin = chunk * c.grain;
        const int64_t end = begin + c.grain < c.n ? begin + c.grain : c.n;
        (*c.body)(begin, end);
      },
      &context);
}

}  // namespace weft
