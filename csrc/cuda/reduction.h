// The kernels of every reduction: rows (the reduced axes have the smaller step: neighbouring
// threads take neighbours of one output's elements) and columns (the kept axes have it:
// neighbouring threads belong to neighbouring outputs). Long reductions with few outputs are cut
// into parts, whose results a second kernel merges. What is computed is an object of a class Op:
//
//   In, Acc                     element; what is known of the elements met so far
//   start()                     an Acc of no elements
//   context(x)                  what a thread wants to know of its output's first element
//   absorb<kWidth>(acc, v, context, first, stride)
//                               takes in all of v; v[k] is element first + k / kWidth * stride +
//                               k % kWidth of the reduced axes
//   merge(acc, other)
//   write(acc, y_offset, x)     the result; x points to the output's first element
//
// The bound is one reading of x. Who takes which elements follows from the sizes alone, and every
// tree has a fixed shape: the same bits come out for any scheduling and on any device.
#pragma once

#include "core/reduction.h"
#include "cuda/bits.h"
#include "cuda/block.h"
#include "cuda/layout.h"
#include "cuda/math.h"
#include "cuda/scratch.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {

inline constexpr int kReduceThreads = 256;
inline constexpr int kReduceWarps = kReduceThreads / 32;
// Eight blocks for each of an H200's 132 multiprocessors fill it; beyond that nothing is cut.
inline constexpr int64_t kReduceBlocks = 1056;

// An AxisGroup as a kernel parameter.
struct DeviceAxes {
  struct Offsets {
    int64_t x, y;
  };

  int ndim;
  WideDivisor shape[kMaxDims];
  int64_t x[kMaxDims], y[kMaxDims];

  // With `width` neighbours along the inner axis counted as one.
  explicit DeviceAxes(const AxisGroup& group, int64_t width = 1) : ndim(group.ndim) {
    for (int axis = 0; axis < ndim; axis++) {
      const bool inner = axis == ndim - 1;
      shape[axis] = WideDivisor(inner ? group.shape[axis] / width : group.shape[axis]);
      x[axis] = inner ? group.x[axis] * width : group.x[axis];
      y[axis] = group.y[axis];
    }
  }

  __device__ Offsets offsets(int64_t i) const {
    Offsets at{0, 0};
    // Not unrolled: it stands in each kernel a dozen times, and mostly does nothing.
#pragma unroll 1
    for (int axis = ndim - 1; axis > 0; axis--) {
      const int64_t rest = shape[axis].quotient(i);
      const int64_t index = i - rest * shape[axis].value;
      at.x += index * x[axis];
      at.y += index * y[axis];
      i = rest;
    }
    return {at.x + i * x[0], at.y + i * y[0]};
  }
  __device__ int64_t x_offset(int64_t i) const { return ndim == 1 ? i * x[0] : offsets(i).x; }
};

struct ReduceLayout {
  DeviceAxes kept, reduced;  // `reduced` counts units: single elements, or vectors of 16 bytes
  int64_t outputs;
  int64_t units, part_units;
  int64_t tail;  // elements after the last whole unit
  int team;      // rows: threads per output; columns: outputs per block; a power of two
  bool vectorised;
};

template <class Op>
struct ReduceArguments : ReduceLayout {
  Op op;
  const typename Op::In* x;
  typename Op::Acc* partial;  // gridDim.y parts of every output, or null where nothing is cut
};

// What an Op without a context derives from.
template <class T>
struct ContextFree {
  using In = T;
  struct Context {};
  __device__ Context context(const T*) const { return {}; }
};

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

// All values joined pairwise.
template <int kCount, class T, int kSize, class Join>
__device__ inline T join_first(T (&v)[kSize], Join join) {
  if constexpr (kCount == 1) {
    return v[0];
  } else {
    constexpr int kHalf = kCount / 2;
    static_assert(kHalf * 2 == kCount);
    UNROLL for (int k = 0; k < kHalf; k++) v[k] = join(v[k], v[k + kHalf]);
    return join_first<kHalf>(v, join);
  }
}
template <class T, int kSize, class Join>
__device__ inline T join_pairs(T (&v)[kSize], Join join) {
  return join_first<kSize>(v, join);
}

