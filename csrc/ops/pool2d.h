// Max and average pooling over windows of an NHWC image, forward and backward.
//
// Padding never takes part: a maximum ignores it, an average is over the pixels inside the image.
//
// Saves: of a maximum its index in the window, one or four bytes for each result; of an average
// nothing.
// Cost: a comparison or addition for each of the N P Q C R S elements of windows; x is read, y (and
// the indices) written; backward dy is read and dx written.
// Error: none of a maximum. Averages add R S elements in their own dtype and divide: |error| <= (R
// S / 2 + 1) eps mean |x|.
#pragma once

#include <utility>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct Pool2dParams {
  int64_t N, H, W, C;  // x: (N, H, W, C)
  int64_t R, S;        // the window
  int64_t P, Q;        // y: (N, P, Q, C)
  int64_t stride_h, stride_w;
  int64_t pad_top, pad_left;
};

namespace kernels {
// Operands: as listed, contiguous, x and dx (N, H, W, C), the others (N, P, Q, C). An index is the
// position r * S + s of the maximum in its window, uint8 when the window has at most 256 places,
// else int32; the first of equal maxima counts, and NaN is greater than everything.
extern Kernel<Pool2dParams> max_pool2d_forward;       // x, y, indices (absent: not wanted)
extern Kernel<Pool2dParams> max_pool2d_backward;      // dy, indices, dx
extern Kernel<Pool2dParams> max_pool2d_gather;        // x, indices, y: x where the maxima were
extern Kernel<Pool2dParams> average_pool2d_forward;   // x, y
extern Kernel<Pool2dParams> average_pool2d_backward;  // dy, dx
}  // namespace kernels

// window and strides: (height, width); padding: (top, bottom, left, right), less than the window.
Tensor max_pool2d(const Tensor& x, const Dims& window, const Dims& strides, const Dims& padding);
std::pair<Tensor, Tensor> max_pool2d_with_indices(const Tensor& x, const Dims& window,
                                                  const Dims& strides, const Dims& padding);
Tensor max_pool2d_backward(const Tensor& dy, const Tensor& indices, const Shape& x_shape,
                           const Dims& window, const Dims& strides, const Dims& padding);
Tensor max_pool2d_gather(const Tensor& x, const Tensor& indices, const Dims& window,
                         const Dims& strides, const Dims& padding);
Tensor average_pool2d(const Tensor& x, const Dims& window, const Dims& strides,
                      const Dims& padding);
Tensor average_pool2d_backward(const Tensor& dy, const Shape& x_shape, const Dims& window,
                               const Dims& strides, const Dims& padding);

}  // namespace weft
