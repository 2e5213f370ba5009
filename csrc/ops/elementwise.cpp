#include "ops/elementwise.h"

#include "core/launch.h"
#include "ops/cast.h"
#include "ops/functors_arithmetic.h"
#include "ops/scalar.h"
#include "ops/transfer.h"

namespace weft {
namespace {

constexpr const ElementwiseOp& kPower = elementwise_op<functors::Power>;

bool fits(int64_t value, DType t) {
  if (t == DType::int64 || is_floating(t)) return true;
  if (t == DType::uint64) return value >= 0;
  const int bits = static_cast<int>(8 * itemsize(t)) - (is_signed(t) ? 1 : 0);
  return value < (int64_t{1} << bits) && value >= (is_signed(t) ? -(int64_t{1} << bits) : 0);
}

// The dtype in which the op computes.
DType computing_dtype(const ElementwiseOp& op, const ElementwiseInput* inputs) {
  const Tensor* first = nullptr;
  DType t = DType::boolean;
  for (int k = 0; k < op.arity; k++)
    if (const Tensor* x = inputs[k].tensor) {
      t = first ? promote(t, x->dtype()) : x->dtype();
      first = x;
    }
  check_type(first != nullptr, op.name, ": at least one argument must be a tensor");
  for (int k = 0; k < op.arity; k++) {
    const Number& n = inputs[k].number;
    if (n.kind == Number::Kind::real && !is_floating(t)) t = DType::float32;
    if (n.kind == Number::Kind::integer && t == DType::boolean) t = DType::int64;
    // A comparison with a number beyond the dtype has an answer: uint8 < 300 is true.
    if (n.kind == Number::Kind::integer && op.result == Result::boolean && !fits(n.integer, t))
      t = t == DType::uint64 ? DType::float64 : DType::int64;
  }
  if (accepts(op.domain, t)) return t;
  if (op.domain == Domain::floats) return DType::float32;
  const bool is_bool = t == DType::boolean;
  check_type(op.domain != Domain::signed_maths, op.name,
             ": not defined for bool tensors; use logical_not, logical_xor, or .astype() first");
  check_type(is_bool, op.name, ": defined for integers and bool, got ", t,
             "; convert with .astype() first");
  return DType::int8;
}

Tensor tensor_of(const Number& n, DType t, Device device) {
  if (n.kind == Number::Kind::real) return scalar(n.real, t, number_device(device));
  return scalar(n.integer, t, number_device(device));
}

void check_exponents(const ElementwiseInput& exponent, const Tensor& converted) {
  constexpr const char* kMessage =
      "power: integers to negative integer powers have no integer result; "
      "convert one side to a float dtype first";
  if (exponent.tensor == nullptr)
    check(exponent.number.integer >= 0, kMessage);
  else if (!converted.is_meta() && is_signed(converted.dtype())) {
    const Tensor wide = contiguous(to_device(cast(converted, DType::int64), Device{}));
    record_host_read(wide, "power of integers");
    const int64_t* values = wide.data_as<int64_t>();
    for (int64_t i = 0; i < wide.size(); i++) check(values[i] >= 0, kMessage);
  }
}

// Inputs in the computing dtype, and the shape of the result.
struct Prepared {
  DType dtype;
  Device device;
  Shape shape;
  const Tensor* inputs[kMaxElementwiseInputs];
  Tensor converted[kMaxElementwiseInputs];  // owns what had to be made
};

void prepare(const ElementwiseOp& op, const ElementwiseInput* inputs, Prepared& p) {
  p.dtype = computing_dtype(op, inputs);
  bool first = true;
  for (int k = 0; k < op.arity; k++) {
    const Tensor* x = inputs[k].tensor;
    if (x == nullptr) continue;
    // A 0-d tensor on the host beside tensors of a GPU counts as a number.
    if (first || is_gpu(x->device())) p.device = x->device();
    if (first)
      p.shape = x->shape();
    else if (!(x->shape() == p.shape))
      p.shape = broadcast_shapes(p.shape, x->shape(), op.name);
    first = false;
  }
  for (int k = 0; k < op.arity; k++) {
    p.inputs[k] = inputs[k].tensor;
    if (p.inputs[k] != nullptr && p.inputs[k]->dtype() == p.dtype) continue;
    p.converted[k] =
        p.inputs[k] ? cast(*p.inputs[k], p.dtype) : tensor_of(inputs[k].number, p.dtype, p.device);
    p.inputs[k] = &p.converted[k];
  }
  if (op.slot == kPower.slot && is_integer(p.dtype)) check_exponents(inputs[1], *p.inputs[1]);
}

void launch_elementwise(const ElementwiseOp& op, const Prepared& p, const Tensor& y) {
  const int64_t size = y.size();
  if (size == 0) return;
  Cost cost{size * op.flops, bytes_of(y)};
  for (int k = 0; k < op.arity; k++) cost.bytes += bytes_of(*p.inputs[k]);
  const NoParams none;
  const Tensor* output = &y;
  launch_erased(*op.slot, p.dtype, &none, 0, cost, {p.inputs, static_cast<size_t>(op.arity)},
                {&output, 1});
}

// x ** 2 and x ** -1 are common in models, and twenty times cheaper than a general power.
const ElementwiseOp& simpler(const ElementwiseOp& op, const ElementwiseInput* inputs) {
  if (op.slot != kPower.slot || inputs[0].tensor == nullptr || inputs[1].tensor != nullptr)
    return op;
  const Number& n = inputs[1].number;
  const double exponent = n.kind == Number::Kind::real ? n.real : static_cast<double>(n.integer);
  if (!is_floating(inputs[0].tensor->dtype())) return op;
  if (exponent == 2) return elementwise_op<functors::Square>;
  if (exponent == -1) return elementwise_op<functors::Reciprocal>;
  return op;
}

DType result_dtype(const ElementwiseOp& op, const Prepared& p) {
  return op.result == Result::boolean ? DType::boolean : p.dtype;
}

// NumPy's "same kind" rule for results written in place.
bool can_hold(DType out, DType result) {
  if (result == DType::boolean || out == result) return true;
  if (out == DType::boolean) return false;
  if (is_floating(out)) return true;
  return !is_floating(result) && (is_signed(out) || !is_signed(result));
}

void check_output(const ElementwiseOp& op, const Prepared& p, const Tensor& out) {
  check(out.shape() == p.shape, op.name, ": the result has shape ", p.shape,
        " and cannot be written in place into a tensor of shape ", out.shape());
  const DType result = result_dtype(op, p);
  check_type(can_hold(out.dtype(), result), op.name, ": the result is ", result,
             " and cannot be written in place into a tensor of ", out.dtype(),
             "; write y = ", op.name, "(...) instead, or convert with .astype()");
  check(out.storage()->writable(), op.name,
        ": the tensor shares read-only memory and cannot be written; copy it first");
  for (int i = 0; i < out.ndim(); i++)
    check(out.stride(i) != 0 || out.dim(i) <= 1, op.name,
          ": several elements of the output share one memory cell (a broadcast view); copy it "
          "first");
}

bool is_same_view(const Tensor& a, const Tensor& b) {
  return a.offset() == b.offset() && a.dtype() == b.dtype() && a.shape() == b.shape() &&
         a.strides() == b.strides();
}

}  // namespace

Tensor elementwise(const ElementwiseOp& given, const ElementwiseInput* inputs) {
  const ElementwiseOp& op = simpler(given, inputs);
  Prepared p;
  prepare(op, inputs, p);
  Tensor y = Tensor::empty(p.shape, result_dtype(op, p), p.device);
  launch_elementwise(op, p, y);
  return y;
}

void elementwise_into(const ElementwiseOp& given, const ElementwiseInput* inputs,
                      const Tensor& out) {
  const ElementwiseOp& op = simpler(given, inputs);
  Prepared p;
  prepare(op, inputs, p);
  check_output(op, p, out);
  if (out.dtype() != result_dtype(op, p)) {
    const Tensor y = Tensor::empty(p.shape, result_dtype(op, p), out.device());
    launch_elementwise(op, p, y);
    copy_into(y, out);  // counts the write itself
    return;
  }
  // A view that is shifted against the output would be overwritten before it is read.
  for (int k = 0; k < op.arity; k++) {
    const Tensor& x = *p.inputs[k];
    if (x.storage().get() != out.storage().get() || is_same_view(x, out)) continue;
    p.converted[k] = contiguous_copy(x);
    p.inputs[k] = &p.converted[k];
  }
  launch_elementwise(op, p, out);
  out.storage()->bump_version();
}

}  // namespace weft
