// Convolutions as products of matrices on Hopper's tensor cores: the ring of gemm_wgmma.h, which
// the copy engine fills with boxes of the image.
//
// The 128 rows of a tile are a box of y: columns x rows x images. What tap (r, s) sees of x for all
// of them, and 128 bytes of channels, is again a box, of dimensions (channels, columns, rows,
// images), moved by the tap and with the window's stride between its pixels. So one thread starts
// one copy for every tap and block of channels; what lies outside of the image arrives as zeros,
// and padding costs nothing. Weights come as (inner, rows, tap): boxes do not reach into the next
// tap, so blocks of channels that are not full meet zeros on both sides. With groups they would
// meet the next group's channels of x, and zeros times infinity: a group has to be whole blocks.
//
// How many pixels of its boxes y fills, and the image their last channels, is what this costs
// beside gemm_mma.h, whose loaders find every pixel for themselves: boxes are chosen by the host so
// that they cover y with the fewest tiles. Expected bound: as in gemm_wgmma.h, times these parts.
// L2 has the same traffic as for a product of matrices, and the R * S boxes of a tile overlap
// there.
#pragma once

#include "cuda/conv2d_arguments.h"
#include "cuda/gemm_wgmma.h"

namespace weft::WEFT_GPU {

// The extents of a tile's box of y are powers of two.
struct PixelBox {
  int log_columns, log_rows, log_images;

  __host__ __device__ int columns() const { return 1 << log_columns; }
  __host__ __device__ int rows() const { return 1 << log_rows; }
  __host__ __device__ int images() const { return 1 << log_images; }
};

struct WgmmaCorrelation {
  ptx::TensorMap x, weights;
  Correlation g;  // but steps to weights are counted in taps
  PixelBox box;
  // Into a tile's number, in this order.
  Divisor tiles_n, boxes_w, boxes_h, boxes_n, phases, groups;
  uint32_t tiles;        // of all phases, groups and parts
  int group_k, group_n;  // elements from group to group of the weights, along both axes
  int steps_per_part, channel_steps;  // channel_steps: of a tap
};

// Of what a number stands for: a part of the sums of a box of a phase and a group.
struct WgmmaBox {
  const CorrelationAxis &rows, &columns;
  int part, group, n, images, i, j;  // first filter, image, row and column of the phase
  int step_begin, step_end;

  // The first pixel of the box lies in the result: else nothing does.
  __device__ __forceinline__ bool exists() const {
    return i < rows.count.value && j < columns.count.value;
  }
};
template <class Shape>
__device__ __forceinline__ WgmmaBox wgmma_box(const WgmmaCorrelation& w, uint32_t number) {
  const int tile_n = take_index(w.tiles_n, number);
  const int box_w = take_index(w.boxes_w, number), box_h = take_index(w.boxes_h, number);
  const int box_n = take_index(w.boxes_n, number), phase = take_index(w.phases, number);
  const int group = take_index(w.groups, number);
  const int part = static_cast<int>(number);
  const CorrelationAxis& rows = w.g.rows[phase / w.g.column_phases];
  const CorrelationAxis& columns = w.g.columns[phase % w.g.column_phases];
  const int steps = rows.taps * columns.taps * w.channel_steps;
  const int begin = part * w.steps_per_part;
  const int end = steps - begin < w.steps_per_part ? steps : begin + w.steps_per_part;
  return {rows,
          columns,
          part,
          group,
          tile_n * Shape::kTileN,
          box_n * w.box.images(),
          box_h * w.box.rows(),
          box_w * w.box.columns(),
          begin,
          end};
}

// Weights of `tap`: inner is what lies dense, k where the tile is k-major.
template <class Tile>
__device__ __forceinline__ void load_weights(unsigned char* tile, const ptx::TensorMap& map,
                                             uint64_t* full, int n, int k, int tap) {
  UNROLL for (int p = 0; p < Tile::kPanels; p++) {
    const int outer = n + p * Tile::kPanel;
    ptx::tma_load_3d(tile + p * Tile::kPanelBytes, &map, full, Tile::kAlongK ? k : outer,
                     Tile::kAlongK ? outer : k, tap);
  }
}

template <class Shape_>
struct WgmmaCorrelationLabour {
  using Shape = Shape_;
  const WgmmaCorrelation& w;

