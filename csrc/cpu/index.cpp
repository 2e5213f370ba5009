// Scattered copies. They move bits, so one kernel serves every dtype of the same size; only the
// sum knows numbers.
#include "ops/index.h"

#include "core/iteration.h"
#include "cpu/copy.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements: about 10 us of scattered copying

bool offsets_of_run(const IndexOffsetsParams& p, const int64_t* index, int64_t index_stride,
                    int64_t grid, int64_t grid_stride, int64_t* offsets, int64_t n) {
  uint64_t bad = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t given = index[i * index_stride];
    const int64_t wrapped = given + ((given >> 63) & (p.wrap ? p.size : 0));
    bad |= static_cast<uint64_t>(static_cast<uint64_t>(wrapped) >= static_cast<uint64_t>(p.size));
    const int64_t before = p.accumulate ? offsets[i] : 0;
    offsets[i] = before + wrapped * p.stride + grid + i * grid_stride;
  }
  return bad == 0;
}

// Which index it was is looked up again, in order, so that the report is always the first.
void report_first_bad(const int64_t* index, int64_t stride, int64_t n, int64_t size, bool wrap,
                      int64_t* error) {
  for (int64_t i = 0; i < n && !error[0]; i++) {
    const int64_t given = index[i * stride];
    if (given >= (wrap ? -size : 0) && given < size) continue;
    error[0] = 1;
    error[1] = given;
  }
}

void index_offsets(const IndexOffsetsParams& p, const Operand* operands) {
  const Operand &index = operands[0], &offsets = operands[2];
  Operand grid = operands[1];
  if (!grid.present) {
    grid.shape = offsets.shape;
    grid.strides = Strides(offsets.shape.size(), 0);
  }
  int64_t* error = operands[3].as<int64_t>();
  error[0] = error[1] = 0;
  const Loop loop = make_loop({&index, &grid, &offsets});  // offsets are contiguous
  int failed = 0;
  for_each_run(loop, kGrain, [&](const int64_t* at, int64_t n) {
    if (!offsets_of_run(p, index.as<int64_t>() + at[0], loop.inner_stride(0), at[1],
                        loop.inner_stride(1), offsets.as<int64_t>() + at[2], n))
      __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
  });
  if (!failed) return;
  for_each_run(loop, INT64_MAX, [&](const int64_t* at, int64_t n) {
    report_first_bad(index.as<int64_t>() + at[0], loop.inner_stride(0), n, p.size, p.wrap, error);
  });
}

// The walk of a gather or scatter: `rest` axes in step on both sides, and the index axis.
struct Walk {
  Loop loop;             // operand 0: the indexed tensor; operand 1: the rows beside it
  int64_t count;         // of offsets
  int64_t count_stride;  // of the rows
  const int64_t* offsets;
  bool index_inside;  // the index axis is the faster one of the rows

  Walk(const Operand& x, const Operand& offset_list, const Operand& rows)
      : count(offset_list.shape[0]),
        count_stride(rows.strides[0]),
        offsets(offset_list.as<int64_t>()) {
    Operand rest = rows;
    rest.shape.erase(0);
    rest.strides.erase(0);
    loop = make_loop({&x, &rest});
    const int64_t inner = loop.inner_stride(1);
    index_inside = loop.inner() == 1 ||
                   (count_stride < 0 ? -count_stride : count_stride) < (inner < 0 ? -inner : inner);
  }
};

struct RowOffsets {
  int64_t x, rows;
};
inline RowOffsets locate(const Loop& loop, int64_t row) {
  RowOffsets at{0, 0};
  for (int axis = loop.ndim - 2; axis >= 0; axis--) {
    const int64_t i = row % loop.shape[axis];
    row /= loop.shape[axis];
    at.x += i * loop.strides[0][axis];
    at.rows += i * loop.strides[1][axis];
  }
  return at;
}

