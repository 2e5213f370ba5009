// The simple recurrent network over whole sequences (Elman 1990): for every step
//   h = activation(x_t @ kernel + h @ recurrent_kernel + bias)
// A step that the mask leaves out does not change h.
//
// Saves: x, the weights, the state before, the mask, inputs and the last h.
// Cost: N T U (2 (F + U) + 18) FLOPs; backward N T U (2 (F + U) + 4), and N T U 2 (F + U) for the
// weights. x, the weights, the results and what is saved cross memory once.
// Error: as matmul, then 2.5 ULP of tanh; errors of a step go into the next.
#pragma once

#include <optional>

#include "core/kernel.h"
#include "ops/recurrent.h"

namespace weft {

enum class StateActivation : int32_t { linear, relu, tanh };

struct SimpleRnnParams : RecurrentParams {
  StateActivation activation;
};

namespace kernels {
// Operands: x, kernel, recurrent_kernel, bias?, h0?, mask?, y? (N, T, U), h (N, U), and for the
// gradient inputs? (T, N, F + U) with [x_t, h before step t], steps in the order of the
// computation.
extern Kernel<SimpleRnnParams> simple_rnn;
// Operands: dy?, dh?, kernel, recurrent_kernel, mask?, inputs, h (the result), then dz (T, N, U)
// before the activation, dx? (N, T, F), dh0.
extern Kernel<SimpleRnnParams> simple_rnn_backward;
}  // namespace kernels

// y (undefined unless `sequences`), h after the last step; inputs if `save`.
struct SimpleRnnResults {
  Tensor y, h, inputs;
};
SimpleRnnResults simple_rnn(const RecurrentArguments& given, const std::optional<Tensor>& h0,
                            StateActivation activation, bool sequences, bool save);

struct SimpleRnnSaved {
  const Tensor& kernel;
  const Tensor& recurrent_kernel;
  const std::optional<Tensor>& mask;
  const Tensor& inputs;
  const Tensor& h;
  bool go_backwards, from_zero;
  StateActivation activation;
};
struct SimpleRnnGradients {
  Tensor x, kernel, recurrent_kernel, bias, h0;
};
// Gradients of the results that nobody used are absent; x only if `needs_x`.
SimpleRnnGradients simple_rnn_backward(const std::optional<Tensor>& dy,
                                       const std::optional<Tensor>& dh, const SimpleRnnSaved& saved,
                                       bool needs_x);

}  // namespace weft