  // One thread: copies for all tiles of the block, as far ahead as the ring reaches.
  __device__ __forceinline__ void produce(WgmmaRing<Shape> ring) const {
    ptx::prefetch_tensor_map(&w.x);
    ptx::prefetch_tensor_map(&w.weights);
    for (uint32_t number = blockIdx.x; number < w.tiles; number += gridDim.x) {
      const WgmmaBox box = wgmma_box<Shape>(w, number);
      if (box.exists() && box.step_begin < box.step_end) fill(box, ring);
    }
  }

  // A warpgroup: half of every tile of the block.
  __device__ __forceinline__ void consume(WgmmaRing<Shape> ring, unsigned char* shared) const {
    using Stored = typename MmaElement<typename Shape::T>::Stored;
    float sums[Shape::kSums];
    for (uint32_t number = blockIdx.x; number < w.tiles; number += gridDim.x) {
      {
        const WgmmaBox box = wgmma_box<Shape>(w, number);
        if (!box.exists()) continue;
        wgmma_main_loop<Shape>(ring, box.step_begin * Shape::TileA::kDepth,
                               box.step_end * Shape::TileA::kDepth, sums);
      }
      const WgmmaBox box = wgmma_box<Shape>(w, anew(number));
      if (!MmaElement<typename Shape::T>::kHalf || w.g.y_is_sum)
        write<float>(box, sums, shared);
      else
        write<Stored>(box, sums, shared);
    }
  }

 private:
  __device__ __forceinline__ void fill(const WgmmaBox& box, WgmmaRing<Shape>& ring) const {
    constexpr int kDepth = Shape::TileA::kDepth;
    const WindowTaps& taps = w.g.taps;
    const int h0 = box.rows.start + box.i * w.g.step_h;
    const int w0 = box.columns.start + box.j * w.g.step_w;
    const auto weights = static_cast<int>(box.rows.weights + box.columns.weights);
    const int first_channel = box.group * w.g.inputs, first_k = box.group * w.group_k;
    const int n = box.group * w.group_n + box.n;
    const int first_tap = box.step_begin / w.channel_steps;
    int channel = (box.step_begin - first_tap * w.channel_steps) * kDepth;
    int r = first_tap / box.columns.taps, s = first_tap - r * box.columns.taps;
    _Pragma("unroll 1") for (int step = box.step_begin; step < box.step_end; step++) {
      ring.wait_empty();
      ptx::mbarrier_arrive_expect_bytes(ring.full(), Shape::kStageBytes);
      ptx::tma_load_4d(ring.a(), &w.x, ring.full(), first_channel + channel,
                       w0 + s * taps.dilation_w, h0 + r * taps.dilation_h, box.images);
      const int tap = weights + r * static_cast<int>(w.g.weight_taps.row_step) +
                      s * static_cast<int>(w.g.weight_taps.column_step);
      load_weights<typename Shape::TileB>(ring.b(), w.weights, ring.full(), n, first_k + channel,
                                          tap);
      ring.advance();
      channel += kDepth;
      if (channel < w.g.inputs) continue;
      channel = 0;
      if (++s < box.columns.taps) continue;
      s = 0;
      r++;
    }
  }

  // Rows of the tile in y, from row `first` on.
  template <class Y>
  struct Rows {
    const WgmmaCorrelation& w;
    const WgmmaBox& box;
    int first;

    __device__ __forceinline__ Y* operator()(int row) const {
      const Correlation& g = w.g;
      const int m = first + row, line = m >> w.box.log_columns;
      const int j = box.j + (m & (w.box.columns() - 1)), i = box.i + (line & (w.box.rows() - 1));
      const int64_t n = box.images + (line >> w.box.log_rows);
      if (j >= box.columns.count.value || i >= box.rows.count.value || n >= g.N) return nullptr;
      const int64_t h = box.rows.first + int64_t{i} * g.out_step_h;
      const int64_t column = box.columns.first + int64_t{j} * g.out_step_w;
      return static_cast<Y*>(g.y) + box.part * g.part_size +
             ((n * g.out_h + h) * g.out_w + column) * g.y_pixel + int64_t{box.group} * g.outputs;
    }
  };
  template <class Y>
  __device__ __forceinline__ void write(const WgmmaBox& box, const float (&sums)[Shape::kSums],
                                        unsigned char* shared) const {
    const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp;
    wgmma_store<Shape>(correlation_epilogue<Y, float>(w.g, box.group), Rows<Y>{w, box, warp * 16},
                       box.n, sums, shared + Shape::kWriting + warp * Shape::kWriteBytes);
  }
};

}  // namespace weft::WEFT_GPU
