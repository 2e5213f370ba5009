#include "ops/dropout.h"

#include <cmath>

#include "bindings/binding.h"
#include "core/launch.h"
#include "core/passes/fusion.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"
#include "ops/random.h"

namespace weft {

namespace kernels {
constinit Kernel<DropoutParams> dropout("dropout");
constinit Kernel<DropoutMaskParams> dropout_mask("dropout_mask");
}  // namespace kernels

namespace {

const Fuses dropout_fuses(Fusion::elementwise, {&kernels::dropout_mask});

void check_arguments(const Tensor& x, double rate) {
  check(rate >= 0 && rate < 1, "dropout: rate must lie in [0, 1), got ", rate);
  check_type(is_floating(x.dtype()), "dropout: x must be floating, got ", x.dtype(),
             "; convert with .astype('float32') first");
}

}  // namespace

std::pair<Tensor, Tensor> dropout(const Tensor& x, const Tensor& state, double rate) {
  check_state(state, "dropout");
  check_arguments(x, rate);
  const DType dtype = kernel_dtype(kernels::dropout, x.device(), x.dtype());
  const Tensor source = contiguous(cast(x, dtype));
  const Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  const Tensor mask = Tensor::empty(x.shape(), DType::boolean, x.device());
  const DropoutParams params{static_cast<uint64_t>(std::llround((1 - rate) * 0x1p32)),
                             1 / (1 - rate)};
  if (x.size() > 0)
    launch(kernels::dropout, dtype, params, {20 * x.size(), 2 * bytes_of(y) + bytes_of(mask)},
           {&source, &state}, {&y, &mask, &state});
  state.storage()->bump_version();
  return {cast(y, x.dtype()), mask};
}

Tensor dropout_mask(const Tensor& x, const Tensor& mask, double rate) {
  check_arguments(x, rate);
  check(x.shape() == mask.shape(), "dropout_mask: x has shape ", x.shape(), ", the mask has ",
        mask.shape());
  check_type(mask.dtype() == DType::boolean, "dropout_mask: the mask must be bool, got ",
             mask.dtype());
  const DType dtype = kernel_dtype(kernels::dropout_mask, x.device(), x.dtype());
  const Tensor source = contiguous(cast(x, dtype)), kept = contiguous(mask);
  const Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  if (x.size() > 0)
    launch(kernels::dropout_mask, dtype, DropoutMaskParams{1 / (1 - rate)},
           {x.size(), 2 * bytes_of(y) + bytes_of(kept)}, {&source, &kept}, {&y});
  return cast(y, x.dtype());
}

WEFT_BINDING(dropout) {
  using pybind11::arg;
  m.def("dropout", &dropout, arg("x"), arg("state"), arg("rate"));
  m.def("dropout_mask", &dropout_mask, arg("x"), arg("mask"), arg("rate"));
}

}  // namespace weft
