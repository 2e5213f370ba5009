#include "ops/cross_entropy.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"

namespace weft {

namespace kernels {
constinit Kernel<CrossEntropyParams> sparse_cross_entropy("sparse_cross_entropy");
constinit Kernel<CrossEntropyParams> dense_cross_entropy("dense_cross_entropy");
constinit Kernel<CrossEntropyParams> sparse_cross_entropy_backward("sparse_cross_entropy_backward");
constinit Kernel<CrossEntropyParams> dense_cross_entropy_backward("dense_cross_entropy_backward");
}  // namespace kernels

namespace {

constexpr const char* kOp = "softmax_cross_entropy";

struct CrossEntropyProblem {
  CrossEntropyParams params;
  bool sparse;
  Shape rows;    // of the losses
  DType dtype;   // of the arithmetic
  DType stored;  // of the logits and their gradient in memory
};

CrossEntropyProblem make_problem(const Tensor& x, const Tensor& y, double label_smoothing,
                                 std::optional<int64_t> ignore_class, double epsilon) {
  check(x.ndim() >= 1, kOp, ": the logits need an axis of classes, got shape ", x.shape());
  check_type(is_floating(x.dtype()), kOp, ": the logits must be floating-point, got ", x.dtype());
  check(label_smoothing >= 0 && label_smoothing <= 1, kOp,
        ": label_smoothing must lie in [0, 1], got ", label_smoothing);
  CrossEntropyProblem p{};
  for (int i = 0; i + 1 < x.ndim(); i++) p.rows.push_back(x.dim(i));
  p.sparse = y.shape() == p.rows;
  check(p.sparse || y.shape() == x.shape(), kOp, ": the labels of logits ", x.shape(),
        " must be class numbers of shape ", p.rows, " or rows of weights of shape ", x.shape(),
        ", got ", y.shape());
  check(p.sparse || !ignore_class, kOp, ": ignore_class needs class numbers, not rows of weights");
  check(!p.sparse || epsilon == 0 || label_smoothing == 0, kOp,
        ": label smoothing of probabilities needs rows of weights, not class numbers");
  const int64_t C = x.dim(-1);
  check(C > 0 || num_elements(p.rows) == 0, kOp, ": the logits have no classes, shape ", x.shape());
  p.params = {num_elements(p.rows),
              C,
              1 - label_smoothing,
              C > 0 ? label_smoothing / static_cast<double>(C) : 0,
              ignore_class.has_value(),
              ignore_class.value_or(0),
              epsilon};
  p.dtype = x.dtype() == DType::float64 ? DType::float64 : DType::float32;
  p.stored = kernel_dtype(p.sparse ? kernels::sparse_cross_entropy : kernels::dense_cross_entropy,
                          x.device(), x.dtype());
  return p;
}

// Rows as the kernels want them: (N, C) without gaps.
Tensor as_rows(const Tensor& t, const CrossEntropyProblem& p, DType dtype) {
  return try_reshape(contiguous(cast(t, dtype)), {p.params.N, p.params.C});
}
Tensor as_labels(const Tensor& y, const CrossEntropyProblem& p) {
  return p.sparse ? try_reshape(contiguous(y), {p.params.N}) : as_rows(y, p, p.dtype);
}

// About 10 vector operations and one exponential for each logit.
Cost cost_of(const CrossEntropyProblem& p, int64_t bytes) {
  return {14 * p.params.N * p.params.C, bytes};
}

[[noreturn]] void fail_label(const Tensor& labels, int64_t row, const Shape& shape, int64_t C) {
  const Tensor label = cast(try_reshape(slice(labels, 0, row, 1, 1), {}), DType::float64);
  std::ostringstream where;
  if (shape.size() == 1) {
    where << "row " << row;
  } else {
    Dims index(shape.size());
    for (int axis = shape.size() - 1; axis >= 0; axis--) {
      index[axis] = row % shape[axis];
      row /= shape[axis];
    }
    where << "position " << index;
  }
  fail(ErrorKind::value, kOp, ": label ", *label.data_as<double>(), " at ", where.str(),
       " is not the number of a class: with ", C, " classes labels are integers from 0 to ", C - 1);
}

void launch_sparse(const CrossEntropyProblem& p, const Tensor& x, const Tensor& y,
                   const Tensor& loss, const Tensor& statistics, const Tensor& mean,
                   const Tensor& dx) {
  // A GPU does not wait for the answer: its kernel leaves a note, raised when values are read next.
  const bool wait = !is_gpu(x.device());
  const Tensor bad_row = wait ? Tensor::empty({1}, DType::int64, x.device()) : Tensor();
  launch(kernels::sparse_cross_entropy, p.stored, p.params,
         cost_of(p, bytes_of(x) + bytes_of(y) + bytes_of(loss)), {&x, &y},
         {&loss, &statistics, &mean, &bad_row, &dx});
  if (!wait || bad_row.is_meta()) return;
  check_result([bad_row, y, rows = p.rows, C = p.params.C] {
    if (const int64_t row = *bad_row.data_as<int64_t>(); row >= 0) fail_label(y, row, rows, C);
  });
}

}  // namespace

std::tuple<Tensor, Tensor, std::optional<Tensor>> softmax_cross_entropy(
    const Tensor& x, const Tensor& y, double label_smoothing, std::optional<int64_t> ignore_class,
    double epsilon, bool mean, bool gradient) {
  CrossEntropyProblem p = make_problem(x, y, label_smoothing, ignore_class, epsilon);
  check(!mean || p.params.N > 0, kOp, ": the mean of no losses, the logits have shape ", x.shape());
  check(!gradient || (mean && p.sparse), kOp,
        ": the gradient comes with the loss only for the mean over class numbers");
  const Tensor loss = Tensor::empty(p.rows, p.dtype, x.device());
  const Tensor statistics = Tensor::empty({p.params.N, 2}, p.dtype, x.device());
  if (p.params.N == 0) return {cast(loss, x.dtype()), statistics, std::nullopt};
  const Tensor logits = as_rows(x, p, p.stored), labels = as_labels(y, p);
  const Tensor average = mean ? Tensor::empty({}, p.dtype, x.device()) : Tensor();
  const Tensor dx = gradient ? Tensor::empty(x.shape(), p.stored, x.device()) : Tensor();
  if (mean) p.params.dloss_scale = 1 / static_cast<double>(p.params.N);
  if (p.sparse)
    launch_sparse(p, logits, labels, loss, statistics, average, dx);
  else
    launch(kernels::dense_cross_entropy, p.stored, p.params,
           cost_of(p, bytes_of(logits) + bytes_of(labels) + bytes_of(loss)), {&logits, &labels},
           {&loss, &statistics, &average});
  std::optional<Tensor> slope;
  if (gradient) slope = cast(dx, x.dtype());
  return {cast(mean ? average : loss, x.dtype()), statistics, slope};
}

Tensor softmax_cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                                      const Tensor& statistics, double label_smoothing,
                                      std::optional<int64_t> ignore_class, double epsilon) {
  CrossEntropyProblem p = make_problem(x, y, label_smoothing, ignore_class, epsilon);
  const bool mean = dloss.ndim() == 0 && p.rows.size() > 0;
  check(mean || dloss.shape() == p.rows, kOp, ": the gradient of the losses has shape ",
        dloss.shape(), ", the losses ", p.rows);
  const Tensor dx = Tensor::empty(x.shape(), p.stored, x.device());
  if (dx.size() == 0) return cast(dx, x.dtype());
  if (mean) p.params.dloss_scale = 1 / static_cast<double>(p.params.N);
  const Tensor all = mean ? broadcast_to(cast(dloss, p.dtype), {p.params.N}) : cast(dloss, p.dtype);
  Tensor gradients = try_reshape(all, {p.params.N});  // may be one number for all rows
  if (!gradients.defined()) gradients = try_reshape(contiguous(all), {p.params.N});
  const Tensor logits = as_rows(x, p, p.stored), labels = as_labels(y, p);
  launch(p.sparse ? kernels::sparse_cross_entropy_backward : kernels::dense_cross_entropy_backward,
         p.stored, p.params, cost_of(p, 2 * bytes_of(logits) + bytes_of(labels)),
         {&gradients, &logits, &labels, &statistics}, {&dx});
  return cast(dx, x.dtype());
}

WEFT_BINDING(cross_entropy) {
  namespace py = pybind11;
  m.def("softmax_cross_entropy", &softmax_cross_entropy, py::arg("x"), py::arg("y"),
        py::arg("label_smoothing") = 0.0, py::arg("ignore_class") = std::nullopt,
        py::arg("epsilon") = 0.0, py::arg("mean") = false, py::arg("gradient") = false);
  m.def("softmax_cross_entropy_backward", &softmax_cross_entropy_backward, py::arg("dloss"),
        py::arg("x"), py::arg("y"), py::arg("statistics"), py::arg("label_smoothing") = 0.0,
        py::arg("ignore_class") = std::nullopt, py::arg("epsilon") = 0.0);
}

}  // namespace weft
