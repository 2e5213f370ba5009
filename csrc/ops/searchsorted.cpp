#include "ops/searchsorted.h"

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<SearchsortedParams> searchsorted("searchsorted");
}  // namespace kernels

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  check(sorted.ndim() == 1, "searchsorted: the sorted list must have 1 axis, got shape ",
        sorted.shape());
  const DType joint = promote(sorted.dtype(), values.dtype());
  const DType dtype = is_floating(joint) ? compute_dtype(joint) : DType::int64;
  const Tensor list = contiguous(cast(sorted, dtype)), wanted = contiguous(cast(values, dtype));
  const Tensor y = Tensor::empty(values.shape(), DType::int64, values.device());
  int64_t steps = 1;
  while ((int64_t{1} << steps) <= list.size()) steps++;
  if (y.size() > 0)
    launch(kernels::searchsorted, dtype, SearchsortedParams{right},
           {steps * y.size(), bytes_of(list) + bytes_of(wanted) + bytes_of(y)}, {&list, &wanted},
           {&y});
  return y;
}

WEFT_BINDING(searchsorted) {
  m.def("searchsorted", &searchsorted, pybind11::arg("sorted"), pybind11::arg("values"),
        pybind11::arg("right"));
}

}  // namespace weft
