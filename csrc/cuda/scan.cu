// Running sums and products.
//
// Along a contiguous axis a team of threads (a warp, or a block for long rows) takes four elements
// per thread at a time, joins them by shuffles and carries the total on. Along other axes a thread
// walks down its column, next to the threads of the neighbouring columns. Where that gives too few
// threads, the axis is cut into chunks: their totals first, a scan of these, then every chunk with
// what lies before it. One reading and one writing of memory; with chunks a second reading.
#include "ops/scan.h"

#include "cuda/bits.h"
#include "cuda/layout.h"
#include "cuda/scratch.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;
constexpr int kPerThread = 4;
constexpr int64_t kTile = kThreads * kPerThread;
// Chunks are wanted until this many threads have work: those of an H200 twice over.
constexpr int64_t kThreadsWanted = 512 * 1024;
constexpr int64_t kLeastChunk = 64;  // elements along a column

// Sums of integers are 64 bits wide, as NumPy's, and wrap; floats are accumulated in float64.
// Integers are read by their bits.
template <class T>
struct Running {
  using Acc = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
  using Out = std::conditional_t<std::is_floating_point_v<T>, T, uint64_t>;
};
template <class T>
using Accumulator = typename Running<T>::Acc;
template <class T>
using Output = typename Running<T>::Out;

template <class T>
struct ScanArguments {
  const T* x;
  Output<T>* y;
  Accumulator<T>* totals;  // of the chunks: (outer, chunks, inner)
  int64_t outer, n, inner;
  int64_t chunk, chunks;  // elements along n in a chunk
  uint64_t sign;          // the sign bit of integers that have one
  bool product, reverse;

  __device__ Accumulator<T> read(T value) const {
    if constexpr (std::is_floating_point_v<T>)
      return static_cast<double>(value);
    else
      return widened(value, sign);
  }
  __device__ Accumulator<T> nothing() const { return product ? 1 : 0; }
  __device__ Accumulator<T> join(Accumulator<T> a, Accumulator<T> b) const {
    return product ? a * b : a + b;
  }
  __device__ int64_t place(int64_t i) const { return reverse ? n - 1 - i : i; }
};

// ---- down columns -------------------------------------------------------------------------------

// One thread per (outer, chunk, inner). kTotals: the totals are written, not y.
template <class T, bool kTotals>
__global__ void __launch_bounds__(kThreads)
    scan_columns_kernel(const __grid_constant__ ScanArguments<T> a) {
  const int64_t task = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (task >= a.outer * a.chunks * a.inner) return;
  const int64_t column = task % a.inner, rest = task / a.inner;
  const int64_t chunk = rest % a.chunks, outer = rest / a.chunks;
  const int64_t begin = chunk * a.chunk;
  const int64_t end = begin + a.chunk < a.n ? begin + a.chunk : a.n;
  const int64_t base = outer * a.n * a.inner + column;
  // The totals were scanned: the one before holds all that lies before.
  Accumulator<T> acc = !kTotals && chunk > 0 ? a.totals[task - a.inner] : a.nothing();
  constexpr int kAhead = 8;  // loads under way
  for (int64_t i = begin; i < end; i += kAhead) {
    T v[kAhead];
    UNROLL for (int k = 0; k < kAhead; k++) v[k] =
        i + k < end ? a.x[base + a.place(i + k) * a.inner] : T(0);
    UNROLL for (int k = 0; k < kAhead; k++) {
      if (i + k >= end) continue;
      acc = a.join(acc, a.read(v[k]));
      if constexpr (!kTotals) a.y[base + a.place(i + k) * a.inner] = static_cast<Output<T>>(acc);
    }
  }
  if constexpr (kTotals) a.totals[task] = acc;
}

// ---- along rows ---------------------------------------------------------------------------------

// A thread's neighbours in the order of the scan, as far as they lie before `end`.
template <class T>
__device__ inline void load_items(const ScanArguments<T>& a, const T* row, int64_t i, int64_t end,
                                  bool aligned, Accumulator<T> (&v)[kPerThread]) {
  using Four = gpu::Vector<T, kPerThread>;
  if (sizeof(Four) <= 16 && aligned && i + kPerThread <= end) {
    const int64_t first = a.reverse ? a.n - i - kPerThread : i;
    if constexpr (sizeof(Four) <= 16) {
      const Four items = load_values<T, kPerThread>(row + first);
      UNROLL for (int k = 0; k < kPerThread; k++) v[k] =
          a.read(a.reverse ? items[kPerThread - 1 - k] : items[k]);
    }
    return;
  }
  UNROLL for (int k = 0; k < kPerThread; k++) v[k] =
      i + k < end ? a.read(row[a.place(i + k)]) : a.nothing();
}

