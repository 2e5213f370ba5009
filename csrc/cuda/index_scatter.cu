// Scattered writes and sums. Of equal offsets the last write stays, and sums are added in a fixed
// order: results do not depend on how threads are scheduled, and no float is added atomically.
#include <algorithm>

#include "cuda/elementwise.h"
#include "cuda/stable_order.h"
#include "ops/index.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 256;

// A part of the contributions that StableOrder can take: values (count, rest...) and offsets.
struct Contributions {
  Operand values;
  const int64_t* offsets;
  uint32_t count;
};

std::vector<Contributions> parts_of(const Operand& values, const Operand& offsets) {
  std::vector<Contributions> parts;
  const int64_t B = values.shape[0];
  const auto step = static_cast<int64_t>(itemsize(values.dtype)) * values.strides[0];
  for (int64_t begin = 0; begin < B; begin += kMostOrdered) {
    Contributions part{values, offsets.as<int64_t>() + begin, 0};
    part.count = static_cast<uint32_t>(std::min(kMostOrdered, B - begin));
    part.values.data = values.as<char>() + begin * step;
    part.values.shape[0] = part.count;
    parts.push_back(part);
  }
  return parts;
}

// --- scatter -----------------------------------------------------------------------------------

template <class T>
struct ScatterArguments {
  const int64_t* offsets;
  const uint32_t* last;  // of the same offset; absent when there is one offset only
  const T* values;
  T* x;
  int64_t first;  // contribution of this piece
  DeviceLoop<3> loop;
  uint32_t count;
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    scatter_kernel(const __grid_constant__ ScatterArguments<T> a) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= a.count) return;
  int64_t at[3];
  a.loop.offsets(i, at);
  const int64_t b = a.first + at[0];
  if ((a.last == nullptr || a.last[b] == b) && !leads_nowhere(a.offsets[b]))
    a.x[at[1] + a.offsets[b]] = a.values[at[2]];
}

template <class T>
void scatter_part(const Contributions& part, const Operand& x) {
  const DeviceScratch<uint32_t> last(part.count);
  if (part.count > 1) find_last(part.offsets, part.count, last.get());
  Operand number = part.values, rest = part.values;  // both in the shape of the values
  number.strides = Strides(number.shape.size(), 0);
  number.strides[0] = 1;
  rest.strides[0] = 0;
  for (int axis = 1; axis < rest.shape.size(); axis++) rest.strides[axis] = x.strides[axis - 1];
  const Loop loop = make_loop({&number, &rest, &part.values});
  for (const Piece<3>& piece : pieces_of<3>(loop)) {
    const ScatterArguments<T> a{part.offsets,
                                part.count > 1 ? last.get() : nullptr,
                                part.values.as<T>() + piece.base[2],
                                x.as<T>() + piece.base[1],
                                piece.base[0],
                                piece.loop,
                                piece.count};
    gpu::launch(scatter_kernel<T>, dim3(blocks_for(a.count, kThreads)), dim3(kThreads), 0, stream(),
                a);
  }
}

template <class T>
void scatter(const NoParams&, const Operand* operands) {
  for (const Contributions& part : parts_of(operands[0], operands[1]))
    scatter_part<T>(part, operands[2]);
}

// --- scatter_add -------------------------------------------------------------------------------
// Contributions stand in the order of their destinations. A thread adds up a run of them at one
// element of the rest axes; destinations that a single thread sees whole are finished at once,
// those that reach over the ends of runs are put together by a second kernel. However many
// contributions one destination gets, the work stays even: with dense rows values are read once and
// coalesced.

constexpr int kRun = 32;   // contributions that one thread adds up
constexpr int kAhead = 4;  // loads in flight

template <class T>
struct AddArguments {
  const int64_t* offsets;
  const uint32_t *owners, *order;  // see StableOrder
  const T* values;
  T* x;
  T *leading, *trailing;  // (runs, columns): sums that belong to the run before, to the run after
  DeviceLoop<2> rest;
  int64_t value_stride;  // from one contribution to the next
  uint32_t count, runs, columns;
};

// Which destination reaches over the beginning and the end of a run.
struct RunEnds {
  uint32_t begin, end;
  bool continues, continued;

  template <class T>
  __device__ RunEnds(const AddArguments<T>& a, uint32_t run)
      : begin(run * kRun),
        end(a.count - begin < kRun ? a.count : begin + kRun),
        continues(begin > 0 && a.owners[begin - 1] == a.owners[begin]),
        continued(end < a.count && a.owners[end - 1] == a.owners[end]) {}
};

