// Optimizer updates: one launch for a list of tensors, every stream read and written once, 16 bytes
// at a time. Adam moves 28 bytes for each float32 parameter.
#include "ops/optimizer.h"

#include <math.h>

#include "cuda/block.h"
#include "cuda/dense.h"
#include "cuda/elementwise.h"
#include "cuda/scratch.h"
#include "cuda/tensor_list.h"
#include "cuda/update_rules.h"

namespace weft::WEFT_GPU {
namespace {

__global__ void step_kernel(StepParams p, const double* rate_at, int64_t* iterations,
                            double* product, double* c) {
  const double rate = *rate_at;
  const auto t = static_cast<double>(++*iterations);
  c[kRate] = rate;
  switch (p.rule) {
    case UpdateRule::adam:
      c[kScaled] = rate * sqrt(1 - pow(p.beta_2, t)) / (1 - pow(p.beta_1, t));
      break;
    case UpdateRule::adamax: c[kScaled] = rate / (1 - pow(p.beta_1, t)); break;
    case UpdateRule::nadam: {
      const double mu = p.beta_1 * (1 - 0.5 * pow(0.96, t));
      const double next = p.beta_1 * (1 - 0.5 * pow(0.96, t + 1));
      *product *= mu;
      c[kScaled] = rate * next / (1 - *product * next);
      c[kGradient] = rate * (1 - mu) / (1 - *product);
      c[kSecondMoment] = 1 / (1 - pow(p.beta_2, t));
      break;
    }
    default: break;
  }
}

void step(const StepParams& p, const Operand* operands) {
  gpu::launch(step_kernel, dim3(1), dim3(1), 0, stream(), p, operands[0].as<double>(),
              operands[1].as<int64_t>(), operands[2].as<double>(), operands[3].as<double>());
}

// --- updates -----------------------------------------------------------------------------------

struct UpdateSource {
  const double *coefficients, *factors;  // factors may be absent
  int64_t factor_stride;
  uint64_t decayed;
  double weight_decay, gradient_scale, clip_value;
};

// What happens to a parameter and its gradient before the rule sees them: the same for all
// elements of a tensor.
template <class T>
struct Conditioning {
  T decay, scale, limit;

