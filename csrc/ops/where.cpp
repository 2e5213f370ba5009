#include "ops/where.h"

#include "bindings/binding.h"
#include "core/passes/fusion.h"
#include "ops/cast.h"
#include "ops/scalar.h"

namespace weft {

namespace kernels {
constinit Kernel<NoParams> where("where", Numbers::on_host_too);
}  // namespace kernels

namespace {

const Fuses where_fuses(Fusion::elementwise, {&kernels::where});

DType common_dtype(const ElementwiseInput& a, const ElementwiseInput& b) {
  using Kind = Number::Kind;
  if (a.tensor && b.tensor) return promote(a.tensor->dtype(), b.tensor->dtype());
  DType t = a.tensor ? a.tensor->dtype() : b.tensor ? b.tensor->dtype() : DType::boolean;
  for (const Number* n : {&a.number, &b.number}) {
    if (n->kind == Kind::real && !is_floating(t)) t = DType::float32;
    if (n->kind == Kind::integer && t == DType::boolean) t = DType::int64;
  }
  return t;
}

Tensor in_dtype(const ElementwiseInput& x, DType t, Device device) {
  if (x.tensor) return cast(*x.tensor, t);
  const Device at = number_device(device);
  return x.number.kind == Number::Kind::real ? scalar(x.number.real, t, at)
                                             : scalar(x.number.integer, t, at);
}

}  // namespace

Tensor where(const Tensor& condition, const ElementwiseInput& a, const ElementwiseInput& b) {
  const DType t = common_dtype(a, b);
  const Device device = condition.device();
  const Tensor flags = cast(condition, DType::boolean);
  const Tensor x = in_dtype(a, t, device), y = in_dtype(b, t, device);
  const Shape shape =
      broadcast_shapes(flags.shape(), broadcast_shapes(x.shape(), y.shape(), "where"), "where");
  Tensor out = Tensor::empty(shape, t, device);
  if (out.size() > 0)
    launch(kernels::where, t, NoParams{},
           {out.size(), bytes_of(flags) + bytes_of(x) + bytes_of(y) + bytes_of(out)},
           {&flags, &x, &y}, {&out});
  return out;
}

WEFT_BINDING(where) {
  m.def(
      "where",
      [](const Tensor& condition, pybind11::handle a, pybind11::handle b) {
        return where(condition, elementwise_input("where", a.ptr()),
                     elementwise_input("where", b.ptr()));
      },
      pybind11::arg("condition"), pybind11::arg("x1"), pybind11::arg("x2"));
}

}  // namespace weft
