// Pooling of NHWC images: a thread makes 16 bytes of neighbouring channels of one pixel (8 of
// halves, one channel where C or an address does not allow that), so that a warp moves 512
// contiguous bytes.
//
// Every kernel is bound by memory: forward reads x and writes y (and indices, a byte each);
// backward reads dy (and indices) and writes dx once. Windows that overlap meet in the caches.
//   max forward         bytes = |x| + |y| + |y| / sizeof(T)
//   max backward        bytes = |dy| + |dy| / sizeof(T) + |dx|
//   average             bytes = |x| + |y| in both directions
// Backward gathers: the thread of a pixel of dx looks at the windows that cover it, in their order.
// Nothing is added by atomics, and dx need not be cleared. Looking costs
// ceil(R / stride_h) * ceil(S / stride_w) cached loads per pixel.
#include "ops/pool2d.h"

#include "cuda/math.h"
#include "cuda/stream.h"
#include "cuda/target.h"
#include "cuda/window2d.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

// The parameter of all kernels. `grid` counts pixels of y in forward kernels, of x in backward.
struct Pooling {
  PixelGrid grid;
  Divisor stride_h, stride_w;
  int H, W, R, S, P, Q, pad_top, pad_left;
  int64_t C;
};

// The part of a window inside the image.
struct Patch {
  int top, left, bottom, right;  // rows [top, bottom), columns [left, right)
  int first;                     // r * S + s of its first pixel
  __device__ int size() const { return (bottom - top) * (right - left); }
};

__device__ __forceinline__ Patch patch_of(const Pooling& g, int p, int q) {
  const int top = p * static_cast<int>(g.stride_h.value) - g.pad_top;
  const int left = q * static_cast<int>(g.stride_w.value) - g.pad_left;
  const Patch patch{max(top, 0), max(left, 0), min(top + g.R, g.H), min(left + g.S, g.W), 0};
  return {patch.top, patch.left, patch.bottom, patch.right,
          (patch.top - top) * g.S + patch.left - left};
}

// Windows [begin, end) cover the coordinate `at` of an image.
struct Covering {
  int begin, end;
};
__device__ __forceinline__ Covering covering(int at, int window, const Divisor& stride, int count) {
  const int first = at - window + 1;  // the first window may begin here
  return {first <= 0 ? 0 : static_cast<int>(stride.quotient(first + stride.value - 1)),
          min(static_cast<int>(stride.quotient(at)) + 1, count)};
}

template <class T, int kWidth>
__device__ __forceinline__ const T* pixel_at(const Pooling& g, const T* x, const PixelPlace& place,
                                             int row, int column) {
  return x + ((place.n * g.H + row) * g.W + column) * g.C + place.channel * kWidth;
}

__device__ __forceinline__ int64_t thread_number() {
  return int64_t{blockIdx.x} * kThreads + threadIdx.x;
}

// 1 / count, rounded to within one unit in the last place: two or three multiplications, where a
// true division has a call for rare arguments.
template <class T>
__device__ __forceinline__ T share_of(int count) {
  const T n = static_cast<T>(count);
  T share = static_cast<T>(__fdividef(1.0f, static_cast<float>(count)));
  constexpr int kSteps = sizeof(T) == 4 ? 1 : 2;  // each doubles the number of right bits
  UNROLL for (int step = 0; step < kSteps; step++) share = fma(share, fma(-n, share, T(1)), share);
  return share;
}

struct NoIndex {};

template <class T, int kWidth, class I>
__global__ void __launch_bounds__(kThreads)
    max_forward_kernel(const __grid_constant__ Pooling g, const T* __restrict__ x,
                       T* __restrict__ y, I* __restrict__ indices) {
  constexpr bool kIndexed = !std::is_same_v<I, NoIndex>;
  const int64_t i = thread_number();
  if (i >= g.grid.count) return;
  const PixelPlace place = g.grid.place(i);
  const Patch patch = patch_of(g, place.row, place.column);
  auto best = load_values<T, kWidth>(pixel_at<T, kWidth>(g, x, place, patch.top, patch.left));
  int where[kWidth];
  UNROLL for (int k = 0; k < kWidth; k++) where[k] = patch.first;
  for (int h = patch.top; h < patch.bottom; h++) {
    const T* pixel = pixel_at<T, kWidth>(g, x, place, h, patch.left);
    const int row = patch.first + (h - patch.top) * g.S - patch.left;
    for (int w = patch.left; w < patch.right; w++, pixel += g.C) {
      const auto value = load_values<T, kWidth>(pixel);
      UNROLL for (int k = 0; k < kWidth; k++) {
        // Greater, or the first NaN.
        const bool wins = !(value[k] <= best[k]) && best[k] == best[k];
        best[k] = wins ? value[k] : best[k];
        if constexpr (kIndexed) where[k] = wins ? row + w : where[k];
      }
    }
  }
  store_values(y + i * kWidth, best);
  if constexpr (kIndexed) {
    gpu::Vector<I, kWidth> narrow;
    UNROLL for (int k = 0; k < kWidth; k++) narrow[k] = static_cast<I>(where[k]);
    store_values(indices + i * kWidth, narrow);
  }
}

