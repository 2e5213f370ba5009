#include "ops/matmul.h"

#include <string>

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/passes/epilogue.h"
#include "core/passes/fusion.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/functors_activation.h"
#include "ops/functors_arithmetic.h"
#include "ops/reduce.h"

namespace weft {

namespace kernels {
constinit Kernel<MatmulParams> matmul("matmul");
}  // namespace kernels

namespace {

// Kernels of integers have no epilogue, and of halves a GPU's rounds once where two launches round
// twice.
bool finishes(const MatmulParams& p, DType dtype) {
  return (dtype == DType::float32 || dtype == DType::float64) && !p.accumulate &&
         p.activation == Activation::none;
}

const Fuses matmul_fuses(Fusion::calls_tail, {&kernels::matmul});
const HasEpilogue matmul_epilogue(
    kernels::matmul, {2,
                      [](const void* params, DType dtype) {
                        return finishes(*static_cast<const MatmulParams*>(params), dtype);
                      },
                      [](void* params, DType dtype) {
                        auto& p = *static_cast<MatmulParams*>(params);
                        if (!finishes(p, dtype)) return false;
                        p.activation = Activation::relu;
                        return true;
                      },
                      &kernels::elementwise<functors::Add>, &kernels::elementwise<functors::Relu>});

[[noreturn, gnu::cold, gnu::noinline]] void fail_inner(const char* op, const Tensor& x,
                                                       const char* y_name, const Tensor& y) {
  const int x_axis = x.ndim() - 1, y_axis = y.ndim() > 1 ? y.ndim() - 2 : 0;
  const int64_t inner = x.dim(-1);
  std::string hint;
  if (y.ndim() > 1 && y.dim(-1) == inner)
    hint = std::string("; did you mean to transpose ") + y_name + "?";
  else if (x.ndim() > 1 && x.dim(-2) == y.dim(y_axis))
    hint = "; did you mean to transpose x?";
  fail(ErrorKind::value, op, ": x has shape ", x.shape(), " and ", y_name, " has shape ", y.shape(),
       ": axis ", x_axis, " of x (", inner, ") and axis ", y_axis, " of ", y_name, " (",
       y.dim(y_axis), ") must be equal", hint);
}

void check_factors(const char* op, const Tensor& x, const char* y_name, const Tensor& y) {
  check(x.ndim() > 0 && y.ndim() > 0, op, ": x has shape ", x.shape(), " and ", y_name,
        " has shape ", y.shape(), ": both need at least one axis; use * to multiply by a number");
  if (x.dim(-1) != y.dim(y.ndim() > 1 ? -2 : 0)) [[unlikely]]
    fail_inner(op, x, y_name, y);
}

// A float kernel reads matrices whose rows or columns are contiguous; others are copied.
Tensor with_unit_stride(const Tensor& x) {
  const bool rows = x.stride(-1) == 1 || x.dim(-1) == 1;
  const bool columns = x.stride(-2) == 1 || x.dim(-2) == 1;
  return rows || columns || !is_floating(x.dtype()) ? x : contiguous_copy(x);
}

Tensor with_axis(const Tensor& x, int axis) {  // a view with an axis of length 1 put in
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape.insert(axis, 1);
  strides.insert(axis, 0);
  return x.view(shape, strides, x.offset());
}

Shape product_shape(const Tensor& x, const Tensor& y) {
  Shape x_lead, y_lead;
  for (int i = 0; i + 2 < x.ndim(); i++) x_lead.push_back(x.dim(i));
  for (int i = 0; i + 2 < y.ndim(); i++) y_lead.push_back(y.dim(i));
  Shape shape = broadcast_shapes(x_lead, y_lead, "matmul");
  if (x.ndim() > 1) shape.push_back(x.dim(-2));
  if (y.ndim() > 1) shape.push_back(y.dim(-1));
  return shape;
}

Shape matrix_of_rows(const Shape& shape) {  // (a, b, c) -> (a * b, c)
  int64_t rows = 1;
  for (int i = 0; i + 1 < shape.size(); i++) rows *= shape[i];
  return {rows, shape.back()};
}

Tensor matrix_transpose(const Tensor& x) {
  check(x.ndim() >= 2, "matmul: only matrices can be transposed, got shape ", x.shape());
  Dims axes(x.ndim());
  for (int i = 0; i < x.ndim(); i++) axes[i] = i;
  axes[x.ndim() - 1] = x.ndim() - 2;
  axes[x.ndim() - 2] = x.ndim() - 1;
  return transpose(x, axes);
}

Tensor as_matrix(const Tensor& x) {  // of rows: all but the last axis as one
  if (x.ndim() == 2) return x;
  const Shape shape = matrix_of_rows(x.shape());
  const Tensor view = try_reshape(x, shape);
  return view.defined() ? view : try_reshape(contiguous_copy(x), shape);
}

// x, y and out have at least two axes, the same dtype, and fitting shapes.
void launch_product(const Tensor& x, const Tensor& y, const Tensor& bias, const Tensor& out,
                    const MatmulParams& params) {
  if (out.size() == 0) return;
  Tensor a = with_unit_stride(x), c = out;
  const Tensor b = with_unit_stride(y);
  if (b.ndim() == 2 && a.ndim() > 2) {
    // One matrix for the whole batch: the rows of all of x are the rows of one product.
    const Tensor rows = try_reshape(a, matrix_of_rows(a.shape()));
    const Tensor out_rows = try_reshape(c, matrix_of_rows(c.shape()));
    if (rows.defined() && out_rows.defined() && (rows.stride(-1) == 1 || rows.dim(-1) == 1)) {
      a = rows;
      c = out_rows;
    }
  }
  const int64_t flops = 2 * out.size() * x.dim(-1);
  MatmulParams chosen = params;
  chosen.precision = matmul_precision();
  chosen.variant = matmul_variant();
  launch(kernels::matmul, x.dtype(), chosen, {flops, bytes_of(x) + bytes_of(y) + bytes_of(out)},
         {&a, &b, &bias}, {&c});
}

// GPUs multiply halves as they are; the CPU has no kernels for them.
DType result_dtype(DType dtype, Device device) {
  return is_gpu(device) ? dtype : compute_dtype(dtype);
}
// What the factors of a result of this dtype are rounded to before they are multiplied.
DType factor_dtype(DType result, Device device) {
  const bool rounded =
      result == DType::float32 && is_gpu(device) && matmul_precision() == MatmulPrecision::bfloat16;
  return rounded ? DType::bfloat16 : result;
}

// The product as a new tensor of `dtype`.
Tensor product(const Tensor& given_x, const Tensor& given_y, const Tensor& given_bias, DType dtype,
               Activation activation) {
  const Device device = given_x.device();
  const DType result = result_dtype(dtype, device), factor = factor_dtype(result, device);
  const Tensor x = cast(given_x, factor), y = cast(given_y, factor);
  const Tensor bias = given_bias.defined() ? contiguous(cast(given_bias, result)) : Tensor();
  const Tensor out = Tensor::empty(product_shape(x, y), result, device);
  Tensor view = out;
  if (y.ndim() == 1) view = with_axis(view, view.ndim());
  if (x.ndim() == 1) view = with_axis(view, view.ndim() - 1);
  launch_product(x.ndim() == 1 ? with_axis(x, 0) : x, y.ndim() == 1 ? with_axis(y, 1) : y, bias,
                 view, {activation, false});
  return cast(out, dtype);
}

}  // namespace

Tensor matmul(const Tensor& x, const Tensor& y) {
  check_factors("matmul", x, "y", y);
  return product(x, y, Tensor(), promote(x.dtype(), y.dtype()), Activation::none);
}

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, Activation activation) {
  check(w.ndim() == 2, "linear: the kernel must be (inputs, outputs), got shape ", w.shape());
  check_factors("linear", x, "the kernel", w);
  DType dtype = promote(x.dtype(), w.dtype());
  if (bias.defined()) {
    check(bias.ndim() == 1 && bias.dim(0) == w.dim(1), "linear: the bias has shape ", bias.shape(),
          " but the kernel of shape ", w.shape(), " needs (", w.dim(1), ",)");
    dtype = promote(dtype, bias.dtype());
  }
  check_type(is_floating(dtype), "linear: needs floats, got ", dtype,
             "; convert with .astype('float32') first");
  return product(x, w, bias, dtype, activation);
}

