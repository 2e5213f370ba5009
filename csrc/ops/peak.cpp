#include "ops/peak.h"

#include <algorithm>
#include <chrono>

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

constexpr int64_t kSteps = 100'000;      // multiply-adds of a chain in one repetition
constexpr int64_t kCopyBytes = 1 << 26;  // larger than the caches

constexpr int64_t vector_bytes(Isa isa) { return 16 << static_cast<int>(isa); }

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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

// Bytes per second of a copy (read plus written) of arrays that do not fit the caches.
double peak_bandwidth() {
  const Tensor x = full({kCopyBytes / 4}, 1, DType::float32, Device{});
  const Tensor y = full({kCopyBytes / 4}, 0, DType::float32, Device{});
  return best_rate(2.0 * kCopyBytes, [&] {
    launch(kernels::peak_copy, DType::float32, PeakParams{1}, {0, 2 * kCopyBytes}, {&x}, {&y});
  });
}

}  // namespace

WEFT_BINDING(peak) {
  m.def("peak_flops", &peak_flops, pybind11::arg("dtype"));
  m.def("peak_bandwidth", &peak_bandwidth);
}

}  // namespace weft