template <class T, int kWidth, class I>
__global__ void __launch_bounds__(kThreads)
    max_backward_kernel(const __grid_constant__ Pooling g, const T* __restrict__ dy,
                        const I* __restrict__ indices, T* __restrict__ dx) {
  const int64_t i = thread_number();
  if (i >= g.grid.count) return;
  const PixelPlace place = g.grid.place(i);
  const int h = place.row + g.pad_top, w = place.column + g.pad_left;
  const Covering rows = covering(h, g.R, g.stride_h, g.P);
  const Covering columns = covering(w, g.S, g.stride_w, g.Q);
  gpu::Vector<Compute<T>, kWidth> sum{};
  for (int p = rows.begin; p < rows.end; p++) {
    const int row = (h - p * static_cast<int>(g.stride_h.value)) * g.S + w;
    for (int q = columns.begin; q < columns.end; q++) {
      const int here = row - q * static_cast<int>(g.stride_w.value);
      const int64_t at = ((place.n * g.P + p) * g.Q + q) * g.C + place.channel * kWidth;
      const auto index = load_values<I, kWidth>(indices + at);
      const auto value = load_as<Compute<T>, kWidth>(dy + at);
      UNROLL for (int k = 0; k < kWidth; k++) {
        if (static_cast<int>(index[k]) == here) sum[k] += value[k];
      }
    }
  }
  store_as(dx + i * kWidth, sum);
}

