// Philox 4x32-10, the counter-based generator of every random op on every device.
// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

#include "core/half.h"

namespace weft {

struct PhiloxBlock {
  uint32_t x[4];
};

// Block `counter` of the stream of `seed`: 128 random bits that depend on nothing else.
WEFT_HOST_DEVICE inline PhiloxBlock philox(uint64_t seed, uint64_t counter) {
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = 0, c3 = 0;
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(p0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform in [0, 1) with 24 (float) or 53 (double) random bits: every value is exact.
WEFT_HOST_DEVICE inline float uniform_float(uint32_t bits) { return (bits >> 8) * 0x1p-24f; }
WEFT_HOST_DEVICE inline double uniform_double(uint32_t high, uint32_t low) {
  return ((uint64_t{high} << 21) ^ (low >> 11)) * 0x1p-53;
}

}  // namespace weft