LinearGradients linear_backward(const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& y,
                                bool needs_bias) {
  check(dy.ndim() > 0, "linear_backward: dy needs at least one axis");
  // With a fused ReLU, what lies behind a y of 0 has no part in the gradients.
  const Tensor slope = y.defined() ? elementwise<functors::ReluBackward>(dy, y) : dy;
  const Tensor rows = as_matrix(slope);
  LinearGradients gradients;
  if (needs_bias) gradients.bias = sum(rows, Dims{0}, false);
  if (x.defined()) gradients.w = matmul(matrix_transpose(as_matrix(x)), rows);
  if (w.defined()) {
    Shape shape = dy.shape();
    shape[shape.size() - 1] = w.dim(0);
    gradients.x = try_reshape(matmul(rows, matrix_transpose(w)), shape);
  }
  return gradients;
}

void matmul_into(const Tensor& given_x, const Tensor& given_y, const Tensor& out, bool accumulate) {
  check_factors("matmul", given_x, "y", given_y);
  check(out.storage()->writable(),
        "matmul: out shares read-only memory and cannot be written; copy it first");
  check(given_x.ndim() > 1 && given_y.ndim() > 1 && out.shape() == product_shape(given_x, given_y),
        "matmul: out has shape ", out.shape(), " but x ", given_x.shape(), " @ y ", given_y.shape(),
        " must be matrices with a product of that shape");
  check_type(given_x.dtype() == given_y.dtype() && given_x.dtype() == out.dtype() &&
                 result_dtype(out.dtype(), out.device()) == out.dtype(),
             "matmul: x, y and out must have one dtype, and no half precision on the CPU, got ",
             given_x.dtype(), ", ", given_y.dtype(), " and ", out.dtype());
  const DType factor = factor_dtype(out.dtype(), out.device());
  const Tensor x = cast(given_x, factor), y = cast(given_y, factor);
  const bool overlaps =
      out.storage().get() == x.storage().get() || out.storage().get() == y.storage().get();
  const bool unit_stride = out.stride(-1) == 1 || out.dim(-1) == 1;
  if (overlaps || !unit_stride) {
    const Tensor own = contiguous_copy(out);
    launch_product(x, y, Tensor(), own, {Activation::none, accumulate});
    return copy_into(own, out);
  }
  launch_product(x, y, Tensor(), out, {Activation::none, accumulate});
  out.storage()->bump_version();
}

