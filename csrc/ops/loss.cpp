#include "ops/loss.h"

#include <vector>

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/suggest.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<PointwiseLossParams> pointwise_loss("pointwise_loss");
constinit Kernel<PointwiseLossParams> pointwise_loss_backward("pointwise_loss_backward");
}  // namespace kernels

namespace {

PointwiseLoss parse_kind(std::string_view name) {
  static const std::vector<std::string_view> names = {"squared_error",
                                                      "absolute_error",
                                                      "huber",
                                                      "log_cosh",
                                                      "hinge",
                                                      "squared_hinge",
                                                      "sigmoid_cross_entropy",
                                                      "binary_cross_entropy",
                                                      "kl_divergence",
                                                      "poisson"};
  for (size_t i = 0; i < names.size(); i++)
    if (names[i] == name) return static_cast<PointwiseLoss>(i);
  fail(ErrorKind::value, "loss: unknown kind '", name, "'", suggest(name, names));
}

struct Problem {
  PointwiseLossParams params;
  Shape losses;
  DType dtype;
};

Problem make_problem(std::string_view name, const Tensor& y, const Tensor& x, double number,
                     bool rows) {
  check(y.shape() == x.shape(), name, ": the targets have shape ", y.shape(),
        " and the predictions ", x.shape(), "; they must be equal");
  check_type(is_floating(x.dtype()), name, ": the predictions must be floating-point, got ",
             x.dtype());
  check(!rows || x.ndim() >= 1, name, ": a single number has no row; use rows=False");
  Problem p{};
  p.losses = x.shape();
  int64_t C = 1;
  if (rows) {
    C = x.dim(-1);
    p.losses.erase(x.ndim() - 1);
  }
  p.dtype = compute_dtype(x.dtype());
  const PointwiseLoss kind = parse_kind(name);
  const bool summed = kind == PointwiseLoss::kl_divergence;
  p.params = {kind, num_elements(p.losses), C, summed ? 1 : 1 / static_cast<double>(C), number};
  return p;
}

Cost cost_of(const Problem& p, int64_t bytes) { return {8 * p.params.N * p.params.C, bytes}; }

}  // namespace

Tensor pointwise_loss(std::string_view kind, const Tensor& y, const Tensor& x, double number,
                      bool rows) {
  const Problem p = make_problem(kind, y, x, number, rows);
  const Tensor targets = contiguous(cast(y, p.dtype)), predictions = contiguous(cast(x, p.dtype));
  const Tensor loss = Tensor::empty(p.losses, p.dtype, x.device());
  if (loss.size() > 0)
    launch(kernels::pointwise_loss, p.dtype, p.params,
           cost_of(p, bytes_of(targets) + bytes_of(predictions) + bytes_of(loss)),
           {&targets, &predictions}, {&loss});
  return cast(loss, x.dtype());
}

Tensor pointwise_loss_backward(std::string_view kind, const Tensor& dloss, const Tensor& y,
                               const Tensor& x, double number, bool rows) {
  const Problem p = make_problem(kind, y, x, number, rows);
  check(dloss.shape() == p.losses, kind, ": the gradient of the losses has shape ", dloss.shape(),
        ", the losses ", p.losses);
  const Tensor targets = contiguous(cast(y, p.dtype)), predictions = contiguous(cast(x, p.dtype));
  const Tensor dx = Tensor::empty(x.shape(), p.dtype, x.device());
  if (dx.size() == 0) return cast(dx, x.dtype());
  // A mean hands down one number for all rows: a view without strides, read as it is.
  Tensor gradients = try_reshape(cast(dloss, p.dtype), {p.params.N});
  if (!gradients.defined()) gradients = try_reshape(contiguous(cast(dloss, p.dtype)), {p.params.N});
  launch(kernels::pointwise_loss_backward, p.dtype, p.params,
         cost_of(p, bytes_of(targets) + bytes_of(predictions) + bytes_of(dx)),
         {&gradients, &targets, &predictions}, {&dx});
  return cast(dx, x.dtype());
}

WEFT_BINDING(loss) {
  namespace py = pybind11;
  m.def("pointwise_loss", &pointwise_loss, py::arg("kind"), py::arg("y"), py::arg("x"),
        py::arg("number") = 0.0, py::arg("rows") = true);
  m.def("pointwise_loss_backward", &pointwise_loss_backward, py::arg("kind"), py::arg("dloss"),
        py::arg("y"), py::arg("x"), py::arg("number") = 0.0, py::arg("rows") = true);
}

}  // namespace weft
