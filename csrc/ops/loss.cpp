#include "ops/loss.h"

#include <vector>

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/suggest.h"
#include "ops/cast.h"
#include "ops/one_device.h"

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

struct PointwiseProblem {
  PointwiseLossParams params;
  Shape losses;
  DType dtype;
};

PointwiseProblem make_problem(std::string_view name, const Tensor& y, const Tensor& x,
                              double number, LossReduction reduction) {
  check(y.shape() == x.shape(), name, ": the targets have shape ", y.shape(),
        " and the predictions ", x.shape(), "; they must be equal");
  check_one_device(name, "the predictions", x, "the targets", y);
  check_type(is_floating(x.dtype()), name, ": the predictions must be floating-point, got ",
             x.dtype());
  check(reduction == LossReduction::elements || x.ndim() >= 1, name,
        ": a single number has no row; reduce nothing");
  PointwiseProblem p{};
  p.dtype = compute_dtype(x.dtype());
  const PointwiseLoss kind = parse_kind(name);
  int64_t C = 1, values = 1;  // elements of a loss, and how many of them its mean counts
  if (reduction != LossReduction::elements) {
    const bool mean = reduction == LossReduction::mean;
    C = mean ? x.size() : x.dim(-1);
    values = kind != PointwiseLoss::kl_divergence ? C : mean && C > 0 ? C / x.dim(-1) : 1;
  }
  if (reduction == LossReduction::elements) {
    p.losses = x.shape();
  } else if (reduction == LossReduction::rows) {
    p.losses = x.shape();
    p.losses.erase(x.ndim() - 1);
  }
  p.params = {kind, num_elements(p.losses), C, 1 / static_cast<double>(values), number};
  return p;
}

Cost cost_of(const PointwiseProblem& p, int64_t bytes) {
  return {8 * p.params.N * p.params.C, bytes};
}

}  // namespace

Tensor pointwise_loss(std::string_view kind, const Tensor& y, const Tensor& x, double number,
                      LossReduction reduction) {
  const PointwiseProblem p = make_problem(kind, y, x, number, reduction);
  const Tensor targets = contiguous(cast(y, p.dtype)), predictions = contiguous(cast(x, p.dtype));
  const Tensor loss = Tensor::empty(p.losses, p.dtype, x.device());
  if (loss.size() > 0)
    launch(kernels::pointwise_loss, p.dtype, p.params,
           cost_of(p, bytes_of(targets) + bytes_of(predictions) + bytes_of(loss)),
           {&targets, &predictions}, {&loss});
  return cast(loss, x.dtype());
}

Tensor pointwise_loss_backward(std::string_view kind, const Tensor& dloss, const Tensor& y,
                               const Tensor& x, double number, LossReduction reduction) {
  const PointwiseProblem p = make_problem(kind, y, x, number, reduction);
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

namespace {

LossReduction parse_reduction(std::string_view name) {
  if (name == "elements") return LossReduction::elements;
  if (name == "rows") return LossReduction::rows;
  check(name == "mean", "loss: unknown reduction '", name, "'; use elements, rows or mean");
  return LossReduction::mean;
}

}  // namespace

WEFT_BINDING(loss) {
  namespace py = pybind11;
  m.def(
      "pointwise_loss",
      [](std::string_view kind, const Tensor& y, const Tensor& x, double number,
         std::string_view reduction) {
        return pointwise_loss(kind, y, x, number, parse_reduction(reduction));
      },
      py::arg("kind"), py::arg("y"), py::arg("x"), py::arg("number") = 0.0,
      py::arg("reduction") = "rows");
  m.def(
      "pointwise_loss_backward",
      [](std::string_view kind, const Tensor& dloss, const Tensor& y, const Tensor& x,
         double number, std::string_view reduction) {
        return pointwise_loss_backward(kind, dloss, y, x, number, parse_reduction(reduction));
      },
      py::arg("kind"), py::arg("dloss"), py::arg("y"), py::arg("x"), py::arg("number") = 0.0,
      py::arg("reduction") = "rows");
}

}  // namespace weft
