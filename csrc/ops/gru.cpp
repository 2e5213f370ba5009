#include "ops/gru.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "ops/reduce.h"

namespace weft {

namespace kernels {
constinit Kernel<GruParams> gru("gru");
constinit Kernel<GruParams> gru_backward("gru_backward");
}  // namespace kernels

namespace {

constexpr int64_t kGruGates = 3;
constexpr int64_t kGruGateFlops = 60, kGruGateBackwardFlops = 30;  // per unit, three exponentials

// The part of the recurrent kernel's and the kernel's gradient that belongs to the candidate, and
// the rest: `both` is (F + U, 3 U), one kernel's rows below the other's.
void weight_gradients(const RecurrentParams& p, bool reset_after, const Tensor& inputs,
                      const Tensor& gates, const Tensor& dz, const Tensor& both) {
  const int64_t F = p.F, U = p.U;
  const auto part = [&](int64_t row, int64_t rows, int64_t column, int64_t columns) {
    return slice(slice(both, 0, row, rows, 1), 1, column, columns, 1);
  };
  matmul_into(transposed(rows_of_steps(inputs, 0, F + U)), rows_of_steps(dz, 0, 2 * U),
              part(0, F + U, 0, 2 * U), false);
  matmul_into(transposed(rows_of_steps(inputs, 0, F)), rows_of_steps(dz, 2 * U, U),
              part(0, F, 2 * U, U), false);
  const Tensor state = reset_after ? rows_of_steps(inputs, F, U) : rows_of_steps(gates, 3 * U, U);
  const Tensor d = rows_of_steps(dz, reset_after ? 3 * U : 2 * U, U);
  matmul_into(transposed(state), d, part(F, U, 2 * U, U), false);
}

// From the sums of dz: (3 U), or (2, 3 U) with a row for x and one for h.
Tensor bias_gradient(const Tensor& sums, int64_t U, bool reset_after) {
  if (!reset_after) return sums;
  const Tensor bias = Tensor::empty({2, kGruGates * U}, sums.dtype(), sums.device());
  const auto row = [&](int64_t i) { return try_reshape(slice(bias, 0, i, 1, 1), {kGruGates * U}); };
  copy_into(slice(sums, 0, 0, kGruGates * U, 1), row(0));
  copy_into(slice(sums, 0, 0, 2 * U, 1), slice(row(1), 0, 0, 2 * U, 1));
  copy_into(slice(sums, 0, kGruGates * U, U, 1), slice(row(1), 0, 2 * U, U, 1));
  return bias;
}

}  // namespace

GruResults gru(const RecurrentArguments& given, const std::optional<Tensor>& h0, bool reset_after,
               bool sequences, bool save) {
  const RecurrentOperands o = recurrent_operands("gru", given, kGruGates, reset_after ? 2 : 0, h0);
  const auto [N, T, F, U, backwards, from_zero, precision] = o.params;
  const Tensor first_h = o.operand(h0, "the initial state h", {N, U});
  GruResults r;
  if (sequences) r.y = o.empty({N, T, U});
  r.h = o.empty({N, U});
  if (save) {
    r.inputs = o.empty({T, N, F + U});
    r.gates = o.empty({T, N, 4 * U});
  }
  const int64_t flops = N * T * U * (2 * kGruGates * (F + U) + kGruGateFlops);
  const int64_t bytes = bytes_of(o.x) + bytes_of(o.kernel) + bytes_of(o.recurrent_kernel) +
                        bytes_of(r.y) + bytes_of(r.inputs) + bytes_of(r.gates);
  if (N > 0)
    launch(kernels::gru, o.wide(), GruParams{o.params, reset_after}, {flops, bytes},
           {&o.x, &o.kernel, &o.recurrent_kernel, &o.bias, &first_h, &o.mask},
           {&r.y, &r.h, &r.inputs, &r.gates});
  if (sequences) r.y = cast(r.y, o.dtype);
  r.h = cast(r.h, o.dtype);
  return r;
}

GruGradients gru_backward(const std::optional<Tensor>& dy, const std::optional<Tensor>& dh,
                          const GruSaved& s, bool needs_x) {
  const RecurrentOperands o = recurrent_saved("gru_backward", s.kernel, s.recurrent_kernel, s.mask,
                                              s.inputs, s.gates, s.go_backwards, s.from_zero);
  const auto [N, T, F, U, backwards, from_zero, precision] = o.params;
  const Tensor gy = o.operand(dy, "dy", {N, T, U}), gh = o.operand(dh, "dh", {N, U});
  GruGradients g;
  const int64_t width = (s.reset_after ? 4 : 3) * U;
  const Tensor dz = o.empty({T, N, width});
  if (needs_x) g.x = o.empty({N, T, F});
  g.h0 = o.empty({N, U});
  const int64_t flops =
      N * T * U * (2 * kGruGates * (U + (needs_x ? F : 0)) + kGruGateBackwardFlops);
  const int64_t bytes = bytes_of(gy) + bytes_of(o.recurrent_kernel) + bytes_of(s.inputs) +
                        bytes_of(s.gates) + bytes_of(dz) + bytes_of(g.x);
  if (N > 0)
    launch(kernels::gru_backward, o.dtype, GruParams{o.params, s.reset_after}, {flops, bytes},
           {&gy, &gh, &o.kernel, &o.recurrent_kernel, &o.mask, &s.inputs, &s.gates},
           {&dz, &g.x, &g.h0});
  const Tensor both = o.empty({F + U, kGruGates * U});
  weight_gradients(o.params, s.reset_after, s.inputs, s.gates, dz, both);
  g.kernel = slice(both, 0, 0, F, 1);
  g.recurrent_kernel = slice(both, 0, F, U, 1);
  g.bias = bias_gradient(sum(rows_of_steps(dz, 0, width), Dims{0}, false), U, s.reset_after);
  return g;
}

WEFT_BINDING(gru) {
  namespace py = pybind11;
  using Optional = std::optional<Tensor>;
  m.def(
      "gru",
      [](const Tensor& x, const Tensor& kernel, const Tensor& recurrent_kernel,
         const Optional& bias, const Optional& h0, const Optional& mask, bool go_backwards,
         bool reset_after, bool sequences, bool save) {
        const GruResults r = gru({x, kernel, recurrent_kernel, bias, mask, go_backwards}, h0,
                                 reset_after, sequences, save);
        return std::tuple(if_defined(r.y), r.h, if_defined(r.inputs), if_defined(r.gates));
      },
      py::arg("x"), py::arg("kernel"), py::arg("recurrent_kernel"), py::arg("bias"), py::arg("h0"),
      py::arg("mask"), py::arg("go_backwards"), py::arg("reset_after"), py::arg("sequences"),
      py::arg("save"));
  m.def(
      "gru_backward",
      [](const Optional& dy, const Optional& dh, const Tensor& kernel,
         const Tensor& recurrent_kernel, const Optional& mask, const Tensor& inputs,
         const Tensor& gates, bool go_backwards, bool reset_after, bool from_zero, bool needs_x) {
        const GruGradients g = gru_backward(
            dy, dh,
            {kernel, recurrent_kernel, mask, inputs, gates, go_backwards, reset_after, from_zero},
            needs_x);
        return std::tuple(if_defined(g.x), g.kernel, g.recurrent_kernel, g.bias, g.h0);
      },
      py::arg("dy"), py::arg("dh"), py::arg("kernel"), py::arg("recurrent_kernel"), py::arg("mask"),
      py::arg("inputs"), py::arg("gates"), py::arg("go_backwards"), py::arg("reset_after"),
      py::arg("from_zero"), py::arg("needs_x"));
}

}  // namespace weft
