// The host's side of matrix products: the problem in numbers, variants, grids and splits along k.
#pragma once

#include <vector>

#include "cuda/gemm.h"
#include "cuda/scratch.h"

namespace weft::WEFT_GPU {

// A product, or a batch of them, on the host.
struct GemmProblem {
  DType dtype;    // of a and b
  DType c_dtype;  // and of the bias
  int64_t m, n, k;
  GemmMatrix a, b;
  void* c;
  int64_t c_row_stride, c_column_stride;
  int c_alignment;
  const void* bias;  // null: none
  bool accumulate, relu;
  Loop batch;  // a, b, c

  int64_t products() const { return batch.size(); }
};

inline Contiguous contiguous_axis(const GemmMatrix& matrix, int64_t outer, int64_t k) {
  if (matrix.k_stride == 1) return Contiguous::k;
  if (matrix.outer_stride == 1) return Contiguous::outer;
  return k == 1 ? Contiguous::k : outer == 1 ? Contiguous::outer : Contiguous::neither;
}

// Small results of long sums: every split adds up a part of k and leaves its sums in temporary
// memory, and a second kernel adds these in the order of k. The same bits on every run.
struct GemmSplit {
  int count = 1;
  int64_t k_per_split = 0;
};

struct DeviceTraits {
  int multiprocessors, capability;  // capability: 80 for 8.0
};
DeviceTraits device_traits();  // of the current device

// What one launch takes of a batch: a grid has at most 65535 blocks along z.
struct GridPart {
  DeviceLoop<3> loop;
  int64_t base[3];  // element offsets
  uint32_t first, count;
};
std::vector<GridPart> grid_parts(const Loop& batch);
// Results one after the other, `size` elements each.
void dense_results(Loop& batch, int64_t size);

// c = epilogue(sum over splits of partial[split][product][row][column]).
void sum_splits(const GemmProblem& p, const float* partial, int splits);
void sum_splits(const GemmProblem& p, const double* partial, int splits);

struct GemmTile {
  int m, n, threads;
  size_t shared_bytes;
};
// What all launches of a product share: everything but the batch and what follows from it.
// `partial` is where splits leave their sums, null when there is one.
GemmArguments gemm_arguments(const GemmTile& tile, const GemmProblem& p, const GemmSplit& split,
                             void* partial);
// The loop over products with the places of what is written.
Loop gemm_batch(const GemmProblem& p, const void* partial);
int64_t c_element_bytes(const GemmProblem& p, const void* partial);

using GemmKernel = void (*)(GemmArguments);
// Tiles x splits x products.
void launch_tiles(GemmKernel kernel, const GemmTile& tile, const GemmProblem& p,
                  const GemmSplit& split, void* partial);

// Sum: the type of the sums.
template <class Sum>
void launch_gemm(GemmKernel kernel, const GemmTile& tile, const GemmProblem& p,
                 const GemmSplit& split) {
  if (split.count == 1) return launch_tiles(kernel, tile, p, split, nullptr);
  const DeviceScratch<Sum> partial(split.count * p.products() * p.m * p.n);
  launch_tiles(kernel, tile, p, split, partial.get());
  sum_splits(p, partial.get(), split.count);
}

// The variants. Each computes every problem that `check_variant` in matmul.cu lets through.
void matmul_vector(const GemmProblem& p);
void matmul_simt(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split);
void matmul_simt_integers(const GemmProblem& p);
void matmul_mma(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split);
void matmul_wgmma(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split);
// Why the current device cannot compute by wgmma; null if it can.
const char* why_no_wgmma();
// Why it cannot compute this product so; null if it can.
const char* why_not_wgmma(const GemmProblem& p);
// Bytes that `matmul_wgmma` moves before it multiplies, to bring factors into its layout.
double bytes_before_wgmma(const GemmProblem& p);

}  // namespace weft::WEFT_GPU
