// Grids of matrix products, and the second kernel of those split along k.
#include "cuda/gemm_launch.h"

#include <algorithm>
#include <array>

#include "cuda/math.h"

namespace weft::WEFT_GPU {

DeviceTraits device_traits() {
  static thread_local std::array<DeviceTraits, 64> known{};
  const int device = current_device();
  DeviceTraits& traits = known[static_cast<size_t>(device) % known.size()];
  if (traits.multiprocessors == 0) {
    int major = 0, minor = 0;
    cudaDeviceGetAttribute(&traits.multiprocessors, cudaDevAttrMultiProcessorCount, device);
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    traits.capability = 10 * major + minor;
  }
  return traits;
}

std::vector<GridPart> grid_parts(const Loop& batch) {
  constexpr uint32_t kMaxGridZ = 65535;
  std::vector<GridPart> parts;
  for (const Piece<3>& piece : pieces_of<3>(batch))
    for (uint32_t first = 0; first < piece.count; first += kMaxGridZ) {
      GridPart part{piece.loop, {}, first, std::min(piece.count - first, kMaxGridZ)};
      std::copy(piece.base, piece.base + 3, part.base);
      parts.push_back(part);
    }
  return parts;
}

void dense_results(Loop& batch, int64_t size) {
  for (int axis = batch.ndim - 1; axis >= 0; axis--) {
    batch.strides[2][axis] = size;
    size *= batch.shape[axis];
  }
}

GemmArguments gemm_arguments(const GemmTile& tile, const GemmProblem& p, const GemmSplit& split,
                             void* partial) {
  GemmArguments g{};
  g.m = static_cast<int>(p.m);
  g.n = static_cast<int>(p.n);
  g.k = static_cast<int>(p.k);
  g.a = p.a;
  g.b = p.b;
  g.c = p.c;
  g.bias = p.bias;
  g.c_row_stride = p.c_row_stride;
  g.c_alignment = p.c_alignment;
  g.accumulate = p.accumulate;
  g.relu = p.relu;
  g.c_is_sum = p.c_dtype != p.dtype;
  g.tiles_m = static_cast<int>(ceil_div(p.m, tile.m));
  g.tiles_n = static_cast<int>(ceil_div(p.n, tile.n));
  g.k_per_split =
      static_cast<int>(split.count == 1 ? std::max<int64_t>(p.k, 1) : split.k_per_split);
  if (partial != nullptr) {
    g.c = partial;
    g.bias = nullptr;
    g.c_row_stride = p.n;
    g.c_alignment = p.n % 4 == 0 ? 16 : 4;
    g.accumulate = g.relu = false;
    g.c_is_sum = true;
    g.split_stride = p.products() * p.m * p.n;
  }
  return g;
}

Loop gemm_batch(const GemmProblem& p, const void* partial) {
  Loop batch = p.batch;
  if (partial != nullptr) dense_results(batch, p.m * p.n);
  return batch;
}

int64_t c_element_bytes(const GemmProblem& p, const void* partial) {
  if (partial == nullptr) return static_cast<int64_t>(itemsize(p.c_dtype));
  return p.dtype == DType::float64 ? 8 : 4;
}

void launch_tiles(GemmKernel kernel, const GemmTile& tile, const GemmProblem& p,
                  const GemmSplit& split, void* partial) {
  const GemmArguments g = gemm_arguments(tile, p, split, partial);
  const auto bytes = static_cast<int64_t>(itemsize(p.dtype));
  const int64_t c_bytes = c_element_bytes(p, partial);
  for (const GridPart& grid : grid_parts(gemm_batch(p, partial))) {
    GemmArguments part = g;
    part.a.data = static_cast<const char*>(g.a.data) + grid.base[0] * bytes;
    part.b.data = static_cast<const char*>(g.b.data) + grid.base[1] * bytes;
    part.c = static_cast<char*>(g.c) + grid.base[2] * c_bytes;
    part.batch = grid.loop;
    part.first_product = grid.first;
    gpu::launch(kernel,
                dim3(static_cast<uint32_t>(g.tiles_m) * static_cast<uint32_t>(g.tiles_n),
                     static_cast<uint32_t>(split.count), grid.count),
                dim3(static_cast<uint32_t>(tile.threads)), tile.shared_bytes, stream(), part);
  }
}

namespace {

constexpr int kThreads = 256;

struct SumArguments {
  const void* partial;
  int splits;
  int64_t split_stride;
  Divisor columns, results;  // of a row, of a product
  uint32_t count;
  void* c;
  const void* bias;
  int64_t c_row_stride, c_column_stride;
  bool accumulate, relu;
  DeviceLoop<3> batch;
};

// A thread per result; the loads of a warp are contiguous.
template <class C, class Sum>
__global__ void __launch_bounds__(kThreads)
    sum_splits_kernel(const __grid_constant__ SumArguments g) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= g.count) return;
  const Sum* const partial = static_cast<const Sum*>(g.partial) + i;
  Sum sum = partial[0];
  for (int s = 1; s < g.splits; s++) sum += partial[s * g.split_stride];
  const uint32_t product = g.results.quotient(i), within = i - product * g.results.value;
  const uint32_t row = g.columns.quotient(within), column = within - row * g.columns.value;
  int64_t at[3];
  g.batch.offsets(product, at);
  C* const c = static_cast<C*>(g.c) + at[2] + row * g.c_row_stride + column * g.c_column_stride;
  if (g.accumulate) sum += static_cast<Sum>(*c);
  if (g.bias != nullptr) sum += static_cast<Sum>(static_cast<const C*>(g.bias)[column]);
  *c = static_cast<C>(g.relu && sum < Sum(0) ? Sum(0) : sum);  // NaN stays NaN
}

template <class C, class Sum>
void launch_sum(const GemmProblem& p, const Sum* partial, int splits) {
  SumArguments g{};
  g.partial = partial;
  g.splits = splits;
  g.split_stride = p.products() * p.m * p.n;
  g.columns = Divisor(static_cast<uint32_t>(p.n));
  g.results = Divisor(static_cast<uint32_t>(p.m * p.n));
  g.count = static_cast<uint32_t>(g.split_stride);
  g.c = p.c;
  g.bias = p.bias;
  g.c_row_stride = p.c_row_stride;
  g.c_column_stride = p.c_column_stride;
  g.accumulate = p.accumulate;
  g.relu = p.relu;
  const std::vector<Piece<3>> pieces = pieces_of<3>(p.batch);  // one: splits are for few results
  g.batch = pieces[0].loop;
  gpu::launch(sum_splits_kernel<C, Sum>, dim3(blocks_for(g.count, kThreads)), dim3(kThreads), 0,
              stream(), g);
}

}  // namespace

void sum_splits(const GemmProblem& p, const float* partial, int splits) {
  switch (p.c_dtype) {
    case DType::float16: return launch_sum<Float16>(p, partial, splits);
    case DType::bfloat16: return launch_sum<BFloat16>(p, partial, splits);
    default: return launch_sum<float>(p, partial, splits);
  }
}
void sum_splits(const GemmProblem& p, const double* partial, int splits) {
  launch_sum<double>(p, partial, splits);
}

}  // namespace weft::WEFT_GPU