template <class T>
void gather(const NoParams&, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[2].as<T>();
  const Walk w(operands[0], operands[1], operands[2]);
  const int64_t inner = w.loop.inner(), x_step = w.loop.inner_stride(0),
                y_step = w.loop.inner_stride(1), count = w.count, step = w.count_stride;
  const int64_t* offsets = w.offsets;
  if (w.loop.size() == 1) {
    parallel_for(count, kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++) y[b * step] = x[offsets[b]];
    });
  } else if (w.index_inside) {
    parallel_for(w.loop.size(), kGrain / (count + 1), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const RowOffsets at = locate(w.loop, r / inner);
        const T* from = x + at.x + r % inner * x_step;
        T* to = y + at.rows + r % inner * y_step;
        for (int64_t b = 0; b < count; b++) to[b * step] = from[offsets[b]];
      }
    });
  } else {
    parallel_for(w.loop.rows() * count, kGrain / inner, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t row = begin / count, first = begin % count;
        const int64_t stop = end - begin < count - first ? first + end - begin : count;
        const RowOffsets at = locate(w.loop, row);
        const T* from = x + at.x;
        T* to = y + at.rows;
        if (x_step == 1 && y_step == 1)
          for (int64_t b = first; b < stop; b++) copy_row(from + offsets[b], to + b * step, inner);
        else
          for (int64_t b = first; b < stop; b++)
            for (int64_t i = 0; i < inner; i++)
              to[b * step + i * y_step] = from[offsets[b] + i * x_step];
        begin += stop - first;
      }
    });
  }
}

template <class T>
void take_rows(const TakeRowsParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  const int64_t* index = operands[1].as<int64_t>();
  T* y = operands[2].as<T>();
  int64_t* error = operands[3].as<int64_t>();
  const int64_t count = operands[1].shape[0];
  error[0] = error[1] = 0;
  int failed = 0;
  parallel_for(p.before * count, kGrain / p.after, [&](int64_t begin, int64_t end) {
    int64_t b = begin % count;
    const T* block = x + begin / count * p.size * p.after;
    for (int64_t row = begin; row < end; row++) {
      const int64_t given = index[b], wrapped = given + ((given >> 63) & p.size);
      if (static_cast<uint64_t>(wrapped) < static_cast<uint64_t>(p.size))
        copy_row(block + wrapped * p.after, y + row * p.after, p.after);
      else
        __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
      if (++b == count) b = 0, block += p.size * p.after;
    }
  });
  if (failed) report_first_bad(index, 1, count, p.size, true, error);
}

template <class T>
struct Assign {
  static void apply(T& to, T value) { to = value; }
};
template <class T>
struct Add {
  static void apply(T& to, T value) { to = static_cast<T>(to + value); }
};

// Threads share the rest axes, never the index axis: equal offsets meet in the order of b.
template <class T, class Update>
void scatter_with(const Operand* operands) {
  const T* values = operands[0].as<T>();
  T* x = operands[2].as<T>();
  const Walk w(operands[2], operands[1], operands[0]);
  const int64_t inner = w.loop.inner(), x_step = w.loop.inner_stride(0),
                v_step = w.loop.inner_stride(1), count = w.count, step = w.count_stride;
  const int64_t* offsets = w.offsets;
  if (w.index_inside) {
    parallel_for(w.loop.size(), kGrain / (count + 1), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const RowOffsets at = locate(w.loop, r / inner);
        const T* from = values + at.rows + r % inner * v_step;
        T* to = x + at.x + r % inner * x_step;
        for (int64_t b = 0; b < count; b++) Update::apply(to[offsets[b]], from[b * step]);
      }
    });
    return;
  }
  // At least a cache line of columns to a thread.
  const int64_t grain = kGrain / (count + 1) > 64 ? kGrain / (count + 1) : 64;
  for (int64_t row = 0; row < w.loop.rows(); row++) {
    const RowOffsets at = locate(w.loop, row);
    parallel_for(inner, grain, [&](int64_t begin, int64_t end) {
      for (int64_t b = 0; b < count; b++) {
        // They never overlap: the contract copies values that share x's memory.
        const T* __restrict from = values + at.rows + b * step;
        T* __restrict to = x + at.x + offsets[b];
        if (x_step == 1 && v_step == 1)
          for (int64_t i = begin; i < end; i++) Update::apply(to[i], from[i]);
        else
          for (int64_t i = begin; i < end; i++) Update::apply(to[i * x_step], from[i * v_step]);
      }
    });
  }
}

