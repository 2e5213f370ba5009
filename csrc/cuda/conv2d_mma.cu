// Convolutions as products of matrices on tensor cores by mma.sync: float16, bfloat16, and float32
// rounded to tf32. Sums are float32, also where blocks share them.
#include "cuda/conv2d_mma.h"

#include "cuda/conv2d_launch.h"

namespace weft::WEFT_GPU {
namespace {

template <class Shape>
constexpr size_t kConvSharedBytes = Shape::kSharedBytes + Shape::kTile * sizeof(WindowStep);

template <class Shape>
__device__ __forceinline__ WindowStep* steps_behind(unsigned char* ring) {
  return reinterpret_cast<WindowStep*>(ring + Shape::kSharedBytes);
}

// Rows of y, whose places the block has found.
template <class Y>
struct OutputRows {
  Y* y;
  const int64_t* places;
  __device__ __forceinline__ Y* operator()(int row) const {
    return places[row] < 0 ? nullptr : y + places[row];
  }
};

template <class Y, class Shape>
__device__ __forceinline__ void write_rows(const WarpRows<Shape::kWarpTile>& staged,
                                           const Correlation& g, const CorrelationTile& tile,
                                           const int64_t* places) {
  const int thread = static_cast<int>(threadIdx.x);
  const OutputRows<Y> rows{static_cast<Y*>(g.y) + blockIdx.y * g.part_size,
                           places + Shape::first_row(thread)};
  staged.write(correlation_epilogue<Y, float>(g, tile.group), rows, Shape::kWarpTile,
               tile.n + Shape::first_column(thread));
}

// Shape's B is contiguous along k where the weights are read as (r, s, filter) x channels.
template <class Shape, int kBlocksPerSm>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksPerSm)
    correlate_mma_kernel(const __grid_constant__ Correlation g) {
  using Stored = typename Shape::TileA::Stored;
  constexpr int kTile = Shape::kTile, kThreads = Shape::kThreads;
  DYN_SMEM(unsigned char, ring);
  float sums[Shape::kRows][Shape::kColumns][4] = {};
  {
    const CorrelationTile tile = correlation_tile<kTile, kTile>(g, blockIdx.x, blockIdx.z);
    const CorrelationAxis &rows = g.rows[tile.row_phase], &columns = g.columns[tile.column_phase];
    if (tile.m >= pixels_of(g, tile)) return;  // the whole block: other phases have more pixels
    const int depth = rows.taps * columns.taps * g.inputs;
    const int k_begin = static_cast<int>(blockIdx.y) * g.k_per_part;
    const int k_end = depth - k_begin < g.k_per_part ? depth : k_begin + g.k_per_part;
    WindowStep* const windows = steps_behind<Shape>(ring);
    for (int i = static_cast<int>(threadIdx.x); i < kTile; i += kThreads)
      gpu::store_vec(windows + i, window_of(g, tile, tile.m + i));
    __syncthreads();
    const MmaTapLoader<typename Shape::TileA, kThreads, true> a(g.taps, columns.tap, g.x,
                                                                g.x_alignment, windows, k_end);
    const int64_t weights = rows.weights + columns.weights + tile.group * g.group_weights;
    if constexpr (Shape::TileB::kAlongK) {
      const MmaTapLoader<typename Shape::TileB, kThreads, false> b(
          g.weight_taps, columns.tap, g.weights, weights + tile.n * g.weights.outer_stride,
          g.outputs - tile.n, k_end);
      mma_main_loop<Shape>(a, b, k_begin, k_end, ring, sums);
    } else {
      const MmaMatrixLoader<typename Shape::TileB, kThreads> b(g.weights, weights, tile.n,
                                                               g.outputs, k_end);
      mma_main_loop<Shape>(a, b, k_begin, k_end, ring, sums);
    }
  }
  const CorrelationTile tile =
      correlation_tile<kTile, kTile>(g, anew(blockIdx.x), anew(blockIdx.z));
  // Nobody needs the windows any more.
  int64_t* const places = reinterpret_cast<int64_t*>(steps_behind<Shape>(ring));
  for (int i = static_cast<int>(threadIdx.x); i < kTile; i += kThreads)
    places[i] = tile.m + i < pixels_of(g, tile) ? output_offset(g, tile, tile.m + i) : -1;
  const auto staged = mma_stage<Shape>(ring, sums);
  if (!Shape::TileA::kHalf || g.y_is_sum)
    write_rows<float, Shape>(staged, g, tile, places);
  else
    write_rows<Stored, Shape>(staged, g, tile, places);
}

// Tiles along x, parts of the pixels along y, groups along z.
template <class Shape, int kBlocksPerSm>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksPerSm)
    weight_gradient_mma_kernel(const __grid_constant__ WeightGradient g) {
  using Stored = typename Shape::TileA::Stored;
  constexpr int kTile = Shape::kTile, kThreads = Shape::kThreads;
  DYN_SMEM(unsigned char, ring);
  float sums[Shape::kRows][Shape::kColumns][4] = {};
  const auto tiles_n = static_cast<unsigned>(g.tiles_n);
  {
    const int m = static_cast<int>(blockIdx.x / tiles_n) * kTile;
    const int n = static_cast<int>(blockIdx.x % tiles_n) * kTile;
    const int group = static_cast<int>(blockIdx.z) + g.first_group;
    const int64_t begin = blockIdx.y * g.pixels_per_part, left = g.pixels - begin;
    const int k_end = static_cast<int>(left < g.pixels_per_part ? left : g.pixels_per_part);
    using Pixels = MmaPixelLoader<typename Shape::TileA, kThreads>;
    WindowStep* const taps = steps_behind<Shape>(ring);
    for (int i = static_cast<int>(threadIdx.x); i < kTile; i += kThreads)
      gpu::store_vec(taps + i,
                     gradient_tap(g, static_cast<uint32_t>(m + Pixels::row_at(i)), group));
    __syncthreads();
    const Pixels a(g, taps, begin, k_end);
    const MmaMatrixLoader<typename Shape::TileB, kThreads> b(
        g.dy, begin * g.K + int64_t{group} * g.n, n, g.n, k_end);
    mma_main_loop<Shape>(a, b, 0, k_end, ring, sums);
  }
  const unsigned block = anew(blockIdx.x);
  const TileOrigin origin{static_cast<int>(block / tiles_n) * kTile,
                          static_cast<int>(block % tiles_n) * kTile};
  const int64_t group = static_cast<int>(anew(blockIdx.z)) + g.first_group;
  const auto staged = mma_stage<Shape>(ring, sums);
  if (!Shape::TileA::kHalf || g.out_is_sum)
    mma_write<Shape>(staged, gradient_epilogue<float, float>(g, blockIdx.y, group), origin);
  else
    mma_write<Shape>(staged, gradient_epilogue<Stored, float>(g, blockIdx.y, group), origin);
}

