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

// One bit per lane: a equals b, or one of both is NaN.
template <bool kNan, class T>
WEFT_INLINE uint64_t matching_lanes(simd::Vec<T> a, simd::Vec<T> b) {
#if defined(__AVX512F__)
  constexpr int kHow = kNan ? _CMP_UNORD_Q : _CMP_EQ_OQ;
  if constexpr (sizeof(T) == 4)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, kHow);
  else
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, kHow);
#else
  const simd::Mask<T> match = kNan ? (a != a) | (b != b) : a == b;
#if defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    return static_cast<uint32_t>(_mm256_movemask_ps((__m256)match));
  else
    return static_cast<uint32_t>(_mm256_movemask_pd((__m256d)match));
#elif defined(__x86_64__)
  if constexpr (sizeof(T) == 4)
    return static_cast<uint32_t>(_mm_movemask_ps((__m128)match));
  else
    return static_cast<uint32_t>(_mm_movemask_pd((__m128d)match));
#else
  uint64_t bits = 0;
  for (int i = 0; i < simd::kLanes<T>; i++) bits |= uint64_t{match[i] != 0} << i;
  return bits;
#endif
#endif
}

// The first place of `value`, or of a NaN, which is there.
template <bool kNan, class T>
int64_t first_place(const T* x, int64_t n, T value) {
  if constexpr (kIsFloatingType<T>) {
    constexpr int L = simd::kLanes<T>;
    const simd::Vec<T> wanted = simd::broadcast(kNan ? T(0) : value);
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
      uint64_t bits = 0;
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++)
        bits |= matching_lanes<kNan, T>(simd::load(x + i + k * L), wanted) << (k * L);
      if (bits) return i + __builtin_ctzll(bits);
    }
    for (; i + L <= n; i += L)
      if (const uint64_t bits = matching_lanes<kNan, T>(simd::load(x + i), wanted))
        return i + __builtin_ctzll(bits);
    while (kNan ? x[i] == x[i] : x[i] != value) i++;
    return i;
  } else {
    // A chunk at a time, whose comparisons become vectors, until it holds the value.
    constexpr int64_t kChunk = 64;
    int64_t i = 0;
    for (; i + kChunk <= n; i += kChunk) {
      T differs = static_cast<T>(1);
      for (int64_t k = 0; k < kChunk; k++) differs &= static_cast<T>(x[i + k] != value);
      if (differs == 0) break;
    }
    while (x[i] != value) i++;
    return i;
  }
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
  const int64_t length = n - block < kRowBlock ? n - block : kRowBlock;
  if constexpr (kIsFloatingType<T>)
    if (best != best) return block + first_place<true>(x + block, length, T(0));
  return block + first_place<false>(x + block, length, best);
}

// `count` rows of kVectors vectors, the last one not full: a row never leaves the registers.
template <class T, bool kMax, int kVectors>
void args_of_short_rows(const T* x, int64_t step, int64_t count, int64_t n, int64_t* y,
                        int64_t y_step) {
  using Op = Extreme<T, kMax>;
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const V identity = simd::broadcast(Op::identity);
  const int rest = static_cast<int>(n - (kVectors - 1) * L);
  const simd::Mask<T> inside = first_lanes<T>(rest);
  for (int64_t i = 0; i < count; i++) {
    const T* row = x + i * step;
    V v[kVectors];
    for (int k = 0; k + 1 < kVectors; k++) v[k] = simd::load(row + k * L);
    v[kVectors - 1] =
        simd::select(inside, simd::load_partial(row + (kVectors - 1) * L, rest), identity);
    V best = v[0];
    NanLanes<T> nan;
    nan.note(v[0], v[0]);
    for (int k = 1; k < kVectors; k++) {
      nan.note(v[k], v[k]);
      best = Op::pick(best, v[k]);
    }
    if (nan.any()) {
      y[i * y_step] = first_place<true>(row, n, T(0));
      continue;
    }
    best = pick_lanes<Op, T>(best);
    uint64_t bits = 0;
    for (int k = 0; k < kVectors; k++) bits |= matching_lanes<false, T>(v[k], best) << (k * L);
    y[i * y_step] = __builtin_ctzll(bits);
  }
}

