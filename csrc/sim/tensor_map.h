// The simulated device's tensor map: what cuTensorMapEncodeTiled would hide in 128 bytes.
#pragma once

#include <cstdint>

namespace weft::simulator {

struct alignas(64) TensorMap {
  unsigned char* base;
  uint64_t stride[4];  // bytes, of dimensions 1..rank-1; dimension 0 is contiguous
  uint32_t extent[5];  // elements
  uint16_t box[5];     // elements of the tile
  uint8_t step[5];     // elements from one of them to the next
  uint8_t rank;
  uint8_t element_bytes;
  uint8_t swizzle;   // bytes: 0 (none), 32, 64, 128
  uint8_t fill_nan;  // what lies outside becomes NaN instead of zero
};
static_assert(sizeof(TensorMap) == 128, "the size of CUtensorMap");

// Where the hardware puts the 16-byte unit at this shared address: bits 4..6 are mixed with bits
// 7..9, as many of them as the swizzle's width needs.
inline uint32_t swizzle_address(uint32_t address, int swizzle_bytes) {
  switch (swizzle_bytes) {
    case 32: return address ^ (address >> 3 & 0x10u);
    case 64: return address ^ (address >> 3 & 0x30u);
    case 128: return address ^ (address >> 3 & 0x70u);
    default: return address;
  }
}

}  // namespace weft::simulator
