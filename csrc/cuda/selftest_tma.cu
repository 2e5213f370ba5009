// Self-tests of mbarriers, TMA and bulk copies (sm_90a).
#include "cuda/selftest_support.h"

namespace weft::WEFT_GPU {
namespace {

// ---- mbarriers without TMA: two warps produce, two consume, through a ring
// ------------------------

__global__ void ring(int rounds, int* out) {
  constexpr int kSlots = 3, kWidth = 64;
  __shared__ int slots[kSlots][kWidth];
  __shared__ uint64_t full[kSlots], empty[kSlots];
  const int i = static_cast<int>(threadIdx.x), lane = i % kWidth;
  if (i == 0) {
    for (int s = 0; s < kSlots; s++) {
      ptx::mbarrier_init(&full[s], kWidth);
      ptx::mbarrier_init(&empty[s], kWidth);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  int sum = 0;
  for (int round = 0; round < rounds; round++) {
    const int s = round % kSlots;
    const uint32_t parity = static_cast<uint32_t>(round / kSlots & 1);
    if (i < kWidth) {
      ptx::mbarrier_wait(&empty[s], parity ^ 1u);
      slots[s][lane] = round * 100 + lane;
      ptx::mbarrier_arrive(&full[s]);
    } else {
      ptx::mbarrier_wait(&full[s], parity);
      sum += slots[s][kWidth - 1 - lane];
      ptx::mbarrier_arrive(&empty[s]);
    }
  }
  if (i >= kWidth) out[lane] = sum;
}

WEFT_SELFTEST(mbarrier_ring, 90, 0) {
  constexpr int kRounds = 10;
  std::vector<int> expected(64);
  for (int i = 0; i < 64; i++)
    for (int round = 0; round < kRounds; round++) expected[i] += round * 100 + 63 - i;
  DeviceBuffer<int> out(64);
  gpu::launch(ring, dim3(1), dim3(128), 0, nullptr, kRounds, out.data());
  return count_different(out.host(), expected);
}

// ---- tiles
// -----------------------------------------------------------------------------------------

struct Corner {
  int at[5];
};

__device__ void load_tile(void* shared, const ptx::TensorMap* map, uint64_t* barrier, int rank,
                          const Corner& c) {
  switch (rank) {
    case 1: ptx::tma_load_1d(shared, map, barrier, c.at[0]); break;
    case 2: ptx::tma_load_2d(shared, map, barrier, c.at[0], c.at[1]); break;
    case 3: ptx::tma_load_3d(shared, map, barrier, c.at[0], c.at[1], c.at[2]); break;
    case 4: ptx::tma_load_4d(shared, map, barrier, c.at[0], c.at[1], c.at[2], c.at[3]); break;
    default: ptx::tma_load_5d(shared, map, barrier, c.at[0], c.at[1], c.at[2], c.at[3], c.at[4]);
  }
}

__device__ void store_tile(const void* shared, const ptx::TensorMap* map, int rank,
                           const Corner& c) {
  switch (rank) {
    case 1: ptx::tma_store_1d(map, shared, c.at[0]); break;
    case 2: ptx::tma_store_2d(map, shared, c.at[0], c.at[1]); break;
    case 3: ptx::tma_store_3d(map, shared, c.at[0], c.at[1], c.at[2]); break;
    case 4: ptx::tma_store_4d(map, shared, c.at[0], c.at[1], c.at[2], c.at[3]); break;
    default: ptx::tma_store_5d(map, shared, c.at[0], c.at[1], c.at[2], c.at[3], c.at[4]);
  }
}

// Shared memory as a load leaves it goes to `raw`; then the tile is stored through another map.
__global__ void load_and_store(const __grid_constant__ ptx::TensorMap from,
                               const __grid_constant__ ptx::TensorMap to, int rank, int bytes,
                               Corner corner, uint16_t* raw) {
  DYN_SMEM(unsigned char, tile);
  __shared__ uint64_t barrier;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (i == 0) {
    ptx::prefetch_tensor_map(&from);
    ptx::mbarrier_arrive_expect_bytes(&barrier, static_cast<uint32_t>(bytes));
    load_tile(tile, &from, &barrier, rank, corner);
  }
  ptx::mbarrier_wait(&barrier, 0);
  const uint16_t* words = reinterpret_cast<const uint16_t*>(tile);
  for (int w = i; w < bytes / 2; w += 128) raw[w] = words[w];
  ptx::fence_proxy_async();
  __syncthreads();
  if (i == 0) {
    store_tile(tile, &to, rank, corner);
    ptx::bulk_commit();
    ptx::bulk_wait_read<0>();
    ptx::bulk_wait<0>();
  }
}

struct TileCase {
  int rank;
  int extent[5];
  int box[5];  // elements of the tile
  int corner[5];
  int step[5] = {1, 1, 1, 1, 1};  // of what is loaded; stores are dense

  // The element that number i of the tile is, or null where there is none.
  template <class T>
  T* find(std::vector<T>& tensor, size_t i, const int (&steps)[5]) const {
    size_t at = 0, stride = 1;
    for (int d = 0; d < rank; d++) {
      const int x = corner[d] + static_cast<int>(i % static_cast<size_t>(box[d])) * steps[d];
      i /= static_cast<size_t>(box[d]);
      if (x < 0 || x >= extent[d]) return nullptr;
      at += static_cast<size_t>(x) * stride;
      stride *= static_cast<size_t>(extent[d]);
    }
    return &tensor[at];
  }
};

// The position in shared memory of a 16-bit element, with 16-byte units mixed as the manual says.
size_t swizzled(size_t byte, int width) {
  const size_t unit = byte / 16, row = byte / 128;
  const size_t mixed = row % static_cast<size_t>(width == 0 ? 1 : width / 16);
  return width == 0 ? byte : ((unit ^ mixed) * 16 + byte % 16);
}

double check_tile(const TileCase& c, ptx::Swizzle swizzle) {
  size_t elements = 1, box = 1;
  for (int d = 0; d < c.rank; d++) {
    elements *= static_cast<size_t>(c.extent[d]);
    box *= static_cast<size_t>(c.box[d]);
  }
  std::vector<uint16_t> in(elements);
  for (size_t i = 0; i < elements; i++) in[i] = static_cast<uint16_t>(i + 1);
  std::vector<uint16_t> expected_raw(box), expected_out(elements, 0xeeee);
  constexpr int kDense[5] = {1, 1, 1, 1, 1};
  for (size_t i = 0; i < box; i++) {
    const uint16_t* const from = c.find(in, i, c.step);
    const uint16_t value = from != nullptr ? *from : 0;
    expected_raw[swizzled(i * 2, static_cast<int>(swizzle)) / 2] = value;
    if (uint16_t* const to = c.find(expected_out, i, kDense)) *to = value;
  }
  DeviceBuffer<uint16_t> source(in), target(std::vector<uint16_t>(elements, 0xeeee)), raw(box);
  ptx::TensorMapSpec spec{};
  spec.type = ptx::TensorMapType::bf16;
  spec.rank = c.rank;
  spec.swizzle = swizzle;
  uint64_t stride = 2;
  Corner corner{};
  for (int d = 0; d < c.rank; d++) {
    spec.extent[d] = static_cast<uint64_t>(c.extent[d]);
    spec.box[d] = static_cast<uint32_t>(c.box[d] * c.step[d]);
    spec.step[d] = static_cast<uint32_t>(c.step[d]);
    corner.at[d] = c.corner[d];
    if (d > 0) spec.stride[d - 1] = stride;
    stride *= spec.extent[d];
  }
  spec.base = source.data();
  const ptx::TensorMap from = ptx::encode_tensor_map(spec);
  spec.base = target.data();
  for (int d = 0; d < c.rank; d++) {
    spec.box[d] = static_cast<uint32_t>(c.box[d]);
    spec.step[d] = 1;
  }
  const ptx::TensorMap to = ptx::encode_tensor_map(spec);
  const int bytes = static_cast<int>(box * 2);
  gpu::launch(load_and_store, dim3(1), dim3(128), bytes, nullptr, from, to, c.rank, bytes, corner,
              raw.data());
  return count_different(raw.host(), expected_raw) + count_different(target.host(), expected_out);
}

constexpr ptx::Swizzle kSwizzles[] = {ptx::Swizzle::none, ptx::Swizzle::bytes32,
                                      ptx::Swizzle::bytes64, ptx::Swizzle::bytes128};

// A row of the box is as wide as the swizzle; corners lie outside on several sides.
WEFT_SELFTEST(tma_swizzles, 90, 0) {
  double wrong = 0;
  for (const ptx::Swizzle swizzle : kSwizzles) {
    const int width = swizzle == ptx::Swizzle::none ? 64 : static_cast<int>(swizzle) / 2;
    wrong += check_tile({2, {200, 50}, {width, 32}, {16, 3}}, swizzle);
    wrong += check_tile({2, {200, 50}, {width, 16}, {-8, 44}}, swizzle);
    wrong += check_tile({2, {72, 50}, {width, 24}, {56, -5}}, swizzle);
  }
  return wrong;
}

// A row that is narrower than its swizzle: rows follow each other without gaps all the same.
WEFT_SELFTEST(tma_narrow_rows, 90, 0) {
  return check_tile({2, {64, 40}, {32, 16}, {8, 2}}, ptx::Swizzle::bytes128) +
         check_tile({2, {64, 40}, {16, 16}, {8, 2}}, ptx::Swizzle::bytes64);
}

WEFT_SELFTEST(tma_dimensions, 90, 0) {
  double wrong = 0;
  wrong += check_tile({1, {1000}, {64}, {960}}, ptx::Swizzle::none);
  for (const ptx::Swizzle swizzle : {ptx::Swizzle::none, ptx::Swizzle::bytes128}) {
    wrong += check_tile({3, {64, 7, 5}, {64, 4, 3}, {0, -1, 3}}, swizzle);
    wrong += check_tile({4, {64, 6, 5, 3}, {64, 3, 4, 2}, {0, 4, -2, 1}}, swizzle);
    wrong += check_tile({5, {32, 4, 5, 3, 4}, {32, 2, 3, 2, 2}, {8, -1, 3, 2, -1}}, swizzle);
  }
  return wrong;
}

// What convolutions load: (channels, columns, rows, images) around the edges of an image, in
// padding and in blocks of channels that are not full.
WEFT_SELFTEST(tma_image_boxes, 90, 0) {
  double wrong = 0;
  const ptx::Swizzle swizzle = ptx::Swizzle::bytes128;
  wrong += check_tile({4, {72, 9, 7, 3}, {64, 8, 4, 2}, {0, -1, -2, 2}}, swizzle);
  wrong += check_tile({4, {72, 9, 7, 3}, {64, 4, 8, 2}, {64, 6, 3, 0}}, swizzle);
  wrong += check_tile({4, {8, 3, 2, 40}, {64, 1, 1, 32}, {0, -1, 1, 16}}, swizzle);
  wrong += check_tile({4, {64, 5, 5, 2}, {64, 8, 8, 1}, {0, 2, -9, 1}}, swizzle);  // all outside
  return wrong;
}

// Strided windows: every second or third pixel from a corner on, which may lie outside, and whose
// distance from the edge need not be a multiple of the step.
WEFT_SELFTEST(tma_steps, 90, 0) {
  double wrong = 0;
  const ptx::Swizzle swizzle = ptx::Swizzle::bytes128;
  wrong += check_tile({4, {64, 13, 9, 2}, {64, 4, 4, 2}, {0, -1, -1, 0}, {1, 2, 2, 1, 1}}, swizzle);
  wrong += check_tile({4, {64, 13, 9, 2}, {64, 8, 2, 1}, {0, 3, -4, 1}, {1, 3, 5, 1, 1}}, swizzle);
  wrong +=
      check_tile({4, {72, 40, 3, 2}, {64, 32, 1, 1}, {8, -16, 2, 0}, {1, 8, 1, 1, 1}}, swizzle);
  wrong += check_tile({2, {64, 50}, {32, 16}, {16, -3}, {1, 2, 1, 1, 1}}, ptx::Swizzle::bytes64);
  return wrong;
}

// Floats that the copy engine brings as tf32 and the tensor core then cuts: each must be one of the
// two neighbours in tf32, as after cutting or after rounding. (The simulated engine leaves floats
// as they are, so that they are cut.) An engine that did anything else would cost more than tf32's
// bits.
WEFT_SELFTEST(tma_tf32_operands_are_cut_or_rounded, 90, 0) {
  constexpr int kRows = 16, kColumns = 32, kBytes = kRows * kColumns * 4;
  const std::vector<float> in = random_floats(kRows * kColumns, 8);
  DeviceBuffer<float> source(in), target(in.size());
  DeviceBuffer<uint16_t> raw(kBytes / 2);
  ptx::TensorMapSpec spec{};
  spec.type = ptx::TensorMapType::tf32;
  spec.rank = 2;
  spec.extent[0] = spec.box[0] = kColumns;
  spec.extent[1] = spec.box[1] = kRows;
  spec.stride[0] = kColumns * 4;
  spec.base = source.data();
  const ptx::TensorMap from = ptx::encode_tensor_map(spec);
  spec.base = target.data();
  const ptx::TensorMap to = ptx::encode_tensor_map(spec);
  gpu::launch(load_and_store, dim3(1), dim3(128), kBytes, nullptr, from, to, 2, kBytes, Corner{},
              raw.data());
  const std::vector<uint16_t> halves = raw.host();
  double wrong = 0;
  for (size_t i = 0; i < in.size(); i++) {
    constexpr uint32_t kStep = 0x2000;  // from one tf32 to the next
    const uint32_t got = (halves[2 * i] | uint32_t{halves[2 * i + 1]} << 16) & ~(kStep - 1);
    const uint32_t bits = std::bit_cast<uint32_t>(in[i]), cut = bits & ~(kStep - 1);
    const uint32_t nearest = (bits + kStep / 2) & ~(kStep - 1);
    wrong += got != cut && got != nearest;
  }
  return wrong;
}

// ---- runs of bytes
// ---------------------------------------------------------------------------------

__global__ void copy_run(const int* in, int* out, int bytes) {
  DYN_SMEM(int, words);
  __shared__ uint64_t barrier;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_arrive_expect_bytes(&barrier, static_cast<uint32_t>(bytes));
    ptx::bulk_load(words, in, static_cast<uint32_t>(bytes), &barrier);
  }
  __syncthreads();
  ptx::mbarrier_wait(&barrier, 0);
  for (int w = i; w < bytes / 4; w += 64) words[w] += 5;
  ptx::fence_proxy_async();
  __syncthreads();
  if (i == 0) {
    ptx::bulk_store(out, words, static_cast<uint32_t>(bytes));
    ptx::bulk_commit();
    ptx::bulk_wait<0>();
  }
}

WEFT_SELFTEST(bulk_copies, 90, 0) {
  std::vector<int> in(516), expected;
  for (int i = 0; i < 516; i++) in[i] = i * 3;
  for (const int x : in) expected.push_back(x + 5);
  DeviceBuffer<int> source(in), out(in.size());
  gpu::launch(copy_run, dim3(1), dim3(64), in.size() * 4, nullptr, source.data(), out.data(),
              static_cast<int>(in.size() * 4));
  return count_different(out.host(), expected);
}

// ---- stmatrix
// --------------------------------------------------------------------------------------

template <int count>
__global__ void store_fragments(const uint32_t* in, uint16_t* out, bool transpose) {
  __shared__ __align__(16) uint16_t matrices[4][8][8];
  const int lane = static_cast<int>(threadIdx.x);
  uint32_t r[count];
  for (int m = 0; m < count; m++) r[m] = in[lane * count + m];
  void* row = &matrices[lane / 8 % count][lane % 8][0];
  if constexpr (count == 4) {
    if (transpose)
      ptx::stmatrix_trans(row, r);
    else
      ptx::stmatrix(row, r);
  } else {
    ptx::stmatrix(row, r);
  }
  __syncwarp();
  for (int i = lane; i < count * 64; i += 32) out[i] = (&matrices[0][0][0])[i];
}

template <int count>
double check_store(bool transpose) {
  std::vector<uint32_t> in(32 * count);
  for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<uint32_t>(i * 2 | (i * 2 + 1) << 16);
  std::vector<uint16_t> expected(64 * count);
  for (int lane = 0; lane < 32; lane++)
    for (int m = 0; m < count; m++)
      for (int half = 0; half < 2; half++) {
        const int along = lane / 4, across = lane % 4 * 2 + half;
        expected[m * 64 + (transpose ? across * 8 + along : along * 8 + across)] =
            static_cast<uint16_t>(in[lane * count + m] >> 16 * half);
      }
  DeviceBuffer<uint32_t> source(in);
  DeviceBuffer<uint16_t> out(expected.size());
  gpu::launch(store_fragments<count>, dim3(1), dim3(32), 0, nullptr, source.data(), out.data(),
              transpose);
  return count_different(out.host(), expected);
}

WEFT_SELFTEST(stmatrix_fragments, 90, 0) {
  return check_store<1>(false) + check_store<2>(false) + check_store<4>(false) +
         check_store<4>(true);
}

}  // namespace
}  // namespace weft::WEFT_GPU
