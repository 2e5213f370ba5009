// Multi-tensor optimizer updates: a list of parameters is updated in place by a few launches.
//
// Learning rate and step count are operands in device memory, so that a recorded step can be
// replayed under a schedule. One tiny launch advances the count and turns both into the step's
// coefficients; the updates read them.
//
// Shapes: every parameter has one of its own; its gradient and its slots have the same.
// Saves: nothing; an update has no gradient.
// Cost: 5 (sgd) to 16 (ftrl) FLOPs for each element; the gradient is read, w and its slots are read
// and written. Clipping by a norm reads the gradients once more, 2 FLOPs each.
// Error: coefficients in float64, rounded once; each operation of a rule rounds once in the dtype
// of w, but a quotient of float32 is within 2 ULP. Sums of squares: as in reduce.h.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

enum class UpdateRule : int32_t { sgd, rmsprop, adam, adagrad, adadelta, adamax, nadam, ftrl };

// What a rule does besides its learning rate; fields that a rule does not name are not read.
struct UpdateSettings {
  UpdateRule rule = UpdateRule::sgd;
  double momentum = 0;  // sgd, rmsprop; 0: no slot
  bool nesterov = false;
  bool centered = false;  // rmsprop
  bool amsgrad = false;   // adam
  double rho = 0.9;       // rmsprop, adadelta
  double beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  double learning_rate_power = -0.5, l1 = 0, l2 = 0, l2_shrinkage = 0, beta = 0;  // ftrl

  double weight_decay = 0;    // decoupled: w -= rate * weight_decay * w, before the update
  double gradient_scale = 1;  // 1 / loss scale, applied before clipping
  double clip_value = 0;      // 0: not clipped; at most one of the three is set
  double clip_norm = 0;
  double global_clip_norm = 0;
};

// w and its slots are the state of one parameter. Slots by rule:
//   sgd: [velocity]   rmsprop: mean square [, velocity] [, mean gradient]
//   adam: m, v [, largest v]   adagrad: sum   adadelta: mean square, mean square of steps
//   adamax: m, u   nadam: m, v   ftrl: n, z
int slot_count(const UpdateSettings& settings);

struct UpdateParams {
  UpdateSettings settings;
  int64_t count = 0;     // parameters in this launch
  uint64_t decayed = 0;  // bit i: weight decay applies to parameter i
};
struct StepParams {
  UpdateRule rule;
  double beta_1, beta_2;
};
inline constexpr int kStepCoefficients = 4;

struct NormParams {
  double limit;           // largest norm left alone
  double gradient_scale;  // the norm is that of gradient_scale * gradient
  bool global;            // one norm of all gradients instead of one for each
};
struct ScaledAddParams {
  int64_t count;  // pairs
  double a, b;
};

namespace kernels {
// Operands: rate (float64), iterations (int64), momentum product (float64, nadam), coefficients.
// iterations += 1; coefficients: rate, and what the rule derives from the rate and the count.
extern Kernel<StepParams> optimizer_step;
// Operands: coefficients, factors of the gradients (float64, optional), gradients, w, slot 0, ...
extern Kernel<UpdateParams> sgd_update, rmsprop_update, adam_update, adagrad_update;
extern Kernel<UpdateParams> adadelta_update, adamax_update, nadam_update, ftrl_update;
// Operands: gradients, squares (float64): the sum of squares of each gradient.
extern Kernel<NoParams> sum_of_squares;
// Operands: squares, factors: what the gradients are multiplied by so that norms stay in the limit.
extern Kernel<NormParams> clip_factors;
// Operands: x ..., y ...: y = a * y + b * x for each pair; a factor 0 means "not read".
extern Kernel<ScaledAddParams> scaled_add;
}  // namespace kernels

using TensorList = std::vector<const Tensor*>;

// One step. `slots` lists slot 0 of all parameters, then slot 1, ...; `decayed`: which the weight
// decay touches (empty: all). Gradients are converted; halves are updated, with slots, in float32.
void optimizer_update(const UpdateSettings& settings, const TensorList& parameters,
                      const TensorList& gradients, const TensorList& slots,
                      const std::vector<bool>& decayed, const Tensor& rate,
                      const Tensor& iterations, const Tensor& momentum_product);
// float64 (n,): the sum of squares of each tensor, with the same bits for any number of threads.
Tensor sums_of_squares(const TensorList& tensors);
void scaled_add(const TensorList& x, const TensorList& y, double a, double b);

}  // namespace weft
