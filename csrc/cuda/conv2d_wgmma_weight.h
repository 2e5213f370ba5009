// The gradient of a convolution's weights by wgmma, for float16 and bfloat16.
//
// dw[(r, s, c), k] = sum over pixels of x * dy: both factors lie along m and n in memory, which the
// tensor core takes for halves alone. The rows of a tile are two blocks of 64 channels, each of any
// tap: a warpgroup's. A step of k is a box of up to 64 pixels of y, columns x rows x images; what a
// tap sees of x for all of them is a box again, as in conv2d_wgmma.h.
//
// Groups are tiles of their own. Rows and columns that a tile has beyond its group are the sums of
// other channels, and are not stored.
//
// float32, rounded to tf32, is left to mma.sync: wgmma takes tf32 along k alone, so pixels would
// have to be contiguous in both factors. Turning x and dy first, as matmul_wgmma.cu turns matrices,
// gives rows of W and of Q pixels. A tile wants 32 pixels in a row, which cannot cross from one row
// of y into the next, because that of x is W wide and not Q. Only a copy of x for every tap
// (im2col) has such rows; it moves R * S times x twice, which for 3 x 3 windows takes longer than
// wgmma, at 1.3 to 1.5 times the speed of mma.sync, saves. For 1 x 1 windows without stride it
// would pay.
//
// Pixels beyond y's edge would multiply zeros by whatever x has there, and infinity is no number
// then: boxes divide y's rows and columns. The ring's rows that they leave are zero throughout.
#pragma once

#include "cuda/conv2d_arguments.h"
#include "cuda/gemm_wgmma.h"

namespace weft::WEFT_GPU {

constexpr int kBlockChannels = 64;

struct WgmmaGradient {
  ptx::TensorMap x, dy;
  WeightGradient g;
  int box_w, box_h, box_n;           // pixels of a step
  Divisor boxes_w, boxes_h;          // into a step's number
  Divisor tiles_n, tiles_m, groups;  // into a tile's number
  Divisor channel_blocks;            // into a block's number
  int blocks, steps, steps_per_part;
  uint32_t tiles;  // of all groups and parts

  __device__ __forceinline__ int pixels() const { return box_w * box_h * box_n; }
};

// Which channels a block of rows has, and where a window has its tap.
struct TapBlock {
  int channel, tap, h, w;
};
__device__ __forceinline__ TapBlock tap_block(const WgmmaGradient& w, int block) {
  const auto tap = static_cast<int>(w.channel_blocks.quotient(static_cast<uint32_t>(block)));
  const int channel = (block - tap * static_cast<int>(w.channel_blocks.value)) * kBlockChannels;
  const auto r = static_cast<int>(w.g.tap_columns.quotient(static_cast<uint32_t>(tap)));
  const int s = tap - r * static_cast<int>(w.g.tap_columns.value);
  // Beyond the last tap: channels that no image has.
  return {block < w.blocks ? channel : static_cast<int>(w.g.C), tap, w.g.h.at(0, r),
          w.g.w.at(0, s)};
}

struct GradientTile {
  int block, n, group, part, step_begin, step_end;
};
template <class Shape>
__device__ __forceinline__ GradientTile gradient_tile(const WgmmaGradient& w, uint32_t number) {
  const int tile_n = take_index(w.tiles_n, number), tile_m = take_index(w.tiles_m, number);
  const int group = take_index(w.groups, number), part = static_cast<int>(number);
  const int begin = part * w.steps_per_part;
  return {tile_m * Shape::kConsumers,
          tile_n * Shape::kTileN,
          group,
          part,
          begin,
          w.steps - begin < w.steps_per_part ? w.steps : begin + w.steps_per_part};
}

template <class Shape_>
struct WgmmaGradientLabour {
  using Shape = Shape_;
  using TileA = typename Shape::TileA;
  using TileB = typename Shape::TileB;
  static_assert(TileA::kPanels == Shape::kConsumers && TileA::kPanel == kBlockChannels);
  const WgmmaGradient& w;

