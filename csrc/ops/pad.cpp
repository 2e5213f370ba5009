#include "ops/pad.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/scalar.h"

namespace weft {

Tensor pad(const Tensor& x, const Dims& before, const Dims& after, double value) {
  check(before.size() == x.ndim() && after.size() == x.ndim(),
        "pad: give one pair of widths for "
        "each of the ",
        x.ndim(), " axes of shape ", x.shape());
  Shape shape = x.shape();
  for (int i = 0; i < x.ndim(); i++) {
    check(before[i] >= 0 && after[i] >= 0, "pad: widths must not be negative, got (", before[i],
          ", ", after[i], ") for axis ", i, "; slice to remove elements");
    shape[i] += before[i] + after[i];
  }
  const Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  const Tensor v = scalar(value, x.dtype(), number_device(x.device()));
  auto fill_part = [&](const Tensor& part) {
    if (part.size() > 0)
      launch(kernels::fill, y.dtype(), NoParams{}, {0, bytes_of(part)}, {&v}, {&part});
  };
  // Two borders for each axis, each narrower than the last by the borders already written, so
  // that nothing is written twice.
  Tensor inside = y;
  for (int i = 0; i < x.ndim(); i++) {
    fill_part(slice(inside, i, 0, before[i], 1));
    fill_part(slice(inside, i, before[i] + x.dim(i), after[i], 1));
    inside = slice(inside, i, before[i], x.dim(i), 1);
  }
  if (x.size() > 0)
    launch(kernels::cast, x.dtype(), NoParams{}, {0, 2 * bytes_of(x)}, {&x}, {&inside});
  return y;
}

WEFT_BINDING(pad) {
  m.def("pad", &pad, pybind11::arg("x"), pybind11::arg("before"), pybind11::arg("after"),
        pybind11::arg("value"));
}

}  // namespace weft