template <class T>
inline constexpr int kVectorLength = 16 / sizeof(T);
// Loads that a thread has under way: at least 32 bytes, with few enough values for the registers.
template <class T, int kWidth>
inline constexpr int kUnitsAtOnce = kWidth == 1 ? 8 : (kWidth == 16 ? 2 : 4);

template <int kUnits, int kWidth, class Op>
__device__ inline void absorb_units(const ReduceArguments<Op>& a, typename Op::Acc& acc,
                                    const typename Op::In* x, typename Op::Context context,
                                    int64_t unit, int64_t step) {
  using T = typename Op::In;
  T v[kUnits * kWidth];
  UNROLL for (int k = 0; k < kUnits; k++) {
    const T* from = x + a.reduced.x_offset(unit + k * step);
    const auto loaded = load_values<T, kWidth>(from);
    UNROLL for (int i = 0; i < kWidth; i++) v[k * kWidth + i] = loaded[i];
  }
  a.op.template absorb<kWidth>(acc, v, context, unit * kWidth, step * kWidth);
}

// Units `unit`, unit + step, ... below `end`.
template <int kWidth, class Op>
__device__ inline void absorb_every(const ReduceArguments<Op>& a, typename Op::Acc& acc,
                                    const typename Op::In* x, int64_t unit, int64_t end,
                                    int64_t step) {
  constexpr int kUnits = kUnitsAtOnce<typename Op::In, kWidth>;
  const typename Op::Context context = a.op.context(x);
  for (; unit + (kUnits - 1) * step < end; unit += kUnits * step)
    absorb_units<kUnits, kWidth>(a, acc, x, context, unit, step);
  for (; unit < end; unit += step) absorb_units<1, kWidth>(a, acc, x, context, unit, step);
}

// The part of the reduced axes that this block takes.
struct Span {
  int64_t begin, end;
};
template <class Op>
__device__ inline Span part_of_block(const ReduceArguments<Op>& a) {
  const int64_t begin = a.part_units * blockIdx.y, end = begin + a.part_units;
  return {begin, end < a.units ? end : a.units};
}

template <class Op>
__device__ inline void deliver(const ReduceArguments<Op>& a, const typename Op::Acc& acc,
                               int64_t output, int64_t y_offset, const typename Op::In* x) {
  if (a.partial != nullptr)
    a.partial[output * gridDim.y + blockIdx.y] = acc;
  else
    a.op.write(acc, y_offset, x);
}

// Teams of up to 32 lanes, each with an output of its own, or the whole block for one output.
template <class Op>
__global__ void __launch_bounds__(kReduceThreads)
    reduce_rows_kernel(const __grid_constant__ ReduceArguments<Op> a) {
  using Acc = typename Op::Acc;
  const int thread = static_cast<int>(threadIdx.x), lane = thread & (a.team - 1);
  const int64_t row = int64_t{blockIdx.x} * (blockDim.x / a.team) + thread / a.team;
  const bool active = row < a.outputs;
  const DeviceAxes::Offsets at = a.kept.offsets(active ? row : 0);
  const typename Op::In* x = a.x + at.x;
  Acc acc = a.op.start();
  if (active) {
    const Span part = part_of_block(a);
    if (a.vectorised)
      absorb_every<kVectorLength<typename Op::In>>(a, acc, x, part.begin + lane, part.end, a.team);
    else
      absorb_every<1>(a, acc, x, part.begin + lane, part.end, a.team);
    if (part.end == a.units)
      for (int64_t i = lane; i < a.tail; i += a.team) {
        const int64_t first = a.units * kVectorLength<typename Op::In> + i;
        const typename Op::In v[1] = {x[first]};
        a.op.template absorb<1>(acc, v, a.op.context(x), first, 0);
      }
  }
  for (int bits = (a.team < 32 ? a.team : 32) / 2; bits > 0; bits /= 2)
    a.op.merge(acc, shuffle_xor(acc, bits));
  __shared__ Acc of_warp[kReduceWarps];
  if (a.team > 32) {
    if (thread % 32 == 0) of_warp[thread / 32] = acc;
    __syncthreads();
    if (thread < 32) {
      acc = thread < a.team / 32 ? of_warp[thread] : a.op.start();
      for (int bits = kReduceWarps / 2; bits > 0; bits /= 2)
        a.op.merge(acc, shuffle_xor(acc, bits));
    }
  }
  if (lane == 0 && active) deliver(a, acc, row, at.y, x);
}

