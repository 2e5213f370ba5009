#include "ops/layer_norm.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"

namespace weft {

namespace kernels {
constinit Kernel<LayerNormParams> layer_norm("layer_norm");
constinit Kernel<LayerNormParams> layer_norm_backward("layer_norm_backward");
}  // namespace kernels

namespace {

struct Split {
  LayerNormParams params;
  Shape outer, features;
};

Split split(const Tensor& x, int64_t axes, double epsilon, const char* op) {
  check(axes >= 1 && axes <= x.ndim(), op, ": ", axes, " axes of features, but x has shape ",
        x.shape());
  check_type(is_floating(x.dtype()), op, ": x must hold floating-point numbers, got ", x.dtype(),
             "; convert with .astype('float32')");
  check(epsilon >= 0, op, ": epsilon must not be negative, got ", epsilon);
  Split s{{1, 1, epsilon}, {}, {}};
  for (int axis = 0; axis < x.ndim(); axis++)
    (axis < x.ndim() - axes ? s.outer : s.features).push_back(x.dim(axis));
  s.params.rows = num_elements(s.outer);
  s.params.features = num_elements(s.features);
  return s;
}

Tensor weight(const std::optional<Tensor>& t, const Split& s, DType dtype, const char* op,
              const char* name) {
  if (!t || !t->defined()) return Tensor();
  check(t->shape() == s.features, op, ": ", name, " has shape ", t->shape(),
        " but the normalised axes of x have ", s.features);
  return contiguous(cast(*t, dtype));
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& x, const std::optional<Tensor>& gamma,
                                              const std::optional<Tensor>& beta, int64_t axes,
                                              double epsilon) {
  const Split s = split(x, axes, epsilon, "layer_norm");
  check(s.params.features > 0 || s.params.rows == 0, "layer_norm: x of shape ", x.shape(),
        " has no features to normalise");
  const DType dtype = kernel_dtype(kernels::layer_norm, x.device(), x.dtype());
  const DType wide = compute_dtype(x.dtype());
  const Tensor dense = contiguous(cast(x, dtype)),
               g = weight(gamma, s, wide, "layer_norm", "gamma"),
               b = weight(beta, s, wide, "layer_norm", "beta");
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  Tensor mean = Tensor::empty(s.outer, wide, x.device());
  Tensor rstd = Tensor::empty(s.outer, wide, x.device());
  if (y.size() > 0)
    launch(kernels::layer_norm, dtype, s.params, {8 * x.size(), 2 * bytes_of(dense)},
           {&dense, &g, &b}, {&y, &mean, &rstd});
  return {cast(y, x.dtype()), mean, rstd};
}

std::tuple<Tensor, Tensor, Tensor> layer_norm_backward(const Tensor& dy, const Tensor& x,
                                                       const std::optional<Tensor>& gamma,
                                                       const Tensor& mean, const Tensor& rstd,
                                                       int64_t axes) {
  const char* op = "layer_norm_backward";
  const Split s = split(x, axes, 0, op);
  check(dy.shape() == x.shape(), op, ": dy has shape ", dy.shape(), " but x has ", x.shape());
  check(mean.shape() == s.outer && rstd.shape() == s.outer, op, ": mean and rstd have shapes ",
        mean.shape(), " and ", rstd.shape(), ", expected ", s.outer);
  const DType dtype = kernel_dtype(kernels::layer_norm_backward, x.device(), x.dtype());
  const DType wide = compute_dtype(x.dtype());
  const Tensor dense = contiguous(cast(x, dtype)), d = contiguous(cast(dy, dtype)),
               g = weight(gamma, s, wide, op, "gamma"), m = contiguous(cast(mean, wide)),
               r = contiguous(cast(rstd, wide));
  Tensor dx = Tensor::empty(x.shape(), dtype, x.device());
  if (x.size() == 0)
    return {cast(dx, x.dtype()), full(s.features, 0, wide, x.device()),
            full(s.features, 0, wide, x.device())};
  Tensor dgamma = Tensor::empty(s.features, wide, x.device());
  Tensor dbeta = Tensor::empty(s.features, wide, x.device());
  launch(kernels::layer_norm_backward, dtype, s.params, {14 * x.size(), 3 * bytes_of(dense)},
         {&d, &dense, &g, &m, &r}, {&dx, &dgamma, &dbeta});
  return {cast(dx, x.dtype()), dgamma, dbeta};
}

WEFT_BINDING(layer_norm) {
  namespace py = pybind11;
  m.def("layer_norm", &layer_norm, py::arg("x"), py::arg("gamma"), py::arg("beta"), py::arg("axes"),
        py::arg("epsilon"));
  m.def("layer_norm_backward", &layer_norm_backward, py::arg("dy"), py::arg("x"), py::arg("gamma"),
        py::arg("mean"), py::arg("rstd"), py::arg("axes"));
}

}  // namespace weft
