// y[n,p,q,k] = sum_{r,s,c} x[n, p*stride_h + r*dilation_h - pad_top,
//                             q*stride_w + s*dilation_w - pad_left, c] * w[r,s,c,k] + bias[k]
// over NHWC images and HWIO weights; x is 0 outside the image. With groups, the channels of x and y
// are cut into `groups` equal parts and part g of y sees part g of x alone.
//
// Saves: x and w, and y where a ReLU is fused.
// Cost: 2 N P Q K R S C / groups FLOPs, forward and for each of both gradients; x, w and y (dy)
// cross memory once.
// Error: |error| <= (n + 1) eps (|x| * |w| + |bias|) for sums of n products: R S C / groups for y,
// R S K / groups for dx, N P Q for dw. By Winograd's algorithm 2e-5 of the largest result, see
// conv2d_variant.h.
#pragma once

#include <optional>

#include "core/kernel.h"
#include "core/tensor.h"
#include "ops/conv2d_variant.h"
#include "ops/matmul_variant.h"

namespace weft {

struct Conv2dParams {
  int64_t N, H, W, C;  // x: (N, H, W, C)
  int64_t R, S, K;     // w: (R, S, C / groups, K)
  int64_t P, Q;        // y: (N, P, Q, K)
  int64_t stride_h, stride_w;
  int64_t dilation_h, dilation_w;
  int64_t pad_top, pad_left;
  int64_t groups;
  bool relu;      // forward only: y = max(y, 0)
  bool winograd;  // the CPU may compute 3 x 3 kernels by Winograd's algorithm, see
                  // conv2d_variant.h
  // For GPUs alone.
  MatmulPrecision precision;
  Conv2dVariant variant;

  int64_t group_inputs() const { return C / groups; }
  int64_t group_outputs() const { return K / groups; }
  // GPUs compute groups of one channel without tiles; a single channel with many filters has them.
  bool is_depthwise() const { return C == groups && (C > 1 || K <= 4); }
};

namespace kernels {
// Operands: as listed, contiguous and of one dtype, with the shapes above. A GPU also has kernels
// for float16 and bfloat16: sums are float32 there, and the result and the bias of those with tiles
// may be float32 too.
extern Kernel<Conv2dParams> conv2d_forward;          // x, w, bias (may be absent), y
extern Kernel<Conv2dParams> conv2d_backward_input;   // dy, w, dx
extern Kernel<Conv2dParams> conv2d_backward_weight;  // x, dy, dw
}  // namespace kernels

// strides, dilation: (height, width); padding: (top, bottom, left, right).
Tensor conv2d(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
              const Dims& strides, const Dims& padding, const Dims& dilation, int64_t groups,
              bool relu);
Tensor conv2d_backward_input(const Tensor& dy, const Tensor& w, const Shape& x_shape,
                             const Dims& strides, const Dims& padding, const Dims& dilation,
                             int64_t groups);
Tensor conv2d_backward_weight(const Tensor& x, const Tensor& dy, const Shape& w_shape,
                              const Dims& strides, const Dims& padding, const Dims& dilation,
                              int64_t groups);

}  // namespace weft
