// The order in which scattered sums are added: contributions with the same destination one after
// the other, and among them by their number. Nothing in it depends on how threads are scheduled.
//
// A destination is named by its owner, the first contribution it gets: a number below `count`, so
// that a radix sort of a few bytes does for offsets of 64 bits. Owners are found in a hash table.
#pragma once

#include <bit>
#include <utility>

#include "cuda/block_scan.h"
#include "cuda/layout.h"
#include "cuda/scratch.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kOrderThreads = 256;
constexpr int64_t kMostOrdered = int64_t{1} << 26;  // contributions at a time: bounds the memory
constexpr int kFewOrdered = 512;                    // up to here one block compares all pairs

// --- owners ------------------------------------------------------------------------------------

constexpr unsigned long long kEmpty = 1ull << 63;  // no tensor has an element at this offset

struct OffsetTable {
  unsigned long long* keys;  // offsets
  uint32_t* best;            // by slot: the largest rank of a contribution to it
  uint32_t mask;             // slots - 1
};

__global__ void __launch_bounds__(kOrderThreads) clear_table_kernel(OffsetTable table) {
  const uint32_t slot = blockIdx.x * kOrderThreads + threadIdx.x;
  if (slot > table.mask) return;
  table.keys[slot] = kEmpty;
  table.best[slot] = 0;
}

// Fibonacci hashing, the upper bits folded in first: offsets are multiples of some stride.
__device__ inline uint32_t hash_of(unsigned long long key) {
  return static_cast<uint32_t>(((key ^ key >> 32) * 0x9E3779B97F4A7C15ull) >> 32);
}

// Ranks grow with the number of a contribution, or fall with kFirst. Which slot an offset gets
// depends on the scheduling; what its slot says in the end does not.
template <bool kFirst>
__device__ inline uint32_t rank_of(uint32_t b) {
  return kFirst ? ~b : b + 1;
}

template <bool kFirst>
__global__ void __launch_bounds__(kOrderThreads)
    enter_offsets_kernel(OffsetTable table, const int64_t* offsets, uint32_t count,
                         uint32_t* slots) {
  const uint32_t b = blockIdx.x * kOrderThreads + threadIdx.x;
  if (b >= count) return;
  const auto key = static_cast<unsigned long long>(offsets[b]);
  uint32_t slot = hash_of(key) & table.mask;
  for (;; slot = (slot + 1) & table.mask) {
    const unsigned long long found = atomicCAS(&table.keys[slot], kEmpty, key);
    if (found == kEmpty || found == key) break;
  }
  atomicMax(&table.best[slot], rank_of<kFirst>(b));
  slots[b] = slot;
}

// slots: in: the slot of each contribution; out: the first (or last) one to the same destination.
template <bool kFirst>
__global__ void __launch_bounds__(kOrderThreads)
    look_up_kernel(OffsetTable table, uint32_t count, uint32_t* slots) {
  const uint32_t b = blockIdx.x * kOrderThreads + threadIdx.x;
  if (b >= count) return;
  const uint32_t rank = table.best[slots[b]];
  slots[b] = kFirst ? ~rank : rank - 1;
}

// The first (or last) contribution with the same offset, for each contribution.
template <bool kFirst>
void find_owners(const int64_t* offsets, uint32_t count, uint32_t* owners) {
  const uint32_t slots = std::bit_ceil(2 * count);
  const DeviceScratch<unsigned long long> keys(slots);
  const DeviceScratch<uint32_t> best(slots);
  const OffsetTable table{keys.get(), best.get(), slots - 1};
  const dim3 block(kOrderThreads), grid(blocks_for(count, kOrderThreads));
  gpu::launch(clear_table_kernel, dim3(blocks_for(slots, kOrderThreads)), block, 0, stream(),
              table);
  gpu::launch(enter_offsets_kernel<kFirst>, grid, block, 0, stream(), table, offsets, count,
              owners);
  gpu::launch(look_up_kernel<kFirst>, grid, block, 0, stream(), table, count, owners);
}

// --- a few contributions -----------------------------------------------------------------------