template <class Shape>
constexpr Conv2dTile tile_of() {
  return {Shape::kTile, Shape::kTile, Shape::TileA::kDepth, Shape::kThreads,
          kConvSharedBytes<Shape>};
}

template <class Shape, int kBlocksPerSm>
void correlate_shape(const CorrelationProblem& p, const Correlation& g) {
  using Stored = typename Shape::TileA::Stored;
  if (g.y_is_sum)
    launch_correlation<float, float>(correlate_mma_kernel<Shape, kBlocksPerSm>, tile_of<Shape>(), g,
                                     p);
  else
    launch_correlation<float, Stored>(correlate_mma_kernel<Shape, kBlocksPerSm>, tile_of<Shape>(),
                                      g, p);
}

template <class T, int kTile, int kBlocksPerSm>
void correlate_tile(const CorrelationProblem& p, const Correlation& g) {
  constexpr Contiguous k = Contiguous::k, outer = Contiguous::outer;
  if (p.turned) return correlate_shape<MmaShape<T, kTile, k, k>, kBlocksPerSm>(p, g);
  correlate_shape<MmaShape<T, kTile, k, outer>, kBlocksPerSm>(p, g);
}

// The large tile computes twice as much for what it reads, but there are four times fewer of it:
// it is taken where two for each processor of the largest GPUs are left, and no half would idle.
bool takes_large_tile(const CorrelationProblem& p, const Correlation& g) {
  constexpr int64_t kFilled = 264;
  if (p.variant != Conv2dVariant::automatic) return p.variant == Conv2dVariant::mma_128x128;
  return g.outputs > 64 && p.tiles(g, 128, 128) >= kFilled;
}

