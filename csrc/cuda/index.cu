// Offsets of indices, scattered reads, and where a mask is true. Copies move bits, so one kernel
// serves every dtype of the same size.
#include "ops/index.h"

#include "cuda/block_scan.h"
#include "cuda/dense.h"
#include "cuda/elementwise.h"
#include "cuda/scratch.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

struct OffsetsArguments {
  const int64_t* index;
  int64_t* offsets;
  int64_t grid;  // the grid's own offset at the first element
  ErrorNote* note;
  DeviceLoop<3> loop;
  uint32_t count;
  IndexOffsetsParams p;
};

// An index that leaves the axis is noted and leads nowhere: reads there give the first element,
// writes are left out.
__global__ void __launch_bounds__(kThreads)
    index_offsets_kernel(const __grid_constant__ OffsetsArguments a) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= a.count) return;
  int64_t at[3];
  a.loop.offsets(i, at);
  const int64_t given = a.index[at[0]];
  const int64_t index = given < 0 && a.p.wrap ? given + a.p.size : given;
  const int64_t before = a.p.accumulate ? a.offsets[at[2]] : 0;
  int64_t offset = before + index * a.p.stride + a.grid + at[1];
  if (index < 0 || index >= a.p.size) {
    leave_note(a.note, a.p.wrap ? ErrorNote::index : ErrorNote::label, given, a.p.size, a.p.axis);
    offset = kNowhere;
  }
  a.offsets[at[2]] = leads_nowhere(before) ? kNowhere : offset;
}

void index_offsets(const IndexOffsetsParams& p, const Operand* operands) {
  const Operand &index = operands[0], &offsets = operands[2];
  Operand grid = operands[1];
  if (!grid.present) {
    grid.shape = offsets.shape;
    grid.strides = Strides(offsets.shape.size(), 0);
  }
  const Loop loop = make_loop({&index, &grid, &offsets});
  for (const Piece<3>& piece : pieces_of<3>(loop)) {
    const OffsetsArguments a{index.as<int64_t>() + piece.base[0],
                             offsets.as<int64_t>() + piece.base[2],
                             piece.base[1],
                             error_note(),
                             piece.loop,
                             piece.count,
                             p};
    gpu::launch(index_offsets_kernel, dim3(blocks_for(a.count, kThreads)), dim3(kThreads), 0,
                stream(), a);
  }
}

// --- gather ------------------------------------------------------------------------------------

template <class T>
struct GatherArguments {
  const int64_t* offsets;
  const T* x;
  T* y;
  DeviceLoop<3> loop;
  uint32_t count;
};

// kWidth neighbours of a row for each thread: one access on both sides, unless an offset turns out
// not to keep the alignment of x. With dense rows every byte of y is written once and every byte of
// x it needs is read once.
template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const __grid_constant__ GatherArguments<T> a) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= a.count) return;
  int64_t at[3];
  a.loop.offsets(i, at);
  const int64_t offset = a.offsets[at[0]];
  const T* from = a.x + at[1] + (leads_nowhere(offset) ? 0 : offset);
  T* to = a.y + at[2];
  if constexpr (kWidth == 1)
    *to = *from;
  else
    store_values(to, load_share<kWidth>(from, kWidth, reinterpret_cast<uintptr_t>(from) % 16 == 0));
}

// Whether rows are dense on both sides and y can be written 16 bytes at a time. Turns the inner
// axis of the loop into one of whole vectors.
bool widen_rows(Loop& loop, const void* y, int64_t width) {
  const int inner = loop.ndim - 1;
  if (loop.strides[0][inner] != 0 || loop.strides[1][inner] != 1 || loop.strides[2][inner] != 1 ||
      loop.shape[inner] % width != 0 || !is_aligned(y))
    return false;
  for (int axis = 0; axis < inner; axis++)
    if (loop.strides[2][axis] % width != 0) return false;
  loop.shape[inner] /= width;
  loop.strides[1][inner] = loop.strides[2][inner] = width;
  return true;
}

template <class T>
void gather(const NoParams&, const Operand* operands) {
  constexpr int kWidth = 16 / sizeof(T);
  const Operand &x = operands[0], &y = operands[2];
  Operand offsets = operands[1], rest = y;  // both in the shape of y
  offsets.shape = y.shape;
  offsets.strides = Strides(y.shape.size(), 0);
  offsets.strides[0] = operands[1].strides[0];
  rest.strides[0] = 0;
  for (int axis = 1; axis < y.shape.size(); axis++) rest.strides[axis] = x.strides[axis - 1];
  Loop loop = make_loop({&offsets, &rest, &y});
  const bool wide = widen_rows(loop, y.data, kWidth);
  for (const Piece<3>& piece : pieces_of<3>(loop)) {
    const GatherArguments<T> a{offsets.as<int64_t>() + piece.base[0], x.as<T>() + piece.base[1],
                               y.as<T>() + piece.base[2], piece.loop, piece.count};
    gpu::launch(wide ? gather_kernel<T, kWidth> : gather_kernel<T, 1>,
                dim3(blocks_for(a.count, kThreads)), dim3(kThreads), 0, stream(), a);
  }
}

// --- masks -------------------------------------------------------------------------------------

constexpr int kFlags = 16;  // that one thread looks at
constexpr int kTile = kThreads * kFlags;