// The last contribution with the same offset, by comparing all pairs.
__global__ void __launch_bounds__(kFewOrdered)
    few_last_kernel(const int64_t* offsets, uint32_t count, uint32_t* owners) {
  __shared__ int64_t all[kFewOrdered];
  const uint32_t b = threadIdx.x;
  const int64_t mine = b < count ? offsets[b] : 0;
  all[b] = mine;
  __syncthreads();
  if (b >= count) return;
  uint32_t last = b;
  for (uint32_t other = b + 1; other < count; other++)
    if (all[other] == mine) last = other;
  owners[b] = last;
}

__global__ void __launch_bounds__(kFewOrdered)
    few_order_kernel(const int64_t* offsets, uint32_t count, uint32_t* owners, uint32_t* order) {
  __shared__ int64_t all[kFewOrdered];
  __shared__ uint32_t first[kFewOrdered];
  const uint32_t b = threadIdx.x;
  const int64_t mine = b < count ? offsets[b] : 0;
  all[b] = mine;
  __syncthreads();
  uint32_t owner = 0;
  while (owner < b && all[owner] != mine) owner++;
  first[b] = owner;
  __syncthreads();
  if (b >= count) return;
  uint32_t at = 0;
  for (uint32_t other = 0; other < count; other++)
    at += first[other] < owner || (first[other] == owner && other < b);
  owners[at] = owner;
  order[at] = b;
}

// --- radix sort --------------------------------------------------------------------------------
// One pass for each 8 bits of the keys, lowest first; every pass keeps the order of equal digits.
// It reads keys twice and writes keys and values once: 20 bytes for each, in 4 passes at most.

constexpr int kDigits = 256, kItems = 8, kSortTile = kOrderThreads * kItems;
constexpr int kSortWarps = kOrderThreads / 32;

struct SortPass {
  const uint32_t *keys, *values;  // values may be absent: then they are 0, 1, 2...
  uint32_t *sorted_keys, *sorted_values;
  uint32_t* counts;  // (digits, tiles), then (digits,) totals
  uint32_t count, tiles;
  int shift;
};

// A warp owns 256 neighbours of the tile and walks them 32 at a time.
__device__ inline uint32_t item_number(int k) {
  const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  return blockIdx.x * kSortTile + warp * (32 * kItems) + static_cast<uint32_t>(k) * 32 + lane;
}

__global__ void __launch_bounds__(kOrderThreads) count_digits_kernel(SortPass pass) {
  __shared__ unsigned found[kDigits];
  found[threadIdx.x] = 0;
  __syncthreads();
  UNROLL for (int k = 0; k < kItems; k++) {
    const uint32_t i = item_number(k);
    if (i < pass.count) atomicAdd(&found[pass.keys[i] >> pass.shift & (kDigits - 1)], 1u);
  }
  __syncthreads();
  pass.counts[threadIdx.x * pass.tiles + blockIdx.x] = found[threadIdx.x];
}

// One block for each digit: how many there are in the tiles before, and in all.
__global__ void __launch_bounds__(kOrderThreads) scan_digit_kernel(SortPass pass) {
  uint32_t* const of_tile = pass.counts + blockIdx.x * pass.tiles;
  uint32_t before = 0;
  for (uint32_t first = 0; first < pass.tiles; first += kOrderThreads) {
    const uint32_t tile = first + threadIdx.x;
    const auto sums = block_scan<kOrderThreads>(tile < pass.tiles ? of_tile[tile] : 0u);
    if (tile < pass.tiles) of_tile[tile] = before + sums.before;
    before += sums.total;
  }
  if (threadIdx.x == 0) pass.counts[kDigits * pass.tiles + blockIdx.x] = before;
}

// The place of each item among those of its warp with the same digit; `found` counts them.
__device__ inline void rank_items(const uint32_t (&digits)[kItems], uint32_t* found,
                                  uint32_t (&ranks)[kItems]) {
  const int lane = threadIdx.x % 32;
  UNROLL for (int k = 0; k < kItems; k++) {
    const uint32_t same = __match_any_sync(gpu::kAllLanes, digits[k]);
    const bool counted = digits[k] < kDigits;  // beyond the end of the keys there is no digit
    const uint32_t before = counted ? found[digits[k]] : 0;
    __syncwarp();
    if (counted && lane == __ffs(static_cast<int>(same)) - 1)
      found[digits[k]] = before + static_cast<uint32_t>(__popc(same));
    __syncwarp();
    ranks[k] = before + static_cast<uint32_t>(__popc(same & ((1u << lane) - 1)));
  }
}

