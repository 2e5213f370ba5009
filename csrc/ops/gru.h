// Gated recurrent units over whole sequences (Cho et al. 2014). For every step, with the gates in
// Keras's order:
//   z, r = sigmoid of x_t @ kernel + h @ recurrent_kernel + bias, each with its columns
//   candidate = tanh(x part + r * (h @ recurrent_kernel + bias))    reset_after
//   candidate = tanh(x part + (r * h) @ recurrent_kernel)           else
//   h = z * h + (1 - z) * candidate
// A step that the mask leaves out does not change h.
//
// Saves: x, the weights, the states before, the mask, and what the kernel leaves for the gradient.
// Cost: N T U (6 (F + U) + 60) FLOPs; backward N T U (6 (F + U) + 30), and N T U 6 (F + U) for the
// weights. x, the weights, the results and what is saved cross memory once.
// Error: every gate as matmul, then 2.5 ULP of sigmoid and tanh; errors of a step go into the next.
#pragma once

#include <optional>

#include "core/kernel.h"
#include "ops/recurrent.h"

namespace weft {

struct GruParams : RecurrentParams {
  bool reset_after;
};

namespace kernels {
// Operands: x, kernel, recurrent_kernel, bias? ((2, 3 U), for x and for h; (3 U) without
// reset_after), h0?, mask?, y? (N, T, U), h (N, U), and what the gradient needs, both or none:
// inputs (T, N, F + U) with [x_t, h before step t] and gates (T, N, 4 U) with z, r, candidate, and
// the state's part of the candidate: h @ recurrent_kernel + bias, or r * h without reset_after.
// Steps are counted in the order of the computation. Of steps left out r * h is a number, the other
// gates are undefined.
extern Kernel<GruParams> gru;
// Operands: dy?, dh?, kernel, recurrent_kernel, mask?, inputs, gates, then the gradient dz before
// the activations, of z, r, the x part of the candidate, and with reset_after the h part of it:
// (T, N, 4 U) or (T, N, 3 U), dx? (N, T, F), dh0.
extern Kernel<GruParams> gru_backward;
}  // namespace kernels

// y (undefined unless `sequences`), h after the last step; inputs and gates if `save`.
struct GruResults {
  Tensor y, h, inputs, gates;
};
GruResults gru(const RecurrentArguments& given, const std::optional<Tensor>& h0, bool reset_after,
               bool sequences, bool save);

struct GruSaved {
  const Tensor& kernel;
  const Tensor& recurrent_kernel;
  const std::optional<Tensor>& mask;
  const Tensor& inputs;
  const Tensor& gates;
  bool go_backwards, reset_after, from_zero;
};
struct GruGradients {
  Tensor x, kernel, recurrent_kernel, bias, h0;
};
// Gradients of the results that nobody used are absent; x only if `needs_x`.
GruGradients gru_backward(const std::optional<Tensor>& dy, const std::optional<Tensor>& dh,
                          const GruSaved& saved, bool needs_x);

}  // namespace weft
