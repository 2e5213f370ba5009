// A matrix times a vector: bound by reading the matrix once (4.3 TB/s on an H200), so every lane
// reads 16 bytes at a time with several such loads under way, and few rows are split along k until
// the device is busy.
#include "cuda/block.h"
#include "cuda/gemm_launch.h"
#include "cuda/math.h"

#include <algorithm>
#include <utility>

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / gpu::kWarp;
constexpr int kMinSplit = 512;  // elements of a row that are worth a block of their own

struct VectorArguments {
  int64_t rows, k;
  GemmMatrix matrix;
  const void* x;
  int64_t x_stride;
  bool x_wide;  // contiguous, and aligned to 16 bytes in every product
  void* c;
  const void* bias;
  int64_t c_stride, bias_stride;
  bool accumulate, relu, c_is_sum;
  int64_t k_per_split, split_stride;
  DeviceLoop<3> batch;  // matrix, x, c
  uint32_t first_product;
};

template <class T>
constexpr int kWidth = 16 / sizeof(T);

template <class C, class Sum>
__device__ inline void store_as(const VectorArguments& g, int64_t offset, int64_t row, Sum sum) {
  C* const c = static_cast<C*>(g.c) + offset + blockIdx.y * g.split_stride + row * g.c_stride;
  if (g.accumulate) sum += static_cast<Sum>(*c);
  if (g.bias != nullptr)
    sum += static_cast<Sum>(static_cast<const C*>(g.bias)[row * g.bias_stride]);
  *c = static_cast<C>(g.relu && sum < Sum(0) ? Sum(0) : sum);  // NaN stays NaN
}

template <class T>
__device__ inline void store_result(const VectorArguments& g, int64_t offset, int64_t row,
                                    Compute<T> sum) {
  if constexpr (std::is_same_v<T, Compute<T>>)
    store_as<T>(g, offset, row, sum);
  else if (g.c_is_sum)
    store_as<float>(g, offset, row, sum);
  else
    store_as<T>(g, offset, row, sum);
}

template <class T>
__device__ inline Compute<T> dot_of(const gpu::Vector<T, kWidth<T>>& a,
                                    const gpu::Vector<T, kWidth<T>>& b, Compute<T> sum) {
  using Sum = Compute<T>;
  UNROLL for (int i = 0; i < kWidth<T>; i++) sum += static_cast<Sum>(a[i]) * static_cast<Sum>(b[i]);
  return sum;
}

struct Plus {
  template <class Sum>
  __device__ Sum operator()(Sum a, Sum b) const {
    return a + b;
  }
};

// Rows are contiguous: a warp per row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    vector_rows_kernel(const __grid_constant__ VectorArguments g) {
  using Sum = Compute<T>;
  using Wide = gpu::Vector<T, kWidth<T>>;
  constexpr int kStep = gpu::kWarp * kWidth<T>, kUnroll = 4;
  int64_t at[3];
  g.batch.offsets(g.first_product + blockIdx.z, at);
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / gpu::kWarp;
  const int64_t begin = blockIdx.y * g.k_per_split;
  const int64_t end = begin + g.k_per_split < g.k ? begin + g.k_per_split : g.k;
  const T* const x = static_cast<const T*>(g.x) + at[1];
  Sum sums[kUnroll] = {};
  if (row < g.rows) {
    const T* const from =
        static_cast<const T*>(g.matrix.data) + at[0] + row * g.matrix.outer_stride;
    int64_t done = begin;
    if (g.x_wide && g.matrix.alignment == 16) {
      int64_t k = begin + lane * kWidth<T>;
      for (; k + (kUnroll - 1) * kStep + kWidth<T> <= end; k += kUnroll * kStep) {
        Wide a[kUnroll], b[kUnroll];
        UNROLL for (int u = 0; u < kUnroll; u++) a[u] = gpu::load_vec<Wide>(from + k + u * kStep);
        UNROLL for (int u = 0; u < kUnroll; u++) b[u] = gpu::load_vec<Wide>(x + k + u * kStep);
        UNROLL for (int u = 0; u < kUnroll; u++) sums[u] = dot_of<T>(a[u], b[u], sums[u]);
      }
      for (; k + kWidth<T> <= end; k += kStep)
        sums[0] = dot_of<T>(gpu::load_vec<Wide>(from + k), gpu::load_vec<Wide>(x + k), sums[0]);
      done = begin + (end - begin) / kWidth<T> * kWidth<T>;
    }
    for (int64_t k = done + lane; k < end; k += gpu::kWarp)
      sums[0] +=
          static_cast<Sum>(from[k * g.matrix.k_stride]) * static_cast<Sum>(x[k * g.x_stride]);
  }
  const Sum sum = warp_reduce((sums[0] + sums[1]) + (sums[2] + sums[3]), Plus());
  if (lane == 0 && row < g.rows) store_result<T>(g, at[2], row, sum);
}

