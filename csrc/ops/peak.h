// The machine's own limits, measured: what every benchmark is compared with.
#pragma once

#include "core/kernel.h"

namespace weft {

// Independent chains of a thread: enough to hide a latency of 4 to 6 cycles on two ports.
inline constexpr int64_t kPeakChains = 12;

struct PeakParams {
  int64_t repetitions;
  int64_t grain = 1;  // of peak_copy: elements of y that a thread copies `repetitions` times
};

namespace kernels {
// Operands: out (one element per chunk of work, chosen dtype). Runs independent multiply-add chains
// in registers on every thread.
extern Kernel<PeakParams> peak_multiply_add;
// Operands: x, y of equal length. y = x; each part stays with one thread for all its repetitions,
// so small parts are read from that thread's caches and written to them.
extern Kernel<PeakParams> peak_copy;
}  // namespace kernels

}  // namespace weft