template <class T>
void correlate(const CorrelationProblem& p, const Correlation& g) {
  if (takes_large_tile(p, g)) return correlate_tile<T, 128, 2>(p, g);
  correlate_tile<T, 64, 4>(p, g);
}

// Blocks that share the pixels: two for each place on the largest GPUs.
template <int kTile>
constexpr int64_t kWantedOf = kManyBlocks * (kTile == 64 ? 4 : 2) / 4;

bool takes_large_tile(const WeightGradient& g) { return g.m >= 128 && g.n > 64; }

template <class T, int kTile, int kBlocksPerSm>
void sum_gradient_tile(const WeightGradient& g, int64_t groups) {
  using Shape = MmaShape<T, kTile, Contiguous::outer, Contiguous::outer>;
  using Stored = typename Shape::TileA::Stored;
  constexpr int64_t kWanted = kWantedOf<kTile>;
  if (g.out_is_sum)
    launch_weight_gradient<float, float>(weight_gradient_mma_kernel<Shape, kBlocksPerSm>,
                                         tile_of<Shape>(), g, groups, kWanted);
  else
    launch_weight_gradient<float, Stored>(weight_gradient_mma_kernel<Shape, kBlocksPerSm>,
                                          tile_of<Shape>(), g, groups, kWanted);
}

template <class T>
void sum_gradient(Conv2dVariant variant, const WeightGradient& g, int64_t groups) {
  const bool large = variant == Conv2dVariant::automatic ? takes_large_tile(g)
                                                         : variant == Conv2dVariant::mma_128x128;
  if (large) return sum_gradient_tile<T, 128, 2>(g, groups);
  sum_gradient_tile<T, 64, 4>(g, groups);
}

}  // namespace

// Multiply-adds per cycle as in matmul.cu.
constexpr double kSpeedOfLarge = 1100, kSpeedOfSmall = 600;

double cycles_of_mma(const CorrelationProblem& p, const Correlation& g) {
  const bool large = takes_large_tile(p, g);
  const int side = large ? 128 : 64, depth = kStepBytes / static_cast<int>(itemsize(p.dtype));
  Correlation split = g;
  const int64_t tiles = p.tiles(g, side, side), k = most_taps(g) * g.inputs;
  const int parts = split_correlation(split, tiles, depth);
  return tile_cycles(tiles * parts, side * side,
                     ceil_div(std::min<int64_t>(k, split.k_per_part), depth),
                     large ? kSpeedOfLarge : kSpeedOfSmall);
}

double cycles_of_mma(const WeightGradient& g, int64_t groups) {
  const bool large = takes_large_tile(g);
  const int side = large ? 128 : 64;
  const int64_t tiles = ceil_div(g.m, side) * ceil_div(g.n, side) * groups;
  const int64_t parts =
      parts_of(g.pixels, tiles, kLeastPixels, large ? kWantedOf<128> : kWantedOf<64>);
  return tile_cycles(tiles * parts, side * side, ceil_div(ceil_div(g.pixels, parts), 64),
                     large ? kSpeedOfLarge : kSpeedOfSmall);
}

void correlate_mma(const CorrelationProblem& p, const Correlation& g) {
  switch (p.dtype) {
    case DType::float16: return correlate<Float16>(p, g);
    case DType::bfloat16: return correlate<BFloat16>(p, g);
    default: return correlate<ptx::Tf32>(p, g);
  }
}

void weight_gradient_mma(DType dtype, Conv2dVariant variant, const WeightGradient& g,
                         int64_t groups) {
  switch (dtype) {
    case DType::float16: return sum_gradient<Float16>(variant, g, groups);
    case DType::bfloat16: return sum_gradient<BFloat16>(variant, g, groups);
    default: return sum_gradient<ptx::Tf32>(variant, g, groups);
  }
}

}  // namespace weft::WEFT_GPU
