// Copies that turn the fast axis: tiles go through shared memory, so that both sides move whole
// sectors. Every element is read once and written once: 2 * sizeof(Bits) bytes each.
#pragma once

#include <type_traits>

#include "cuda/layout.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {

inline constexpr uint32_t kTransposeSide = 32, kTransposeLines = 8;  // a warp moves one line

template <class Bits>
struct TransposeArguments {
  const Bits* x;
  Bits* y;
  uint32_t down, across;     // lengths of the axes that are dense in x, and in y
  int64_t x_across, y_down;  // strides along the other one
  Divisor tiles, tiles_across;
  DeviceLoop<2> rest;  // the other axes
};

template <class Bits>
__global__ void __launch_bounds__(kTransposeSide* kTransposeLines)
    transpose_kernel(const __grid_constant__ TransposeArguments<Bits> a) {
  constexpr uint32_t kSide = kTransposeSide;
  // Whole banks for small elements and a column more: what a warp touches lies in different banks.
  using Slot = std::conditional_t<(sizeof(Bits) < 4), uint32_t, Bits>;
  __shared__ Slot tile[kSide][kSide + 1];
  const uint32_t matrix = a.tiles.quotient(blockIdx.x);
  const uint32_t number = blockIdx.x - matrix * a.tiles.value;
  const uint32_t row = a.tiles_across.quotient(number);
  const uint32_t down = row * kSide, across = (number - row * a.tiles_across.value) * kSide;
  const uint32_t lane = threadIdx.x % kSide, line = threadIdx.x / kSide;
  int64_t at[2];
  a.rest.offsets(matrix, at);
  UNROLL for (uint32_t k = line; k < kSide; k += kTransposeLines) {
    if (down + lane < a.down && across + k < a.across)
      tile[k][lane] = a.x[at[0] + (down + lane) + (across + k) * a.x_across];
  }
  __syncthreads();
  UNROLL for (uint32_t k = line; k < kSide; k += kTransposeLines) {
    if (down + k < a.down && across + lane < a.across)
      a.y[at[1] + (across + lane) + (down + k) * a.y_down] = static_cast<Bits>(tile[lane][k]);
  }
}

// Copies x to y if both axes of the tiles have so many elements that they are well filled; false if
// another kernel has to.
template <class Bits>
bool transpose(const Loop& loop, const Bits* x, Bits* y, int64_t enough = 16) {
  const int last = loop.ndim - 1;
  if (loop.ndim < 2 || loop.size() > kMaxLaunchElements || loop.strides[1][last] != 1 ||
      loop.strides[0][last] == 1 || loop.shape[last] < enough)
    return false;
  int dense = 0;  // the axis that is dense in x
  while (dense < last && loop.strides[0][dense] != 1) dense++;
  if (dense == last || loop.shape[dense] < enough) return false;
  TransposeArguments<Bits> a;
  a.x = x, a.y = y;
  a.down = static_cast<uint32_t>(loop.shape[dense]);
  a.across = static_cast<uint32_t>(loop.shape[last]);
  a.x_across = loop.strides[0][last], a.y_down = loop.strides[1][dense];
  a.tiles_across = Divisor(blocks_for(a.across, kTransposeSide));
  a.tiles = Divisor(a.tiles_across.value * blocks_for(a.down, kTransposeSide));
  uint32_t matrices = 1;
  a.rest.ndim = 0;
  for (int axis = 0; axis < last; axis++) {
    if (axis == dense) continue;
    const int to = a.rest.ndim++;
    a.rest.shape[to] = Divisor(static_cast<uint32_t>(loop.shape[axis]));
    for (int k = 0; k < 2; k++) a.rest.strides[k][to] = loop.strides[k][axis];
    matrices *= static_cast<uint32_t>(loop.shape[axis]);
  }
  if (a.rest.ndim == 0) {
    a.rest.ndim = 1;
    for (int k = 0; k < 2; k++) a.rest.strides[k][0] = 0;
  }
  gpu::launch(transpose_kernel<Bits>, dim3(a.tiles.value * matrices),
              dim3(kTransposeSide * kTransposeLines), 0, stream(), a);
  return true;
}

}  // namespace weft::WEFT_GPU
