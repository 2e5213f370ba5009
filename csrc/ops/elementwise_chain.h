// Elementwise launches that a pass over a recorded step has joined for a GPU.
#pragma once

#include "core/passes/interpreter.h"
#include "ops/functors_activation.h"
#include "ops/functors_arithmetic.h"
#include "ops/functors_math.h"

namespace weft {

namespace functors {
// What the interpreter knows: the short ones, for whose sake launches are joined, and what models
// have between them. The code of one is its place; behind them is a copy.
using Interpreted = FunctorList<Add, Subtract, Multiply, Divide, Maximum, Minimum, Negative,
                                Absolute, Square, Sqrt, Reciprocal, Exp, Log, Tanh, Sigmoid, Relu,
                                ReluBackward, SigmoidBackward, TanhBackward>;
}  // namespace functors

namespace kernels {
extern Kernel<ChainParams> elementwise_chain;
}  // namespace kernels

}  // namespace weft
