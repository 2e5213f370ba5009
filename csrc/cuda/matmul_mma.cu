// Matrix products on tensor cores by mma.sync: float16, bfloat16, and float32 rounded to tf32.
#include "cuda/gemm_launch.h"
#include "cuda/gemm_mma.h"

namespace weft::WEFT_GPU {
namespace {

template <class Shape, int kBlocksPerSm>
__global__ void __launch_bounds__(Shape::kThreads, kBlocksPerSm)
    mma_kernel(const __grid_constant__ GemmArguments g) {
  using Stored = typename Shape::TileA::Stored;
  DYN_SMEM(unsigned char, ring);
  float sums[Shape::kRows][Shape::kColumns][4] = {};
  {
    int64_t at[3];
    g.batch.offsets(g.first_product + blockIdx.z, at);
    const TileOrigin origin =
        tile_origin(blockIdx.x, g.tiles_m, g.tiles_n, Shape::kTile, Shape::kTile);
    const int k_begin = static_cast<int>(blockIdx.y) * g.k_per_split;
    const int k_end = g.k - k_begin < g.k_per_split ? g.k : k_begin + g.k_per_split;
    const MmaMatrixLoader<typename Shape::TileA, Shape::kThreads> a(g.a, at[0], origin.row, g.m,
                                                                    k_end);
    const MmaMatrixLoader<typename Shape::TileB, Shape::kThreads> b(g.b, at[1], origin.column, g.n,
                                                                    k_end);
    mma_main_loop<Shape>(a, b, k_begin, k_end, ring, sums);
  }
  int64_t at[3];
  g.batch.offsets(g.first_product + anew(blockIdx.z), at);
  const TileOrigin origin =
      tile_origin(anew(blockIdx.x), g.tiles_m, g.tiles_n, Shape::kTile, Shape::kTile);
  const auto staged = mma_stage<Shape>(ring, sums);
  if (!Shape::TileA::kHalf || g.c_is_sum)
    mma_write<Shape>(staged, epilogue_of<float, float>(g, at[2], blockIdx.y), origin);
  else
    mma_write<Shape>(staged, epilogue_of<Stored, float>(g, at[2], blockIdx.y), origin);
}

template <class Shape, int kBlocksPerSm>
void launch_shape(const GemmProblem& p, const GemmSplit& split) {
  launch_gemm<float>(&mma_kernel<Shape, kBlocksPerSm>,
                     {Shape::kTile, Shape::kTile, Shape::kThreads, Shape::kSharedBytes}, p, split);
}

template <class T, int kTile, int kBlocksPerSm>
void launch_mma(const GemmProblem& p, const GemmSplit& split) {
  constexpr Contiguous k = Contiguous::k, outer = Contiguous::outer;
  const bool a_k = contiguous_axis(p.a, p.m, p.k) == k, b_k = contiguous_axis(p.b, p.n, p.k) == k;
  if (a_k && b_k) return launch_shape<MmaShape<T, kTile, k, k>, kBlocksPerSm>(p, split);
  if (a_k) return launch_shape<MmaShape<T, kTile, k, outer>, kBlocksPerSm>(p, split);
  if (b_k) return launch_shape<MmaShape<T, kTile, outer, k>, kBlocksPerSm>(p, split);
  return launch_shape<MmaShape<T, kTile, outer, outer>, kBlocksPerSm>(p, split);
}

template <class T>
void launch_variant(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split) {
  if (variant == MatmulVariant::mma_64x64) return launch_mma<T, 64, 4>(p, split);
  return launch_mma<T, 128, 2>(p, split);
}

}  // namespace

void matmul_mma(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split) {
  switch (p.dtype) {
    case DType::float16: return launch_variant<Float16>(p, variant, split);
    case DType::bfloat16: return launch_variant<BFloat16>(p, variant, split);
    default: return launch_variant<ptx::Tf32>(p, variant, split);
  }
}

}  // namespace weft::WEFT_GPU