// Columns are contiguous: a lane takes 16 bytes of neighbouring rows, the warps of a block every
// eighth k.
template <class T>
__global__ void __launch_bounds__(kThreads)
    vector_columns_kernel(const __grid_constant__ VectorArguments g) {
  using Sum = Compute<T>;
  using Wide = gpu::Vector<T, kWidth<T>>;
  constexpr int kRows = gpu::kWarp * kWidth<T>;
  __shared__ Sum partial[kWarps][kRows];
  int64_t at[3];
  g.batch.offsets(g.first_product + blockIdx.z, at);
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp;
  const int64_t first = int64_t{blockIdx.x} * kRows, row = first + lane * kWidth<T>;
  const int64_t begin = blockIdx.y * g.k_per_split;
  const int64_t end = begin + g.k_per_split < g.k ? begin + g.k_per_split : g.k;
  const T* const x = static_cast<const T*>(g.x) + at[1];
  const T* const from = static_cast<const T*>(g.matrix.data) + at[0] + row;
  Sum sums[kWidth<T>] = {};
  if (g.matrix.alignment == 16 && row + kWidth<T> <= g.rows) {
    constexpr int kUnroll = 4;
    int64_t k = begin + warp;
    for (; k + (kUnroll - 1) * kWarps < end; k += kUnroll * kWarps) {
      Wide a[kUnroll];
      UNROLL for (int u = 0; u < kUnroll; u++) a[u] =
          gpu::load_vec<Wide>(from + (k + u * kWarps) * g.matrix.k_stride);
      UNROLL for (int u = 0; u < kUnroll; u++) {
        const Sum factor = static_cast<Sum>(x[(k + u * kWarps) * g.x_stride]);
        UNROLL for (int i = 0; i < kWidth<T>; i++) sums[i] += static_cast<Sum>(a[u][i]) * factor;
      }
    }
    for (; k < end; k += kWarps) {
      const Wide a = gpu::load_vec<Wide>(from + k * g.matrix.k_stride);
      const Sum factor = static_cast<Sum>(x[k * g.x_stride]);
      UNROLL for (int i = 0; i < kWidth<T>; i++) sums[i] += static_cast<Sum>(a[i]) * factor;
    }
  } else {
    for (int64_t k = begin + warp; k < end; k += kWarps) {
      const Sum factor = static_cast<Sum>(x[k * g.x_stride]);
      UNROLL for (int i = 0; i < kWidth<T>; i++) {
        if (row + i < g.rows) sums[i] += static_cast<Sum>(from[k * g.matrix.k_stride + i]) * factor;
      }
    }
  }
  UNROLL for (int i = 0; i < kWidth<T>; i++) partial[warp][lane * kWidth<T> + i] = sums[i];
  __syncthreads();
  for (int r = static_cast<int>(threadIdx.x); r < kRows; r += kThreads) {
    if (first + r >= g.rows) break;
    Sum sum = partial[0][r];
    for (int w = 1; w < kWarps; w++) sum += partial[w][r];
    store_result<T>(g, at[2], first + r, sum);
  }
}

