// Long short-term memory. Bound by the products; the gates move 4 U + 2 U values a row forward, 10
// U backward.
#include "ops/lstm.h"

#include "cuda/recurrent.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int64_t kGates = 4;

template <class T>
struct Step {
  int64_t rows;
  Divisor units;
  T* gates;  // (rows, 4 units): before, then after the activations
  T *h, *c;  // (rows, units): the state, updated
  T* cells;  // c once more, for the gradient; may be absent
  StepOutputs<T> outputs;
  StepMask mask;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads) step_kernel(const __grid_constant__ Step<T> s) {
  const Unit at(s.rows, s.units);
  if (!at.exists) return;
  const int64_t n = s.units.value, i = at.row * n + at.unit;
  T h, c;
  if (s.mask.skips(at.row)) {
    h = s.h[i];
    c = s.c[i];
  } else {
    T* const gates = s.gates + at.row * kGates * n + at.unit;
    const T input = Math::sigmoid(gates[0]), forget = Math::sigmoid(gates[n]);
    const T cell = Math::tanh(gates[2 * n]), output = Math::sigmoid(gates[3 * n]);
    c = forget * s.c[i] + input * cell;
    h = output * Math::tanh(c);
    gates[0] = input;
    gates[n] = forget;
    gates[2 * n] = cell;
    gates[3 * n] = output;
    s.h[i] = h;
    s.c[i] = c;
  }
  if (s.cells != nullptr) s.cells[i] = c;
  s.outputs.store(at.row, at.unit, h);
}

template <class T>
void forward(const RecurrentParams& p, const Operand* o) {
  const Operand &x = o[0], &inputs = o[10], &cells = o[12];
  const int64_t N = p.N, U = p.U, width = kGates * U;
  const Operand h = matrix(o[8].as<T>(), N, U, U), c = matrix(o[9].as<T>(), N, U, U);
  const Operand recurrent = matrix(o[2].as<T>(), U, width, width);
  copy_or_clear<T>(o[4], h);
  copy_or_clear<T>(o[5], c);
  save_inputs<T>(p, x, inputs, o[4]);
  const OptionalDeviceScratch<T> gates(o[11], p.T * N * width);
  multiply(p, steps_first(p, x.as<T>(), p.F, x.strides[0], x.strides[1]), o[1], o[3],
           view(gates.get(), dtype_of<T>, {p.T, N, width}, {N * width, width, 1}), false);
  Step<T> s{N, Divisor(static_cast<uint32_t>(U)), nullptr, h.as<T>(), c.as<T>(), nullptr, {}, {}};
  for (int64_t step = 0; step < p.T; step++) {
    s.gates = gates.get() + step * N * width;
    multiply(p, h, recurrent, Operand(), matrix(s.gates, N, width, width), true);
    s.cells = cells.present ? cells.as<T>() + step * N * U : nullptr;
    s.outputs = outputs_of_step<T>(p, o[7], inputs, step);
    s.mask = mask_of_step(p, o[6], step);
    gpu::launch(step_kernel<T>, grid_of_units(p), dim3(kDenseThreads), 0, stream(), s);
  }
}

template <class T>
struct StepBack {
  int64_t rows;
  Divisor units;
  const T* gates;       // (rows, 4 units)
  const T *before, *c;  // (rows, units): c before the step, null for zeros, and after it
  const T* dy;          // row stride dy_stride; may be absent
  int64_t dy_stride;
  T *dh, *dc;  // (rows, units): of this step, then what of them passes by to the step before
  T* dz;       // (rows, 4 units)
  StepMask mask;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    step_back_kernel(const __grid_constant__ StepBack<T> s) {
  const Unit at(s.rows, s.units);
  if (!at.exists) return;
  const int64_t n = s.units.value, i = at.row * n + at.unit;
  T* const dz = s.dz + at.row * kGates * n + at.unit;
  T dh = s.dh[i];
  if (s.dy != nullptr) dh += s.dy[at.row * s.dy_stride + at.unit];
  if (s.mask.skips(at.row)) {
    UNROLL for (int k = 0; k < kGates; k++) dz[k * n] = T(0);
    s.dh[i] = dh;
    return;
  }
  const T* const gates = s.gates + at.row * kGates * n + at.unit;
  const T input = gates[0], forget = gates[n], cell = gates[2 * n], output = gates[3 * n];
  const T t = Math::tanh(s.c[i]), before = s.before != nullptr ? s.before[i] : T(0);
  const T dc = s.dc[i] + dh * output * (T(1) - t * t);
  dz[0] = dc * cell * input * (T(1) - input);
  dz[n] = dc * before * forget * (T(1) - forget);
  dz[2 * n] = dc * input * (T(1) - cell * cell);
  dz[3 * n] = dh * t * output * (T(1) - output);
  s.dc[i] = dc * forget;
  s.dh[i] = T(0);
}

template <class T>
void backward(const RecurrentParams& p, const Operand* o) {
  const Operand &dy = o[0], &c0 = o[5], &gates = o[8], &cells = o[9], &dz = o[10], &dx = o[11];
  const int64_t N = p.N, U = p.U, width = kGates * U;
  const Operand dh = matrix(o[12].as<T>(), N, U, U), dc = matrix(o[13].as<T>(), N, U, U);
  copy_or_clear<T>(o[1], dh);
  copy_or_clear<T>(o[2], dc);
  const Operand recurrent = transposed(o[4].as<T>(), U, width, width);
  StepBack<T> s{};
  s.rows = N;
  s.units = Divisor(static_cast<uint32_t>(U));
  s.dy_stride = p.T * U;
  s.dh = dh.as<T>();
  s.dc = dc.as<T>();
  for (int64_t step = p.T; step-- > 0;) {
    s.gates = gates.as<T>() + step * N * width;
    s.c = cells.as<T>() + step * N * U;
    s.before = step > 0 ? s.c - N * U : c0.present ? c0.as<T>() : nullptr;
    s.dy = dy.present ? dy.as<T>() + step * U : nullptr;
    s.dz = dz.as<T>() + step * N * width;
    s.mask = mask_of_step(p, o[6], step);
    gpu::launch(step_back_kernel<T>, grid_of_units(p), dim3(kDenseThreads), 0, stream(), s);
    multiply(p, matrix(s.dz, N, width, width), recurrent, Operand(), dh, true);
  }
  if (dx.present)
    multiply(p, view(dz.data, dtype_of<T>, {p.T, N, width}, {N * width, width, 1}),
             transposed(o[3].as<T>(), p.F, width, width), Operand(),
             steps_first(p, dx.as<T>(), p.F, p.T * p.F, p.F), false);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define LSTM(T)                                          \
  kernel_entry<&forward<T>>(kernels::lstm, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::lstm_backward, dtype_of<T>)
WEFT_GPU_KERNELS(lstm, LSTM(float), LSTM(double))