// `team` outputs side by side; the rest of the block's threads shares their elements.
template <class Op>
__global__ void __launch_bounds__(kReduceThreads)
    reduce_columns_kernel(const __grid_constant__ ReduceArguments<Op> a) {
  using Acc = typename Op::Acc;
  const int thread = static_cast<int>(threadIdx.x), row = thread / a.team;
  const int rows = static_cast<int>(blockDim.x) / a.team;
  const int64_t column = int64_t{blockIdx.x} * a.team + (thread & (a.team - 1));
  const bool active = column < a.outputs;
  const DeviceAxes::Offsets at = a.kept.offsets(active ? column : 0);
  const typename Op::In* x = a.x + at.x;
  Acc acc = a.op.start();
  if (active) {
    const Span part = part_of_block(a);
    absorb_every<1>(a, acc, x, part.begin + row, part.end, rows);
  }
  __shared__ Acc of_thread[kReduceThreads];
  of_thread[thread] = acc;
  for (int half = rows / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row >= half) continue;
    a.op.merge(acc, of_thread[thread + half * a.team]);
    of_thread[thread] = acc;
  }
  if (row == 0 && active) deliver(a, acc, column, at.y, x);
}

// A warp for every output.
template <class Op>
__global__ void __launch_bounds__(kReduceThreads)
    merge_parts_kernel(const __grid_constant__ ReduceArguments<Op> a, int parts) {
  const int64_t output = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32;
  const int lane = threadIdx.x % 32;
  typename Op::Acc acc = a.op.start();
  if (output < a.outputs)
    for (int part = lane; part < parts; part += 32)
      a.op.merge(acc, a.partial[output * parts + part]);
  for (int bits = 16; bits > 0; bits /= 2) a.op.merge(acc, shuffle_xor(acc, bits));
  if (lane != 0 || output >= a.outputs) return;
  const DeviceAxes::Offsets at = a.kept.offsets(output);
  a.op.write(acc, at.y, a.x + at.x);
}

// How the threads of a launch are dealt out.
struct ReduceShape {
  int threads, team;
  int64_t blocks, parts, part_units;

  // Cuts `units` so that there are blocks enough, each with `least` units or more.
  void cut(int64_t units, int64_t least) {
    const int64_t wanted = kReduceBlocks / blocks, most = units / least;
    parts = wanted < most ? wanted : most;
    if (parts < 1) parts = 1;
    part_units = (units + parts - 1) / parts;
    parts = (units + part_units - 1) / part_units;
  }
};

inline int power_of_two_above(int64_t n, int most) {
  int power = 1;
  while (power < n && power < most) power *= 2;
  return power;
}

inline ReduceShape shape_of_rows(int64_t outputs, int64_t units, int units_at_once) {
  ReduceShape s;
  // A warp has work for long; where there are few rows, more of them share one.
  constexpr int64_t kManyRows = kReduceBlocks * kReduceWarps;
  const bool block_each = units > 32 * units_at_once && outputs < kManyRows;
  s.team = block_each ? power_of_two_above(units / units_at_once, kReduceThreads)
                      : power_of_two_above(units, 32);
  s.threads = block_each ? s.team : power_of_two_above(outputs * s.team, kReduceThreads);
  if (s.threads < 32) s.threads = 32;
  const int64_t rows = s.threads / s.team;
  s.blocks = (outputs + rows - 1) / rows;
  s.cut(units, s.team < kReduceThreads ? units : int64_t{kReduceThreads} * units_at_once);
  return s;
}