namespace {

Activation parse_activation(const std::optional<std::string>& name) {
  if (!name || *name == "linear") return Activation::none;
  if (*name == "relu") return Activation::relu;
  fail(ErrorKind::value, "linear: activation '", *name,
       "' is not fused; known are 'linear' and 'relu'");
}

}  // namespace

WEFT_BINDING(matmul) {
  namespace py = pybind11;
  // The transpositions save the backward pass two views with their nodes.
  m.def(
      "matmul",
      [](const Tensor& x, const Tensor& y, bool transpose_x, bool transpose_y) {
        return matmul(transpose_x ? matrix_transpose(x) : x, transpose_y ? matrix_transpose(y) : y);
      },
      py::arg("x"), py::arg("y"), py::arg("transpose_x") = false, py::arg("transpose_y") = false);
  m.def(
      "linear",
      [](const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
         const std::optional<std::string>& activation) {
        return linear(x, w, bias.value_or(Tensor()), parse_activation(activation));
      },
      py::arg("x"), py::arg("w"), py::arg("bias") = py::none(), py::arg("activation") = py::none());
  m.def(
      "linear_backward",
      [](const Tensor& dy, const std::optional<Tensor>& x, const std::optional<Tensor>& w,
         const std::optional<Tensor>& y, bool needs_bias) {
        const auto given = [](const Tensor& t) {
          return t.defined() ? std::optional<Tensor>(t) : std::nullopt;
        };
        const LinearGradients g = linear_backward(dy, x.value_or(Tensor()), w.value_or(Tensor()),
                                                  y.value_or(Tensor()), needs_bias);
        return std::tuple(given(g.x), given(g.w), given(g.bias));
      },
      py::arg("dy"), py::arg("x"), py::arg("w"), py::arg("y"), py::arg("needs_bias"));
  m.def("matmul_into", &matmul_into, py::arg("x"), py::arg("y"), py::arg("out"),
        py::arg("accumulate") = false);
}

}  // namespace weft