  __device__ Conditioning(const UpdateSource& source, int tensor) {
    const double factor =
        source.factors == nullptr ? 1 : source.factors[tensor * source.factor_stride];
    const bool decays = source.decayed >> tensor & 1;
    decay = static_cast<T>(decays ? 1 - source.coefficients[kRate] * source.weight_decay : 1);
    scale = static_cast<T>(factor * source.gradient_scale);
    limit = static_cast<T>(source.clip_value > 0 ? source.clip_value : HUGE_VAL);
  }
  __device__ __forceinline__ void operator()(T& w, T& g) const {
    w *= decay;
    g *= scale;
    g = g > limit ? limit : g < -limit ? -limit : g;  // a NaN stays a NaN
  }
};

// Arrays of a tensor: its gradient, itself, its slots.
template <class Rule, class T>
__global__ void __launch_bounds__(kDenseThreads)
    update_kernel(const __grid_constant__ TensorList<T, 2 + Rule::kSlots> list,
                  const __grid_constant__ Rule shared_rule,
                  const __grid_constant__ UpdateSource source) {
  constexpr int kArrays = 2 + Rule::kSlots, kWidth = 16 / sizeof(T);
  const Chunk<T> chunk = list.chunk(blockIdx.x);
  const Conditioning<T> condition(source, chunk.tensor);
  Rule rule = shared_rule;
  rule.begin_step(source.coefficients);
  for (int64_t i = chunk.begin + threadIdx.x * kWidth; i < chunk.end; i += kDenseThreads * kWidth) {
    gpu::Vector<T, kWidth> values[kArrays];
    UNROLL for (int k = 0; k < kArrays; k++) values[k] =
        load_share<kWidth>(list.data[k][chunk.tensor] + i, chunk.end - i, chunk.aligned);
    UNROLL for (int j = 0; j < kWidth; j++) {
      T g = values[0][j], w = values[1][j], slots[Rule::kSlots + 1];
      UNROLL for (int k = 0; k < Rule::kSlots; k++) slots[k] = values[2 + k][j];
      condition(w, g);
      rule(w, g, slots);
      values[1][j] = w;
      UNROLL for (int k = 0; k < Rule::kSlots; k++) values[2 + k][j] = slots[k];
    }
    UNROLL for (int k = 1; k < kArrays; k++)
        store_share(list.data[k][chunk.tensor] + i, values[k], chunk.end - i, chunk.aligned);
  }
}

template <class T, class Rule>
void update_all(const UpdateParams& p, const Operand* operands) {
  const Operand &factors = operands[1], *gradients = operands + 2;
  TensorList<T, 2 + Rule::kSlots> list;
  for (int64_t i = 0; i < p.count; i++) {
    T* arrays[2 + Rule::kSlots];
    for (int k = 0; k < 2 + Rule::kSlots; k++) arrays[k] = gradients[k * p.count + i].as<T>();
    list.add(arrays, gradients[i].size());
  }
  const UpdateSource source{operands[0].as<double>(),
                            factors.present ? factors.as<double>() : nullptr,
                            factors.present ? factors.strides[0] : 0,
                            p.decayed,
                            p.settings.weight_decay,
                            p.settings.gradient_scale,
                            p.settings.clip_value};
  if (list.chunks() > 0)
    gpu::launch(update_kernel<Rule, T>, dim3(list.chunks()), dim3(kDenseThreads), 0, stream(), list,
                Rule(p.settings), source);
}

template <class T>
void sgd(const UpdateParams& p, const Operand* operands) {
  if (p.settings.momentum != 0) return update_all<T, Momentum<T>>(p, operands);
  update_all<T, Sgd<T>>(p, operands);
}

template <class T>
void rmsprop(const UpdateParams& p, const Operand* operands) {
  if (p.settings.momentum != 0 && p.settings.centered)
    return update_all<T, Rmsprop<T, true, true>>(p, operands);
  if (p.settings.momentum != 0) return update_all<T, Rmsprop<T, true, false>>(p, operands);
  if (p.settings.centered) return update_all<T, Rmsprop<T, false, true>>(p, operands);
  update_all<T, Rmsprop<T, false, false>>(p, operands);
}

template <class T>
void adam(const UpdateParams& p, const Operand* operands) {
  if (p.settings.amsgrad) return update_all<T, Adam<T, true>>(p, operands);
  update_all<T, Adam<T, false>>(p, operands);
}

template <class T>
void ftrl(const UpdateParams& p, const Operand* operands) {
  if (p.settings.learning_rate_power == -0.5) return update_all<T, Ftrl<T, true>>(p, operands);
  update_all<T, Ftrl<T, false>>(p, operands);
}

// --- norms -------------------------------------------------------------------------------------

template <class T>
struct Sum {
  __device__ T operator()(T a, T b) const { return a + b; }
};

constexpr int64_t kSquaresChunk = 16 * 1024;  // elements of a block

// Products of floats are exact in double, so only the sums are rounded, and nothing overflows.
template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    squares_kernel(const T* __restrict__ x, int64_t n, bool aligned, double* of_chunk) {
  constexpr int kWidth = 16 / sizeof(T);
  const int64_t begin = blockIdx.x * kSquaresChunk;
  const int64_t end = n - begin < kSquaresChunk ? n : begin + kSquaresChunk;
  double sums[kWidth] = {};
  for (int64_t i = begin + threadIdx.x * kWidth; i < end; i += kDenseThreads * kWidth) {
    const auto share = load_share<kWidth>(x + i, end - i, aligned);  // 0 beyond the end
    UNROLL for (int k = 0; k < kWidth; k++) {
      const double value = share[k];
      sums[k] += value * value;
    }
  }
  double sum = sums[0];
  UNROLL for (int k = 1; k < kWidth; k++) sum += sums[k];
  sum = block_reduce<kDenseThreads>(sum, 0.0, Sum<double>());
  if (threadIdx.x == 0) of_chunk[blockIdx.x] = sum;
}

// In a fixed order, whatever n is: a thread's numbers one after the other, then a tree.
__device__ inline double sum_of(const double* x, int64_t n) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kDenseThreads) sum += x[i];
  return block_reduce<kDenseThreads>(sum, 0.0, Sum<double>());
}

__global__ void __launch_bounds__(kDenseThreads)
    sum_kernel(const double* x, int64_t n, double* total) {
  const double sum = sum_of(x, n);
  if (threadIdx.x == 0) *total = sum;
}

