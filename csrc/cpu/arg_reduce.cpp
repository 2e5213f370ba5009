// Along rows: the extreme of each block at full speed, then a search of the one block that has it.
// Down columns: the best value so far and its row, for a tile of columns at a time.
#include "ops/arg_reduce.h"

#include "cpu/extreme.h"
#include "cpu/reduction.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T, bool kMax>
inline bool improves(T x, T best) {
  if constexpr (kIsFloatingType<T>)
    if (x != x) return best == best;
  return kMax ? x > best : x < best;
}

template <class T>
inline bool same(T a, T b) {
  if constexpr (kIsFloatingType<T>)
    if (b != b) return a != a;
  return a == b;
}

template <class T, bool kMax>
int64_t arg_of_row(const T* x, int64_t n) {
  T best = x[0];
  int64_t block = 0;
  for (int64_t i = 0; i < n; i += kRowBlock) {
    const int64_t length = n - i < kRowBlock ? n - i : kRowBlock;
    const T extreme = reduce_block<Extreme<T, kMax>>(x + i, length);
    if (i == 0 || improves<T, kMax>(extreme, best)) {
      best = extreme;
      block = i;
    }
  }
  while (!same(x[block], best)) block++;
  return block;
}

template <class T, bool kMax>
int64_t arg_of_strided(const T* x, int64_t n, int64_t stride) {
  T best = x[0];
  int64_t at = 0;
  for (int64_t i = 1; i < n; i++)
    if (improves<T, kMax>(x[i * stride], best)) {
      best = x[i * stride];
      at = i;
    }
  return at;
}

inline constexpr int64_t kArgColumns = 64;

template <class T, bool kMax>
void arg_of_columns(const T* x, int64_t n, int64_t stride, int64_t cols, int64_t* y) {
  T best[kArgColumns];
  int64_t at[kArgColumns];
  for (int64_t c = 0; c < cols; c++) {
    best[c] = x[c];
    at[c] = 0;
  }
  for (int64_t r = 1; r < n; r++) {
    const T* row = x + r * stride;
    for (int64_t c = 0; c < cols; c++) {
      const bool better = improves<T, kMax>(row[c], best[c]);
      best[c] = better ? row[c] : best[c];
      at[c] = better ? r : at[c];
    }
  }
  for (int64_t c = 0; c < cols; c++) y[c] = at[c];
}

template <class T, bool kMax>
void arg_reduce(const ArgReduceParams& params, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1];
  const ReductionPlan plan = make_reduction_plan(x, y, 1u << params.axis);
  const AxisGroup& kept = plan.kept;
  const int64_t n = plan.reduced.inner(), stride = plan.reduced.x_step();
  const bool columns = kept.x_step() == 1 && kept.y_step() == 1 && stride != 1;
  parallel_for(kept.size(), kReduceGrain / n, [&](int64_t begin, int64_t end) {
    for_each_run(kept, begin, end, [&](int64_t x_at, int64_t y_at, int64_t count) {
      const T* from = x.as<T>() + x_at;
      int64_t* to = y.as<int64_t>() + y_at;
      for (int64_t i = 0; columns && i < count; i += kArgColumns)
        arg_of_columns<T, kMax>(from + i, n, stride,
                                count - i < kArgColumns ? count - i : kArgColumns, to + i);
      for (int64_t i = 0; !columns && i < count; i++) {
        const T* row = from + i * kept.x_step();
        to[i * kept.y_step()] =
            stride == 1 ? arg_of_row<T, kMax>(row, n) : arg_of_strided<T, kMax>(row, n, stride);
      }
    });
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define ARGUMENTS(T, DTYPE)                                   \
  kernel_entry<&arg_reduce<T, true>>(kernels::argmax, DTYPE), \
      kernel_entry<&arg_reduce<T, false>>(kernels::argmin, DTYPE)
WEFT_CPU_KERNELS(arg_reduce, ARGUMENTS(uint8_t, DType::boolean), ARGUMENTS(uint8_t, DType::uint8),
                 ARGUMENTS(uint16_t, DType::uint16), ARGUMENTS(uint32_t, DType::uint32),
                 ARGUMENTS(uint64_t, DType::uint64), ARGUMENTS(int8_t, DType::int8),
                 ARGUMENTS(int16_t, DType::int16), ARGUMENTS(int32_t, DType::int32),
                 ARGUMENTS(int64_t, DType::int64), ARGUMENTS(float, DType::float32),
                 ARGUMENTS(double, DType::float64))
