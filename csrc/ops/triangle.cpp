#include "ops/triangle.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<TriangleParams> triangle("triangle");
}  // namespace kernels

Tensor triangle(const Tensor& x, int64_t diagonal, bool upper) {
  check(x.ndim() >= 2, upper ? "triu" : "tril", ": x needs at least 2 axes, got shape ", x.shape());
  const Tensor source = contiguous(x);
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  if (y.size() > 0)
    launch(kernels::triangle, x.dtype(), TriangleParams{diagonal, upper}, {0, 2 * bytes_of(y)},
           {&source}, {&y});
  return y;
}

WEFT_BINDING(triangle) {
  m.def("triangle", &triangle, pybind11::arg("x"), pybind11::arg("diagonal"),
        pybind11::arg("upper"));
}

}  // namespace weft
