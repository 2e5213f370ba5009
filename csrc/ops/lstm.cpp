#include "ops/lstm.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "ops/reduce.h"

namespace weft {

namespace kernels {
constinit Kernel<RecurrentParams> lstm("lstm");
constinit Kernel<RecurrentParams> lstm_backward("lstm_backward");
}  // namespace kernels

namespace {

constexpr int64_t kLstmGates = 4;
constexpr int64_t kLstmGateFlops = 90,
                  kLstmGateBackwardFlops = 50;  // per unit, five exponentials and one

}  // namespace

LstmResults lstm(const RecurrentArguments& given, const std::optional<Tensor>& h0,
                 const std::optional<Tensor>& c0, bool sequences, bool save) {
  const RecurrentOperands o = recurrent_operands("lstm", given, kLstmGates, 0, h0, c0);
  const auto [N, T, F, U, backwards, from_zero, precision] = o.params;
  const Tensor first_h = o.operand(h0, "the initial state h", {N, U});
  const Tensor first_c = o.operand(c0, "the initial state c", {N, U});
  LstmResults r;
  if (sequences) r.y = o.empty({N, T, U});
  r.h = o.empty({N, U});
  r.c = o.empty({N, U});
  if (save) {
    r.inputs = o.empty({T, N, F + U});
    r.gates = o.empty({T, N, kLstmGates * U});
    r.cells = o.empty({T, N, U});
  }
  const int64_t flops = N * T * U * (2 * kLstmGates * (F + U) + kLstmGateFlops);
  const int64_t bytes = bytes_of(o.x) + bytes_of(o.kernel) + bytes_of(o.recurrent_kernel) +
                        bytes_of(r.y) + bytes_of(r.inputs) + bytes_of(r.gates) + bytes_of(r.cells);
  if (N > 0)
    launch(kernels::lstm, o.wide(), o.params, {flops, bytes},
           {&o.x, &o.kernel, &o.recurrent_kernel, &o.bias, &first_h, &first_c, &o.mask},
           {&r.y, &r.h, &r.c, &r.inputs, &r.gates, &r.cells});
  if (sequences) r.y = cast(r.y, o.dtype);
  r.h = cast(r.h, o.dtype);
  r.c = cast(r.c, o.dtype);
  return r;
}

LstmGradients lstm_backward(const std::optional<Tensor>& dy, const std::optional<Tensor>& dh,
                            const std::optional<Tensor>& dc, const LstmSaved& s,
                            const LstmNeeds& needs) {
  const RecurrentOperands o = recurrent_saved("lstm_backward", s.kernel, s.recurrent_kernel, s.mask,
                                              s.inputs, s.gates, s.go_backwards, s.from_zero);
  const auto [N, T, F, U, backwards, from_zero, precision] = o.params;
  const Tensor gy = o.operand(dy, "dy", {N, T, U}), gh = o.operand(dh, "dh", {N, U}),
               gc = o.operand(dc, "dc", {N, U}),
               first_c = o.operand(s.c0, "the initial state c", {N, U});
  const int64_t width = kLstmGates * U;
  const bool adds_up = N > 0 && adds_up_weight_gradients(o, width), on_gpu = is_gpu(o.device());
  LstmGradients g;
  Tensor dz, weights;
  if (adds_up) {
    weights = o.empty({F + U, width});
    g.bias = o.empty({width});
  } else {
    dz = o.empty({T, N, width});
  }
  if (needs.x) g.x = o.empty({N, T, F});
  if (needs.h0 || on_gpu) g.h0 = o.empty({N, U});
  if (needs.c0 || on_gpu) g.c0 = o.empty({N, U});
  const int64_t products = U + (needs.x ? F : 0) + (adds_up ? F + U : 0);
  const int64_t flops = N * T * U * (2 * kLstmGates * products + kLstmGateBackwardFlops);
  const int64_t bytes = bytes_of(gy) + bytes_of(o.recurrent_kernel) + bytes_of(s.gates) +
                        2 * bytes_of(s.cells) + bytes_of(dz) + bytes_of(g.x) + bytes_of(weights);
  if (N > 0)
    launch(kernels::lstm_backward, o.dtype, o.params, {flops, bytes},
           {&gy, &gh, &gc, &o.kernel, &o.recurrent_kernel, &first_c, &o.mask, &s.inputs, &s.gates,
            &s.cells},
           {&dz, &g.x, &g.h0, &g.c0, &weights, &g.bias});
  if (!adds_up) {
    // One product for both kernels: the rows of `inputs` hold x and the state side by side.
    const Tensor rows = rows_of_steps(dz, 0, width);
    weights = matmul(transposed(rows_of_steps(s.inputs, 0, F + U)), rows);
    g.bias = sum(rows, Dims{0}, false);
  }
  g.kernel = slice(weights, 0, 0, F, 1);
  g.recurrent_kernel = slice(weights, 0, F, U, 1);
  return g;
}

WEFT_BINDING(lstm) {
  namespace py = pybind11;
  using Optional = std::optional<Tensor>;
  m.def(
      "lstm",
      [](const Tensor& x, const Tensor& kernel, const Tensor& recurrent_kernel,
         const Optional& bias, const Optional& h0, const Optional& c0, const Optional& mask,
         bool go_backwards, bool sequences, bool save) {
        const LstmResults r =
            lstm({x, kernel, recurrent_kernel, bias, mask, go_backwards}, h0, c0, sequences, save);
        return std::tuple(if_defined(r.y), r.h, r.c, if_defined(r.inputs), if_defined(r.gates),
                          if_defined(r.cells));
      },
      py::arg("x"), py::arg("kernel"), py::arg("recurrent_kernel"), py::arg("bias"), py::arg("h0"),
      py::arg("c0"), py::arg("mask"), py::arg("go_backwards"), py::arg("sequences"),
      py::arg("save"));
  m.def(
      "lstm_backward",
      [](const Optional& dy, const Optional& dh, const Optional& dc, const Tensor& kernel,
         const Tensor& recurrent_kernel, const Optional& c0, const Optional& mask,
         const Tensor& inputs, const Tensor& gates, const Tensor& cells, bool go_backwards,
         bool from_zero, bool needs_x, bool needs_h0, bool needs_c0) {
        const LstmGradients g = lstm_backward(
            dy, dh, dc,
            {kernel, recurrent_kernel, c0, mask, inputs, gates, cells, go_backwards, from_zero},
            {needs_x, needs_h0, needs_c0});
        return std::tuple(if_defined(g.x), g.kernel, g.recurrent_kernel, g.bias, if_defined(g.h0),
                          if_defined(g.c0));
      },
      py::arg("dy"), py::arg("dh"), py::arg("dc"), py::arg("kernel"), py::arg("recurrent_kernel"),
      py::arg("c0"), py::arg("mask"), py::arg("inputs"), py::arg("gates"), py::arg("cells"),
      py::arg("go_backwards"), py::arg("from_zero"), py::arg("needs_x"), py::arg("needs_h0"),
      py::arg("needs_c0"));
}

}  // namespace weft
