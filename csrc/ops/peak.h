// The machine's own limits, measured: what every benchmark is compared with.
#pragma once

#include "core/kernel.h"

namespace weft {

// Independent chains of a thread: enough to hide a latency of 4 to 6 cycles on two ports.
inline constexpr int64_t kPeakChains = 12;

struct PeakParams {
  int64_t repetitions;
};

namespace kernels {
// Operands: out (one element per chunk of work, chosen dtype). Runs independent multiply-add chains
// in registers on every thread.
extern Kernel<PeakParams> peak_multiply_add;
// Operands: x, y of equal length. y = x, `repetitions` times, shared among the threads.
extern Kernel<PeakParams> peak_copy;
}  // namespace kernels

}  // namespace weft
