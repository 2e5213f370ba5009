#include "ops/batch_norm.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/passes/fusion.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"

namespace weft {

namespace kernels {
constinit Kernel<BatchNormParams> batch_norm("batch_norm");
constinit Kernel<BatchNormParams> batch_norm_inference("batch_norm_inference");
constinit Kernel<BatchNormParams> batch_norm_backward("batch_norm_backward");
}  // namespace kernels

namespace {

const Fuses batch_norm_fuses(Fusion::calls_tail,
                             {&kernels::batch_norm, &kernels::batch_norm_inference,
                              &kernels::batch_norm_backward});

BatchNormParams make_params(const Tensor& x, double epsilon, const char* op) {
  check(x.ndim() >= 1, op, ": x needs at least the axis of channels, got a 0-d tensor");
  check_type(is_floating(x.dtype()), op, ": x must hold floating-point numbers, got ", x.dtype(),
             "; convert with .astype('float32')");
  check(epsilon >= 0, op, ": epsilon must not be negative, got ", epsilon);
  const int64_t channels = x.dim(-1);
  return {channels == 0 ? 0 : x.size() / channels, channels, epsilon};
}

// A vector of one number per channel, contiguous, in the dtype that is computed in.
Tensor per_channel(const Tensor& t, const BatchNormParams& p, DType dtype, const char* op,
                   const char* name) {
  if (!t.defined()) return t;
  check(t.ndim() == 1 && t.dim(0) == p.C, op, ": ", name, " must have shape (", p.C,
        ",), one number per channel of x, got ", t.shape());
  return contiguous(cast(t, dtype));
}

Tensor per_channel(const std::optional<Tensor>& t, const BatchNormParams& p, DType dtype,
                   const char* op, const char* name) {
  return per_channel(t.value_or(Tensor()), p, dtype, op, name);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor> batch_norm(const Tensor& x,
                                                      const std::optional<Tensor>& gamma,
                                                      const std::optional<Tensor>& beta,
                                                      double epsilon) {
  const BatchNormParams p = make_params(x, epsilon, "batch_norm");
  check(p.M > 0 || p.C == 0, "batch_norm: x of shape ", x.shape(),
        " has no samples to take statistics of");
  const DType dtype = kernel_dtype(kernels::batch_norm, x.device(), x.dtype());
  const DType wide = compute_dtype(x.dtype());
  const Tensor dense = contiguous(cast(x, dtype));
  const Tensor g = per_channel(gamma, p, wide, "batch_norm", "gamma");
  const Tensor b = per_channel(beta, p, wide, "batch_norm", "beta");
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  Tensor mean = Tensor::empty({p.C}, wide, x.device());
  Tensor variance = Tensor::empty({p.C}, wide, x.device());
  Tensor rstd = Tensor::empty({p.C}, wide, x.device());
  if (y.size() > 0)
    launch(kernels::batch_norm, dtype, p, {8 * x.size(), 3 * bytes_of(dense)}, {&dense, &g, &b},
           {&y, &mean, &variance, &rstd});
  return {cast(y, x.dtype()), mean, variance, rstd};
}

Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance,
                            const std::optional<Tensor>& gamma, const std::optional<Tensor>& beta,
                            double epsilon) {
  const char* op = "batch_norm_inference";
  const BatchNormParams p = make_params(x, epsilon, op);
  const DType dtype = kernel_dtype(kernels::batch_norm_inference, x.device(), x.dtype());
  const DType wide = compute_dtype(x.dtype());
  const Tensor dense = contiguous(cast(x, dtype)), m = per_channel(mean, p, wide, op, "mean"),
               v = per_channel(variance, p, wide, op, "variance"),
               g = per_channel(gamma, p, wide, op, "gamma"),
               b = per_channel(beta, p, wide, op, "beta");
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  if (y.size() > 0)
    launch(kernels::batch_norm_inference, dtype, p, {3 * x.size(), 2 * bytes_of(dense)},
           {&dense, &m, &v, &g, &b}, {&y});
  return cast(y, x.dtype());
}

std::tuple<Tensor, Tensor, Tensor> batch_norm_backward(const Tensor& dy, const Tensor& x,
                                                       const std::optional<Tensor>& gamma,
                                                       const Tensor& mean, const Tensor& rstd) {
  const char* op = "batch_norm_backward";
  const BatchNormParams p = make_params(x, 0, op);
  check(dy.shape() == x.shape(), op, ": dy has shape ", dy.shape(), " but x has ", x.shape());
  const DType dtype = kernel_dtype(kernels::batch_norm_backward, x.device(), x.dtype());
  const DType wide = compute_dtype(x.dtype());
  const Tensor dense = contiguous(cast(x, dtype)), d = contiguous(cast(dy, dtype)),
               g = per_channel(gamma, p, wide, op, "gamma"),
               m = per_channel(mean, p, wide, op, "mean"),
               r = per_channel(rstd, p, wide, op, "rstd");
  Tensor dx = Tensor::empty(x.shape(), dtype, x.device());
  Tensor dgamma = Tensor::empty({p.C}, wide, x.device());
  Tensor dbeta = Tensor::empty({p.C}, wide, x.device());
  if (x.size() > 0)
    launch(kernels::batch_norm_backward, dtype, p, {10 * x.size(), 5 * bytes_of(dense)},
           {&d, &dense, &g, &m, &r}, {&dx, &dgamma, &dbeta});
  return {cast(dx, x.dtype()), dgamma, dbeta};
}

WEFT_BINDING(batch_norm) {
  namespace py = pybind11;
  m.def("batch_norm", &batch_norm, py::arg("x"), py::arg("gamma"), py::arg("beta"),
        py::arg("epsilon"));
  m.def("batch_norm_inference", &batch_norm_inference, py::arg("x"), py::arg("mean"),
        py::arg("variance"), py::arg("gamma"), py::arg("beta"), py::arg("epsilon"));
  m.def("batch_norm_backward", &batch_norm_backward, py::arg("dy"), py::arg("x"), py::arg("gamma"),
        py::arg("mean"), py::arg("rstd"));
}

}  // namespace weft