template <class T, int kWidth, class I>
__global__ void __launch_bounds__(kThreads)
    max_gather_kernel(const __grid_constant__ Pooling g, const T* __restrict__ x,
                      const I* __restrict__ indices, T* __restrict__ y) {
  const int64_t i = thread_number();
  if (i >= g.grid.count) return;
  const PixelPlace place = g.grid.place(i);
  const Patch patch = patch_of(g, place.row, place.column);
  const auto index = load_values<I, kWidth>(indices + i * kWidth);
  const int first_row = patch.first / g.S, first_column = patch.first % g.S;
  gpu::Vector<T, kWidth> found{};
  UNROLL for (int k = 0; k < kWidth; k++) {
    const int r = static_cast<int>(index[k]) / g.S, s = static_cast<int>(index[k]) % g.S;
    const int h = patch.top + r - first_row, w = patch.left + s - first_column;
    // An index that is not of this window must not read elsewhere.
    const bool inside = index[k] >= I(0) && h >= patch.top && h < patch.bottom && w >= patch.left &&
                        w < patch.right;
    if (inside) found[k] = pixel_at<T, kWidth>(g, x, place, h, w)[k];
  }
  store_values(y + i * kWidth, found);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    average_forward_kernel(const __grid_constant__ Pooling g, const T* __restrict__ x,
                           T* __restrict__ y) {
  using Sum = Compute<T>;
  const int64_t i = thread_number();
  if (i >= g.grid.count) return;
  const PixelPlace place = g.grid.place(i);
  const Patch patch = patch_of(g, place.row, place.column);
  const Sum share = share_of<Sum>(patch.size());
  gpu::Vector<Sum, kWidth> sum{};
  for (int h = patch.top; h < patch.bottom; h++) {
    // One sum per row first: the rounding error grows with rows + columns, not their product.
    gpu::Vector<Sum, kWidth> row_sum{};
    const T* pixel = pixel_at<T, kWidth>(g, x, place, h, patch.left);
    for (int w = patch.left; w < patch.right; w++, pixel += g.C) {
      const auto value = load_as<Sum, kWidth>(pixel);
      UNROLL for (int k = 0; k < kWidth; k++) row_sum[k] += value[k];
    }
    UNROLL for (int k = 0; k < kWidth; k++) sum[k] += row_sum[k];
  }
  UNROLL for (int k = 0; k < kWidth; k++) sum[k] *= share;
  store_as(y + i * kWidth, sum);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    average_backward_kernel(const __grid_constant__ Pooling g, const T* __restrict__ dy,
                            T* __restrict__ dx) {
  using Sum = Compute<T>;
  const int64_t i = thread_number();
  if (i >= g.grid.count) return;
  const PixelPlace place = g.grid.place(i);
  const Covering rows = covering(place.row + g.pad_top, g.R, g.stride_h, g.P);
  const Covering columns = covering(place.column + g.pad_left, g.S, g.stride_w, g.Q);
  gpu::Vector<Sum, kWidth> sum{};
  for (int p = rows.begin; p < rows.end; p++) {
    for (int q = columns.begin; q < columns.end; q++) {
      const Sum share = share_of<Sum>(patch_of(g, p, q).size());
      const int64_t at = ((place.n * g.P + p) * g.Q + q) * g.C + place.channel * kWidth;
      const auto value = load_as<Sum, kWidth>(dy + at);
      UNROLL for (int k = 0; k < kWidth; k++) sum[k] += value[k] * share;
    }
  }
  store_as(dx + i * kWidth, sum);
}

// --- launchers ---------------------------------------------------------------------------------

enum class Over { windows, pixels };  // what threads are made of: pixels of y or of x

Pooling make_pooling(const Pool2dParams& p, Over over, int width) {
  check(fits_axis(p.H) && fits_axis(p.W) && fits_axis(p.R * p.S), "pool2d: images of ", p.H, " x ",
        p.W, " pixels and windows of ", p.R, " x ", p.S,
        " do not run on a GPU: an axis and a window must have less than 2^30 pixels");
  Pooling g;
  const bool windows = over == Over::windows;
  g.grid = PixelGrid(p.N, windows ? p.P : p.H, windows ? p.Q : p.W, p.C / width);
  // A stride beyond the image has one window; it need not be larger than what is counted in.
  g.stride_h = Divisor(static_cast<uint32_t>(p.P == 1 ? p.H + p.R : p.stride_h));
  g.stride_w = Divisor(static_cast<uint32_t>(p.Q == 1 ? p.W + p.S : p.stride_w));
  g.H = static_cast<int>(p.H), g.W = static_cast<int>(p.W);
  g.R = static_cast<int>(p.R), g.S = static_cast<int>(p.S);
  g.P = static_cast<int>(p.P), g.Q = static_cast<int>(p.Q);
  g.pad_top = static_cast<int>(p.pad_top), g.pad_left = static_cast<int>(p.pad_left);
  g.C = p.C;
  return g;
}

// Channels that a thread makes: 16 bytes of what is computed in.
template <class T>
constexpr int kChannels = 16 / sizeof(Compute<T>);

// Whether C channels of T, and of I beside them, can be moved by 16 bytes of T.
template <class T, class I>
bool is_wide(const Pool2dParams& p, const Operand& a, const Operand& b, const Operand& indices) {
  return is_row_aligned<T>(a.data, p.C) && is_row_aligned<T>(b.data, p.C) &&
         reinterpret_cast<uintptr_t>(indices.data) % (16 / sizeof(T) * sizeof(I)) == 0;
}

template <class... Parameters, class... Arguments>
void launch_pooling(void (*kernel)(Pooling, Parameters...), const Pooling& g,
                    Arguments... arguments) {
  gpu::launch(kernel, dim3(blocks_for(g.grid.count, kThreads)), dim3(kThreads), 0, stream(), g,
              arguments...);
}

template <class T, class I>
void max_forward(const Pool2dParams& p, const Operand& x, const Operand& y,
                 const Operand& indices) {
  constexpr int kWidth = kChannels<T>;
  if (is_wide<T, I>(p, x, y, indices))
    launch_pooling(max_forward_kernel<T, kWidth, I>, make_pooling(p, Over::windows, kWidth),
                   x.as<T>(), y.as<T>(), indices.as<I>());
  else
    launch_pooling(max_forward_kernel<T, 1, I>, make_pooling(p, Over::windows, 1), x.as<T>(),
                   y.as<T>(), indices.as<I>());
}

template <class T>
void max_pool2d_forward(const Pool2dParams& p, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1], &indices = operands[2];
  if (!indices.present)
    max_forward<T, NoIndex>(p, x, y, indices);
  else if (indices.dtype == DType::uint8)
    max_forward<T, uint8_t>(p, x, y, indices);
  else
    max_forward<T, int32_t>(p, x, y, indices);
}

template <class T, class I>
void max_backward(const Pool2dParams& p, const Operand& dy, const Operand& indices,
                  const Operand& dx) {
  constexpr int kWidth = kChannels<T>;
  if (is_wide<T, I>(p, dy, dx, indices))
    launch_pooling(max_backward_kernel<T, kWidth, I>, make_pooling(p, Over::pixels, kWidth),
                   dy.as<T>(), indices.as<I>(), dx.as<T>());
  else
    launch_pooling(max_backward_kernel<T, 1, I>, make_pooling(p, Over::pixels, 1), dy.as<T>(),
                   indices.as<I>(), dx.as<T>());
}

template <class T>
void max_pool2d_backward(const Pool2dParams& p, const Operand* operands) {
  if (operands[1].dtype == DType::uint8)
    max_backward<T, uint8_t>(p, operands[0], operands[1], operands[2]);
  else
    max_backward<T, int32_t>(p, operands[0], operands[1], operands[2]);
}

template <class T, class I>
void max_gather(const Pool2dParams& p, const Operand& x, const Operand& indices, const Operand& y) {
  constexpr int kWidth = kChannels<T>;
  if (is_wide<T, I>(p, x, y, indices))
    launch_pooling(max_gather_kernel<T, kWidth, I>, make_pooling(p, Over::windows, kWidth),
                   x.as<T>(), indices.as<I>(), y.as<T>());
  else
    launch_pooling(max_gather_kernel<T, 1, I>, make_pooling(p, Over::windows, 1), x.as<T>(),
                   indices.as<I>(), y.as<T>());
}

template <class T>
void max_pool2d_gather(const Pool2dParams& p, const Operand* operands) {
  if (operands[1].dtype == DType::uint8)
    max_gather<T, uint8_t>(p, operands[0], operands[1], operands[2]);
  else
    max_gather<T, int32_t>(p, operands[0], operands[1], operands[2]);
}

template <class T>
void average_pool2d_forward(const Pool2dParams& p, const Operand* operands) {
  constexpr int kWidth = kChannels<T>;
  const Operand &x = operands[0], &y = operands[1];
  if (is_row_aligned<T>(x.data, p.C) && is_row_aligned<T>(y.data, p.C))
    launch_pooling(average_forward_kernel<T, kWidth>, make_pooling(p, Over::windows, kWidth),
                   x.as<T>(), y.as<T>());
  else
    launch_pooling(average_forward_kernel<T, 1>, make_pooling(p, Over::windows, 1), x.as<T>(),
                   y.as<T>());
}

template <class T>
void average_pool2d_backward(const Pool2dParams& p, const Operand* operands) {
  constexpr int kWidth = kChannels<T>;
  const Operand &dy = operands[0], &dx = operands[1];
  if (is_row_aligned<T>(dy.data, p.C) && is_row_aligned<T>(dx.data, p.C))
    launch_pooling(average_backward_kernel<T, kWidth>, make_pooling(p, Over::pixels, kWidth),
                   dy.as<T>(), dx.as<T>());
  else
    launch_pooling(average_backward_kernel<T, 1>, make_pooling(p, Over::pixels, 1), dy.as<T>(),
                   dx.as<T>());
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_ONE_DTYPE(T)                                                                      \
  kernel_entry<&max_pool2d_forward<T>>(kernels::max_pool2d_forward, dtype_of<T>),             \
      kernel_entry<&max_pool2d_backward<T>>(kernels::max_pool2d_backward, dtype_of<T>),       \
      kernel_entry<&max_pool2d_gather<T>>(kernels::max_pool2d_gather, dtype_of<T>),           \
      kernel_entry<&average_pool2d_forward<T>>(kernels::average_pool2d_forward, dtype_of<T>), \
      kernel_entry<&average_pool2d_backward<T>>(kernels::average_pool2d_backward, dtype_of<T>)
WEFT_GPU_KERNELS(pool2d, FOR_ONE_DTYPE(Float16), FOR_ONE_DTYPE(BFloat16), FOR_ONE_DTYPE(float),
                 FOR_ONE_DTYPE(double))
