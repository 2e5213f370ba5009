// A block can only add up what it sees, so the sums of the blocks are added by the same kernel
// again, until one is left.
#pragma once

#include "cuda/scratch.h"
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

using SumKernel = void (*)(const float* x, float* sums, int n);

// `kernel` leaves one sum for each block of `threads`, which takes `per_block` values.
void reduce_in_rounds(SumKernel kernel, const ReduceProblem& p, int threads, int per_block) {
  const int blocks = (p.n + per_block - 1) / per_block;
  if (blocks == 1) {
    gpu::launch(kernel, dim3(1), dim3(threads), 0, stream(), p.x, p.sum, p.n);
    return;
  }
  const DeviceScratch<float> sums(blocks);
  gpu::launch(kernel, dim3(blocks), dim3(threads), 0, stream(), p.x, sums.get(), p.n);
  ReduceProblem rest = p;
  rest.x = sums.get();
  rest.n = blocks;
  reduce_in_rounds(kernel, rest, threads, per_block);
}

}  // namespace
}  // namespace weft::WEFT_GPU
