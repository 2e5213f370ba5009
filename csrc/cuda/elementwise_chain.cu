// One thread for each element: it loads what the chain reads, interprets the steps on numbers of
// its own, and stores what others read. All threads take the same branches.
#include "ops/elementwise_chain.h"

#include "cuda/elementwise.h"

namespace weft::WEFT_GPU {
namespace {

inline constexpr int kMostValues = ChainParams::kMostOperands + ChainParams::kMostSteps;

struct ChainArguments {
  ChainParams params;
  Divisor columns;
  Input read[ChainParams::kMostOperands];
  float* written[ChainParams::kMostOperands];
};

__device__ inline uint32_t place_in(Spread spread, uint32_t row, uint32_t column, uint32_t i) {
  if (spread == Spread::per_column) return column;
  return spread == Spread::per_row ? row : i;
}

template <class... Functors>
__device__ inline float interpret(FunctorList<Functors...>, int code, const float* x) {
  float y = x[0];  // a copy has the last code
  int at = 0;
  ((code == at++ ? static_cast<void>(y = apply_functor<Functors>(x)) : static_cast<void>(0)), ...);
  return y;
}

__global__ void __launch_bounds__(kElementwiseThreads)
    elementwise_chain_kernel(const __grid_constant__ ChainArguments a) {
  const uint32_t i = blockIdx.x * kElementwiseThreads + threadIdx.x;
  if (i >= static_cast<uint32_t>(a.params.size)) return;
  const uint32_t row = a.columns.quotient(i), column = i - row * a.columns.value;
  float values[kMostValues];
  for (int k = 0; k < a.params.read; k++) {
    const Input& input = a.read[k];
    values[k] =
        a.params.spread[k] == Spread::number
            ? number_in<float>(input)
            : static_cast<const float*>(input.data)[place_in(a.params.spread[k], row, column, i)];
  }
  for (int s = 0; s < a.params.steps; s++) {
    const ChainParams::Step& step = a.params.step[s];
    const float x[3] = {values[step.from[0]], values[step.from[1]], values[step.from[2]]};
    values[step.to] = interpret(functors::Interpreted{}, step.code, x);
  }
  for (int k = 0; k < a.params.written; k++) a.written[k][i] = values[a.params.result[k]];
}

void elementwise_chain(const ChainParams& params, const Operand* operands) {
  ChainArguments a{};
  a.params = params;
  a.columns = Divisor(static_cast<uint32_t>(params.columns));
  for (int k = 0; k < params.read; k++) {
    a.read[k].data = operands[k].data;
    a.read[k].access = operands[k].on_host ? Access::number_on_host : Access::number_on_device;
    a.read[k].number = operands[k].on_host ? bits_of_number(operands[k]) : 0;
  }
  for (int k = 0; k < params.written; k++) a.written[k] = operands[params.read + k].as<float>();
  gpu::launch(elementwise_chain_kernel, dim3(blocks_for(params.size, kElementwiseThreads)),
              dim3(kElementwiseThreads), 0, stream(), a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

WEFT_GPU_KERNELS(elementwise_chain,
                 kernel_entry<&elementwise_chain>(kernels::elementwise_chain, DType::float32))