template <class T>
__device__ inline void add_to(const AddArguments<T>& a, uint32_t owner, int64_t rest, T sum) {
  if (leads_nowhere(a.offsets[owner])) return;
  T& x = a.x[a.offsets[owner] + rest];
  x = static_cast<T>(x + sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    add_runs_kernel(const __grid_constant__ AddArguments<T> a) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread >= int64_t{a.runs} * a.columns) return;
  const auto run = static_cast<uint32_t>(thread / a.columns);
  int64_t at[2];
  a.rest.offsets(static_cast<uint32_t>(thread - int64_t{run} * a.columns), at);
  const RunEnds ends(a, run);
  bool leads = ends.continues;
  uint32_t owner = a.owners[ends.begin];
  T sum = 0;
  for (uint32_t first = ends.begin; first < ends.end; first += kAhead) {
    uint32_t owners[kAhead] = {};
    T values[kAhead] = {};
    UNROLL for (int k = 0; k < kAhead; k++) if (first + k < ends.end) {
      owners[k] = a.owners[first + k];
      values[k] = a.values[a.order[first + k] * a.value_stride + at[0]];
    }
    UNROLL for (int k = 0; k < kAhead; k++) if (first + k < ends.end) {
      if (owners[k] != owner) {  // the former destination is complete
        if (leads)
          a.leading[thread] = sum;
        else
          add_to(a, owner, at[1], sum);
        leads = false;
        owner = owners[k];
        sum = 0;
      }
      sum = static_cast<T>(sum + values[k]);
    }
  }
  if (leads)
    a.leading[thread] = sum;
  else if (ends.continued)
    a.trailing[thread] = sum;
  else
    add_to(a, owner, at[1], sum);
}

// The thread of the run in which a destination begins adds what later runs found for it.
template <class T>
__global__ void __launch_bounds__(kThreads)
    join_runs_kernel(const __grid_constant__ AddArguments<T> a) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread >= int64_t{a.runs} * a.columns) return;
  const auto run = static_cast<uint32_t>(thread / a.columns);
  const RunEnds ends(a, run);
  const uint32_t owner = a.owners[ends.end - 1];
  const bool begins_here = !ends.continues || a.owners[ends.begin] != owner;
  if (!ends.continued || !begins_here) return;
  T sum = a.trailing[thread];
  int64_t part = thread;
  for (uint32_t next = run + 1;; next++) {
    part += a.columns;
    sum = static_cast<T>(sum + a.leading[part]);
    const uint32_t end = a.count - next * kRun < kRun ? a.count : (next + 1) * kRun;
    if (end == a.count || a.owners[end] != owner) break;
  }
  int64_t at[2];
  a.rest.offsets(static_cast<uint32_t>(thread - int64_t{run} * a.columns), at);
  add_to(a, owner, at[1], sum);
}

template <class T>
void add_part(const Contributions& part, const Operand& x) {
  const StableOrder order(part.offsets, part.count);
  Operand rest = part.values;
  rest.shape.erase(0);
  rest.strides.erase(0);
  const Loop loop = make_loop({&rest, &x});
  const uint32_t runs = blocks_for(part.count, kRun);
  for (const Piece<2>& piece : pieces_of<2>(loop)) {
    const int64_t threads = int64_t{runs} * piece.count;
    const DeviceScratch<T> sums(runs > 1 ? 2 * threads : 1);
    const AddArguments<T> a{part.offsets,
                            order.owners(),
                            order.order(),
                            part.values.as<T>() + piece.base[0],
                            x.as<T>() + piece.base[1],
                            sums.get(),
                            sums.get() + threads,
                            piece.loop,
                            part.values.strides[0],
                            part.count,
                            runs,
                            piece.count};
    const dim3 grid(blocks_for(threads, kThreads)), block(kThreads);
    gpu::launch(add_runs_kernel<T>, grid, block, 0, stream(), a);
    if (runs > 1) gpu::launch(join_runs_kernel<T>, grid, block, 0, stream(), a);
  }
}

template <class T>
void scatter_add(const NoParams&, const Operand* operands) {
  for (const Contributions& part : parts_of(operands[0], operands[1]))
    add_part<T>(part, operands[2]);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define MOVE_BITS(T, BITS) kernel_entry<&scatter<BITS>>(kernels::scatter, dtype_of<T>)
// Sums wrap around, so signed and unsigned integers share a kernel.
#define ADD_NUMBERS(T, KEPT) kernel_entry<&scatter_add<KEPT>>(kernels::scatter_add, dtype_of<T>)
WEFT_GPU_KERNELS(index_scatter, MOVE_BITS(bool, uint8_t), MOVE_BITS(uint8_t, uint8_t),
                 MOVE_BITS(int8_t, uint8_t), MOVE_BITS(uint16_t, uint16_t),
                 MOVE_BITS(int16_t, uint16_t), MOVE_BITS(Float16, uint16_t),
                 MOVE_BITS(BFloat16, uint16_t), MOVE_BITS(uint32_t, uint32_t),
                 MOVE_BITS(int32_t, uint32_t), MOVE_BITS(float, uint32_t),
                 MOVE_BITS(uint64_t, uint64_t), MOVE_BITS(int64_t, uint64_t),
                 MOVE_BITS(double, uint64_t), ADD_NUMBERS(uint8_t, uint8_t),
                 ADD_NUMBERS(int8_t, uint8_t), ADD_NUMBERS(uint16_t, uint16_t),
                 ADD_NUMBERS(int16_t, uint16_t), ADD_NUMBERS(uint32_t, uint32_t),
                 ADD_NUMBERS(int32_t, uint32_t), ADD_NUMBERS(uint64_t, uint64_t),
                 ADD_NUMBERS(int64_t, uint64_t), ADD_NUMBERS(float, float),
                 ADD_NUMBERS(double, double))