template <class T>
__device__ inline void store_items(const ScanArguments<T>& a, Output<T>* row, int64_t i,
                                   int64_t end, bool aligned,
                                   const Accumulator<T> (&v)[kPerThread]) {
  using Four = gpu::Vector<Output<T>, kPerThread>;
  if constexpr (sizeof(Four) <= 16) {
    if (aligned && i + kPerThread <= end) {
      Four items;
      UNROLL for (int k = 0; k < kPerThread; k++) items[k] =
          static_cast<Output<T>>(a.reverse ? v[kPerThread - 1 - k] : v[k]);
      store_values(row + (a.reverse ? a.n - i - kPerThread : i), items);
      return;
    }
  }
  UNROLL for (int k = 0; k < kPerThread; k++) if (i + k < end) row[a.place(i + k)] =
      static_cast<Output<T>>(v[k]);
}

// What the lanes before have together; `total` is what all of them have.
template <class T>
__device__ inline Accumulator<T> before_in_warp(const ScanArguments<T>& a, Accumulator<T> mine,
                                                Accumulator<T>& total) {
  const int lane = threadIdx.x % 32;
  Accumulator<T> sum = mine;
  for (int step = 1; step < 32; step *= 2) {
    const Accumulator<T> other = __shfl_up_sync(gpu::kAllLanes, sum, step);
    if (lane >= step) sum = a.join(other, sum);
  }
  total = __shfl_sync(gpu::kAllLanes, sum, 31);
  const Accumulator<T> before = __shfl_up_sync(gpu::kAllLanes, sum, 1);
  return lane == 0 ? a.nothing() : before;
}

// The same over a block. of_warp is written again only after a barrier that ends its use.
template <class T>
__device__ inline Accumulator<T> before_in_block(const ScanArguments<T>& a, Accumulator<T> mine,
                                                 Accumulator<T>& total) {
  constexpr int kWarps = kThreads / 32;
  __shared__ Accumulator<T> of_warp[kWarps];
  Accumulator<T> warp_total;
  Accumulator<T> before = before_in_warp(a, mine, warp_total);
  __syncthreads();
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = warp_total;
  __syncthreads();
  const int warp = threadIdx.x / 32;
  Accumulator<T> earlier = a.nothing();
  total = a.nothing();
  UNROLL for (int w = 0; w < kWarps; w++) {
    if (w == warp) earlier = total;
    total = a.join(total, of_warp[w]);
  }
  return a.join(earlier, before);
}

// kTeam threads for each (row, chunk): 32, or the whole block.
template <class T, int kTeam, bool kTotals>
__global__ void __launch_bounds__(kThreads)
    scan_rows_kernel(const __grid_constant__ ScanArguments<T> a, bool aligned) {
  const int64_t task = int64_t{blockIdx.x} * (blockDim.x / kTeam) + threadIdx.x / kTeam;
  if (task >= a.outer * a.chunks) return;  // a whole team
  const int64_t chunk = task % a.chunks, row = task / a.chunks;
  const int64_t begin = chunk * a.chunk;
  const int64_t end = begin + a.chunk < a.n ? begin + a.chunk : a.n;
  const T* from = a.x + row * a.n;
  Accumulator<T> carry = !kTotals && chunk > 0 ? a.totals[task - 1] : a.nothing();
  const int64_t mine = int64_t{threadIdx.x % kTeam} * kPerThread;
  for (int64_t tile = begin; tile < end; tile += kTeam * kPerThread) {
    Accumulator<T> v[kPerThread];
    load_items(a, from, tile + mine, end, aligned, v);
    UNROLL for (int k = 1; k < kPerThread; k++) v[k] = a.join(v[k - 1], v[k]);
    Accumulator<T> total, before;
    if constexpr (kTeam == 32)
      before = before_in_warp(a, v[kPerThread - 1], total);
    else
      before = before_in_block(a, v[kPerThread - 1], total);
    if constexpr (!kTotals) {
      before = a.join(carry, before);
      UNROLL for (int k = 0; k < kPerThread; k++) v[k] = a.join(before, v[k]);
      store_items(a, a.y + row * a.n, tile + mine, end, aligned, v);
    }
    carry = a.join(carry, total);
  }
  if constexpr (kTotals)
    if (threadIdx.x % kTeam == 0) a.totals[task] = carry;
}

