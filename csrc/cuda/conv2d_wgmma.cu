// Convolutions by wgmma: float16, bfloat16, and float32 that the copy engine rounds to tf32.
#include "cuda/conv2d_wgmma.h"

#include <algorithm>
#include <utility>

#include "cuda/conv2d_boxes.h"
#include "cuda/conv2d_launch.h"
#include "cuda/gemm_launch.h"
#include "cuda/transpose.h"

namespace weft::WEFT_GPU {
namespace {

template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocksPerSm)
    correlate_wgmma_kernel(const __grid_constant__ WgmmaCorrelation w) {
#if !defined(__CUDA_ARCH__) || defined(WEFT_SM90A)
  wgmma_block(WgmmaCorrelationLabour<Shape>{w});
#else
  __trap();  // why_not_wgmma lets nobody get here
#endif
}

// ---- plans --------------------------------------------------------------------------------------

// Into which boxes and parts a correlation is cut.
struct BoxPlan {
  PixelBox box;
  int64_t boxes_w, boxes_h, boxes_n, tiles_n;
  int64_t tiles, parts;  // tiles: of all phases and groups, in one part
  int channel_steps, steps_per_part;
};

// The box of which the fewest cover the images; among those the one that is widest and highest,
// whose taps share most pixels.
void choose_box(const Correlation& g, BoxPlan& plan) {
  constexpr int kLogPixels = 7;
  const int64_t columns = most_outputs(g.columns, g.column_phases);
  const int64_t rows = most_outputs(g.rows, g.row_phases);
  int64_t fewest = std::numeric_limits<int64_t>::max();
  for (int area = kLogPixels; area >= 0; area--)
    for (int k = 0; k <= area; k++) {
      const int log_w = area / 2 + (k % 2 == 0 ? -k / 2 : (k + 1) / 2);  // square ones first
      if (log_w < 0 || log_w > area) continue;
      const PixelBox box{log_w, area - log_w, kLogPixels - area};
      if (!is_box(box.columns(), box.rows(), g.step_w, g.step_h)) continue;
      const int64_t w = ceil_div(columns, box.columns()), h = ceil_div(rows, box.rows());
      const int64_t n = ceil_div(g.N, box.images());
      if (w * h * n >= fewest) continue;
      fewest = w * h * n;
      plan.box = box;
      plan.boxes_w = w, plan.boxes_h = h, plan.boxes_n = n;
    }
}

// tile_n, depth: of a tile, in filters, and of a step, in channels.
BoxPlan plan_of(const Correlation& g, int64_t groups, int tile_n, int depth) {
  // Two blocks for each of the largest GPU's multiprocessors, or one of the large tiles. Fixed, so
  // that sums have the same bits everywhere.
  const int64_t all = tile_n == 256 ? 132 : 264;
  constexpr int64_t kLeastSteps = 8;
  BoxPlan plan{};
  choose_box(g, plan);
  plan.tiles_n = ceil_div(g.outputs, tile_n);
  plan.tiles = plan.boxes_w * plan.boxes_h * plan.boxes_n * plan.tiles_n * g.row_phases *
               g.column_phases * groups;
  plan.channel_steps = static_cast<int>(ceil_div(g.inputs, depth));
  const int64_t steps = most_taps(g) * plan.channel_steps;
  const bool split = g.writes_all && plan.tiles <= all / 2;
  const int64_t wanted = split ? parts_of(steps, plan.tiles, kLeastSteps, all) : 1;
  plan.steps_per_part = static_cast<int>(std::max<int64_t>(ceil_div(steps, wanted), 1));
  plan.parts = std::max<int64_t>(ceil_div(steps, plan.steps_per_part), 1);
  return plan;
}

// ---- tensor maps --------------------------------------------------------------------------------

// How long both axes of the weights of a tap are, of all groups: these lie side by side along the
// filters of the forward convolution, which are k in backward input.
struct WeightsShape {
  int64_t k, n;
};
WeightsShape weights_shape(const CorrelationProblem& p, const Correlation& g) {
  return {p.turned ? g.inputs * p.groups : g.inputs, p.turned ? g.outputs : g.outputs * p.groups};
}

// `weights` are matrices of k x n, or, where the tile is k-major, n x k.
template <class Tile>
ptx::TensorMap weights_map(ptx::TensorMapType type, const void* weights, const WeightsShape& shape,
                           int64_t taps) {
  const auto inner = static_cast<uint64_t>(Tile::kAlongK ? shape.k : shape.n);
  const auto rows = static_cast<uint64_t>(Tile::kAlongK ? shape.n : shape.k);
  ptx::TensorMapSpec spec{};
  spec.type = type;
  spec.base = const_cast<void*>(weights);
  spec.rank = 3;
  spec.swizzle = ptx::Swizzle::bytes128;
  spec.extent[0] = inner;
  spec.extent[1] = rows;
  spec.extent[2] = static_cast<uint64_t>(taps);
  spec.stride[0] = inner * Tile::kElement;
  spec.stride[1] = rows * spec.stride[0];
  spec.box[0] = kStepBytes / Tile::kElement;
  spec.box[1] = static_cast<uint32_t>(Tile::kAlongK ? Tile::kOuter : Tile::kDepth);
  spec.box[2] = 1;
  return ptx::encode_tensor_map(spec);
}

// ---- launches -----------------------------------------------------------------------------------

// Steps to weights, counted in elements, in taps.
void count_taps(Correlation& g, int64_t groups, bool turned) {
  const int64_t tap = int64_t{g.inputs} * g.outputs * groups;
  if (turned) {
    g.weight_taps.row_step /= tap, g.weight_taps.column_step /= tap;
  } else {
    g.weight_taps.row_step = g.columns[0].taps, g.weight_taps.column_step = 1;
  }
  for (int i = 0; i < g.row_phases; i++) g.rows[i].weights /= tap;
  for (int i = 0; i < g.column_phases; i++) g.columns[i].weights /= tap;
}

// Y: of y and the bias.
template <class Shape, class Y>
void launch_shape(const CorrelationProblem& p, const Correlation& g, const void* weights) {
  const BoxPlan plan = plan_of(g, p.groups, Shape::kTileN, Shape::TileA::kDepth);
  WgmmaCorrelation w{};
  w.g = g;
  count_taps(w.g, p.groups, p.turned);
  w.x = image_map(kMapType<typename Shape::T>, g.x, {g.x_pixel, g.taps.W, g.taps.H, g.N},
                  {Shape::TileA::kDepth, plan.box.columns(), plan.box.rows(), plan.box.images()},
                  g.step_w, g.step_h);
  w.weights = weights_map<typename Shape::TileB>(kMapType<typename Shape::T>, weights,
                                                 weights_shape(p, g), p.taps);
  w.group_k = p.turned ? g.inputs : 0;
  w.group_n = p.turned ? 0 : g.outputs;
  w.box = plan.box;
  const int64_t phases = int64_t{g.row_phases} * g.column_phases;
  for (const auto& [axis, count] :
       {std::pair(&w.tiles_n, plan.tiles_n), std::pair(&w.boxes_w, plan.boxes_w),
        std::pair(&w.boxes_h, plan.boxes_h), std::pair(&w.boxes_n, plan.boxes_n),
        std::pair(&w.phases, phases), std::pair(&w.groups, p.groups)})
    *axis = Divisor(static_cast<uint32_t>(count));
  w.tiles = static_cast<uint32_t>(plan.tiles * plan.parts);
  w.channel_steps = plan.channel_steps;
  w.steps_per_part = plan.steps_per_part;
  const CorrelationParts<float, Y> parts(w.g, static_cast<int>(plan.parts));
  const int64_t resident = int64_t{Shape::kBlocksPerSm} * device_traits().multiprocessors;
  gpu::launch(&correlate_wgmma_kernel<Shape>,
              dim3(static_cast<uint32_t>(std::min<int64_t>(w.tiles, resident))),
              dim3(Shape::kThreads), Shape::kSharedBytes, stream(), w);
  parts.add_up();
}

template <class Shape>
void launch_result(const CorrelationProblem& p, const Correlation& g, const void* weights) {
  if (g.y_is_sum) return launch_shape<Shape, float>(p, g, weights);
  launch_shape<Shape, typename MmaElement<typename Shape::T>::Stored>(p, g, weights);
}

// The tensor core multiplies tf32 along k only: channels of a filter have to lie together. That is
// a copy of the weights alone.
Loop turned_weights(const WeightsShape& of_tap, int64_t taps) {
  Loop loop;
  loop.ndim = 3;
  loop.operands = 2;
  const int64_t shape[] = {taps, of_tap.n, of_tap.k};
  const int64_t from[] = {of_tap.n * of_tap.k, 1, of_tap.n};
  const int64_t to[] = {of_tap.n * of_tap.k, of_tap.k, 1};
  for (int axis = 0; axis < 3; axis++) {
    loop.shape[axis] = shape[axis];
    loop.strides[0][axis] = from[axis];
    loop.strides[1][axis] = to[axis];
  }
  return loop;
}

template <class T, int kTileN>
void launch_tile(const CorrelationProblem& p, const Correlation& g) {
  constexpr Contiguous k = Contiguous::k, outer = Contiguous::outer;
  if (p.turned) return launch_result<WgmmaShape<T, kTileN, k, k>>(p, g, g.weights.data);
  if constexpr (MmaElement<T>::kHalf) {
    launch_result<WgmmaShape<T, kTileN, k, outer>>(p, g, g.weights.data);
  } else {
    const WeightsShape shape = weights_shape(p, g);
    const DeviceScratch<float> turned(p.taps * shape.k * shape.n);
    const bool done =
        transpose(turned_weights(shape, p.taps), static_cast<const uint32_t*>(g.weights.data),
                  reinterpret_cast<uint32_t*>(turned.get()), 1);
    check(done, "conv2d: weights were to be turned that why_not_wgmma should have refused");
    launch_result<WgmmaShape<T, kTileN, k, k>>(p, g, turned.get());
  }
}

template <class T>
void launch_variant(const CorrelationProblem& p, const Correlation& g) {
  if (p.variant == Conv2dVariant::wgmma_128x128) return launch_tile<T, 128>(p, g);
  launch_tile<T, 256>(p, g);
}

}  // namespace