template <class T>
void scatter(const NoParams&, const Operand* operands) {
  scatter_with<T, Assign<T>>(operands);
}
template <class T>
void scatter_add(const NoParams&, const Operand* operands) {
  scatter_with<T, Add<T>>(operands);
}

void count_true(const NoParams&, const Operand* operands) {
  const uint8_t* mask = operands[0].as<uint8_t>();
  const int64_t n = operands[0].size();
  int64_t total = 0;
  parallel_for(n, 8 * kGrain, [&](int64_t begin, int64_t end) {
    int64_t count = 0;
    for (int64_t i = begin; i < end; i++) count += mask[i];
    __atomic_fetch_add(&total, count, __ATOMIC_RELAXED);
  });
  *operands[1].as<int64_t>() = total;
}

void nonzero(const NoParams&, const Operand* operands) {
  const Operand& mask = operands[0];
  const bool* m = mask.as<bool>();
  int64_t* y = operands[1].as<int64_t>();
  const int64_t count = operands[1].shape[1];
  const int ndim = mask.shape.size();
  const int64_t inner = mask.shape[ndim - 1], rows = mask.size() / inner;
  int64_t index[kMaxDims] = {}, found = 0;
  for (int64_t row = 0; row < rows; row++, m += inner) {
    const int64_t first = found;
    int64_t* last_axis = y + (ndim - 1) * count;
    // Always store, move on only when it counted; the last row's spare store is avoided.
    for (int64_t i = 0; i < inner && found < count; i++) {
      last_axis[found] = i;
      found += m[i];
    }
    for (int axis = 0; axis + 1 < ndim; axis++)
      for (int64_t k = first; k < found; k++) y[axis * count + k] = index[axis];
    for (int axis = ndim - 2; axis >= 0; axis--) {
      if (++index[axis] < mask.shape[axis]) break;
      index[axis] = 0;
    }
  }
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define MOVE_BITS(T, BITS)                                             \
  kernel_entry<&gather<BITS>>(kernels::gather, dtype_of<T>),           \
      kernel_entry<&take_rows<BITS>>(kernels::take_rows, dtype_of<T>), \
      kernel_entry<&scatter<BITS>>(kernels::scatter, dtype_of<T>)
#define ADD_NUMBERS(T) kernel_entry<&scatter_add<T>>(kernels::scatter_add, dtype_of<T>)
WEFT_CPU_KERNELS(index, kernel_entry<&index_offsets>(kernels::index_offsets, DType::int64),
                 kernel_entry<&count_true>(kernels::count_true, DType::boolean),
                 kernel_entry<&nonzero>(kernels::nonzero, DType::boolean), MOVE_BITS(bool, uint8_t),
                 MOVE_BITS(uint8_t, uint8_t), MOVE_BITS(int8_t, uint8_t),
                 MOVE_BITS(uint16_t, uint16_t), MOVE_BITS(int16_t, uint16_t),
                 MOVE_BITS(Float16, uint16_t), MOVE_BITS(BFloat16, uint16_t),
                 MOVE_BITS(uint32_t, uint32_t), MOVE_BITS(int32_t, uint32_t),
                 MOVE_BITS(float, uint32_t), MOVE_BITS(uint64_t, uint64_t),
                 MOVE_BITS(int64_t, uint64_t), MOVE_BITS(double, uint64_t), ADD_NUMBERS(uint8_t),
                 ADD_NUMBERS(uint16_t), ADD_NUMBERS(uint32_t), ADD_NUMBERS(uint64_t),
                 ADD_NUMBERS(int8_t), ADD_NUMBERS(int16_t), ADD_NUMBERS(int32_t),
                 ADD_NUMBERS(int64_t), ADD_NUMBERS(float), ADD_NUMBERS(double))
