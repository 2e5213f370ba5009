// Sorting entries in shared memory, and merging sorted runs through global memory.
#pragma once

#include <utility>

#include "cuda/bits.h"
#include "cuda/layout.h"
#include "cuda/scratch.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {

inline constexpr int kMergeThreads = 512;
inline constexpr int64_t kTileEntries = 2 * kMergeThreads;  // that a block sorts
inline constexpr int kMergeItems = 4;                       // that a thread merges
inline constexpr int64_t kMergeEntries = int64_t{kMergeThreads} * kMergeItems / 2;

struct KeyAndPosition {
  uint64_t key, position;
};
__device__ inline bool comes_before(uint32_t a, uint32_t b) { return a < b; }
__device__ inline bool comes_before(uint64_t a, uint64_t b) { return a < b; }
__device__ inline bool comes_before(const KeyAndPosition& a, const KeyAndPosition& b) {
  return a.key < b.key || (a.key == b.key && a.position < b.position);
}

// No entry comes after it.
template <class E>
__device__ inline E last_entry() {
  if constexpr (std::is_same_v<E, KeyAndPosition>)
    return {~uint64_t{0}, ~uint64_t{0}};
  else
    return static_cast<E>(~E{0});
}

// Each run of `width` (a power of two, at least 2) of the 2 * blockDim.x entries becomes sorted.
// Ends and begins with a barrier. A warp that compares entries at most 32 apart stays among 64 of
// them, which no other warp touches until a wider step: then the warp alone has to wait.
template <class E>
__device__ inline void sort_shared(E* entries, int width) {
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();
  for (int size = 2; size <= width; size *= 2)
    for (int apart = size / 2; apart > 0; apart /= 2) {
      const int low = 2 * thread - (thread & (apart - 1)), high = low + apart;
      const E a = entries[low], b = entries[high];
      // Halves of a larger run are sorted in opposite directions, which makes them bitonic.
      const bool ascending = size == width || (low & size) == 0;
      if (comes_before(b, a) == ascending) {
        entries[low] = b;
        entries[high] = a;
      }
      const int next = apart > 1 ? apart / 2 : size;
      if (next > 32 || apart > 32)
        __syncthreads();
      else
        __syncwarp();
    }
  __syncthreads();
}

// How many of the first `count` entries of two merged runs come from the first one.
template <class E>
__device__ inline int64_t taken_from_first(const E* a, int64_t a_size, const E* b, int64_t b_size,
                                           int64_t count) {
  int64_t low = count > b_size ? count - b_size : 0;
  int64_t high = count < a_size ? count : a_size;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (comes_before(b[count - 1 - middle], a[middle]))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// Two neighbouring runs of a row, and the part of their merger that a block writes.
struct MergeTask {
  int64_t first, second, first_size, second_size;  // where the runs are, and how long
  int64_t begin, end;                              // of the merged run
};

__device__ inline MergeTask merge_task(int64_t block, int64_t blocks_per_row, int64_t n,
                                       int64_t run) {
  const int64_t row = block / blocks_per_row, at = block % blocks_per_row * kMergeEntries;
  const int64_t pair = at / (2 * run) * (2 * run);
  const int64_t middle = pair + run < n ? pair + run : n;
  const int64_t stop = pair + 2 * run < n ? pair + 2 * run : n;
  const int64_t end = at + kMergeEntries < stop ? at + kMergeEntries : stop;
  return {row * n + pair, row * n + middle, middle - pair, stop - middle, at - pair, end - pair};
}

// Runs of `run` entries, a multiple of kMergeEntries, become runs of twice as many.
template <class E>
__global__ void __launch_bounds__(kMergeThreads / 2)
    merge_kernel(const E* __restrict__ from, E* __restrict__ to, int64_t n, int64_t run,
                 int64_t blocks_per_row) {
  __shared__ E entries[kMergeEntries];
  __shared__ int64_t split[2];
  const MergeTask t = merge_task(blockIdx.x, blocks_per_row, n, run);
  const E *a = from + t.first, *b = from + t.second;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread % 32 == 0 && thread < 64)  // in two warps, so that the searches run side by side
    split[thread / 32] =
        taken_from_first(a, t.first_size, b, t.second_size, thread == 0 ? t.begin : t.end);
  __syncthreads();
  const int64_t a_begin = split[0], b_begin = t.begin - a_begin;
  const int a_size = static_cast<int>(split[1] - a_begin);
  const int size = static_cast<int>(t.end - t.begin);
  for (int i = thread; i < size; i += blockDim.x)
    entries[i] = i < a_size ? a[a_begin + i] : b[b_begin + (i - a_size)];
  __syncthreads();
  const int first = thread * kMergeItems < size ? thread * kMergeItems : size;
  int in_a =
      static_cast<int>(taken_from_first(entries, a_size, entries + a_size, size - a_size, first));
  int in_b = a_size + first - in_a;
  E merged[kMergeItems];
  UNROLL for (int k = 0; k < kMergeItems; k++) {
    merged[k] = last_entry<E>();
    if (first + k >= size) continue;
    const bool take_b =
        in_a == a_size || (in_b < size && comes_before(entries[in_b], entries[in_a]));
    merged[k] = entries[take_b ? in_b++ : in_a++];
  }
  __syncthreads();
  UNROLL for (int k = 0; k < kMergeItems; k++) if (first + k < size) entries[first + k] = merged[k];
  __syncthreads();
  E* const out = to + t.first + t.begin;
  for (int i = thread; i < size; i += blockDim.x) out[i] = entries[i];
}

// Rows of n entries in sorted runs of `run` become sorted rows. Returns where they are: in
// `entries` or in `spare`.
template <class E>
const E* merge_tiles(E* entries, E* spare, int64_t rows, int64_t n, int64_t run) {
  const int64_t blocks_per_row = (n + kMergeEntries - 1) / kMergeEntries;
  for (; run < n; run *= 2) {
    gpu::launch(merge_kernel<E>, dim3(static_cast<uint32_t>(rows * blocks_per_row)),
                dim3(kMergeThreads / 2), 0, stream(), entries, spare, n, run, blocks_per_row);
    std::swap(entries, spare);
  }
  return entries;
}

}  // namespace weft::WEFT_GPU