// A bit for each of the mask's elements from `first`; 0 beyond its end.
__device__ inline unsigned flags_at(const uint8_t* mask, int64_t first, int64_t n) {
  if (first >= n) return 0;
  const bool aligned = reinterpret_cast<uintptr_t>(mask) % 16 == 0;
  const auto bytes = load_share<kFlags>(mask + first, n - first, aligned);
  unsigned flags = 0;
  UNROLL for (int i = 0; i < kFlags; i++) flags |= unsigned{bytes[i]} << i;
  return flags;
}

__global__ void __launch_bounds__(kThreads)
    count_tiles_kernel(const uint8_t* mask, int64_t n, int64_t* of_tile) {
  const int64_t first = int64_t{blockIdx.x} * kTile + threadIdx.x * kFlags;
  const int found = block_scan<kThreads>(__popc(flags_at(mask, first, n))).total;
  if (threadIdx.x == 0) of_tile[blockIdx.x] = found;
}

// Replaces the counts by the sums of those before, in one block; the total comes last.
__global__ void __launch_bounds__(kThreads) scan_tiles_kernel(int64_t* of_tile, int64_t tiles) {
  int64_t before = 0;
  for (int64_t first = 0; first < tiles; first += kThreads) {
    const int64_t i = first + threadIdx.x;
    const ScanResult<int64_t> sums = block_scan<kThreads>(i < tiles ? of_tile[i] : int64_t{0});
    if (i < tiles) of_tile[i] = before + sums.before;
    before += sums.total;
  }
  if (threadIdx.x == 0) of_tile[tiles] = before;
}

__global__ void copy_total_kernel(const int64_t* of_tile, int64_t tiles, int64_t* total) {
  *total = of_tile[tiles];
}

// How many are true before each tile of the mask, and in all of it.
class TileSums {
 public:
  explicit TileSums(const Operand& mask)
      : tiles((mask.size() + kTile - 1) / kTile), sums_(tiles + 1) {
    gpu::launch(count_tiles_kernel, dim3(static_cast<unsigned>(tiles)), dim3(kThreads), 0, stream(),
                mask.as<uint8_t>(), mask.size(), sums_.get());
    gpu::launch(scan_tiles_kernel, dim3(1), dim3(kThreads), 0, stream(), sums_.get(), tiles);
  }
  const int64_t* get() const { return sums_.get(); }

  const int64_t tiles;

 private:
  DeviceScratch<int64_t> sums_;
};

void count_true(const NoParams&, const Operand* operands) {
  const TileSums sums(operands[0]);
  gpu::launch(copy_total_kernel, dim3(1), dim3(1), 0, stream(), sums.get(), sums.tiles,
              operands[1].as<int64_t>());
}

struct NonzeroArguments {
  const uint8_t* mask;
  const int64_t* of_tile;
  int64_t* y;  // (ndim, count)
  int64_t n, count;
  int ndim;
  int64_t shape[kMaxDims];
};

// Index is uint32_t where it can count the elements: 64-bit divisions are slow.
template <class Index>
__device__ inline void store_coordinates(const NonzeroArguments& a, Index element, int64_t at) {
  for (int axis = a.ndim - 1; axis > 0; axis--) {
    const Index rest = element / static_cast<Index>(a.shape[axis]);
    a.y[axis * a.count + at] = element - rest * static_cast<Index>(a.shape[axis]);
    element = rest;
  }
  a.y[at] = element;
}

template <class Index>
__global__ void __launch_bounds__(kThreads)
    nonzero_kernel(const __grid_constant__ NonzeroArguments a) {
  const int64_t first = int64_t{blockIdx.x} * kTile + threadIdx.x * kFlags;
  unsigned flags = flags_at(a.mask, first, a.n);
  int64_t at = a.of_tile[blockIdx.x] + block_scan<kThreads>(__popc(flags)).before;
  for (; flags != 0 && at < a.count; flags &= flags - 1, at++)
    store_coordinates(a, static_cast<Index>(first + __ffs(static_cast<int>(flags)) - 1), at);
}

void nonzero(const NoParams&, const Operand* operands) {
  const Operand& mask = operands[0];
  const TileSums sums(mask);
  NonzeroArguments a{
      mask.as<uint8_t>(), sums.get(), operands[1].as<int64_t>(), mask.size(), operands[1].shape[1],
      mask.shape.size(),  {}};
  for (int axis = 0; axis < a.ndim; axis++) a.shape[axis] = mask.shape[axis];
  gpu::launch(a.n <= kMaxLaunchElements ? nonzero_kernel<uint32_t> : nonzero_kernel<uint64_t>,
              dim3(static_cast<unsigned>(sums.tiles)), dim3(kThreads), 0, stream(), a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define MOVE_BITS(T, BITS) kernel_entry<&gather<BITS>>(kernels::gather, dtype_of<T>)
WEFT_GPU_KERNELS(index, kernel_entry<&index_offsets>(kernels::index_offsets, DType::int64),
                 kernel_entry<&count_true>(kernels::count_true, DType::boolean),
                 kernel_entry<&nonzero>(kernels::nonzero, DType::boolean), MOVE_BITS(bool, uint8_t),
                 MOVE_BITS(uint8_t, uint8_t), MOVE_BITS(int8_t, uint8_t),
                 MOVE_BITS(uint16_t, uint16_t), MOVE_BITS(int16_t, uint16_t),
                 MOVE_BITS(Float16, uint16_t), MOVE_BITS(BFloat16, uint16_t),
                 MOVE_BITS(uint32_t, uint32_t), MOVE_BITS(int32_t, uint32_t),
                 MOVE_BITS(float, uint32_t), MOVE_BITS(uint64_t, uint64_t),
                 MOVE_BITS(int64_t, uint64_t), MOVE_BITS(double, uint64_t))