inline ReduceShape shape_of_columns(int64_t outputs, int64_t units, int units_at_once) {
  ReduceShape s;
  const int narrow = power_of_two_above(outputs, 32);
  const int rows = power_of_two_above(units / units_at_once, kReduceThreads / narrow);
  s.team = power_of_two_above(outputs, kReduceThreads / rows);
  s.threads = s.team * rows < 32 ? 32 : s.team * rows;
  s.blocks = (outputs + s.team - 1) / s.team;
  s.cut(units, int64_t{s.threads / s.team} * units_at_once);
  return s;
}

// Rows of 16-byte vectors of `length` elements: everything but the last few of a row starts at a
// multiple.
inline bool rows_are_vectors(const ReductionPlan& plan, int64_t length, const void* x) {
  const AxisGroup &kept = plan.kept, &reduced = plan.reduced;
  if (reduced.x_step() != 1 || reduced.inner() < length) return false;
  if (reinterpret_cast<uintptr_t>(x) % 16 != 0) return false;
  if (reduced.ndim > 1 && reduced.inner() % length != 0) return false;
  for (int axis = 0; axis + 1 < reduced.ndim; axis++)
    if (reduced.x[axis] % length != 0) return false;
  for (int axis = 0; axis < kept.ndim; axis++)
    if (kept.shape[axis] > 1 && kept.x[axis] % length != 0) return false;
  return true;
}

inline bool columns_are_closer(const ReductionPlan& plan) {
  const int64_t step = plan.kept.x_step() < 0 ? -plan.kept.x_step() : plan.kept.x_step();
  if (plan.reduced.size() == 1) return true;
  return plan.kept.inner() > 1 && step != 0 && step < plan.reduced.x_step();
}

// All of a reduction but the Op: what is computed once for all of them in the compiler, too.
struct ReduceLaunch {
  ReduceLayout layout;
  ReduceShape shape;
  bool columns;
};
__attribute__((noinline)) inline ReduceLaunch reduce_launch(const ReductionPlan& plan,
                                                            const void* x, int64_t length,
                                                            int vectors_at_once,
                                                            int singles_at_once) {
  const bool columns = columns_are_closer(plan);
  const bool vectorised = !columns && rows_are_vectors(plan, length, x);
  const int64_t width = vectorised ? length : 1;
  const int64_t outputs = plan.kept.size(), n = plan.reduced.size(), units = n / width;
  const ReduceShape s =
      columns ? shape_of_columns(outputs, units, singles_at_once)
              : shape_of_rows(outputs, units, vectorised ? vectors_at_once : singles_at_once);
  return {{DeviceAxes(plan.kept), DeviceAxes(plan.reduced, width), outputs, units, s.part_units,
           n - units * width, s.team, vectorised},
          s,
          columns};
}

template <class Op>
void reduce(const Op& op, const ReductionPlan& plan, const typename Op::In* x) {
  using T = typename Op::In;
  x += plan.x_offset;
  constexpr int kLength = kVectorLength<T>;
  const ReduceLaunch launch =
      reduce_launch(plan, x, kLength, kUnitsAtOnce<T, kLength>, kUnitsAtOnce<T, 1>);
  const ReduceShape& s = launch.shape;
  const int64_t outputs = launch.layout.outputs;
  const DeviceScratch<typename Op::Acc> partial(s.parts > 1 ? outputs * s.parts : 0);
  const ReduceArguments<Op> a{launch.layout, op, x, s.parts > 1 ? partial.get() : nullptr};
  const dim3 grid(static_cast<uint32_t>(s.blocks), static_cast<uint32_t>(s.parts));
  gpu::launch(launch.columns ? reduce_columns_kernel<Op> : reduce_rows_kernel<Op>, grid,
              dim3(s.threads), 0, stream(), a);
  if (s.parts == 1) return;
  const int threads = power_of_two_above(outputs * 32, kReduceThreads);
  gpu::launch(merge_parts_kernel<Op>, dim3(blocks_for(outputs * 32, threads)), dim3(threads), 0,
              stream(), a, static_cast<int>(s.parts));
}

}  // namespace weft::WEFT_GPU
