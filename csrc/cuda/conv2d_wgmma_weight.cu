// The gradient of a convolution's weights by wgmma: plans and launches.
#include "cuda/conv2d_wgmma_weight.h"

#include <algorithm>

#include "cuda/conv2d_boxes.h"
#include "cuda/conv2d_launch.h"
#include "cuda/gemm_launch.h"

namespace weft::WEFT_GPU {
namespace {

template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocksPerSm)
    weight_gradient_wgmma_kernel(const __grid_constant__ WgmmaGradient w) {
#if !defined(__CUDA_ARCH__) || defined(WEFT_SM90A)
  DYN_SMEM(unsigned char, shared);
  if (w.pixels() < Shape::TileA::kDepth) {
    for (int i = static_cast<int>(threadIdx.x); i < Shape::kWriting / kUnit; i += Shape::kThreads)
      gpu::store_vec(shared + i * kUnit, gpu::Vector<float, 4>{});
    ptx::fence_proxy_async();
  }
  wgmma_block(WgmmaGradientLabour<Shape>{w});
#else
  __trap();  // why_not_wgmma lets nobody get here
#endif
}

// ---- plans --------------------------------------------------------------------------------------

constexpr int kDepth = 64;  // of a step, in pixels

struct GradientPlan {
  int64_t box_w, box_h, box_n, boxes_w, boxes_h, steps;
  int64_t channel_blocks, blocks, tiles_m, tiles_n, groups, parts, steps_per_part;

  int64_t tiles() const { return tiles_m * tiles_n * groups; }  // of one part
};

// The boxes of which the fewest make up y; among those the largest within an image.
void choose_box(const WeightGradient& g, GradientPlan& plan) {
  const int64_t rows = g.rows.value, columns = g.columns.value, images = g.pixels / rows / columns;
  plan.steps = std::numeric_limits<int64_t>::max();
  for (int64_t w = std::min<int64_t>(columns, kDepth); w > 0; w--) {
    if (columns % w != 0) continue;
    for (int64_t h = std::min<int64_t>(rows, kDepth / w); h > 0; h--) {
      if (rows % h != 0 || !is_box(w, h, g.w.stride, g.h.stride)) continue;
      const int64_t n = std::min<int64_t>(kDepth / (w * h), images);
      const int64_t steps = columns / w * (rows / h) * ceil_div(images, n);
      if (steps >= plan.steps) continue;
      plan.steps = steps;
      plan.box_w = w, plan.box_h = h, plan.box_n = n;
      plan.boxes_w = columns / w, plan.boxes_h = rows / h;
    }
  }
}

GradientPlan plan_of(const WeightGradient& g, int64_t groups, int tile_n) {
  // As in conv2d_wgmma.cu: a block for every place on the largest GPUs.
  const int64_t wanted = tile_n == 256 ? 132 : 264;
  constexpr int64_t kLeastSteps = 8;
  GradientPlan plan{};
  choose_box(g, plan);
  const int64_t channels = g.C / groups;
  plan.channel_blocks = ceil_div(channels, kBlockChannels);
  plan.blocks = g.m / channels * plan.channel_blocks;
  plan.tiles_m = ceil_div(plan.blocks, 2);
  plan.tiles_n = ceil_div(g.n, tile_n);
  plan.groups = groups;
  const int64_t parts = parts_of(plan.steps, plan.tiles(), kLeastSteps, wanted);
  plan.steps_per_part = ceil_div(plan.steps, parts);
  plan.parts = ceil_div(plan.steps, plan.steps_per_part);
  return plan;
}

// ---- launches -----------------------------------------------------------------------------------

template <class T>
void set_maps(WgmmaGradient& w, const GradientPlan& plan) {
  const WeightGradient& g = w.g;
  const int64_t images = g.pixels / g.rows.value / g.columns.value;
  const int64_t pixels[] = {kBlockChannels, plan.box_w, plan.box_h, plan.box_n};
  w.x = image_map(kMapType<T>, g.x, {g.C, g.w.size, g.h.size, images}, pixels, g.w.stride,
                  g.h.stride);
  w.dy =
      image_map(kMapType<T>, g.dy.data, {g.K, g.columns.value, g.rows.value, images}, pixels, 1, 1);
}

Divisor divisor_of(int64_t count) { return Divisor(static_cast<uint32_t>(count)); }

template <class T, int kTileN>
void launch_tile(const WeightGradient& g, int64_t groups) {
  using Shape = WgmmaShape<T, kTileN, Contiguous::outer, Contiguous::outer>;
  const GradientPlan plan = plan_of(g, groups, kTileN);
  WgmmaGradient w{};
  w.g = g;
  set_maps<T>(w, plan);
  w.box_w = static_cast<int>(plan.box_w);
  w.box_h = static_cast<int>(plan.box_h);
  w.box_n = static_cast<int>(plan.box_n);
  w.boxes_w = divisor_of(plan.boxes_w), w.boxes_h = divisor_of(plan.boxes_h);
  w.tiles_n = divisor_of(plan.tiles_n), w.tiles_m = divisor_of(plan.tiles_m);
  w.groups = divisor_of(groups);
  w.channel_blocks = divisor_of(plan.channel_blocks);
  w.blocks = static_cast<int>(plan.blocks);
  w.steps = static_cast<int>(plan.steps);
  w.steps_per_part = static_cast<int>(plan.steps_per_part);
  w.tiles = static_cast<uint32_t>(plan.tiles() * plan.parts);
  const DeviceScratch<float> scratch(plan.parts > 1 ? plan.parts * g.part_size : 0);
  if (plan.parts > 1) {
    w.g.out = scratch.get(), w.g.out_is_sum = true;
    w.g.out_alignment = row_alignment(w.g.out, g.n * static_cast<int64_t>(sizeof(float)));
  }
  const int64_t resident = int64_t{Shape::kBlocksPerSm} * device_traits().multiprocessors;
  gpu::launch(&weight_gradient_wgmma_kernel<Shape>,
              dim3(static_cast<uint32_t>(std::min<int64_t>(w.tiles, resident))),
              dim3(Shape::kThreads), Shape::kSharedBytes, stream(), w);
  if (plan.parts == 1) return;
  if (g.out_is_sum)
    sum_parts(scratch.get(), static_cast<float*>(g.out), g.part_size, plan.parts);
  else
    sum_parts(scratch.get(), static_cast<T*>(g.out), g.part_size, plan.parts);
}

template <class T>
void launch_variant(Conv2dVariant variant, const WeightGradient& g, int64_t groups) {
  if (variant == Conv2dVariant::wgmma_128x128) return launch_tile<T, 128>(g, groups);
  launch_tile<T, 256>(g, groups);
}

double cycles_of_wgmma(const WeightGradient& g, int64_t groups, int tile_n, double speed) {
  const GradientPlan plan = plan_of(g, groups, tile_n);
  return tile_cycles(plan.tiles() * plan.parts, 128 * tile_n, plan.steps_per_part, speed);
}

}  // namespace

