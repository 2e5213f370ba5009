#include "cpu/gemm/microkernel.h"

// Loops over accumulators must be unrolled completely, else they live on the stack.
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE_LAMBDA __attribute__((always_inline))

namespace weft::cpu::WEFT_ISA::gemm {
namespace {

using simd::load;
using simd::load_partial;
using simd::store;
using simd::store_partial;
using simd::Vec;

#if WEFT_VECTOR_BYTES == 64
// One step has 28 FMAs, enough to hide its loop overhead; GCC spills addresses when unrolling it.
constexpr int kStepsPerIteration = 1;
// B streams from L2 or beyond, and the hardware prefetcher stops at pages. Look ~110 cycles ahead:
// four steps of a full tile, more steps of a lower one, which takes less time for each.
constexpr int prefetch_steps(int rows) { return 4 * kMaxRows / rows; }
#else
// The front end is the limit here (26 uops in 6 cycles): unroll, and issue no prefetches.
constexpr int kStepsPerIteration = 4;
constexpr int prefetch_steps(int) { return 0; }
#endif

// Hides a pointer's value from the optimiser, so that it keeps this one pointer instead of
// inventing one induction variable per row (which spills).
template <class T>
WEFT_INLINE void keep_pointer(T*& p) {
  asm("" : "+r"(p));
}

template <class T, int kRows, int kVectors>
struct Accumulators {
  Vec<T> at[kRows][kVectors];
};

template <bool kMasked, int kVectors, class T>
WEFT_INLINE Vec<T> load_columns(const T* row, int j, int last_columns) {
  if (kMasked && j == kVectors - 1) return load_partial(row + j * kLanes<T>, last_columns);
  return load(row + j * kLanes<T>);
}

template <bool kMasked, int kVectors, class T>
WEFT_INLINE void store_columns(T* row, int j, Vec<T> value, int last_columns) {
  if (kMasked && j == kVectors - 1)
    store_partial(row + j * kLanes<T>, value, last_columns);
  else
    store(row + j * kLanes<T>, value);
}

// One step of K: a row of B times a column of A. `a_of(i)` gives A(i, k).
template <bool kMasked, class T, int kRows, int kVectors, class AOf>
WEFT_INLINE void step(Accumulators<T, kRows, kVectors>& acc, const T* b, int64_t ldb,
                      int last_columns, const AOf& a_of) {
  Vec<T> row[kVectors];
  UNROLL for (int j = 0; j < kVectors; j++) {
    row[j] = load_columns<kMasked, kVectors>(b, j, last_columns);
  }
  constexpr int kPrefetchSteps = prefetch_steps(kRows);
  if constexpr (kPrefetchSteps > 0) {
    UNROLL for (int j = 0; j < kVectors; j++) {
      __builtin_prefetch(b + kPrefetchSteps * ldb + j * kLanes<T>);
    }
  }
  UNROLL for (int i = 0; i < kRows; i++) {
    const T a = a_of(i);
    UNROLL for (int j = 0; j < kVectors; j++) acc.at[i][j] += a * row[j];
  }
}

// A by rows: a pointer for every third row, since x86 addresses reach p, p + lda and p + 2 * lda.
// With 14 rows these are 5 pointers, which fit the general registers; 14 would not.
template <bool kMasked, class T, int kRows, int kVectors>
WEFT_INLINE void run_rows(Accumulators<T, kRows, kVectors>& acc, const Tile<T>& t, const T* a,
                          const T* b) {
  constexpr int kPointers = (kRows + 2) / 3;
  constexpr int kSteps = kStepsPerIteration;
  const int64_t lda = t.lda, ldb = t.ldb;
  const int last_columns = t.last_columns;
  const T* rows[kPointers];
  UNROLL for (int g = 0; g < kPointers; g++) rows[g] = a + 3 * g * lda;
  int64_t k = t.k;
  if constexpr (kSteps > 1) {
    for (; k >= kSteps; k -= kSteps) {
      UNROLL for (int s = 0; s < kSteps; s++) {
        step<kMasked>(acc, b, ldb, last_columns,
                      [&](int i) INLINE_LAMBDA { return rows[i / 3][i % 3 * lda + s]; });
        b += ldb;
      }
      UNROLL for (int g = 0; g < kPointers; g++) {
        rows[g] += kSteps;
        keep_pointer(rows[g]);
      }
    }
  }
  for (; k > 0; k--) {
    step<kMasked>(acc, b, ldb, last_columns,
                  [&](int i) INLINE_LAMBDA { return rows[i / 3][i % 3 * lda]; });
    b += ldb;
    UNROLL for (int g = 0; g < kPointers; g++) {
      rows[g]++;
      keep_pointer(rows[g]);
    }
  }
}

template <bool kMasked, class T, int kRows, int kVectors>
WEFT_INLINE void run_columns(Accumulators<T, kRows, kVectors>& acc, const Tile<T>& t, const T* a,
                             const T* b) {
  constexpr int kSteps = kStepsPerIteration;
  const int64_t lda = t.lda, ldb = t.ldb;
  const int last_columns = t.last_columns;
  const auto one_step = [&]() INLINE_LAMBDA {
    step<kMasked>(acc, b, ldb, last_columns, [&](int i) INLINE_LAMBDA { return a[i]; });
    a += lda;
    b += ldb;
  };
  int64_t k = t.k;
  if constexpr (kSteps > 1) {
    for (; k >= kSteps; k -= kSteps) UNROLL for (int s = 0; s < kSteps; s++) one_step();
  }
  for (; k > 0; k--) one_step();
}

// Accumulation, bias, activation and the stores, in the order of separate launches. Here the mask
// costs nothing worth a kernel of its own: kMasked is chosen while running.
template <bool kMasked, class T, int kRows, int kVectors>
WEFT_INLINE void finish(Accumulators<T, kRows, kVectors>& acc, const Tile<T>& t) {
  const int last_columns = t.last_columns;
  // All of C is read before any of it is written: where rows are a multiple of 4 KB apart, a load
  // would wait for the store before it that only seems to overlap (5 % of the time at 1024).
  if (t.accumulate) {
    const T* c = t.c;
    UNROLL for (int i = 0; i < kRows; i++) {
      UNROLL for (int j = 0; j < kVectors; j++) {
        acc.at[i][j] += load_columns<kMasked, kVectors>(c, j, last_columns);
      }
      c += t.ldc;
      keep_pointer(c);
    }
  }
  if (t.bias != nullptr) {
    UNROLL for (int j = 0; j < kVectors; j++) {
      const Vec<T> bias = load_columns<kMasked, kVectors>(t.bias, j, last_columns);
      UNROLL for (int i = 0; i < kRows; i++) acc.at[i][j] += bias;
    }
  }
  if (t.relu) {
    UNROLL for (int i = 0; i < kRows; i++) {
      UNROLL for (int j = 0; j < kVectors; j++) {
        acc.at[i][j] = simd::max(Vec<T>{}, acc.at[i][j]);
      }
    }
  }
  T* c = t.c;
  UNROLL for (int i = 0; i < kRows; i++) {
    UNROLL for (int j = 0; j < kVectors; j++) {
      store_columns<kMasked, kVectors>(c, j, acc.at[i][j], last_columns);
    }
    c += t.ldc;
    keep_pointer(c);
  }
}

// Into L2: in L1 rows a multiple of 4 KB apart would drive each other out.
template <class T, int kRows, int kVectors>
WEFT_INLINE void prefetch_result(const Tile<T>& t) {
  const T* c = t.c;
  UNROLL for (int i = 0; i < kRows; i++) {
    UNROLL for (int j = 0; j < kVectors; j++) __builtin_prefetch(c + j * kLanes<T>, 0, 2);
    c += t.ldc;
    keep_pointer(c);
  }
}

template <class T, int kRows, int kVectors, ALayout kLayout, BRows kBRows>
void run(const Tile<T>& t) {
  constexpr bool kMasked = kBRows == BRows::exact;
  if (t.fetches_c) prefetch_result<T, kRows, kVectors>(t);
  Accumulators<T, kRows, kVectors> acc;
  UNROLL for (int i = 0; i < kRows; i++) {
    UNROLL for (int j = 0; j < kVectors; j++) acc.at[i][j] = Vec<T>{};
  }
  const T *a = t.a, *b = t.b;
  for (int64_t s = 0; s < t.segments; s++) {
    if constexpr (kLayout == ALayout::rows)
      run_rows<kMasked>(acc, t, a, b);
    else
      run_columns<kMasked>(acc, t, a, b);
    a += t.a_segment;
    b += t.b_segment;
  }
  if (kMasked || t.last_columns != kLanes<T>)
    finish<true>(acc, t);
  else
    finish<false>(acc, t);
  if (t.activate != nullptr)
    t.activate(t.c, t.ldc, kRows, (kVectors - 1) * kLanes<T> + t.last_columns);
}

// Fills row counts 1..kRows of one [layout][b_rows][vectors] list.
template <class T, int kRows, int kVectors, ALayout kLayout, BRows kBRows>
constexpr void fill_heights(MicroKernelTable<T>& table) {
  table.entry[static_cast<int>(kLayout)][static_cast<int>(kBRows)][kVectors][kRows] =
      &run<T, kRows, kVectors, kLayout, kBRows>;
  if constexpr (kRows > 1) fill_heights<T, kRows - 1, kVectors, kLayout, kBRows>(table);
}

template <class T, int kVectors>
constexpr void fill_widths(MicroKernelTable<T>& table) {
  fill_heights<T, kMaxRows, kVectors, ALayout::rows, BRows::padded>(table);
  fill_heights<T, kMaxRows, kVectors, ALayout::rows, BRows::exact>(table);
  fill_heights<T, kMaxRows, kVectors, ALayout::columns, BRows::padded>(table);
  fill_heights<T, kMaxRows, kVectors, ALayout::columns, BRows::exact>(table);
  if constexpr (kVectors > 1) fill_widths<T, kVectors - 1>(table);
}

template <class T>
constexpr MicroKernelTable<T> all_kernels() {
  MicroKernelTable<T> table = {};
  fill_widths<T, kMaxVectors>(table);
  return table;
}

}  // namespace

constinit const MicroKernelTable<float> kFloatKernels = all_kernels<float>();
constinit const MicroKernelTable<double> kDoubleKernels = all_kernels<double>();

}  // namespace weft::cpu::WEFT_ISA::gemm
