// The part of a generator's stream that one launch owns.
#pragma once

#include "core/kernel.h"
#include "core/philox.h"
#include "cuda/dense.h"
#include "cuda/scratch.h"

namespace weft::WEFT_GPU {

struct RandomStream {
  uint64_t seed, counter;

  __device__ PhiloxBlock block(int64_t number) const {
    return philox(seed, counter + static_cast<uint64_t>(number));
  }
};

namespace {

__global__ void take_blocks_kernel(uint64_t* state, uint64_t blocks, RandomStream* taken) {
  taken->seed = state[0];
  taken->counter = atomicAdd(reinterpret_cast<unsigned long long*>(state + 1), blocks);
}

}  // namespace

// Takes blocks from a generator {seed, counter} in a launch of its own, before the kernel that uses
// them. The host never sees the counter, so a recorded launch draws new numbers at each replay; and
// two Python threads that share a generator get different numbers however their launches mix.
class TakenBlocks {
 public:
  TakenBlocks(const Operand& state, int64_t blocks) : stream_(1) {
    gpu::launch(take_blocks_kernel, dim3(1), dim3(1), 0, stream(), state.as<uint64_t>(), blocks,
                stream_.get());
  }
  const RandomStream* get() const { return stream_.get(); }

 private:
  DeviceScratch<RandomStream> stream_;
};

// 32-bit words of randomness for each element.
template <class T>
inline constexpr int kWordsOf = sizeof(T) / 4;

// Element i of the block's 4 / kWordsOf<T>, in [0, 1).
template <class T>
__device__ inline T uniform_at(const PhiloxBlock& block, int i) {
  if constexpr (sizeof(T) == 4)
    return uniform_float(block.x[i]);
  else
    return uniform_double(block.x[2 * i], block.x[2 * i + 1]);
}

}  // namespace weft::WEFT_GPU
