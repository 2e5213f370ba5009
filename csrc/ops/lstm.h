// A long short-term memory over whole sequences (Hochreiter and Schmidhuber 1997, with forget
// gate). For every step, with the gates in Keras's order:
//   i, f, g, o = sigmoid, sigmoid, tanh, sigmoid of x_t @ kernel + h @ recurrent_kernel + bias
//   c = f * c + i * g
//   h = o * tanh(c)
// A step that the mask leaves out changes neither h nor c.
//
// Saves: x, the weights, the states before, the mask, and what the kernel leaves for the gradient.
// Cost: N T U (8 (F + U) + 90) FLOPs; backward N T U (8 (F + U) + 50), and N T U 8 (F + U) for the
// weights. x, the weights, the results and what is saved cross memory once.
// Error: every gate as matmul, then 2.5 ULP of sigmoid and tanh; errors of a step go into the next.
#pragma once

#include <optional>
#include <tuple>

#include "core/kernel.h"
#include "ops/recurrent.h"

namespace weft {

namespace kernels {
// Operands: x, kernel, recurrent_kernel, bias?, h0?, c0?, mask?, y? (N, T, U), h, c (N, U), and
// what the gradient needs, all three or none: inputs (T, N, F + U) with [x_t, h before step t],
// gates (T, N, 4 U) after their activations, cells (T, N, U) with c after step t. Steps are counted
// in the order of the computation. Gates of steps left out by the mask are not written.
extern Kernel<RecurrentParams> lstm;
// Operands: dy?, dh?, dc?, kernel, recurrent_kernel, c0?, mask?, inputs, gates, cells, then dz? (T,
// N, 4 U) before the activations, dx? (N, T, F), dh0?, dc0?, and the gradients of the weights
// dweights? (F + U, 4 U), one kernel's rows below the other's, and dbias? (4 U). A GPU has dz, dh0
// and dc0, and no weights; the CPU has dz or the weights.
extern Kernel<RecurrentParams> lstm_backward;
}  // namespace kernels

// y (undefined unless `sequences`), h and c after the last step; inputs, gates and cells if `save`.
struct LstmResults {
  Tensor y, h, c, inputs, gates, cells;
};
LstmResults lstm(const RecurrentArguments& given, const std::optional<Tensor>& h0,
                 const std::optional<Tensor>& c0, bool sequences, bool save);

struct LstmSaved {
  const Tensor& kernel;
  const Tensor& recurrent_kernel;
  const std::optional<Tensor>& c0;
  const std::optional<Tensor>& mask;
  const Tensor& inputs;
  const Tensor& gates;
  const Tensor& cells;
  bool go_backwards, from_zero;
};
// Which gradients of x and of the state before the first step are wanted.
struct LstmNeeds {
  bool x, h0, c0;
};
struct LstmGradients {
  Tensor x, kernel, recurrent_kernel, bias, h0, c0;
};
// Gradients of the results that nobody used are absent.
LstmGradients lstm_backward(const std::optional<Tensor>& dy, const std::optional<Tensor>& dh,
                            const std::optional<Tensor>& dc, const LstmSaved& saved,
                            const LstmNeeds& needs);

}  // namespace weft
