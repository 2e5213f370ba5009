// A list of tensors as a kernel parameter, cut into chunks of one size: a block finds its chunk
// whatever tensor it lies in, so that many small tensors keep a GPU as busy as one large one.
#pragma once

#include "core/launch.h"
#include "cuda/elementwise.h"

namespace weft::WEFT_GPU {

inline constexpr int64_t kListChunkBytes = 16 * 1024;  // of each array: 4 times 16 for each thread

template <class T>
struct Chunk {
  int tensor;
  int64_t begin, end;  // elements of the tensor
  bool aligned;
};

// kArrays arrays of the same size for each tensor.
template <class T, int kArrays>
struct TensorList {
  static constexpr int kMost = kMaxOperands / kArrays;
  static constexpr int64_t kChunk = kListChunkBytes / sizeof(T);

  T* data[kArrays][kMost];
  int64_t size[kMost];
  uint32_t first_chunk[kMost + 1] = {0};
  uint64_t aligned = 0;  // bit i: all arrays of tensor i begin at a multiple of 16 bytes
  int count = 0;

  void add(T* const (&arrays)[kArrays], int64_t elements) {
    bool all = true;
    for (int k = 0; k < kArrays; k++) {
      data[k][count] = arrays[k];
      all &= is_aligned(arrays[k]);
    }
    size[count] = elements;
    aligned |= uint64_t{all} << count;
    count++;
    first_chunk[count] =
        first_chunk[count - 1] + static_cast<uint32_t>((elements + kChunk - 1) / kChunk);
  }
  uint32_t chunks() const { return first_chunk[count]; }

  __device__ Chunk<T> chunk(uint32_t number) const {
    int tensor = 0;
    while (number >= first_chunk[tensor + 1]) tensor++;
    const int64_t begin = (number - first_chunk[tensor]) * kChunk;
    const int64_t all = size[tensor];
    return {tensor, begin, all - begin < kChunk ? all : begin + kChunk,
            (aligned >> tensor & 1) != 0};
  }
};

}  // namespace weft::WEFT_GPU
