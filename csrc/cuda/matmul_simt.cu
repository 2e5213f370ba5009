// Matrix products in float32 and float64 on the ordinary arithmetic units, for every layout; and
// those of integers and bool.
#include "cuda/gemm_launch.h"
#include "cuda/gemm_simt.h"

namespace weft::WEFT_GPU {
namespace {

template <class T, class Shape, Contiguous kAxisA, Contiguous kAxisB, int kBlocksPerSm>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksPerSm)
    simt_kernel(const __grid_constant__ GemmArguments g) {
  using Sum = typename Shape::Sum;
  using LoaderA =
      MatrixLoader<T, Sum, typename Shape::TileA, Shape::kTileM, Shape::kThreads, kAxisA>;
  using LoaderB =
      MatrixLoader<T, Sum, typename Shape::TileB, Shape::kTileN, Shape::kThreads, kAxisB>;
  Sum sums[Shape::kRows][Shape::kColumns] = {};
  {
    int64_t at[3];
    g.batch.offsets(g.first_product + blockIdx.z, at);
    const TileOrigin origin =
        tile_origin(blockIdx.x, g.tiles_m, g.tiles_n, Shape::kTileM, Shape::kTileN);
    const int k_begin = static_cast<int>(blockIdx.y) * g.k_per_split;
    const int k_end = g.k - k_begin < g.k_per_split ? g.k : k_begin + g.k_per_split;
    const LoaderA a(g.a, at[0], origin.row, g.m, k_end);
    const LoaderB b(g.b, at[1], origin.column, g.n, k_end);
    simt_main_loop<Shape>(a, b, k_begin, k_end, sums);
  }
  int64_t at[3];
  g.batch.offsets(g.first_product + anew(blockIdx.z), at);
  const TileOrigin origin =
      tile_origin(anew(blockIdx.x), g.tiles_m, g.tiles_n, Shape::kTileM, Shape::kTileN);
  if constexpr (std::is_same_v<T, Sum>)
    simt_store<Shape>(epilogue_of<T, Sum>(g, at[2], blockIdx.y), origin, sums);
  else
    simt_store<Shape>(epilogue_of<T, Sum>(g, at[2], 0), origin, sums);
}

template <class Shape>
constexpr GemmTile tile_of() {
  return {Shape::kTileM, Shape::kTileN, Shape::kThreads, 0};
}

template <class T, class Shape, int kBlocksPerSm>
void launch_simt(const GemmProblem& p, const GemmSplit& split) {
  constexpr Contiguous k = Contiguous::k, outer = Contiguous::outer;
  const bool a_k = contiguous_axis(p.a, p.m, p.k) == k, b_k = contiguous_axis(p.b, p.n, p.k) == k;
  const GemmKernel kernel = a_k   ? b_k ? &simt_kernel<T, Shape, k, k, kBlocksPerSm>
                                        : &simt_kernel<T, Shape, k, outer, kBlocksPerSm>
                            : b_k ? &simt_kernel<T, Shape, outer, k, kBlocksPerSm>
                                  : &simt_kernel<T, Shape, outer, outer, kBlocksPerSm>;
  launch_gemm<T>(kernel, tile_of<Shape>(), p, split);
}

template <class T, class Sum>
void launch_integers(const GemmProblem& p) {
  using Shape = SimtShape<Sum, 32, 32, 8, 4, 4>;
  constexpr Contiguous any = Contiguous::neither;
  launch_tiles(&simt_kernel<T, Shape, any, any, 8>, tile_of<Shape>(), p, {}, nullptr);
}

}  // namespace

void matmul_simt(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split) {
  if (p.dtype == DType::float64) {
    if (variant == MatmulVariant::simt_32x32)
      return launch_simt<double, SimtShape<double, 32, 32, 8, 4, 4>, 8>(p, split);
    return launch_simt<double, SimtShape<double, 64, 64, 8, 8, 4>, 3>(p, split);
  }
  switch (variant) {
    case MatmulVariant::simt_32x32:
      return launch_simt<float, SimtShape<float, 32, 32, 16, 4, 4>, 8>(p, split);
    case MatmulVariant::simt_64x64:
      return launch_simt<float, SimtShape<float, 64, 64, 16, 8, 4>, 4>(p, split);
    default: return launch_simt<float, SimtShape<float, 128, 128, 8, 8, 8>, 2>(p, split);
  }
}

// Sums wrap around in an unsigned type; their low bits are those of signed sums. For bool the count
// of true products is kept, and anything but 0 is true.
void matmul_simt_integers(const GemmProblem& p) {
  if (p.dtype == DType::boolean) return launch_integers<bool, uint32_t>(p);
  switch (itemsize(p.dtype)) {
    case 1: return launch_integers<uint8_t, uint32_t>(p);
    case 2: return launch_integers<uint16_t, uint32_t>(p);
    case 4: return launch_integers<uint32_t, uint32_t>(p);
    default: return launch_integers<uint64_t, uint64_t>(p);
  }
}

}  // namespace weft::WEFT_GPU
