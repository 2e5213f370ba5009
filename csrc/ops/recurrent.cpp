#include "ops/recurrent.h"

#include "ops/cast.h"

namespace weft {

namespace {

DType common_dtype(DType dtype, const std::optional<Tensor>& x) {
  return x && x->defined() ? promote(dtype, x->dtype()) : dtype;
}

void check_kernels(const char* op, const Shape& x, const Tensor& kernel,
                   const Tensor& recurrent_kernel, int64_t gates) {
  check(recurrent_kernel.ndim() == 2 && recurrent_kernel.dim(0) > 0 &&
            recurrent_kernel.dim(1) == gates * recurrent_kernel.dim(0),
        op, ": the recurrent kernel must be (units, ", gates, " * units), got shape ",
        recurrent_kernel.shape());
  const int64_t units = recurrent_kernel.dim(0);
  check(kernel.ndim() == 2 && kernel.dim(1) == gates * units, op,
        ": the kernel must be (features, ", gates, " * units) with the ", units,
        " units of the recurrent kernel ", recurrent_kernel.shape(), ", got shape ",
        kernel.shape());
  check(kernel.dim(0) == x[2], op, ": x of shape ", x, " has ", x[2],
        " features, but the kernel of shape ", kernel.shape(), " needs ", kernel.dim(0));
}

Tensor checked_mask(const char* op, const std::optional<Tensor>& mask, const RecurrentParams& p) {
  if (!mask || !mask->defined()) return Tensor();
  check_type(mask->dtype() == DType::boolean, op, ": the mask must hold bools, got ", mask->dtype(),
             "; compare first, for instance mask != 0");
  const Shape wanted{p.N, p.T};
  check(mask->shape() == wanted, op, ": the mask has shape ", mask->shape(),
        " but there are (batch, steps) = ", wanted);
  return contiguous(*mask);
}

}  // namespace

Tensor RecurrentOperands::operand(const std::optional<Tensor>& given, const char* name,
                                  const Shape& shape) const {
  if (!given || !given->defined()) return Tensor();
  check(given->shape() == shape, op, ": ", name, " has shape ", given->shape(), ", expected ",
        shape);
  return contiguous(cast(*given, wide()));
}

RecurrentOperands recurrent_operands(const char* op, const RecurrentArguments& given, int64_t gates,
                                     int64_t bias_rows, const std::optional<Tensor>& h,
                                     const std::optional<Tensor>& c) {
  const Tensor& x = given.x;
  check(x.ndim() == 3, op, ": x must be (batch, steps, features), got shape ", x.shape());
  check_kernels(op, x.shape(), given.kernel, given.recurrent_kernel, gates);
  RecurrentOperands found;
  found.op = op;
  found.params = {x.dim(0),           x.dim(1),
                  x.dim(2),           given.recurrent_kernel.dim(0),
                  given.go_backwards, !(h && h->defined()),
                  matmul_precision()};
  found.dtype = promote(promote(x.dtype(), given.kernel.dtype()), given.recurrent_kernel.dtype());
  for (const auto* other : {&given.bias, &h, &c}) found.dtype = common_dtype(found.dtype, *other);
  check_type(is_floating(found.dtype), op, ": needs floats, got ", found.dtype,
             "; convert with .astype('float32') first");
  const DType wide = found.wide();
  found.x = cast(x, wide);
  if (found.x.stride(2) != 1 && found.x.dim(2) != 1) found.x = contiguous_copy(found.x);
  found.kernel = contiguous(cast(given.kernel, wide));
  found.recurrent_kernel = contiguous(cast(given.recurrent_kernel, wide));
  const int64_t width = gates * found.params.U;
  found.bias =
      found.operand(given.bias, "the bias", bias_rows > 0 ? Shape{bias_rows, width} : Shape{width});
  found.mask = checked_mask(op, given.mask, found.params);
  return found;
}

RecurrentOperands recurrent_saved(const char* op, const Tensor& kernel,
                                  const Tensor& recurrent_kernel, const std::optional<Tensor>& mask,
                                  const Tensor& inputs, const Tensor& gates, bool go_backwards,
                                  bool from_zero) {
  const int64_t units = recurrent_kernel.dim(0);
  check(inputs.ndim() == 3 && gates.ndim() == 3 && inputs.dim(2) == kernel.dim(0) + units, op,
        ": saved tensors have shapes ", inputs.shape(), " and ", gates.shape());
  RecurrentOperands found;
  found.op = op;
  found.params = {inputs.dim(1), inputs.dim(0), kernel.dim(0),     units,
                  go_backwards,  from_zero,     matmul_precision()};
  found.dtype = inputs.dtype();
  found.x = inputs;
  found.kernel = contiguous(cast(kernel, found.dtype));
  found.recurrent_kernel = contiguous(cast(recurrent_kernel, found.dtype));
  found.mask = checked_mask(op, mask, found.params);
  return found;
}

bool adds_up_weight_gradients(const RecurrentOperands& o, int64_t width) {
  constexpr int64_t kLargest = 1 << 20;
  const auto size = static_cast<int64_t>(itemsize(o.dtype));
  return !is_gpu(o.device()) && (o.params.F + o.params.U) * width * size <= kLargest;
}

Tensor rows_of_steps(const Tensor& x, int64_t first, int64_t count) {
  const int64_t rows = x.dim(0) * x.dim(1);
  return slice(try_reshape(x, {rows, x.dim(2)}), 1, first, count, 1);
}

Tensor transposed(const Tensor& x) { return transpose(x, {1, 0}); }

std::optional<Tensor> if_defined(const Tensor& x) {
  return x.defined() ? std::optional<Tensor>(x) : std::nullopt;
}

}  // namespace weft
