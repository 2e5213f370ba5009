// Random numbers from Philox 4x32-10.
//
// A generator is a uint64 tensor {seed, counter}: an operand, not a parameter, so that a recorded
// launch draws new numbers each time it is replayed. A kernel takes the blocks it needs by
// advancing the counter. Element i of a result depends on the seed, the counter and i alone:
// never on the number of threads or the instruction set.
//
// Saves: nothing; draws have no gradient.
// Cost: 20 FLOPs for each number, 40 for normal ones; y is written.
// Error: uniform numbers are multiples of 2^-24 (float32) or 2^-53 of the range. The logarithm,
// sine, cosine and inverse error function behind the normal ones are within 2, 2, 2 and 8 ULP, in
// the same bits on every instruction set. Integers are without bias.
#pragma once

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct UniformParams {
  double low, high;
  double largest;  // the last number below high in the dtype of the result
};
struct NormalParams {
  double mean, stddev;
};
struct IntegersParams {
  int64_t low;
  uint64_t count;  // numbers are low ... low + count - 1
};
struct BernoulliParams {
  uint64_t threshold;  // of 2^32: true when 32 random bits are below it
};
struct CategoricalParams {
  int64_t classes, samples;
};

namespace kernels {
// Operands: state (2) as input, y, state (2) as output.
extern Kernel<UniformParams> random_uniform;
extern Kernel<NormalParams> random_normal;            // Box-Muller
extern Kernel<NormalParams> random_truncated_normal;  // within 2 stddev, by the inverse function
extern Kernel<IntegersParams> random_integers;        // y is int64; without bias
extern Kernel<BernoulliParams> random_bernoulli;      // y is bool
extern Kernel<NoParams> random_permutation;           // y (n,) is int64
// Operands: logits (rows, classes) float64, state, y (rows, samples) int64, state.
extern Kernel<CategoricalParams> random_categorical;
}  // namespace kernels

Tensor random_uniform(const Tensor& state, const Shape& shape, double low, double high,
                      DType dtype);
Tensor random_normal(const Tensor& state, const Shape& shape, double mean, double stddev,
                     DType dtype);
Tensor random_truncated_normal(const Tensor& state, const Shape& shape, double mean, double stddev,
                               DType dtype);
Tensor random_integers(const Tensor& state, const Shape& shape, int64_t low, int64_t high,
                       DType dtype);  // low <= value < high
Tensor random_bernoulli(const Tensor& state, const Shape& shape, double probability);
Tensor random_permutation(const Tensor& state, int64_t n);
Tensor random_categorical(const Tensor& state, const Tensor& logits, int64_t samples, DType dtype);

// A uint64 tensor {seed, counter}; TypeError or ValueError otherwise.
void check_state(const Tensor& state, const char* op);

}  // namespace weft
