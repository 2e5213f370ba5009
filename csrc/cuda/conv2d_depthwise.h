// Convolution whose groups have one channel of x each, and `multiplier` channels of y.
//
// There is nothing to share between channels, so these kernels are bound by memory: threads take 16
// bytes of neighbouring channels (one channel where the multiplier, C or an address does not allow
// that) of four pixels of a row, so that a weight is loaded once for four products. Halves stay
// halves in memory, and are summed in float32.
//   forward, backward input   bytes = |x| + |y|; a thread makes 4 x 16 bytes, taps in its order
//   backward weight           bytes = |x| + |dy|; windows meet in L1. A block keeps the sums of 9
//                             taps in registers (16 bytes of them each: 4 channels of halves, which
//                             come as 8 bytes), adds them up through 4 KB of shared memory, and
//                             conv2d_partial.h adds up the blocks.
#pragma once

#include "cuda/conv2d_geometry.h"
#include "cuda/conv2d_partial.h"
#include "cuda/math.h"

namespace weft::WEFT_GPU {

constexpr int kDepthwiseThreads = 256;
constexpr int kDepthwisePixels = 4;  // neighbours in a row that a thread works on
constexpr int kDepthwiseTaps = 9;    // whose gradients a block sums at a time

struct DepthwiseArguments {
  PixelGrid grid;  // threads
  WindowAxis h, w;
  Divisor stride_h, stride_w, multiplier;
  int64_t C, K;
  bool relu;
};

template <class T, int kWidth>
using Channels = gpu::Vector<T, kWidth>;

template <class T, int kWidth>
__device__ __forceinline__ void add_products(Channels<T, kWidth>& sum, const Channels<T, kWidth>& a,
                                             const Channels<T, kWidth>& b) {
  UNROLL for (int k = 0; k < kWidth; k++) sum[k] += a[k] * b[k];
}

// The channel of x that channel k of y sees. Vectors have multiplier 1.
template <int kWidth>
__device__ __forceinline__ int64_t input_channel(const DepthwiseArguments& g, int64_t k) {
  return kWidth > 1 ? k : g.multiplier.quotient(static_cast<uint32_t>(k));
}

template <class Stored, int kWidth>
__global__ void __launch_bounds__(kDepthwiseThreads)
    depthwise_forward_kernel(const __grid_constant__ DepthwiseArguments g,
                             const Stored* __restrict__ x, const Stored* __restrict__ weights,
                             const Stored* __restrict__ bias, Stored* __restrict__ y) {
  using T = Compute<Stored>;
  using V = Channels<T, kWidth>;
  const int64_t i = int64_t{blockIdx.x} * kDepthwiseThreads + threadIdx.x;
  if (i >= g.grid.count) return;
  const PixelPlace place = g.grid.place(i);
  const int64_t k = place.channel * kWidth;
  const Stored* const image = x + place.n * g.h.size * g.w.size * g.C + input_channel<kWidth>(g, k);
  const int q0 = place.column * kDepthwisePixels;
  V sums[kDepthwisePixels] = {};
  for (int r = 0; r < g.h.taps; r++) {
    const int h = g.h.at(place.row, r);
    if (!g.h.inside(h)) continue;
    const Stored* const row = image + int64_t{h} * g.w.size * g.C;
    for (int s = 0; s < g.w.taps; s++) {
      const V weight = load_as<T, kWidth>(weights + (r * g.w.taps + s) * g.K + k);
      UNROLL for (int j = 0; j < kDepthwisePixels; j++) {
        const int w = g.w.at(q0 + j, s);
        if (g.w.inside(w)) add_products(sums[j], load_as<T, kWidth>(row + w * g.C), weight);
      }
    }
  }
  const V added = bias != nullptr ? load_as<T, kWidth>(bias + k) : V{};
  Stored* const out = y + ((place.n * g.h.count + place.row) * g.w.count + q0) * g.K + k;
  UNROLL for (int j = 0; j < kDepthwisePixels; j++) {
    UNROLL for (int c = 0; c < kWidth; c++) {
      sums[j][c] += added[c];
      if (g.relu) sums[j][c] = Math::max(T(0), sums[j][c]);
    }
    if (q0 + j < g.w.count) store_as(out + j * g.K, sums[j]);
  }
}

// Which window has `tap` at a coordinate of the image; none: -1.
__device__ __forceinline__ int window_at(const WindowAxis& axis, const Divisor& stride,
                                         int coordinate, int tap) {
  const int start = coordinate + axis.pad - tap * axis.dilation;
  if (start < 0) return -1;
  const int i = static_cast<int>(stride.quotient(static_cast<uint32_t>(start)));
  return i < axis.count && i * axis.stride == start ? i : -1;
}

template <class Stored, int kWidth>
__global__ void __launch_bounds__(kDepthwiseThreads, sizeof(Stored) == 2 ? 3 : 4)
    depthwise_backward_input_kernel(const __grid_constant__ DepthwiseArguments g,
                                    const Stored* __restrict__ dy,
                                    const Stored* __restrict__ weights, Stored* __restrict__ dx) {
  using T = Compute<Stored>;
  using V = Channels<T, kWidth>;
  const int64_t number = int64_t{blockIdx.x} * kDepthwiseThreads + threadIdx.x;
  if (number >= g.grid.count) return;
  const PixelPlace place = g.grid.place(number);
  const int64_t c = place.channel * kWidth, k0 = c * g.multiplier.value;
  const Stored* const image = dy + place.n * g.h.count * g.w.count * g.K;
  const int w0 = place.column * kDepthwisePixels;
  // Filters of the channel.
  const int multiplier = kWidth > 1 ? 1 : static_cast<int>(g.multiplier.value);
  V sums[kDepthwisePixels] = {};
  for (int r = 0; r < g.h.taps; r++) {
    const int p = window_at(g.h, g.stride_h, place.row, r);
    if (p < 0) continue;
    const Stored* const row = image + int64_t{p} * g.w.count * g.K;
    for (int s = 0; s < g.w.taps; s++) {
      int q[kDepthwisePixels];
      UNROLL for (int i = 0; i < kDepthwisePixels; i++) q[i] =
          window_at(g.w, g.stride_w, w0 + i, s);
      for (int j = 0; j < multiplier; j++) {
        const int64_t k = k0 + j;
        const V weight = load_as<T, kWidth>(weights + (r * g.w.taps + s) * g.K + k);
        UNROLL for (int i = 0; i < kDepthwisePixels; i++) {
          if (q[i] >= 0) add_products(sums[i], load_as<T, kWidth>(row + q[i] * g.K + k), weight);
        }
      }
    }
  }
  Stored* const out = dx + ((place.n * g.h.size + place.row) * g.w.size + w0) * g.C + c;
  UNROLL for (int j = 0; j < kDepthwisePixels; j++) {
    if (w0 + j < g.w.size) store_as(out + j * g.C, sums[j]);
  }
}

// Blocks: parts of the pixels of dy x strips of channels along x, groups of taps along y. A block
// is `slots` pixels of `lanes` vectors of channels.
struct DepthwiseWeightArguments {
  WindowAxis h, w;
  WideDivisor rows, columns;  // of dy
  Divisor strips, multiplier;
  int lanes;  // a power of two
  int64_t C, K, vectors, pixels, pixels_per_part;
  void* out;        // dw, or the first of its parts
  bool out_is_sum;  // `out` has the type of the sums, not that of x
};

template <class T, int kWidth, class Stored>
__device__ __forceinline__ void sum_taps(const DepthwiseWeightArguments& g, const Stored* x,
                                         const Stored* dy, int64_t begin, int64_t end, int64_t k,
                                         int first_tap,
                                         Channels<T, kWidth> (&sums)[kDepthwiseTaps]) {
  const int64_t c = kWidth > 1 ? k : g.multiplier.quotient(static_cast<uint32_t>(k));
  int down[kDepthwiseTaps], right[kDepthwiseTaps];
  UNROLL for (int t = 0; t < kDepthwiseTaps; t++) {
    const int r = (first_tap + t) / g.w.taps, s = (first_tap + t) % g.w.taps;
    down[t] = r < g.h.taps ? r * g.h.dilation - g.h.pad : -(1 << 30);  // no tap: outside
    right[t] = s * g.w.dilation - g.w.pad;
  }
  const int slots = kDepthwiseThreads / g.lanes;
  for (int64_t pixel = begin; pixel < end; pixel += slots) {
    const int64_t line = g.columns.quotient(pixel), n = g.rows.quotient(line);
    const int h0 = static_cast<int>(line - n * g.rows.value) * g.h.stride;
    const int w0 = static_cast<int>(pixel - line * g.columns.value) * g.w.stride;
    const auto value = load_as<T, kWidth>(dy + pixel * g.K + k);
    const Stored* const image = x + n * g.h.size * g.w.size * g.C + c;
    UNROLL for (int t = 0; t < kDepthwiseTaps; t++) {
      const int h = h0 + down[t], w = w0 + right[t];
      if (g.h.inside(h) && g.w.inside(w))
        add_products(sums[t], load_as<T, kWidth>(image + (int64_t{h} * g.w.size + w) * g.C), value);
    }
  }
}

template <class Stored, int kWidth>
__global__ void __launch_bounds__(kDepthwiseThreads, 2)
    depthwise_backward_weight_kernel(const __grid_constant__ DepthwiseWeightArguments g,
                                     const Stored* __restrict__ x, const Stored* __restrict__ dy) {
  using T = Compute<Stored>;
  using V = Channels<T, kWidth>;
  __shared__ __align__(16) T of_thread[kDepthwiseThreads * kWidth];
  const int lane = static_cast<int>(threadIdx.x) % g.lanes;
  const int slot = static_cast<int>(threadIdx.x) / g.lanes;
  const int64_t part = g.strips.quotient(blockIdx.x);
  const int64_t vector = (blockIdx.x - part * g.strips.value) * g.lanes + lane;
  const int64_t k = vector * kWidth;
  const int first_tap = static_cast<int>(blockIdx.y) * kDepthwiseTaps;
  V sums[kDepthwiseTaps] = {};
  if (vector < g.vectors) {
    const int64_t begin = part * g.pixels_per_part, end = begin + g.pixels_per_part;
    sum_taps<T, kWidth>(g, x, dy, begin + slot, end < g.pixels ? end : g.pixels, k, first_tap,
                        sums);
  }
  const int taps = g.h.taps * g.w.taps;
  UNROLL for (int t = 0; t < kDepthwiseTaps; t++) {
    if (first_tap + t >= taps) return;  // the whole block
    V sum = sums[t];
    __syncthreads();  // the last tap's sums have been read
    store_values(of_thread + threadIdx.x * kWidth, sum);
    __syncthreads();
    for (int half = kDepthwiseThreads / 2; half >= g.lanes; half /= 2) {
      if (static_cast<int>(threadIdx.x) < half) {
        const V other = load_values<T, kWidth>(of_thread + (threadIdx.x + half) * kWidth);
        UNROLL for (int c = 0; c < kWidth; c++) sum[c] += other[c];
        store_values(of_thread + threadIdx.x * kWidth, sum);
      }
      __syncthreads();
    }
    if (slot != 0 || vector >= g.vectors) continue;
    const int64_t at = (part * taps + first_tap + t) * g.K + k;
    if (std::is_same_v<T, Stored> || g.out_is_sum)
      store_values(static_cast<T*>(g.out) + at, sum);
    else
      store_as(static_cast<Stored*>(g.out) + at, sum);
  }
}

// --- launchers ---------------------------------------------------------------------------------

inline DepthwiseArguments depthwise_arguments(const Conv2dParams& p) {
  DepthwiseArguments g;
  g.h = rows_of(p), g.w = columns_of(p);
  g.stride_h = Divisor(static_cast<uint32_t>(g.h.stride));
  g.stride_w = Divisor(static_cast<uint32_t>(g.w.stride));
  g.multiplier = Divisor(static_cast<uint32_t>(p.group_outputs()));
  g.C = p.C, g.K = p.K;
  g.relu = p.relu;
  return g;
}

// Whether x-like and y-like operands can be moved by vectors of channels.
template <class T>
bool is_wide_depthwise(const Conv2dParams& p, std::initializer_list<const void*> operands) {
  bool wide = p.K == p.C;
  for (const void* data : operands) wide &= is_row_aligned<T>(data, p.C);
  return wide;
}

inline int64_t groups_of_pixels(int64_t pixels) {
  return (pixels + kDepthwisePixels - 1) / kDepthwisePixels;
}

template <class T>
void depthwise_forward(const Conv2dParams& p, const T* x, const T* w, const T* bias, T* y) {
  DepthwiseArguments g = depthwise_arguments(p);
  constexpr int kWidth = 16 / sizeof(T);
  const bool wide = is_wide_depthwise<T>(p, {x, w, bias, y});
  g.grid = PixelGrid(p.N, p.P, groups_of_pixels(p.Q), wide ? p.K / kWidth : p.K);
  gpu::launch(wide ? depthwise_forward_kernel<T, kWidth> : depthwise_forward_kernel<T, 1>,
              dim3(blocks_for(g.grid.count, kDepthwiseThreads)), dim3(kDepthwiseThreads), 0,
              stream(), g, x, w, bias, y);
}

template <class T>
void depthwise_backward_input(const Conv2dParams& p, const T* dy, const T* w, T* dx) {
  DepthwiseArguments g = depthwise_arguments(p);
  constexpr int kWidth = 16 / sizeof(T);
  const bool wide = is_wide_depthwise<T>(p, {dy, w, dx});
  g.grid = PixelGrid(p.N, p.H, groups_of_pixels(p.W), wide ? p.C / kWidth : p.C);
  gpu::launch(
      wide ? depthwise_backward_input_kernel<T, kWidth> : depthwise_backward_input_kernel<T, 1>,
      dim3(blocks_for(g.grid.count, kDepthwiseThreads)), dim3(kDepthwiseThreads), 0, stream(), g,
      dy, w, dx);
}

template <class T>
void depthwise_backward_weight(const Conv2dParams& p, const T* x, const T* dy, T* dw) {
  using Sum = Compute<T>;
  constexpr int kWidth = 16 / sizeof(Sum);
  const bool wide = is_wide_depthwise<T>(p, {x, dy, dw});
  DepthwiseWeightArguments g;
  g.h = rows_of(p), g.w = columns_of(p);
  g.rows = WideDivisor(p.P), g.columns = WideDivisor(p.Q);
  g.multiplier = Divisor(static_cast<uint32_t>(p.group_outputs()));
  g.C = p.C, g.K = p.K;
  g.vectors = wide ? p.K / kWidth : p.K;
  g.pixels = p.N * p.P * p.Q;
  g.lanes = 1;
  while (g.lanes < 32 && g.lanes < g.vectors) g.lanes *= 2;
  const int64_t strips = (g.vectors + g.lanes - 1) / g.lanes;
  const int64_t tap_groups = (p.R * p.S + kDepthwiseTaps - 1) / kDepthwiseTaps;
  const int64_t least = int64_t{8} * kDepthwiseThreads / g.lanes;  // pixels of a part
  const int64_t wanted = parts_of(g.pixels, strips * tap_groups, least, kManyBlocks);
  g.pixels_per_part = (g.pixels + wanted - 1) / wanted;
  const int64_t parts =
      g.pixels_per_part == 0 ? 1 : (g.pixels + g.pixels_per_part - 1) / g.pixels_per_part;
  g.strips = Divisor(static_cast<uint32_t>(strips));
  const int64_t size = p.R * p.S * p.K;
  const DeviceScratch<Sum> scratch(parts > 1 ? parts * size : 0);
  g.out_is_sum = parts > 1;
  g.out = dw;
  if (parts > 1) g.out = scratch.get();
  gpu::launch(
      wide ? depthwise_backward_weight_kernel<T, kWidth> : depthwise_backward_weight_kernel<T, 1>,
      dim3(static_cast<uint32_t>(parts * strips), static_cast<uint32_t>(tap_groups)),
      dim3(kDepthwiseThreads), 0, stream(), g, x, dy);
  if (parts > 1) sum_parts(scratch.get(), dw, size, parts);
}

}  // namespace weft::WEFT_GPU