// ---- launchers ----------------------------------------------------------------------------------

template <class T, bool kTotals>
void launch_columns(const ScanArguments<T>& a) {
  gpu::launch(scan_columns_kernel<T, kTotals>,
              dim3(blocks_for(a.outer * a.chunks * a.inner, kThreads)), dim3(kThreads), 0, stream(),
              a);
}

template <class T, bool kTotals>
void launch_rows(const ScanArguments<T>& a) {
  const bool aligned = a.n % kPerThread == 0 && reinterpret_cast<uintptr_t>(a.x) % 16 == 0 &&
                       reinterpret_cast<uintptr_t>(a.y) % 16 == 0;
  const int64_t tasks = a.outer * a.chunks;
  if (a.chunk <= kTile || tasks * 32 >= kThreadsWanted) {
    const int threads = tasks < kThreads / 32 ? 32 : kThreads;
    gpu::launch(scan_rows_kernel<T, 32, kTotals>, dim3(blocks_for(tasks * 32, threads)),
                dim3(threads), 0, stream(), a, aligned);
    return;
  }
  gpu::launch(scan_rows_kernel<T, kThreads, kTotals>, dim3(static_cast<uint32_t>(tasks)),
              dim3(kThreads), 0, stream(), a, aligned);
}

template <class T, bool kTotals>
void launch_scan(const ScanArguments<T>& a) {
  if (a.inner == 1)
    launch_rows<T, kTotals>(a);
  else
    launch_columns<T, kTotals>(a);
}

// Elements of a chunk, so that there are threads enough; n where it need not be cut.
int64_t chunk_of(int64_t outer, int64_t n, int64_t inner) {
  const int64_t lines = outer * inner, least = inner == 1 ? 4 * kTile : kLeastChunk;
  const int64_t threads = inner == 1 ? lines * kThreads : lines;
  const int64_t wanted = kThreadsWanted / threads, most = n / least;
  const int64_t chunks = wanted < most ? wanted : most;
  if (chunks < 2) return n;
  const int64_t chunk = (n + chunks - 1) / chunks;
  return (chunk + kPerThread - 1) / kPerThread * kPerThread;
}

template <class T>
void scan_all(ScanArguments<T> a) {
  a.chunk = chunk_of(a.outer, a.n, a.inner);
  a.chunks = (a.n + a.chunk - 1) / a.chunk;
  if (a.chunks == 1) return launch_scan<T, false>(a);
  using Acc = Accumulator<T>;
  const DeviceScratch<Acc> totals(a.outer * a.chunks * a.inner);
  a.totals = totals.get();
  launch_scan<T, true>(a);
  // Each in its place: a thread reads what it replaces, and nobody else does.
  scan_all(ScanArguments<Acc>{.x = totals.get(),
                              .y = totals.get(),
                              .totals = nullptr,
                              .outer = a.outer,
                              .n = a.chunks,
                              .inner = a.inner,
                              .chunk = 0,
                              .chunks = 0,
                              .sign = 0,
                              .product = a.product,
                              .reverse = false});
  launch_scan<T, false>(a);
}

template <class T, bool kProduct>
void scan(const ScanParams& p, const Operand* operands) {
  using Read = std::conditional_t<std::is_floating_point_v<T>, T, Bits<T>>;
  scan_all(ScanArguments<Read>{.x = operands[0].as<Read>(),
                               .y = operands[1].as<Output<Read>>(),
                               .totals = nullptr,
                               .outer = p.outer,
                               .n = p.n,
                               .inner = p.inner,
                               .chunk = 0,
                               .chunks = 0,
                               .sign = kSignBit<T>,
                               .product = kProduct,
                               .reverse = p.reverse});
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define SCANS(T)                                               \
  kernel_entry<&scan<T, false>>(kernels::cumsum, dtype_of<T>), \
      kernel_entry<&scan<T, true>>(kernels::cumprod, dtype_of<T>)
WEFT_GPU_KERNELS(scan, SCANS(bool), SCANS(uint8_t), SCANS(uint16_t), SCANS(uint32_t),
                 SCANS(uint64_t), SCANS(int8_t), SCANS(int16_t), SCANS(int32_t), SCANS(int64_t),
                 SCANS(float), SCANS(double))
