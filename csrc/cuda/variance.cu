// Means and variances in one reading of the data, without cancellation; the kernels are in
// cuda/reduction.h. The few elements a thread has in registers give their mean and their squared
// deviations from it in the dtype of x; these are joined in float64 by Chan's formula (Chan, Golub
// and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
// Means are kept relative to the first element, so that float64 data far from 0 lose nothing.
#include "ops/variance.h"

#include "cuda/reduction.h"

namespace weft::WEFT_GPU {
namespace {

template <class T>
struct Variance {
  using In = T;
  using Context = T;  // the origin of means
  struct Acc {
    double n, mean, m2;  // m2: sum of squared deviations from the mean
  };
  T *mean, *variance;
  double freedom;

  __device__ Acc start() const { return {0, 0, 0}; }
  __device__ T context(const T* x) const { return *x; }

  template <int kWidth, int kCount>
  __device__ void absorb(Acc& acc, const T (&v)[kCount], T origin, int64_t, int64_t) const {
    if constexpr (kCount == 1) {
      merge(acc, {1, static_cast<double>(v[0]) - static_cast<double>(origin), 0});
    } else {
      T sum[kCount];
      UNROLL for (int k = 0; k < kCount; k++) sum[k] = v[k];
      const T center = join_pairs(sum, Plus()) / T(kCount);
      T first[kCount], second[kCount];
      UNROLL for (int k = 0; k < kCount; k++) {
        first[k] = v[k] - center;
        second[k] = first[k] * first[k];
      }
      // The sum of the deviations is what rounding left of the mean.
      const auto lost = static_cast<double>(join_pairs(first, Plus()));
      const auto squares = static_cast<double>(join_pairs(second, Plus()));
      const double from_origin = static_cast<double>(center) - static_cast<double>(origin);
      merge(acc, {kCount, from_origin + lost / kCount, squares - lost * lost / kCount});
    }
  }
  __device__ void merge(Acc& acc, const Acc& other) const {
    const double total = acc.n + other.n;
    if (total == 0) return;
    const double delta = other.mean - acc.mean, part = other.n / total;
    acc.mean += delta * part;
    acc.m2 += other.m2 + delta * delta * (acc.n * part);
    acc.n = total;
  }
  __device__ void write(const Acc& acc, int64_t at, const T* x) const {
    mean[at] = static_cast<T>(static_cast<double>(*x) + acc.mean);
    variance[at] = static_cast<T>(acc.m2 / freedom);
  }
};

template <class T>
void variance(const VarianceParams& params, const Operand* operands) {
  const Operand &x = operands[0], &mean = operands[1], &out = operands[2];
  const ReductionPlan plan = make_reduction_plan(x, out, params.axes);
  const double freedom = static_cast<double>(plan.reduced.size()) - params.correction;
  // No degrees of freedom left: 0 / 0 is NaN and x / 0 infinite, as NumPy has it.
  const Variance<T> op{mean.as<T>(), out.as<T>(), freedom > 0 ? freedom : 0};
  reduce(op, plan, x.as<T>());
}

}  // namespace
}  // namespace weft::WEFT_GPU

WEFT_GPU_KERNELS(variance, kernel_entry<&variance<float>>(kernels::variance, DType::float32),
                 kernel_entry<&variance<double>>(kernels::variance, DType::float64))
