// The statistics are in cpu/moments.h.
#include "ops/variance.h"

#include "cpu/moments.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T>
void variance(const VarianceParams& params, const Operand* operands) {
  const Operand &x = operands[0], &mean = operands[1], &out = operands[2];
  const ReductionPlan plan = make_reduction_plan(x, out, params.axes);
  const double freedom = static_cast<double>(plan.reduced.size()) - params.correction;
  moments_of(plan, x.as<T>(), [&](int64_t at, double m, double m2) {
    mean.as<T>()[at] = static_cast<T>(m);
    // No degrees of freedom left: 0 / 0 is NaN and x / 0 infinite, as NumPy has it.
    out.as<T>()[at] = static_cast<T>(m2 / (freedom > 0 ? freedom : 0));
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

WEFT_CPU_KERNELS(variance, kernel_entry<&variance<float>>(kernels::variance, DType::float32),
                 kernel_entry<&variance<double>>(kernels::variance, DType::float64))