template <class T>
void sum_of_squares(const NoParams&, const Operand* operands) {
  const Operand& x = operands[0];
  const int64_t n = x.size(), chunks = (n + kSquaresChunk - 1) / kSquaresChunk;
  double* const total = operands[1].as<double>();
  const DeviceScratch<double> sums(chunks + 1);
  if (n > 0)
    gpu::launch(squares_kernel<T>, dim3(static_cast<unsigned>(chunks)), dim3(kDenseThreads), 0,
                stream(), x.as<T>(), n, is_aligned(x.data), chunks == 1 ? total : sums.get());
  if (chunks != 1)  // of an empty tensor as well
    gpu::launch(sum_kernel, dim3(1), dim3(kDenseThreads), 0, stream(), sums.get(), chunks, total);
}

// A norm that is not finite makes every gradient NaN: nothing is hidden by dividing by infinity.
__device__ inline double clip_factor(double squares, const NormParams& p) {
  const double norm = sqrt(squares) * fabs(p.gradient_scale);
  if (!(norm <= 1.7976931348623157e308)) return nan("");
  return norm > p.limit ? p.limit / norm : 1;
}

__global__ void __launch_bounds__(kDenseThreads)
    clip_factors_kernel(NormParams p, const double* squares, double* factors, int64_t n) {
  const double total = p.global ? sum_of(squares, n) : 0;
  for (int64_t i = threadIdx.x; i < n; i += kDenseThreads)
    factors[i] = clip_factor(p.global ? total : squares[i], p);
}

void clip_factors(const NormParams& p, const Operand* operands) {
  gpu::launch(clip_factors_kernel, dim3(1), dim3(kDenseThreads), 0, stream(), p,
              operands[0].as<double>(), operands[1].as<double>(), operands[0].size());
}

// --- scaled_add --------------------------------------------------------------------------------

template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    scaled_add_kernel(const __grid_constant__ TensorList<T, 2> list, T a, T b) {
  constexpr int kWidth = 16 / sizeof(T);
  const Chunk<T> chunk = list.chunk(blockIdx.x);
  const T* x = list.data[0][chunk.tensor];
  T* y = list.data[1][chunk.tensor];
  for (int64_t i = chunk.begin + threadIdx.x * kWidth; i < chunk.end; i += kDenseThreads * kWidth) {
    const int64_t left = chunk.end - i;
    gpu::Vector<T, kWidth> sum{}, other{};
    if (a != 0) sum = load_share<kWidth>(y + i, left, chunk.aligned);
    if (b != 0) other = load_share<kWidth>(x + i, left, chunk.aligned);
    UNROLL for (int k = 0; k < kWidth; k++) sum[k] =
        (a == 0 ? T(0) : a * sum[k]) + (b == 0 ? T(0) : b * other[k]);
    store_share(y + i, sum, left, chunk.aligned);
  }
}

template <class T>
void scaled_add(const ScaledAddParams& p, const Operand* operands) {
  TensorList<T, 2> list;
  for (int64_t k = 0; k < p.count; k++) {
    T* const arrays[2] = {operands[k].as<T>(), operands[p.count + k].as<T>()};
    list.add(arrays, operands[k].size());
  }
  if (list.chunks() > 0)
    gpu::launch(scaled_add_kernel<T>, dim3(list.chunks()), dim3(kDenseThreads), 0, stream(), list,
                static_cast<T>(p.a), static_cast<T>(p.b));
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_ONE_DTYPE(T)                                                                \
  kernel_entry<&sgd<T>>(kernels::sgd_update, dtype_of<T>),                              \
      kernel_entry<&rmsprop<T>>(kernels::rmsprop_update, dtype_of<T>),                  \
      kernel_entry<&adam<T>>(kernels::adam_update, dtype_of<T>),                        \
      kernel_entry<&update_all<T, Adagrad<T>>>(kernels::adagrad_update, dtype_of<T>),   \
      kernel_entry<&update_all<T, Adadelta<T>>>(kernels::adadelta_update, dtype_of<T>), \
      kernel_entry<&update_all<T, Adamax<T>>>(kernels::adamax_update, dtype_of<T>),     \
      kernel_entry<&update_all<T, Nadam<T>>>(kernels::nadam_update, dtype_of<T>),       \
      kernel_entry<&ftrl<T>>(kernels::ftrl_update, dtype_of<T>),                        \
      kernel_entry<&sum_of_squares<T>>(kernels::sum_of_squares, dtype_of<T>),           \
      kernel_entry<&scaled_add<T>>(kernels::scaled_add, dtype_of<T>)
WEFT_GPU_KERNELS(optimizer, kernel_entry<&step>(kernels::optimizer_step, DType::float64),
                 kernel_entry<&clip_factors>(kernels::clip_factors, DType::float64),
                 FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double))
