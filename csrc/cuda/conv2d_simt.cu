// Convolutions as products of matrices on the ordinary arithmetic units.
#include "cuda/conv2d_gemm.h"
#include "cuda/conv2d_launch.h"

namespace weft::WEFT_GPU {
namespace {

using Large = SimtShape<float, 128, 64, 8, 8, 8>;
using Medium = SimtShape<float, 64, 64, 16, 8, 4>;
using Narrow = SimtShape<float, 128, 32, 16, 8, 4>;
using Double = SimtShape<double, 64, 64, 8, 8, 4>;

template <class Shape>
constexpr Conv2dTile tile_of() {
  return {Shape::kTileM, Shape::kTileN, Shape::kDepth, Shape::kThreads};
}

// Vectors along the channels of all operands.
bool is_wide(const Correlation& g) {
  return std::min({g.x_alignment, g.weights.alignment, g.y_alignment}) == 16;
}
bool is_wide(const WeightGradient& g) {
  return std::min({g.x_alignment, g.dy.alignment, g.out_alignment}) == 16;
}

template <class T, class Shape, int kWidth, bool kTurned, int kBlocksPerSm>
void correlate(const Correlation& g, const CorrelationProblem& p) {
  launch_correlation<T, T>(correlate_kernel<T, Shape, kWidth, kTurned, kBlocksPerSm>,
                           tile_of<Shape>(), g, p);
}

template <bool kTurned>
void correlate_floats(const Correlation& g, const CorrelationProblem& p) {
  if (!is_wide(g)) return correlate<float, Narrow, 1, kTurned, 4>(g, p);
  if (g.outputs <= 32) return correlate<float, Narrow, 4, kTurned, 4>(g, p);
  constexpr int64_t kFilled = 396;  // three blocks on each of the largest GPU's processors
  if (p.tiles(g, 128, 64) >= kFilled) return correlate<float, Large, 4, kTurned, 3>(g, p);
  correlate<float, Medium, 4, kTurned, 4>(g, p);
}
template <bool kTurned>
void correlate_doubles(const Correlation& g, const CorrelationProblem& p) {
  if (is_wide(g))
    correlate<double, Double, 2, kTurned, 3>(g, p);
  else
    correlate<double, Double, 1, kTurned, 3>(g, p);
}

template <class T, class Shape, int kWidth, int kBlocksPerSm>
void sum_gradient(const WeightGradient& g, int64_t groups) {
  launch_weight_gradient<T, T>(weight_gradient_kernel<T, Shape, kWidth, kBlocksPerSm>,
                               tile_of<Shape>(), g, groups, kManyBlocks * 128 / Shape::kThreads);
}

}  // namespace

void correlate_simt(const CorrelationProblem& p, const Correlation& g) {
  if (p.dtype == DType::float64)
    return p.turned ? correlate_doubles<true>(g, p) : correlate_doubles<false>(g, p);
  return p.turned ? correlate_floats<true>(g, p) : correlate_floats<false>(g, p);
}

void weight_gradient_simt(DType dtype, const WeightGradient& g, int64_t groups) {
  const bool wide = is_wide(g);
  if (dtype == DType::float64)
    return wide ? sum_gradient<double, Double, 2, 3>(g, groups)
                : sum_gradient<double, Double, 1, 3>(g, groups);
  if (!wide) return sum_gradient<float, Medium, 1, 4>(g, groups);
  if (g.n <= 32) return sum_gradient<float, Narrow, 4, 4>(g, groups);
  if (g.m >= 128) return sum_gradient<float, Large, 4, 3>(g, groups);
  sum_gradient<float, Medium, 4, 4>(g, groups);
}

}  // namespace weft::WEFT_GPU
