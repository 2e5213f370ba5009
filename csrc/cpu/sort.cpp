// Sorting by keys: every dtype is mapped to unsigned integers of the same order, which a stable
// radix sort (long rows) or merge sort (short rows) puts in order. Descending order inverts the
// keys, so that there is one sort.
#include "ops/sort.h"

#include <string.h>

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/isa.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <int kBytes>
struct UnsignedOf {
  using type = uint32_t;  // keys of 1, 2 and 4 bytes
};
template <>
struct UnsignedOf<8> {
  using type = uint64_t;
};
template <class T>
using Key = typename UnsignedOf<sizeof(T)>::type;

template <class T>
struct IsReal {
  static constexpr bool value = __is_same(T, float) || __is_same(T, double) ||
                                __is_same(T, Float16) || __is_same(T, BFloat16);
};

// Where the sign and the bits of infinity are.
template <class T>
struct FloatBits {
  static constexpr int kBits = 8 * sizeof(T);
  static constexpr Key<T> kSign = Key<T>{1} << (kBits - 1);
  static constexpr Key<T> kInfinity = __is_same(T, double)     ? Key<T>(0x7ffull << 52)
                                      : __is_same(T, float)    ? Key<T>(0x7f800000u)
                                      : __is_same(T, BFloat16) ? Key<T>(0x7f80u)
                                                               : Key<T>(0x7c00u);
  static constexpr Key<T> kAll = kSign | (kSign - 1);
};

// Unsigned integers in the order of the values. -0 and 0 are equal; so are all NaNs, above
// infinity.
template <class T>
inline Key<T> key_of(T value) {
  using K = Key<T>;
  if constexpr (IsReal<T>::value) {
    using F = FloatBits<T>;
    K bits = 0;
    memcpy(&bits, &value, sizeof value);
    const K magnitude = bits & ~F::kSign;
    if (magnitude > F::kInfinity) return F::kAll;
    return bits & F::kSign ? F::kSign - magnitude : F::kSign + magnitude;
  } else if constexpr (static_cast<T>(-1) < static_cast<T>(0) && !__is_same(T, bool)) {
    return static_cast<K>(value) ^ (K{1} << (8 * sizeof(K) - 1));
  } else {
    return static_cast<K>(value);
  }
}

// Keys that keep -0 below 0, so that they can be turned back into the values; every NaN becomes
// the same one.
template <class T>
inline Key<T> reversible_key(T value) {
  using K = Key<T>;
  if constexpr (IsReal<T>::value) {
    using F = FloatBits<T>;
    K bits = 0;
    memcpy(&bits, &value, sizeof value);
    if ((bits & ~F::kSign) > F::kInfinity) return F::kAll;
    return bits & F::kSign ? bits ^ F::kAll : bits | F::kSign;
  } else {
    return key_of(value);
  }
}

template <class T>
inline T value_of(Key<T> key) {
  using K = Key<T>;
  if constexpr (IsReal<T>::value) {
    using F = FloatBits<T>;
    const K bits = key & F::kSign ? key ^ F::kSign : key ^ F::kAll;
    T value;
    memcpy(static_cast<void*>(&value), &bits, sizeof value);
    return value;
  } else if constexpr (static_cast<T>(-1) < static_cast<T>(0) && !__is_same(T, bool)) {
    return static_cast<T>(key ^ (K{1} << (8 * sizeof(K) - 1)));
  } else {
    return static_cast<T>(key);
  }
}

// What is sorted: bare keys, or keys with their positions.
template <class K>
struct Entry {
  K key;
  uint32_t index;  // rows longer than 2^32 are refused by memory long before
};
template <class K>
inline K sort_key(const Entry<K>& e) {
  return e.key;
}
inline uint32_t sort_key(uint32_t key) { return key; }
inline uint64_t sort_key(uint64_t key) { return key; }

template <class E>
void insertion_sort(E* a, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    const E e = a[i];
    int64_t j = i;
    for (; j > 0 && sort_key(a[j - 1]) > sort_key(e); j--) a[j] = a[j - 1];
    a[j] = e;
  }
}

// Bottom-up, from sorted runs of 16. Returns where the result is: a or spare.
template <class E>
E* merge_sort(E* a, E* spare, int64_t n) {
  constexpr int64_t kRun = 16;
  for (int64_t i = 0; i < n; i += kRun) insertion_sort(a + i, n - i < kRun ? n - i : kRun);
  for (int64_t width = kRun; width < n; width *= 2) {
    for (int64_t begin = 0; begin < n; begin += 2 * width) {
      const int64_t middle = begin + width < n ? begin + width : n;
      const int64_t end = begin + 2 * width < n ? begin + 2 * width : n;
      int64_t left = begin, right = middle;
      for (int64_t to = begin; to < end; to++) {
        const bool take_right =
            left == middle || (right < end && sort_key(a[right]) < sort_key(a[left]));
        spare[to] = take_right ? a[right++] : a[left++];
      }
    }
    E* const swap = a;
    a = spare;
    spare = swap;
  }
  return a;
}

