#include "ops/random.h"

#include <cmath>

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"

namespace weft {

namespace kernels {
constinit Kernel<UniformParams> random_uniform("random_uniform");
constinit Kernel<NormalParams> random_normal("random_normal");
constinit Kernel<NormalParams> random_truncated_normal("random_truncated_normal");
constinit Kernel<IntegersParams> random_integers("random_integers");
constinit Kernel<BernoulliParams> random_bernoulli("random_bernoulli");
constinit Kernel<NoParams> random_permutation("random_permutation");
constinit Kernel<CategoricalParams> random_categorical("random_categorical");
}  // namespace kernels

namespace {

// Rough arithmetic of one element: ten Philox rounds shared by the elements of a block.
constexpr int64_t kUniformFlops = 20, kNormalFlops = 40;

template <class Params>
Tensor draw(const Kernel<Params>& kernel, const Params& params, const Tensor& state,
            const Shape& shape, DType dtype, int64_t flops) {
  check_state(state, kernel.name());
  const Tensor y = Tensor::empty(shape, dtype, state.device());
  if (y.size() > 0)
    launch(kernel, dtype, params, {y.size() * flops, bytes_of(y)}, {&state}, {&y, &state});
  state.storage()->bump_version();
  return y;
}

void check_floating(DType dtype, const char* op) {
  check_type(is_floating(dtype), op, ": the numbers are real, dtype must be a floating one, got ",
             dtype);
}

Tensor draw_normal(const Kernel<NormalParams>& kernel, const Tensor& state, const Shape& shape,
                   double mean, double stddev, DType dtype) {
  check_floating(dtype, kernel.name());
  check(stddev >= 0 && std::isfinite(stddev) && std::isfinite(mean), kernel.name(),
        ": mean must be finite and stddev finite and not negative, got mean ", mean, " and stddev ",
        stddev);
  const DType compute = compute_dtype(dtype);
  return cast(draw(kernel, NormalParams{mean, stddev}, state, shape, compute, kNormalFlops), dtype);
}

}  // namespace

void check_state(const Tensor& state, const char* op) {
  check_type(state.dtype() == DType::uint64, op, ": the generator's state must be uint64, got ",
             state.dtype());
  check(state.shape() == Shape{2} && state.is_contiguous(), op,
        ": the generator's state is {seed, counter}, got shape ", state.shape());
}

Tensor random_uniform(const Tensor& state, const Shape& shape, double low, double high,
                      DType dtype) {
  check_floating(dtype, "random_uniform");
  check(low <= high && std::isfinite(high - low),
        "random_uniform: low must not exceed high and "
        "both must be finite, got ",
        low, " and ", high);
  const DType compute = compute_dtype(dtype);
  const double largest = low == high ? low
                         : compute == DType::float64
                             ? std::nextafter(high, low)
                             : std::nextafter(static_cast<float>(high), static_cast<float>(low));
  return cast(draw(kernels::random_uniform, UniformParams{low, high, largest}, state, shape,
                   compute, kUniformFlops),
              dtype);
}

Tensor random_normal(const Tensor& state, const Shape& shape, double mean, double stddev,
                     DType dtype) {
  return draw_normal(kernels::random_normal, state, shape, mean, stddev, dtype);
}

Tensor random_truncated_normal(const Tensor& state, const Shape& shape, double mean, double stddev,
                               DType dtype) {
  return draw_normal(kernels::random_truncated_normal, state, shape, mean, stddev, dtype);
}

Tensor random_integers(const Tensor& state, const Shape& shape, int64_t low, int64_t high,
                       DType dtype) {
  check_type(is_integer(dtype), "random_integers: dtype must be an integer one, got ", dtype);
  check(low < high, "random_integers: low must be below high, got ", low, " and ", high);
  const int bits = static_cast<int>(8 * itemsize(dtype));
  const int64_t least = !is_signed(dtype) ? 0
                        : bits == 64      ? INT64_MIN
                                          : -(int64_t{1} << (bits - 1));
  const int64_t most = bits == 64         ? INT64_MAX
                       : is_signed(dtype) ? (int64_t{1} << (bits - 1)) - 1
                                          : (int64_t{1} << bits) - 1;
  check(least <= low && high - 1 <= most, "random_integers: numbers from ", low, " to ", high - 1,
        " do not fit dtype ", dtype);
  const uint64_t count = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  return cast(draw(kernels::random_integers, IntegersParams{low, count}, state, shape, DType::int64,
                   kUniformFlops),
              dtype);
}

Tensor random_bernoulli(const Tensor& state, const Shape& shape, double probability) {
  check(probability >= 0 && probability <= 1,
        "random_bernoulli: the probability must lie in [0, 1], got ", probability);
  const auto threshold = static_cast<uint64_t>(std::llround(probability * 0x1p32));
  return draw(kernels::random_bernoulli, BernoulliParams{threshold}, state, shape, DType::boolean,
              kUniformFlops);
}

Tensor random_permutation(const Tensor& state, int64_t n) {
  check(n >= 0, "random_permutation: n must not be negative, got ", n);
  return draw(kernels::random_permutation, NoParams{}, state, {n}, DType::int64, kUniformFlops);
}

Tensor random_categorical(const Tensor& state, const Tensor& logits, int64_t samples, DType dtype) {
  check_state(state, "random_categorical");
  check_type(is_integer(dtype), "random_categorical: dtype must be an integer one, got ", dtype);
  check(logits.ndim() == 2 && logits.dim(1) > 0,
        "random_categorical: logits must be (batch, classes) with at least one class, got shape ",
        logits.shape());
  check(samples >= 0, "random_categorical: num_samples must not be negative, got ", samples);
  const Tensor l = contiguous(cast(logits, DType::float64));
  const Tensor y = Tensor::empty({logits.dim(0), samples}, DType::int64, state.device());
  const CategoricalParams params{logits.dim(1), samples};
  if (y.size() > 0)
    launch(kernels::random_categorical, DType::float64, params,
           {l.size() * kNormalFlops + y.size() * kUniformFlops, bytes_of(l) + bytes_of(y)},
           {&l, &state}, {&y, &state});
  state.storage()->bump_version();
  return cast(y, dtype);
}

WEFT_BINDING(random) {
  using pybind11::arg;
  m.def("random_uniform", &random_uniform, arg("state"), arg("shape"), arg("low"), arg("high"),
        arg("dtype"));
  m.def("random_normal", &random_normal, arg("state"), arg("shape"), arg("mean"), arg("stddev"),
        arg("dtype"));
  m.def("random_truncated_normal", &random_truncated_normal, arg("state"), arg("shape"),
        arg("mean"), arg("stddev"), arg("dtype"));
  m.def("random_integers", &random_integers, arg("state"), arg("shape"), arg("low"), arg("high"),
        arg("dtype"));
  m.def("random_bernoulli", &random_bernoulli, arg("state"), arg("shape"), arg("probability"));
  m.def("random_permutation", &random_permutation, arg("state"), arg("n"));
  m.def("random_categorical", &random_categorical, arg("state"), arg("logits"), arg("num_samples"),
        arg("dtype"));
}

}  // namespace weft
