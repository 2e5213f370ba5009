// Matrix products: vectors, matrices and batches of matrices, with NumPy's rules.
//
// Saves: x where y needs a gradient and y where x does; linear also its result where a ReLU is
// fused.
// Cost: 2 m n k FLOPs for each matrix of the batch; x, y and out cross memory once.
// Error: see below, at the kernel.
#pragma once

#include "core/kernel.h"
#include "core/tensor.h"
#include "ops/activation.h"
#include "ops/matmul_variant.h"

namespace weft {

struct MatmulParams {
  Activation activation = Activation::none;
  bool accumulate = false;  // add to what the output holds
  // For GPUs; the CPU computes float32 in float32, by the kernels of its instruction set.
  MatmulPrecision precision = MatmulPrecision::float32;
  MatmulVariant variant = MatmulVariant::automatic;
};

namespace kernels {
// Operands: x (..., m, k), y (..., k, n), bias (n) or absent, out (..., m, n). The leading axes of
// x and y are broadcast to those of out. For floats one of the last two axes of x and y has stride
// 1 (or length 1), and so has the last of out; bias is contiguous.
// out = activation(x @ y [+ out] [+ bias]). Sums of floats are kept in their own dtype, in the
// order of k; |error| <= k * eps * (|x| @ |y|). Integers wrap, bool is "any of (x and y)".
// A GPU also has kernels for float16 and bfloat16: sums are float32 there, and out and bias, which
// have one dtype, may be float32 too.
extern Kernel<MatmulParams> matmul;
}  // namespace kernels

// x @ y: (k,) @ (k,) is a scalar; a vector on one side loses its axis; leading axes broadcast.
Tensor matmul(const Tensor& x, const Tensor& y);
// activation(x @ w + bias) with x (..., in), w (in, out), bias (out,) or undefined: one launch.
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, Activation activation);
// The gradients of `linear` for dy (..., out), in one call: the small launches of a layer take less
// time than the way to them. Undefined are those whose other factor is: x needs w, w needs x.
// y, the result of `linear`, is given if a ReLU was fused.
struct LinearGradients {
  Tensor x, w, bias;
};
LinearGradients linear_backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& y,
                                bool needs_bias);
// out = x @ y, or out += x @ y, in the memory of out, which has the product's shape and dtype.
void matmul_into(const Tensor& x, const Tensor& y, const Tensor& out, bool accumulate);

}  // namespace weft