// Least significant byte first; a byte that all keys share is skipped.
template <class E>
E* radix_sort(E* a, E* spare, int64_t n) {
  constexpr int kBytes = sizeof(sort_key(*a));
  const Scratch<int64_t> counts(kBytes * 256);
  memset(counts.get(), 0, kBytes * 256 * sizeof(int64_t));
  for (int64_t i = 0; i < n; i++)
    for (int b = 0; b < kBytes; b++) counts[b * 256 + (sort_key(a[i]) >> (8 * b) & 255)]++;
  for (int b = 0; b < kBytes; b++) {
    int64_t* const starts = counts.get() + b * 256;
    if (starts[sort_key(a[0]) >> (8 * b) & 255] == n) continue;
    int64_t sum = 0;
    for (int v = 0; v < 256; v++) {
      const int64_t count = starts[v];
      starts[v] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) spare[starts[sort_key(a[i]) >> (8 * b) & 255]++] = a[i];
    E* const swap = a;
    a = spare;
    spare = swap;
  }
  return a;
}

constexpr int64_t kRadixLength = 512;  // below it the counting costs more than merging

template <class E>
E* sort_row(E* a, E* spare, int64_t n) {
  return n < kRadixLength ? merge_sort(a, spare, n) : radix_sort(a, spare, n);
}

// The entries of one row in order, in `a` or `spare`.
template <class T>
Entry<Key<T>>* sorted_entries(const T* x, int64_t n, bool descending, Entry<Key<T>>* a,
                              Entry<Key<T>>* spare) {
  const Key<T> flip = descending ? ~Key<T>{0} : Key<T>{0};
  for (int64_t i = 0; i < n; i++) a[i] = {key_of(x[i]) ^ flip, static_cast<uint32_t>(i)};
  return sort_row(a, spare, n);
}

// body(row, entries) for every row, its entries in order.
template <class T, class Body>
void for_each_sorted_row(const Operand& x, bool descending, Body&& body) {
  const int64_t rows = x.shape[0], n = x.shape[1];
  parallel_for(rows, 4 * 1024 / n, [&](int64_t begin, int64_t end) {
    const Scratch<Entry<Key<T>>> first(n), second(n);
    for (int64_t row = begin; row < end; row++)
      body(row, sorted_entries(x.as<T>() + row * n, n, descending, first.get(), second.get()));
  });
}

template <class T>
void sort(const SortParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[1].as<T>();
  const int64_t rows = operands[0].shape[0], n = operands[0].shape[1];
  const Key<T> flip = p.descending ? ~Key<T>{0} : Key<T>{0};
  parallel_for(rows, 4 * 1024 / n, [=](int64_t begin, int64_t end) {
    const Scratch<Key<T>> first(n), second(n);
    for (int64_t row = begin; row < end; row++) {
      for (int64_t i = 0; i < n; i++) first[i] = reversible_key(x[row * n + i]) ^ flip;
      const Key<T>* keys = sort_row(first.get(), second.get(), n);
      for (int64_t i = 0; i < n; i++) y[row * n + i] = value_of<T>(keys[i] ^ flip);
    }
  });
}

template <class T>
void argsort(const SortParams& p, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1];
  const int64_t n = x.shape[1];
  for_each_sorted_row<T>(x, p.descending, [&](int64_t row, const Entry<Key<T>>* entries) {
    int64_t* to = y.as<int64_t>() + row * n;
    for (int64_t i = 0; i < n; i++) to[i] = entries[i].index;
  });
}

// Few of many: one pass that keeps the best k in order. The worst of them is compared first, and
// seldom beaten.
template <class T>
void select_best(const T* x, int64_t n, int64_t k, bool largest, Entry<Key<T>>* best, int64_t* y) {
  const Key<T> flip = largest ? ~Key<T>{0} : Key<T>{0};
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    const Key<T> key = key_of(x[i]) ^ flip;
    if (kept == k && best[k - 1].key <= key) continue;
    int64_t j = kept < k ? kept++ : k - 1;
    for (; j > 0 && best[j - 1].key > key; j--) best[j] = best[j - 1];
    best[j] = {key, static_cast<uint32_t>(i)};
  }
  for (int64_t i = 0; i < k; i++) y[i] = best[i].index;
}

template <class T>
void topk(const TopkParams& p, const Operand* operands) {
  constexpr int64_t kFew = 32;
  const Operand& x = operands[0];
  const int64_t rows = x.shape[0], n = x.shape[1], k = p.k;
  int64_t* y = operands[1].as<int64_t>();
  if (k <= kFew) {
    parallel_for(rows, 16 * 1024 / n, [&](int64_t begin, int64_t end) {
      Entry<Key<T>> best[kFew];
      for (int64_t row = begin; row < end; row++)
        select_best(x.as<T>() + row * n, n, k, p.largest, best, y + row * k);
    });
    return;
  }
  for_each_sorted_row<T>(x, p.largest, [&](int64_t row, const Entry<Key<T>>* entries) {
    for (int64_t i = 0; i < k; i++) y[row * k + i] = entries[i].index;
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_ONE_DTYPE(T)                                        \
  kernel_entry<&sort<T>>(kernels::sort, dtype_of<T>),           \
      kernel_entry<&argsort<T>>(kernels::argsort, dtype_of<T>), \
      kernel_entry<&topk<T>>(kernels::topk, dtype_of<T>)
WEFT_CPU_KERNELS(sort, FOR_ONE_DTYPE(bool), FOR_ONE_DTYPE(uint8_t), FOR_ONE_DTYPE(uint16_t),
                 FOR_ONE_DTYPE(uint32_t), FOR_ONE_DTYPE(uint64_t), FOR_ONE_DTYPE(int8_t),
                 FOR_ONE_DTYPE(int16_t), FOR_ONE_DTYPE(int32_t), FOR_ONE_DTYPE(int64_t),
                 FOR_ONE_DTYPE(Float16), FOR_ONE_DTYPE(BFloat16), FOR_ONE_DTYPE(float),
                 FOR_ONE_DTYPE(double))
