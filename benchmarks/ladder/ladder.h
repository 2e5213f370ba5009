// What a rung of a ladder includes: its problem, and how it makes itself known.
//
// A rung is one file: a kernel, the function that launches it, and LADDER_RUNG(matmul, 3, launch).
// It is compiled like the kernels of csrc/cuda, by nvcc and for the simulated device. Sizes must
// suit the tiles, which `wants` checks: what to do at the edges is no idea of the ladders, and the
// shipped kernels show it.
#pragma once

#include "core/kernel.h"

namespace weft::ladder {

// c (m, n) = a (m, k) @ b (k, n); rows are contiguous, as everywhere on the ladders. T: of the
// factors.
template <class T_>
struct MatmulProblemOf {
  using T = T_;
  const T *a, *b;
  float* c;
  int m, n, k;
  explicit MatmulProblemOf(const Operand* operands)
      : a(operands[0].as<T>()),
        b(operands[1].as<T>()),
        c(operands[2].as<float>()),
        m(static_cast<int>(operands[0].shape[0])),
        n(static_cast<int>(operands[1].shape[1])),
        k(static_cast<int>(operands[0].shape[1])) {}
};
using MatmulProblem = MatmulProblemOf<float>;
using HalfMatmulProblem = MatmulProblemOf<BFloat16>;

// y = the softmax of every row of x.
struct SoftmaxProblem {
  using T = float;
  const float* x;
  float* y;
  int rows, columns;
  explicit SoftmaxProblem(const Operand* operands)
      : x(operands[0].as<float>()),
        y(operands[1].as<float>()),
        rows(static_cast<int>(operands[0].shape[0])),
        columns(static_cast<int>(operands[0].shape[1])) {}
};

// sum[0] = the sum of x (n).
struct ReduceProblem {
  using T = float;
  const float* x;
  float* sum;
  int n;
  explicit ReduceProblem(const Operand* operands)
      : x(operands[0].as<float>()),
        sum(operands[1].as<float>()),
        n(static_cast<int>(operands[0].shape[0])) {}
};

// y (N, H, W, K) = x (N, H, W, C) under a window of w (3, 3, C, K), zeros around x.
struct Conv2dProblem {
  using T = float;
  const float *x, *w;
  float* y;
  int N, H, W, C, K;
  explicit Conv2dProblem(const Operand* operands)
      : x(operands[0].as<float>()),
        w(operands[1].as<float>()),
        y(operands[2].as<float>()),
        N(static_cast<int>(operands[0].shape[0])),
        H(static_cast<int>(operands[0].shape[1])),
        W(static_cast<int>(operands[0].shape[2])),
        C(static_cast<int>(operands[0].shape[3])),
        K(static_cast<int>(operands[1].shape[3])) {}
};

// Where the launchers of a rung are kept, one for every build of its file (ladder.cpp).
KernelSlot& slot_of(const char* ladder, int number);

}  // namespace weft::ladder

#if defined(WEFT_GPU)
#include "cuda/gpu.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {

using ladder::Conv2dProblem;
using ladder::HalfMatmulProblem;
using ladder::MatmulProblem;
using ladder::ReduceProblem;
using ladder::SoftmaxProblem;

// wants(p.m % 64 == 0, "m in multiples of 64")
inline void wants(bool suits, const char* sizes) {
  check(suits, "ladder: this rung wants ", sizes);
}

namespace {

// The launcher as the slot's plain function.
template <class Problem, void (*kLaunch)(const Problem&)>
void run_rung(const void*, const Operand* operands) {
  kLaunch(Problem(operands));
}
template <class Problem>
Problem problem_of(void (*)(const Problem&));

}  // namespace
}  // namespace weft::WEFT_GPU

// At the end of a rung's file, inside no namespace.
#define LADDER_RUNG(ladder_name, number, launcher)                                \
  namespace weft::WEFT_GPU {                                                      \
  namespace {                                                                     \
  const bool rung_##number##_registered = [] {                                    \
    using Problem = decltype(problem_of(launcher));                               \
    ::weft::ladder::slot_of(#ladder_name, number)                                 \
        .set(DeviceType::WEFT_GPU_DEVICE, WEFT_GPU_VARIANT, dtype_of<Problem::T>, \
             &run_rung<Problem, &launcher>);                                      \
    return true;                                                                  \
  }();                                                                            \
  }                                                                               \
  }
#endif
