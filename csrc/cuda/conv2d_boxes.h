// Images as the copy engine sees them: boxes of (channels, columns, rows, images), with steps
// between their pixels, whose parts outside of the images arrive as zeros.
#pragma once

#include "cuda/conv2d_geometry.h"
#include "cuda/ptx.h"

namespace weft::WEFT_GPU {

constexpr int kMaxBoxStep = 8, kMaxBoxPixels = 256;  // along an axis, steps included

inline bool is_box(int64_t columns, int64_t rows, int step_w, int step_h) {
  return columns * step_w <= kMaxBoxPixels && rows * step_h <= kMaxBoxPixels;
}

// extent, pixels: channels, columns, rows, images; of dense images, and of a box.
inline ptx::TensorMap image_map(ptx::TensorMapType type, const void* images,
                                const int64_t (&extent)[4], const int64_t (&pixels)[4], int step_w,
                                int step_h) {
  const int64_t steps[] = {1, step_w, step_h, 1};
  ptx::TensorMapSpec spec{};
  spec.type = type;
  spec.base = const_cast<void*>(images);
  spec.rank = 4;
  spec.swizzle = ptx::Swizzle::bytes128;
  auto stride = static_cast<uint64_t>(ptx::tensor_map_element_bytes(type));
  for (int d = 0; d < spec.rank; d++) {
    spec.extent[d] = static_cast<uint64_t>(extent[d]);
    spec.box[d] = static_cast<uint32_t>(pixels[d] * steps[d]);
    spec.step[d] = static_cast<uint32_t>(steps[d]);
    if (d > 0) spec.stride[d - 1] = stride;
    stride *= spec.extent[d];
  }
  return ptx::encode_tensor_map(spec);
}

}  // namespace weft::WEFT_GPU
