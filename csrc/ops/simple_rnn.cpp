#include "ops/simple_rnn.h"

#include <string>

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "ops/reduce.h"

namespace weft {

namespace kernels {
constinit Kernel<SimpleRnnParams> simple_rnn("simple_rnn");
constinit Kernel<SimpleRnnParams> simple_rnn_backward("simple_rnn_backward");
}  // namespace kernels

namespace {

constexpr int64_t kActivationFlops = 18;

StateActivation parse_activation(const std::string& name) {
  if (name == "tanh") return StateActivation::tanh;
  if (name == "relu") return StateActivation::relu;
  if (name == "linear") return StateActivation::linear;
  fail(ErrorKind::value, "simple_rnn: activation must be 'tanh', 'relu' or 'linear', got '", name,
       "'; layers.SimpleRNN takes any");
}

}  // namespace

SimpleRnnResults simple_rnn(const RecurrentArguments& given, const std::optional<Tensor>& h0,
                            StateActivation activation, bool sequences, bool save) {
  const RecurrentOperands o = recurrent_operands("simple_rnn", given, 1, 0, h0);
  const auto [N, T, F, U, backwards, from_zero, precision] = o.params;
  const Tensor first_h = o.operand(h0, "the initial state h", {N, U});
  SimpleRnnResults r;
  if (sequences) r.y = o.empty({N, T, U});
  r.h = o.empty({N, U});
  if (save) r.inputs = o.empty({T, N, F + U});
  const int64_t flops = N * T * U * (2 * (F + U) + kActivationFlops);
  const int64_t bytes = bytes_of(o.x) + bytes_of(o.kernel) + bytes_of(o.recurrent_kernel) +
                        bytes_of(r.y) + bytes_of(r.inputs);
  if (N > 0)
    launch(kernels::simple_rnn, o.wide(), SimpleRnnParams{o.params, activation}, {flops, bytes},
           {&o.x, &o.kernel, &o.recurrent_kernel, &o.bias, &first_h, &o.mask},
           {&r.y, &r.h, &r.inputs});
  if (sequences) r.y = cast(r.y, o.dtype);
  r.h = cast(r.h, o.dtype);
  return r;
}

SimpleRnnGradients simple_rnn_backward(const std::optional<Tensor>& dy,
                                       const std::optional<Tensor>& dh, const SimpleRnnSaved& s,
                                       bool needs_x) {
  const char* op = "simple_rnn_backward";
  const RecurrentOperands o = recurrent_saved(op, s.kernel, s.recurrent_kernel, s.mask, s.inputs,
                                              s.inputs, s.go_backwards, s.from_zero);
  const auto [N, T, F, U, backwards, from_zero, precision] = o.params;
  const Tensor gy = o.operand(dy, "dy", {N, T, U}), gh = o.operand(dh, "dh", {N, U}),
               h = o.operand(s.h, "h", {N, U});
  SimpleRnnGradients g;
  const Tensor dz = o.empty({T, N, U});
  if (needs_x) g.x = o.empty({N, T, F});
  g.h0 = o.empty({N, U});
  const int64_t flops = N * T * U * (2 * (U + (needs_x ? F : 0)) + 4);
  const int64_t bytes = bytes_of(gy) + bytes_of(o.recurrent_kernel) + bytes_of(s.inputs) +
                        bytes_of(dz) + bytes_of(g.x);
  if (N > 0)
    launch(kernels::simple_rnn_backward, o.dtype, SimpleRnnParams{o.params, s.activation},
           {flops, bytes}, {&gy, &gh, &o.kernel, &o.recurrent_kernel, &o.mask, &s.inputs, &h},
           {&dz, &g.x, &g.h0});
  // One product for both kernels: the rows of `inputs` hold x and the state side by side.
  const Tensor rows = rows_of_steps(dz, 0, U);
  const Tensor both = matmul(transposed(rows_of_steps(s.inputs, 0, F + U)), rows);
  g.kernel = slice(both, 0, 0, F, 1);
  g.recurrent_kernel = slice(both, 0, F, U, 1);
  g.bias = sum(rows, Dims{0}, false);
  return g;
}

WEFT_BINDING(simple_rnn) {
  namespace py = pybind11;
  using Optional = std::optional<Tensor>;
  m.def(
      "simple_rnn",
      [](const Tensor& x, const Tensor& kernel, const Tensor& recurrent_kernel,
         const Optional& bias, const Optional& h0, const Optional& mask, bool go_backwards,
         const std::string& activation, bool sequences, bool save) {
        const SimpleRnnResults r =
            simple_rnn({x, kernel, recurrent_kernel, bias, mask, go_backwards}, h0,
                       parse_activation(activation), sequences, save);
        return std::tuple(if_defined(r.y), r.h, if_defined(r.inputs));
      },
      py::arg("x"), py::arg("kernel"), py::arg("recurrent_kernel"), py::arg("bias"), py::arg("h0"),
      py::arg("mask"), py::arg("go_backwards"), py::arg("activation"), py::arg("sequences"),
      py::arg("save"));
  m.def(
      "simple_rnn_backward",
      [](const Optional& dy, const Optional& dh, const Tensor& kernel,
         const Tensor& recurrent_kernel, const Optional& mask, const Tensor& inputs,
         const Tensor& h, bool go_backwards, const std::string& activation, bool from_zero,
         bool needs_x) {
        const SimpleRnnGradients g =
            simple_rnn_backward(dy, dh,
                                {kernel, recurrent_kernel, mask, inputs, h, go_backwards, from_zero,
                                 parse_activation(activation)},
                                needs_x);
        return std::tuple(if_defined(g.x), g.kernel, g.recurrent_kernel, g.bias, g.h0);
      },
      py::arg("dy"), py::arg("dh"), py::arg("kernel"), py::arg("recurrent_kernel"), py::arg("mask"),
      py::arg("inputs"), py::arg("h"), py::arg("go_backwards"), py::arg("activation"),
      py::arg("from_zero"), py::arg("needs_x"));
}

}  // namespace weft
