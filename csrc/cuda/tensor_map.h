// Tensor maps: how TMA sees a tensor in global memory. Made on the host, passed to the kernel as
// `const __grid_constant__ ptx::TensorMap`.
#pragma once

#include "cuda/gpu.h"

#ifdef __CUDACC__
#include <cuda.h>
#else
#include "sim/tensor_map.h"
#endif

namespace weft::ptx {
inline namespace WEFT_GPU {

#ifdef __CUDACC__
struct alignas(64) TensorMap {
  uint64_t words[16];  // CUtensorMap, which only the driver can read
};
#else
using simulator::TensorMap;
#endif

// How 16-byte units of a tile are permuted in shared memory, so that neither rows nor columns of
// units conflict. The value is the width of a row in bytes.
enum class Swizzle : int { none = 0, bytes32 = 32, bytes64 = 64, bytes128 = 128 };

enum class TensorMapType { bf16, f16, f32, tf32, u8 };

struct TensorMapSpec {
  TensorMapType type;
  void* base;          // a multiple of 16 bytes
  int rank;            // 1 to 5
  uint64_t extent[5];  // elements, dimension 0 (contiguous) first
  uint64_t stride[4];  // bytes, of dimensions 1 to rank - 1; multiples of 16
  uint32_t box[5];     // elements of a tile, at most 256 each; a row is at most the swizzle's width
  Swizzle swizzle;
  // From element to element of the tile: 1 to 8, and 1 along dimension 0. A box that steps over
  // elements counts those too: it is `step` times as long as its tile.
  uint32_t step[5] = {1, 1, 1, 1, 1};
};

inline int tensor_map_element_bytes(TensorMapType type) {
  switch (type) {
    case TensorMapType::bf16:
    case TensorMapType::f16: return 2;
    case TensorMapType::f32:
    case TensorMapType::tf32: return 4;
    case TensorMapType::u8: return 1;
  }
  return 0;
}

// What the driver refuses, in words; both builds check it.
inline void check_tensor_map(const TensorMapSpec& spec) {
  constexpr int kMaxRank = 5;
  constexpr uint32_t kMaxBox = 256, kMaxStep = 8;
  const int bytes = tensor_map_element_bytes(spec.type);
  check(spec.rank >= 1 && spec.rank <= kMaxRank, "tensor map: rank ", spec.rank, " is not 1 to 5");
  check(reinterpret_cast<uintptr_t>(spec.base) % 16 == 0,
        "tensor map: the base address is not a multiple of 16");
  for (int d = 0; d < spec.rank; d++) {
    check(spec.extent[d] >= 1 && spec.extent[d] <= uint64_t{1} << 32, "tensor map: extent ",
          spec.extent[d], " of dimension ", d);
    check(spec.box[d] >= 1 && spec.box[d] <= kMaxBox, "tensor map: box ", spec.box[d],
          " of dimension ", d, " is not 1 to 256");
    const uint32_t most = d == 0 ? 1 : kMaxStep;
    check(spec.step[d] >= 1 && spec.step[d] <= most, "tensor map: step ", spec.step[d],
          " of dimension ", d, " is not 1 to ", most);
    if (d > 0)
      check(spec.stride[d - 1] % 16 == 0, "tensor map: stride ", spec.stride[d - 1],
            " of dimension ", d, " is not a multiple of 16 bytes");
  }
  const uint32_t row = spec.box[0] * static_cast<uint32_t>(bytes);
  check(row % 16 == 0, "tensor map: a row of ", row, " bytes is not a multiple of 16");
  check(spec.swizzle == Swizzle::none || row <= static_cast<uint32_t>(spec.swizzle),
        "tensor map: a row of ", row, " bytes is wider than the swizzle of ",
        static_cast<int>(spec.swizzle));
}

#ifdef __CUDACC__

inline TensorMap encode_tensor_map(const TensorMapSpec& spec) {
  check_tensor_map(spec);
  // The driver is not linked: its function comes from the runtime.
  static const auto encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult result;
    const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                               12000, cudaEnableDefault, &result);
    return error == cudaSuccess ? reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function)
                                : nullptr;
  }();
  if (encode == nullptr)
    fail(ErrorKind::runtime, "tensor map: the driver has no cuTensorMapEncodeTiled (CUDA 12)");
  constexpr CUtensorMapDataType kTypes[] = {
      CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
      CU_TENSOR_MAP_DATA_TYPE_FLOAT32, CU_TENSOR_MAP_DATA_TYPE_TFLOAT32,
      CU_TENSOR_MAP_DATA_TYPE_UINT8};
  const CUtensorMapSwizzle swizzle = spec.swizzle == Swizzle::bytes128  ? CU_TENSOR_MAP_SWIZZLE_128B
                                     : spec.swizzle == Swizzle::bytes64 ? CU_TENSOR_MAP_SWIZZLE_64B
                                     : spec.swizzle == Swizzle::bytes32
                                         ? CU_TENSOR_MAP_SWIZZLE_32B
                                         : CU_TENSOR_MAP_SWIZZLE_NONE;
  cuuint64_t extent[5], stride[4];
  for (int d = 0; d < 5; d++) extent[d] = spec.extent[d];
  for (int d = 0; d < 4; d++) stride[d] = spec.stride[d];
  CUtensorMap map;
  const CUresult result =
      encode(&map, kTypes[static_cast<int>(spec.type)], static_cast<cuuint32_t>(spec.rank),
             spec.base, extent, stride, spec.box, spec.step, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
             CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    fail(ErrorKind::runtime, "tensor map: the driver refused it with error ",
         static_cast<int>(result));
  static_assert(sizeof(CUtensorMap) == sizeof(TensorMap));
  TensorMap opaque;
  memcpy(&opaque, &map, sizeof opaque);
  return opaque;
}

#else

inline TensorMap encode_tensor_map(const TensorMapSpec& spec) {
  check_tensor_map(spec);
  TensorMap map{};
  map.base = static_cast<unsigned char*>(spec.base);
  map.rank = static_cast<uint8_t>(spec.rank);
  map.element_bytes = static_cast<uint8_t>(tensor_map_element_bytes(spec.type));
  map.swizzle = static_cast<uint8_t>(spec.swizzle);
  for (int d = 0; d < spec.rank; d++) {
    map.extent[d] = static_cast<uint32_t>(spec.extent[d]);
    map.step[d] = static_cast<uint8_t>(spec.step[d]);
    map.box[d] = static_cast<uint16_t>((spec.box[d] + spec.step[d] - 1) / spec.step[d]);
    if (d > 0) map.stride[d - 1] = spec.stride[d - 1];
  }
  return map;
}

#endif

}  // namespace WEFT_GPU
}  // namespace weft::ptx