const char* why_not_wgmma(DType dtype, const WeightGradient& g) {
  if (const char* why = why_no_wgmma()) return why;
  if (dtype == DType::float32)
    return "wgmma multiplies tf32 only along the contiguous axis of both factors, and the gradient "
           "of the weights sums over pixels";
  if (g.m == 0 || g.pixels == 0 || g.h.size == 0 || g.w.size == 0) return "there is nothing to sum";
  if (g.x_alignment < kUnit || g.dy.alignment < kUnit)
    return "the copy engine needs pixels that begin at multiples of 16 bytes";
  if (g.h.stride > kMaxBoxStep || g.w.stride > kMaxBoxStep)
    return "the copy engine steps over at most 8 pixels at a time";
  constexpr int64_t kMost = int64_t{1} << 30;
  if (g.pixels > kMost || g.m * g.K > kMost)
    return "the image or the weights are too large for a kernel that counts in 32 bits";
  return nullptr;
}

Conv2dVariant fastest_variant(const WeightGradient& g, int64_t groups) {
  const double small = cycles_of_wgmma(g, groups, 128, 1400);
  const double large = cycles_of_wgmma(g, groups, 256, 1640);
  if (cycles_of_mma(g, groups) <= std::min(small, large)) return Conv2dVariant::automatic;
  return small <= large ? Conv2dVariant::wgmma_128x128 : Conv2dVariant::wgmma_128x256;
}

void weight_gradient_wgmma(DType dtype, Conv2dVariant variant, const WeightGradient& g,
                           int64_t groups) {
  if (dtype == DType::float16) return launch_variant<Float16>(variant, g, groups);
  launch_variant<BFloat16>(variant, g, groups);
}

}  // namespace weft::WEFT_GPU
