// Sorting by keys: every dtype is mapped to unsigned integers of the same order, descending order
// inverts them. With positions, the position is the low part of the key: no two keys are equal, and
// every way of sorting is stable.
//
// Tiles are sorted in shared memory by a bitonic network (K. E. Batcher, "Sorting networks and
// their applications", 1968), several rows to a tile where rows are short. Longer rows are merged
// tile by tile, twice as long each pass; where only the first k are wanted, each tile gives its
// first k to the next round instead. Memory is read and written once for rows of a tile, once more
// for every doubling beyond.
#include "ops/sort.h"

#include "cuda/merge.h"

namespace weft::WEFT_GPU {
namespace {

// How the bits of a dtype become a key and back.
struct KeyRules {
  uint64_t sign;      // its sign bit, 0 for unsigned integers
  uint64_t infinity;  // 0 for integers
  uint64_t flip;      // all ones for descending order
};

template <class U>
using KeyOf = std::conditional_t<sizeof(U) == 8, uint64_t, uint32_t>;

// All NaNs are one key, above infinity. With kPositions -0 and 0 are one key as well; without, the
// key can be turned back into the value.
template <class U, bool kPositions>
__device__ inline KeyOf<U> key_of(U bits, const KeyRules& rules) {
  using K = KeyOf<U>;
  const auto sign = static_cast<K>(rules.sign), flip = static_cast<K>(rules.flip);
  const auto infinity = static_cast<K>(rules.infinity);
  const K key = bits;
  if (infinity == 0) return (key ^ sign) ^ flip;
  const K magnitude = key & (sign - 1), all = sign | (sign - 1);
  if (magnitude > infinity) return all ^ flip;
  if (!(key & sign)) return (key | sign) ^ flip;
  return (kPositions ? sign - magnitude : key ^ all) ^ flip;
}

template <class U>
__device__ inline U bits_of(KeyOf<U> key, const KeyRules& rules) {
  using K = KeyOf<U>;
  const auto sign = static_cast<K>(rules.sign);
  key ^= static_cast<K>(rules.flip);
  if (rules.infinity == 0) return static_cast<U>(key ^ sign);
  return static_cast<U>(key & sign ? key ^ sign : key ^ (sign | (sign - 1)));
}

// What is sorted: a key, or a key with its position.
template <class U, bool kPositions>
using EntryOf = std::conditional_t<!kPositions, KeyOf<U>,
                                   std::conditional_t<sizeof(U) == 8, KeyAndPosition, uint64_t>>;

template <class U, bool kPositions>
__device__ inline EntryOf<U, kPositions> entry_of(U bits, int64_t position, const KeyRules& rules) {
  const KeyOf<U> key = key_of<U, kPositions>(bits, rules);
  if constexpr (!kPositions)
    return key;
  else if constexpr (sizeof(U) == 8)
    return KeyAndPosition{key, static_cast<uint64_t>(position)};
  else
    return uint64_t{key} << 32 | static_cast<uint32_t>(position);
}

__device__ inline int64_t position_in(const KeyAndPosition& e) {
  return static_cast<int64_t>(e.position);
}
__device__ inline int64_t position_in(uint64_t e) { return static_cast<uint32_t>(e); }

template <class U, bool kPositions>
struct SortArguments {
  using Entry = EntryOf<U, kPositions>;
  using Result = std::conditional_t<kPositions, int64_t, U>;

  const U* x;            // (rows, n), or null
  const Entry* entries;  // (rows, n), where there is no x
  Entry* sorted;         // (rows, tiles, kept), or null
  Result* y;             // (rows, kept), where a tile is a whole row
  int64_t rows, n, kept;
  int64_t tiles;  // in a row
  int width;      // of a tile: a power of two
  KeyRules rules;