// ---- conditions ---------------------------------------------------------------------------------

const char* why_not_wgmma(const CorrelationProblem& p, const Correlation& g) {
  if (const char* why = why_no_wgmma()) return why;
  if (p.groups > 1 && g.inputs * static_cast<int64_t>(itemsize(p.dtype)) % kStepBytes != 0)
    return "groups have to fill the boxes of the copy engine, which are 64 channels of halves or "
           "32 "
           "of floats";
  if (g.inputs == 0 || g.taps.H == 0 || g.taps.W == 0) return "there is nothing to sum";
  if (g.x_alignment < kUnit || g.weights.alignment < kUnit)
    return "the copy engine needs pixels and rows of weights that begin at multiples of 16 bytes";
  if (g.step_h > kMaxBoxStep || g.step_w > kMaxBoxStep)
    return "the copy engine steps over at most 8 pixels at a time";
  constexpr int64_t kMost = int64_t{1} << 30;
  const int64_t phases = int64_t{g.row_phases} * g.column_phases;
  if (p.taps * g.inputs * g.outputs * p.groups > kMost || g.N > kMost ||
      p.pixels * phases * p.groups * ceil_div(g.outputs, 128) > kMost)
    return "the image or the weights are too large for a kernel that counts them in 32 bits";
  return nullptr;
}

double cycles_of_wgmma(const CorrelationProblem& p, const Correlation& g, int tile_n,
                       double speed) {
  const int depth = kStepBytes / static_cast<int>(itemsize(p.dtype));
  const BoxPlan plan = plan_of(g, p.groups, tile_n, depth);
  return tile_cycles(plan.tiles * plan.parts, 128 * tile_n, plan.steps_per_part, speed);
}

Conv2dVariant fastest_variant(const CorrelationProblem& p, const Correlation& g) {
  const double small = cycles_of_wgmma(p, g, 128, 1400);
  const double large = cycles_of_wgmma(p, g, 256, 1640);
  if (cycles_of_mma(p, g) <= std::min(small, large)) return Conv2dVariant::automatic;
  return small <= large ? Conv2dVariant::wgmma_128x128 : Conv2dVariant::wgmma_128x256;
}

void correlate_wgmma(const CorrelationProblem& p, const Correlation& g) {
  switch (p.dtype) {
    case DType::float16: return launch_variant<Float16>(p, g);
    case DType::bfloat16: return launch_variant<BFloat16>(p, g);
    default: return launch_variant<ptx::Tf32>(p, g);
  }
}

}  // namespace weft::WEFT_GPU