template <class T, bool kMax>
void args_of_rows(const T* x, int64_t step, int64_t count, int64_t n, int64_t* y, int64_t y_step) {
  if constexpr (kIsFloatingType<T>) {
    switch ((n + simd::kLanes<T> - 1) / simd::kLanes<T>) {
      case 1: return args_of_short_rows<T, kMax, 1>(x, step, count, n, y, y_step);
      case 2: return args_of_short_rows<T, kMax, 2>(x, step, count, n, y, y_step);
      case 3: return args_of_short_rows<T, kMax, 3>(x, step, count, n, y, y_step);
      case 4: return args_of_short_rows<T, kMax, 4>(x, step, count, n, y, y_step);
    }
  }
  for (int64_t i = 0; i < count; i++) y[i * y_step] = arg_of_row<T, kMax>(x + i * step, n);
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

inline constexpr int64_t kArgColumns = 512;  // 4 KiB of best values and places stay in L1

template <class T, bool kMax>
void arg_of_columns_exact(const T* x, int64_t n, int64_t stride, int64_t cols, int64_t* y) {
  T best[kArgColumns];
  for (int64_t c = 0; c < cols; c++) {
    best[c] = x[c];
    y[c] = 0;
  }
  for (int64_t r = 1; r < n; r++) {
    const T* row = x + r * stride;
    for (int64_t c = 0; c < cols; c++) {
      const bool better = improves<T, kMax>(row[c], best[c]);
      best[c] = better ? row[c] : best[c];
      y[c] = better ? r : y[c];
    }
  }
}

// best[c] and at[c] take in rows r to r + kRows; a NaN is noted and passed over.
template <class T, bool kMax, int kRows, class I>
WEFT_INLINE void improve_columns(const T* x, int64_t stride, int64_t cols, int64_t r, T* best,
                                 I* at, NanLanes<T>& nan) {
  constexpr int L = simd::kLanes<T>;
  for (int64_t c = 0; c < cols; c += L) {
    const int rest = cols - c < L ? static_cast<int>(cols - c) : L;
    simd::Vec<T> value = simd::load(best + c), v[kRows];
    simd::Vec<I> place = simd::load(at + c);
#pragma GCC unroll 4
    for (int k = 0; k < kRows; k++) {
      const T* from = x + k * stride + c;
      v[k] = rest == L ? simd::load(from) : simd::load_partial(from, rest);
      const auto better = kMax ? v[k] > value : v[k] < value;
      value = simd::select(better, v[k], value);
      place = simd::select(better, simd::broadcast(static_cast<I>(r + k)), place);
    }
    nan.note(v[0], v[kRows - 1]);
    if constexpr (kRows == 4) nan.note(v[1], v[2]);
    simd::store(best + c, value);
    simd::store(at + c, place);
  }
}

template <class T, bool kMax>
void arg_of_columns(const T* x, int64_t n, int64_t stride, int64_t cols, int64_t* y) {
  if constexpr (kIsFloatingType<T>) {
    using I = typename simd::SignedOf<T>::type;
    alignas(64) T best[kArgColumns];
    alignas(64) I at[kArgColumns];
    NanLanes<T> nan;
    for (int64_t c = 0; c < kArgColumns; c++) {
      best[c] = c < cols ? x[c] : 0;
      at[c] = 0;
    }
    int64_t r = 0;  // the first row again, for its NaN
    for (; r + 4 <= n; r += 4)
      improve_columns<T, kMax, 4>(x + r * stride, stride, cols, r, best, at, nan);
    for (; r < n; r++) improve_columns<T, kMax, 1>(x + r * stride, stride, cols, r, best, at, nan);
    if (!nan.any() && n <= INT32_MAX) {
      for (int64_t c = 0; c < cols; c++) y[c] = at[c];
      return;
    }
  }
  arg_of_columns_exact<T, kMax>(x, n, stride, cols, y);
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
      if (columns) {
        for (int64_t i = 0; i < count; i += kArgColumns)
          arg_of_columns<T, kMax>(from + i, n, stride,
                                  count - i < kArgColumns ? count - i : kArgColumns, to + i);
      } else if (stride == 1) {
        args_of_rows<T, kMax>(from, kept.x_step(), count, n, to, kept.y_step());
      } else {
        for (int64_t i = 0; i < count; i++)
          to[i * kept.y_step()] = arg_of_strided<T, kMax>(from + i * kept.x_step(), n, stride);
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