  __device__ void store(Entry entry, int64_t at) const {
    if constexpr (kPositions)
      y[at] = position_in(entry);
    else
      y[at] = bits_of<U>(entry, rules);
  }
};

// A block sorts as many tiles as it has room for.
template <class U, bool kPositions>
__global__ void __launch_bounds__(kMergeThreads)
    sort_tiles_kernel(const __grid_constant__ SortArguments<U, kPositions> a) {
  using Entry = EntryOf<U, kPositions>;
  DYN_SMEM(Entry, entries);
  const int room = static_cast<int>(blockDim.x) * 2;
  const int64_t tile0 = int64_t{blockIdx.x} * (room / a.width);
  for (int i = threadIdx.x; i < room; i += blockDim.x) {
    const int64_t tile = tile0 + i / a.width, row = tile / a.tiles;
    const int64_t at = tile % a.tiles * a.width + i % a.width;
    entries[i] = last_entry<Entry>();
    if (row >= a.rows || at >= a.n) continue;
    entries[i] = a.x != nullptr ? entry_of<U, kPositions>(a.x[row * a.n + at], at, a.rules)
                                : a.entries[row * a.n + at];
  }
  sort_shared(entries, a.width);
  for (int i = threadIdx.x; i < room; i += blockDim.x) {
    const int64_t tile = tile0 + i / a.width, row = tile / a.tiles;
    const int64_t in_tile = i % a.width, at = tile % a.tiles * a.width + in_tile;
    if (row >= a.rows || in_tile >= a.kept) continue;
    if (a.sorted == nullptr) {
      if (at < a.n) a.store(entries[i], row * a.kept + in_tile);
    } else if (a.kept < a.width) {
      a.sorted[tile * a.kept + in_tile] = entries[i];
    } else if (at < a.n) {
      a.sorted[row * a.n + at] = entries[i];
    }
  }
}

// The first `kept` entries of every row.
template <class U, bool kPositions>
__global__ void __launch_bounds__(kMergeThreads)
    unpack_kernel(const __grid_constant__ SortArguments<U, kPositions> a) {
  const int64_t i = int64_t{blockIdx.x} * kMergeThreads + threadIdx.x;
  if (i >= a.rows * a.kept) return;
  const int64_t row = i / a.kept;
  a.store(a.entries[row * a.n + (i - row * a.kept)], i);
}

template <class U, bool kPositions>
void launch_tiles(const SortArguments<U, kPositions>& a) {
  const int64_t tiles = a.rows * a.tiles, entries = tiles * a.width;
  int threads = 32;
  while (threads < kMergeThreads && (threads * 2 < a.width || threads * 2 < entries)) threads *= 2;
  const int64_t in_block = threads * 2 / a.width;
  gpu::launch(sort_tiles_kernel<U, kPositions>, dim3(blocks_for(tiles, static_cast<int>(in_block))),
              dim3(threads), static_cast<size_t>(threads) * 2 * sizeof(EntryOf<U, kPositions>),
              stream(), a);
}

int tile_width(int64_t n) {
  int width = 2;
  while (width < n && width < kTileEntries) width *= 2;
  return width;
}

// Rows of several tiles: sorted tiles, merged pass by pass, written to y.
template <class U, bool kPositions>
void sort_long_rows(SortArguments<U, kPositions> a) {
  using Entry = EntryOf<U, kPositions>;
  const DeviceScratch<Entry> first(a.rows * a.n), second(a.rows * a.n);
  const int64_t kept = a.kept;
  a.sorted = first.get();
  a.kept = a.width;
  launch_tiles(a);
  a.entries = merge_tiles(first.get(), second.get(), a.rows, a.n, a.width);
  a.kept = kept;
  gpu::launch(unpack_kernel<U, kPositions>, dim3(blocks_for(a.rows * kept, kMergeThreads)),
              dim3(kMergeThreads), 0, stream(), a);
}

// Rows of several tiles of which few entries are wanted: the first of every tile go on.
template <class U>
void select_from_long_rows(SortArguments<U, true> a) {
  using Entry = EntryOf<U, true>;
  const int64_t survivors = a.tiles * a.kept;
  const DeviceScratch<Entry> first(a.rows * survivors);
  const DeviceScratch<Entry> second(a.rows * blocks_for(survivors, kTileEntries) * a.kept);
  Entry *from = second.get(), *to = first.get();
  while (a.tiles > 1) {
    a.sorted = to;
    launch_tiles(a);
    std::swap(from, to);
    a.x = nullptr;
    a.entries = from;
    a.n = a.tiles * a.kept;
    a.width = tile_width(a.n);
    a.tiles = (a.n + a.width - 1) / a.width;
  }
  a.sorted = nullptr;
  launch_tiles(a);
}

template <class T>
constexpr uint64_t kInfinityBits = std::is_same_v<T, double>     ? 0x7ffull << 52
                                   : std::is_same_v<T, float>    ? 0x7f800000
                                   : std::is_same_v<T, BFloat16> ? 0x7f80
                                   : std::is_same_v<T, Float16>  ? 0x7c00
                                                                 : 0;

template <class T, bool kPositions>
void sort_rows(const Operand* operands, int64_t kept, bool descending) {
  using U = Bits<T>;
  const Operand &x = operands[0], &y = operands[1];
  const int64_t rows = x.shape[0], n = x.shape[1];
  check(n <= int64_t{UINT32_MAX}, "sort: rows of ", n, " elements; on a GPU at most ", UINT32_MAX);
  SortArguments<U, kPositions> a{};
  a.x = x.as<U>();
  a.y = y.as<typename SortArguments<U, kPositions>::Result>();
  a.rows = rows;
  a.n = n;
  a.kept = kept;
  a.width = tile_width(n);
  a.tiles = (n + a.width - 1) / a.width;
  // Keys of small dtypes are 32 bits wide all the same.
  a.rules = {kSignBit<T>, kInfinityBits<T>, descending ? ~uint64_t{0} : 0};
  if (a.tiles == 1) return launch_tiles(a);
  if constexpr (kPositions)
    if (kept <= kTileEntries / 2) return select_from_long_rows(a);
  sort_long_rows(a);
}

template <class T>
void sort(const SortParams& p, const Operand* operands) {
  sort_rows<T, false>(operands, operands[0].shape[1], p.descending);
}

template <class T>
void argsort(const SortParams& p, const Operand* operands) {
  sort_rows<T, true>(operands, operands[0].shape[1], p.descending);
}

template <class T>
void topk(const TopkParams& p, const Operand* operands) {
  sort_rows<T, true>(operands, p.k, p.largest);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_ONE_DTYPE(T)                                        \
  kernel_entry<&sort<T>>(kernels::sort, dtype_of<T>),           \
      kernel_entry<&argsort<T>>(kernels::argsort, dtype_of<T>), \
      kernel_entry<&topk<T>>(kernels::topk, dtype_of<T>)
WEFT_GPU_KERNELS(sort, FOR_ONE_DTYPE(bool), FOR_ONE_DTYPE(uint8_t), FOR_ONE_DTYPE(uint16_t),
                 FOR_ONE_DTYPE(uint32_t), FOR_ONE_DTYPE(uint64_t), FOR_ONE_DTYPE(int8_t),
                 FOR_ONE_DTYPE(int16_t), FOR_ONE_DTYPE(int32_t), FOR_ONE_DTYPE(int64_t),
                 FOR_ONE_DTYPE(Float16), FOR_ONE_DTYPE(BFloat16), FOR_ONE_DTYPE(float),
                 FOR_ONE_DTYPE(double))
