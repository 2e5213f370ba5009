// What the rungs of warpgroups share: tiles as wgmma wants them in shared memory, its instructions
// for one tile, and where it leaves sums.
#pragma once

#include "cuda/ptx.h"
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

// A block computes 128 x 128 elements of c, 64 rows by each of two warpgroups.
constexpr int kTile = 128, kDepth = 64, kGroup = 128, kGroups = 2, kGroupRows = 64;
constexpr int kSums = kGroupRows * kTile / kGroup;
constexpr int kLine = 128;  // bytes, 64 halves: a row of k of a, and half a row of b

// Rows of 128 bytes, whose 16-byte units are exchanged by the row's number modulo 8. Of b the
// tensor core takes rows of neighbours in n, and turns them itself: two panels of 64 columns.
struct alignas(1024) Tiles {
  unsigned char a[kTile][kLine], b[2][kDepth][kLine];
};

// Starts sums += a * b for the warpgroup's rows; the sums may be touched after wgmma_wait. A
// descriptor says where a tile lies; it counts 16 bytes.
__device__ __forceinline__ void start_multiply(const Tiles& tiles, int group,
                                               float (&sums)[kSums]) {
  constexpr int kStep = 16, kNextA = kStep * 2 / 16, kNextB = kStep * kLine / 16;
  const uint64_t a = ptx::wgmma_descriptor(tiles.a[group * kGroupRows], ptx::Swizzle::bytes128);
  const uint64_t b =
      ptx::wgmma_descriptor(tiles.b, ptx::Swizzle::bytes128, kDepth * kLine, 8 * kLine);
  ptx::hold_registers(sums);
  ptx::wgmma_fence();
  UNROLL for (int s = 0; s < kDepth / kStep; s++)
      ptx::wgmma<kTile, BFloat16, ptx::Major::k, ptx::Major::mn>(sums, a + s * kNextA,
                                                                 b + s * kNextB);
  ptx::wgmma_commit();
  ptx::hold_registers(sums);
}

// `c` is the block's tile; a thread has two neighbours of every eight columns, in two rows.
__device__ __forceinline__ void store(float* c, int n, int group, const float (&sums)[kSums]) {
  const int thread = static_cast<int>(threadIdx.x) % kGroup;
  UNROLL for (int i = 0; i < kSums; i += 2) {
    const gpu::Vector<float, 2> two{sums[i], sums[i + 1]};
    gpu::store_vec(
        c + (group * kGroupRows + ptx::wgmma_row(thread, i)) * n + ptx::wgmma_column(thread, i),
        two);
  }
}

// A matrix of rows x columns as the copy engine sees it, in boxes of 64 columns.
inline ptx::TensorMap map_of(const BFloat16* matrix, int rows, int columns, int box_rows) {
  ptx::TensorMapSpec spec{};
  spec.type = ptx::TensorMapType::bf16;
  spec.base = const_cast<BFloat16*>(matrix);
  spec.rank = 2;
  spec.extent[0] = static_cast<uint64_t>(columns);
  spec.extent[1] = static_cast<uint64_t>(rows);
  spec.stride[0] = static_cast<uint64_t>(columns) * sizeof(BFloat16);
  spec.box[0] = kLine / sizeof(BFloat16);
  spec.box[1] = static_cast<uint32_t>(box_rows);
  spec.swizzle = ptx::Swizzle::bytes128;
  return ptx::encode_tensor_map(spec);
}

inline void wants_tiles(const HalfMatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0 && p.k % kDepth == 0,
        "m and n in multiples of 128, k of 64");
}

}  // namespace
}  // namespace weft::WEFT_GPU