__global__ void __launch_bounds__(kOrderThreads) place_digits_kernel(SortPass pass) {
  __shared__ uint32_t places[kSortWarps][kDigits];
  const int warp = threadIdx.x / 32;
  for (int w = 0; w < kSortWarps; w++) places[w][threadIdx.x] = 0;
  __syncthreads();
  uint32_t keys[kItems], digits[kItems], ranks[kItems];
  UNROLL for (int k = 0; k < kItems; k++) {
    const uint32_t i = item_number(k);
    keys[k] = i < pass.count ? pass.keys[i] : 0;
    digits[k] = i < pass.count ? keys[k] >> pass.shift & (kDigits - 1) : kDigits;
  }
  rank_items(digits, places[warp], ranks);
  const uint32_t total = pass.counts[kDigits * pass.tiles + threadIdx.x];
  const uint32_t smaller = block_scan<kOrderThreads>(total).before;  // its barrier ends the ranking
  uint32_t next = smaller + pass.counts[threadIdx.x * pass.tiles + blockIdx.x];
  for (int w = 0; w < kSortWarps; w++) {
    const uint32_t found = places[w][threadIdx.x];
    places[w][threadIdx.x] = next;
    next += found;
  }
  __syncthreads();
  UNROLL for (int k = 0; k < kItems; k++) {
    const uint32_t i = item_number(k);
    if (i >= pass.count) continue;
    const uint32_t to = places[warp][digits[k]] + ranks[k];
    pass.sorted_keys[to] = keys[k];
    pass.sorted_values[to] = pass.values != nullptr ? pass.values[i] : i;
  }
}

}  // namespace

// Contributions in the order described above; count <= kMostOrdered.
class StableOrder {
 public:
  StableOrder(const int64_t* offsets, uint32_t count)
      : memory_(4 * int64_t{count}), owners_(memory_.get()), order_(owners_ + count) {
    if (count <= kFewOrdered) {
      gpu::launch(few_order_kernel, dim3(1), dim3((count + 31) / 32 * 32), 0, stream(), offsets,
                  count, owners_, order_);
      return;
    }
    find_owners<true>(offsets, count, owners_);
    sort(count);
  }
  const uint32_t* owners() const { return owners_; }  // sorted
  const uint32_t* order() const { return order_; }    // the contributions beside them

 private:
  void sort(uint32_t count) {
    const uint32_t tiles = blocks_for(count, kSortTile);
    const DeviceScratch<uint32_t> counts(int64_t{kDigits} * (tiles + 1));
    uint32_t *other_owners = order_ + count, *other_order = other_owners + count;
    const uint32_t* values = nullptr;
    const dim3 block(kOrderThreads);
    for (int shift = 0; shift < static_cast<int>(std::bit_width(count - 1)); shift += 8) {
      const SortPass pass{owners_,      values, other_owners, other_order,
                          counts.get(), count,  tiles,        shift};
      gpu::launch(count_digits_kernel, dim3(tiles), block, 0, stream(), pass);
      gpu::launch(scan_digit_kernel, dim3(kDigits), block, 0, stream(), pass);
      gpu::launch(place_digits_kernel, dim3(tiles), block, 0, stream(), pass);
      std::swap(owners_, other_owners);
      std::swap(order_, other_order);
      values = order_;
    }
  }

  DeviceScratch<uint32_t> memory_;
  uint32_t *owners_, *order_;
};

// For each contribution the last one with the same destination.
inline void find_last(const int64_t* offsets, uint32_t count, uint32_t* last) {
  if (count <= kFewOrdered)
    gpu::launch(few_last_kernel, dim3(1), dim3((count + 31) / 32 * 32), 0, stream(), offsets, count,
                last);
  else
    find_owners<false>(offsets, count, last);
}

}  // namespace weft::WEFT_GPU