// The matrix is a, or b read from the other side.
VectorArguments arguments_of(const GemmProblem& p, Loop& batch) {
  const bool swapped = p.n != 1;
  const GemmMatrix &matrix = swapped ? p.b : p.a, &vector = swapped ? p.a : p.b;
  batch = p.batch;
  if (swapped) {
    for (int axis = 0; axis < batch.ndim; axis++)
      std::swap(batch.strides[0][axis], batch.strides[1][axis]);
  }
  VectorArguments g{};
  g.rows = swapped ? p.n : p.m;
  g.k = p.k;
  g.matrix = matrix;
  g.x = vector.data;
  g.x_stride = vector.k_stride;
  g.x_wide = (vector.k_stride == 1 || p.k == 1) && vector.alignment == 16;
  g.c = p.c;
  g.c_stride = swapped ? p.c_column_stride : p.c_row_stride;
  g.bias = p.bias;
  g.bias_stride = swapped ? 1 : 0;
  g.accumulate = p.accumulate;
  g.relu = p.relu;
  return g;
}

template <class T>
void launch_parts(const VectorArguments& g, const Loop& batch, bool by_rows, int64_t blocks,
                  int64_t splits) {
  const auto kernel = by_rows ? &vector_rows_kernel<T> : &vector_columns_kernel<T>;
  const size_t c_bytes = g.c_is_sum ? sizeof(Compute<T>) : sizeof(T);
  for (const GridPart& grid : grid_parts(batch)) {
    VectorArguments part = g;
    part.matrix.data = static_cast<const T*>(g.matrix.data) + grid.base[0];
    part.x = static_cast<const T*>(g.x) + grid.base[1];
    part.c = static_cast<char*>(g.c) + grid.base[2] * static_cast<int64_t>(c_bytes);
    part.batch = grid.loop;
    part.first_product = grid.first;
    gpu::launch(kernel,
                dim3(static_cast<uint32_t>(blocks), static_cast<uint32_t>(splits), grid.count),
                dim3(kThreads), 0, stream(), part);
  }
}

template <class T>
void launch_vector(const GemmProblem& p) {
  using Sum = Compute<T>;
  Loop batch;
  VectorArguments g = arguments_of(p, batch);
  g.c_is_sum = p.c_dtype == dtype_of<Sum>;
  const bool by_rows = contiguous_axis(g.matrix, g.rows, g.k) == Contiguous::k;
  const int64_t blocks = ceil_div(g.rows, by_rows ? kWarps : gpu::kWarp * kWidth<T>);
  const int64_t busy = int64_t{8} * device_traits().multiprocessors, products = p.products();
  const int64_t wanted = std::min(busy / (blocks * products), g.k / kMinSplit);
  const int64_t most = std::clamp<int64_t>(wanted, 1, 64);
  g.k_per_split = std::max<int64_t>(1, ceil_div(ceil_div(g.k, most), kMinSplit)) * kMinSplit;
  const int64_t splits = std::max<int64_t>(1, ceil_div(g.k, g.k_per_split));
  if (splits == 1) return launch_parts<T>(g, batch, by_rows, blocks, 1);
  const DeviceScratch<Sum> partial(splits * products * g.rows);
  g.c = partial.get();
  g.c_is_sum = true;
  g.c_stride = 1;
  g.split_stride = products * g.rows;
  g.bias = nullptr;
  g.accumulate = g.relu = false;
  dense_results(batch, g.rows);
  launch_parts<T>(g, batch, by_rows, blocks, splits);
  sum_splits(p, partial.get(), static_cast<int>(splits));
}

}  // namespace

void matmul_vector(const GemmProblem& p) {
  switch (p.dtype) {
    case DType::float16: return launch_vector<Float16>(p);
    case DType::bfloat16: return launch_vector<BFloat16>(p);
    case DType::float32: return launch_vector<float>(p);
    default: return launch_vector<double>(p);
  }
}

}  // namespace weft::WEFT_GPU
