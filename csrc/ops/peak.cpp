#include "ops/peak.h"

#include <time.h>

#include <algorithm>

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/parallel.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<PeakParams> peak_multiply_add("peak_multiply_add");
constinit Kernel<PeakParams> peak_copy("peak_copy");
}  // namespace kernels

namespace {

constexpr int64_t kSteps = 100'000;        // multiply-adds of a chain in one repetition
constexpr int64_t kLeastBytes = 1 << 10;   // less would measure the start of the loop
constexpr int64_t kGrainBytes = 1 << 20;   // of a part of a copy that fits no cache
constexpr int64_t kCopiedBytes = 1 << 24;  // read by each thread in one repetition, at least

constexpr int64_t vector_bytes(Isa isa) { return 16 << static_cast<int>(isa); }

// One thread's own time does not count what other programs do meanwhile.
double now() {
  timespec t;
  clock_gettime(num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double seconds_of(const auto& work) {
  const double start = now();
  work();
  return now() - start;
}

template <class Work>
double best_rate(double amount, const Work& work) {
  double best = 0;
  for (int i = 0; i < 10; i++) best = std::max(best, amount / seconds_of(work));
  return best;
}

// FLOP/s of multiply-adds without memory traffic, on num_threads() threads.
double peak_flops(DType dtype) {
  const int64_t chunks = num_threads();
  Tensor out = Tensor::empty({chunks}, dtype);
  const int64_t lanes = vector_bytes(current_isa()) / static_cast<int64_t>(itemsize(dtype));
  const auto flops = static_cast<double>(2 * lanes * kPeakChains * kSteps * chunks);
  return best_rate(flops, [&] {
    launch(kernels::peak_multiply_add, dtype, PeakParams{kSteps}, {static_cast<int64_t>(flops), 0},
           {}, {&out});
  });
}

// Bytes per second (read plus written) of copies, in which `bytes` are read and written by each of
// num_threads() threads: where they lie, in a cache or in memory, is what is measured.
double peak_bandwidth(int64_t bytes) {
  check(bytes >= kLeastBytes, "peak_bandwidth: at least ", kLeastBytes, " bytes are needed, got ",
        bytes);
  const int64_t part = bytes / 2;  // bytes of x for each thread
  const int64_t n = part / 4 * num_threads();
  const Tensor x = full({n}, 1, DType::float32, Device{});
  const Tensor y = full({n}, 0, DType::float32, Device{});
  const int64_t repetitions = std::max<int64_t>(1, kCopiedBytes / part);
  // What fits a cache is copied again and again by one thread; of what does not, all threads take
  // parts, so that none waits for the slowest.
  const int64_t grain = repetitions > 1 ? part / 4 : std::min(part, kGrainBytes) / 4;
  const int64_t copied = 2 * repetitions * n * 4;
  return best_rate(static_cast<double>(copied), [&] {
    launch(kernels::peak_copy, DType::float32, PeakParams{repetitions, grain}, {0, copied}, {&x},
           {&y});
  });
}

}  // namespace

WEFT_BINDING(peak) {
  m.def("peak_flops", &peak_flops, pybind11::arg("dtype"));
  m.def("peak_bandwidth", &peak_bandwidth, pybind11::arg("bytes"));
}

}  // namespace weft
