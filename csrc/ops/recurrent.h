// What the recurrent ops (lstm, gru, simple_rnn) share: their operands and the checks of them.
//
// Letters: N sequences, T steps, F features, U units, G gates.
#pragma once

#include <optional>

#include "core/tensor.h"
#include "ops/matmul_variant.h"

namespace weft {

struct RecurrentParams {
  int64_t N, T, F, U;  // x: (N, T, F); states: (N, U)
  bool go_backwards;   // from the last step of x to the first
  bool from_zero;      // h before the first step is 0, so that its products can be left out
  // For GPUs: products of float32 may be rounded to tf32, no further.
  MatmulPrecision precision = MatmulPrecision::float32;
};

// Checked operands in the dtype that kernels compute in.
struct RecurrentOperands {
  const char* op;
  RecurrentParams params;
  DType dtype;  // of the results: what the operands' dtypes have in common
  Tensor x;     // rows of features without gaps
  Tensor kernel, recurrent_kernel;
  Tensor bias, mask;  // undefined when absent

  DType wide() const { return compute_dtype(dtype); }
  Device device() const { return x.device(); }
  Tensor empty(const Shape& shape) const { return Tensor::empty(shape, wide(), device()); }
  // An initial state or the gradient of a result: of this shape, without gaps; undefined if absent.
  Tensor operand(const std::optional<Tensor>& given, const char* name, const Shape& shape) const;
};

// As they come from Python.
struct RecurrentArguments {
  const Tensor& x;
  const Tensor& kernel;            // (F, G U)
  const Tensor& recurrent_kernel;  // (U, G U)
  const std::optional<Tensor>& bias;
  const std::optional<Tensor>& mask;  // (N, T), bool: which steps count
  bool go_backwards;
};
// `bias_rows`: 0 for a bias (G U), else for (bias_rows, G U). `dtype` promotes with the others.
RecurrentOperands recurrent_operands(const char* op, const RecurrentArguments& given, int64_t gates,
                                     int64_t bias_rows, const std::optional<Tensor>& h,
                                     const std::optional<Tensor>& c = std::nullopt);

// Whether the kernel adds up the gradients of the weights itself, step by step while dz is in the
// cache: on the CPU, where they fit into its second level. Else dz is kept, for one large product.
bool adds_up_weight_gradients(const RecurrentOperands& o, int64_t width);

// What a backward pass starts from: sizes come from what the forward pass saved.
//   inputs (T, N, F + U): row (t, n) is what step t of sequence n read, x and then the state.
//   gates (T, N, G U)
RecurrentOperands recurrent_saved(const char* op, const Tensor& kernel,
                                  const Tensor& recurrent_kernel, const std::optional<Tensor>& mask,
                                  const Tensor& inputs, const Tensor& gates, bool go_backwards,
                                  bool from_zero);

// (T, N, columns) as (T N, columns); of `count` columns from `first` on.
Tensor rows_of_steps(const Tensor& x, int64_t first, int64_t count);
// x^T, a view.
Tensor transposed(const Tensor& x);
std::optional<Tensor> if_defined(const Tensor& x);

}  // namespace weft
