#include "ops/variance.h"

#include <limits>

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/reduce.h"

namespace weft {

namespace kernels {
constinit Kernel<VarianceParams> variance("variance");
}  // namespace kernels

std::pair<Tensor, Tensor> moments(const Tensor& x, const std::optional<Dims>& axes,
                                  double correction, bool keepdims) {
  const ReducedShape shape = reduced_shape(x.shape(), axes, "var");
  if (!is_floating(x.dtype()) || is_half(x.dtype())) {
    // float64 holds what float32 would round of 32-bit integers.
    const DType wide = is_half(x.dtype()) ? DType::float32 : DType::float64;
    const auto [mean, variance] = moments(cast(x, wide), axes, correction, keepdims);
    const DType narrow = is_half(x.dtype()) ? x.dtype() : DType::float32;
    return {cast(mean, narrow), cast(variance, narrow)};
  }
  if (shape.count == 0) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Tensor y = drop_axes(full(shape.kept, nan, x.dtype(), x.device()), shape, keepdims);
    return {y, contiguous_copy(y)};
  }
  Tensor mean = Tensor::empty(shape.kept, x.dtype(), x.device());
  Tensor variance = Tensor::empty(shape.kept, x.dtype(), x.device());
  if (mean.size() > 0)
    launch(kernels::variance, x.dtype(), VarianceParams{shape.axes, correction},
           {4 * x.size(), bytes_of(x) + 2 * bytes_of(mean)}, {&x}, {&mean, &variance});
  return {drop_axes(mean, shape, keepdims), drop_axes(variance, shape, keepdims)};
}

WEFT_BINDING(variance) {
  m.def("moments", &moments, pybind11::arg("x"), pybind11::arg("axes") = std::nullopt,
        pybind11::arg("correction") = 0.0, pybind11::arg("keepdims") = false);
}

}  // namespace weft