  __device__ __forceinline__ void produce(WgmmaRing<Shape> ring) const {
    ptx::prefetch_tensor_map(&w.x);
    ptx::prefetch_tensor_map(&w.dy);
    for (uint32_t number = blockIdx.x; number < w.tiles; number += gridDim.x) {
      const GradientTile tile = gradient_tile<Shape>(w, number);
      const TapBlock blocks[] = {tap_block(w, tile.block), tap_block(w, tile.block + 1)};
      _Pragma("unroll 1") for (int step = tile.step_begin; step < tile.step_end; step++) {
        ring.wait_empty();
        ptx::mbarrier_arrive_expect_bytes(
            ring.full(),
            static_cast<uint32_t>((TileA::kPanels + TileB::kPanels) * w.pixels() * kStepBytes));
        fill(ring, tile, blocks, static_cast<uint32_t>(step));
        ring.advance();
      }
    }
  }

  // A warpgroup: a block of channels of every tile.
  __device__ __forceinline__ void consume(WgmmaRing<Shape> ring, unsigned char* shared) const {
    float sums[Shape::kSums];
    for (uint32_t number = blockIdx.x; number < w.tiles; number += gridDim.x) {
      {
        const GradientTile tile = gradient_tile<Shape>(w, number);
        wgmma_main_loop<Shape>(ring, tile.step_begin * TileA::kDepth, tile.step_end * TileA::kDepth,
                               sums);
      }
      const GradientTile tile = gradient_tile<Shape>(w, anew(number));
      if (w.g.out_is_sum)
        write<float>(tile, sums, shared);
      else
        write<typename Shape::T>(tile, sums, shared);
    }
  }

 private:
  __device__ __forceinline__ void fill(const WgmmaRing<Shape>& ring, const GradientTile& tile,
                                       const TapBlock (&blocks)[2], uint32_t step) const {
    const uint32_t line = w.boxes_w.quotient(step), image = w.boxes_h.quotient(line);
    const int q = static_cast<int>(step - line * w.boxes_w.value) * w.box_w;
    const int p = static_cast<int>(line - image * w.boxes_h.value) * w.box_h;
    const int n = static_cast<int>(image) * w.box_n;
    const int channel = tile.group * static_cast<int>(w.g.channels.value);
    const int filter = tile.group * w.g.n + tile.n;
    UNROLL for (int i = 0; i < TileA::kPanels; i++) ptx::tma_load_4d(
        ring.a() + i * TileA::kPanelBytes, &w.x, ring.full(), channel + blocks[i].channel,
        q * w.g.w.stride + blocks[i].w, p * w.g.h.stride + blocks[i].h, n);
    UNROLL for (int i = 0; i < TileB::kPanels; i++) ptx::tma_load_4d(
        ring.b() + i * TileB::kPanelBytes, &w.dy, ring.full(), filter + i * TileB::kPanel, q, p, n);
  }

  // Rows of a block of channels, from `first` on.
  template <class Out>
  struct Rows {
    Out* out;
    int64_t row_stride;
    int left;

    __device__ __forceinline__ Out* operator()(int row) const {
      return row < left ? out + row * row_stride : nullptr;
    }
  };
  template <class Out>
  __device__ __forceinline__ void write(const GradientTile& tile, const float (&sums)[Shape::kSums],
                                        unsigned char* shared) const {
    const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp, first = warp % 4 * 16;
    const TapBlock block = tap_block(w, tile.block + warp / 4);
    const auto epilogue =
        gradient_epilogue<Out, float>(w.g, static_cast<unsigned>(tile.part), tile.group);
    const int channel = block.channel + first;
    const auto channels = static_cast<int>(w.g.channels.value);
    const Rows<Out> rows{epilogue.c + (int64_t{block.tap} * channels + channel) * w.g.K, w.g.K,
                         channels - channel};
    wgmma_store<Shape>(epilogue, rows, tile.n, sums,
                       shared + Shape::kWriting + warp * Shape::kWriteBytes);
  }
};

}  // namespace weft::WEFT_GPU
