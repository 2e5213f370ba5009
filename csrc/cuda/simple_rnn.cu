// The simple recurrent network. Bound by the products; the activations move 3 U values a row
// forward and 4 U backward.
#include "ops/simple_rnn.h"

#include "cuda/recurrent.h"

namespace weft::WEFT_GPU {
namespace {

template <class T>
__device__ T activated(StateActivation activation, T z) {
  if (activation == StateActivation::tanh) return Math::tanh(z);
  return activation == StateActivation::relu ? Math::max(T(0), z) : z;  // NaN stays NaN
}
// The slope, from the activated value.
template <class T>
__device__ T slope(StateActivation activation, T y) {
  if (activation == StateActivation::tanh) return T(1) - y * y;
  return activation == StateActivation::relu && !(y > T(0)) ? T(0) : T(1);
}

template <class T>
struct Step {
  int64_t rows;
  Divisor units;
  StateActivation activation;
  const T* z;  // (rows, units), before the activation
  T* h;        // (rows, units): the state, updated
  StepOutputs<T> outputs;
  StepMask mask;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads) step_kernel(const __grid_constant__ Step<T> s) {
  const Unit at(s.rows, s.units);
  if (!at.exists) return;
  const int64_t i = at.row * s.units.value + at.unit;
  T h = s.h[i];
  if (!s.mask.skips(at.row)) {
    h = activated(s.activation, s.z[i]);
    s.h[i] = h;
  }
  s.outputs.store(at.row, at.unit, h);
}

template <class T>
void forward(const SimpleRnnParams& p, const Operand* o) {
  const Operand &x = o[0], &inputs = o[8];
  const int64_t N = p.N, U = p.U;
  const Operand h = matrix(o[7].as<T>(), N, U, U), recurrent = matrix(o[2].as<T>(), U, U, U);
  copy_or_clear<T>(o[4], h);
  save_inputs<T>(p, x, inputs, o[4]);
  const DeviceScratch<T> z(p.T * N * U);
  multiply(p, steps_first(p, x.as<T>(), p.F, x.strides[0], x.strides[1]), o[1], o[3],
           view(z.get(), dtype_of<T>, {p.T, N, U}, {N * U, U, 1}), false);
  Step<T> s{N, Divisor(static_cast<uint32_t>(U)), p.activation, nullptr, h.as<T>(), {}, {}};
  for (int64_t step = 0; step < p.T; step++) {
    T* const now = z.get() + step * N * U;
    multiply(p, h, recurrent, Operand(), matrix(now, N, U, U), true);
    s.z = now;
    s.outputs = outputs_of_step<T>(p, o[6], inputs, step);
    s.mask = mask_of_step(p, o[5], step);
    gpu::launch(step_kernel<T>, grid_of_units(p), dim3(kDenseThreads), 0, stream(), s);
  }
}

template <class T>
struct StepBack {
  int64_t rows;
  Divisor units;
  StateActivation activation;
  const T* after;  // the state after the step
  int64_t after_stride;
  const T* dy;  // row stride dy_stride; may be absent
  int64_t dy_stride;
  T *dh, *dz;  // (rows, units); dh: of this step, then what of it passes by to the step before
  StepMask mask;
};

template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    step_back_kernel(const __grid_constant__ StepBack<T> s) {
  const Unit at(s.rows, s.units);
  if (!at.exists) return;
  const int64_t i = at.row * s.units.value + at.unit;
  T dh = s.dh[i];
  if (s.dy != nullptr) dh += s.dy[at.row * s.dy_stride + at.unit];
  const bool skips = s.mask.skips(at.row);
  s.dz[i] = skips ? T(0) : dh * slope(s.activation, s.after[at.row * s.after_stride + at.unit]);
  s.dh[i] = skips ? dh : T(0);
}

template <class T>
void backward(const SimpleRnnParams& p, const Operand* o) {
  const Operand &dy = o[0], &inputs = o[5], &dz = o[7], &dx = o[8];
  const int64_t N = p.N, U = p.U, width = p.F + U;
  const Operand dh = matrix(o[9].as<T>(), N, U, U), back = transposed(o[3].as<T>(), U, U, U);
  copy_or_clear<T>(o[1], dh);
  StepBack<T> s{};
  s.rows = N;
  s.units = Divisor(static_cast<uint32_t>(U));
  s.activation = p.activation;
  s.dy_stride = p.T * U;
  s.dh = dh.as<T>();
  for (int64_t step = p.T; step-- > 0;) {
    const bool last = step + 1 == p.T;
    s.after = last ? o[6].as<T>() : inputs.as<T>() + (step + 1) * N * width + p.F;
    s.after_stride = last ? U : width;
    s.dy = dy.present ? dy.as<T>() + step * U : nullptr;
    s.dz = dz.as<T>() + step * N * U;
    s.mask = mask_of_step(p, o[4], step);
    gpu::launch(step_back_kernel<T>, grid_of_units(p), dim3(kDenseThreads), 0, stream(), s);
    multiply(p, matrix(s.dz, N, U, U), back, Operand(), dh, true);
  }
  if (dx.present)
    multiply(p, view(dz.data, dtype_of<T>, {p.T, N, U}, {N * U, U, 1}),
             transposed(o[2].as<T>(), p.F, U, U), Operand(),
             steps_first(p, dx.as<T>(), p.F, p.T * p.F, p.F), false);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define SIMPLE_RNN(T)                                          \
  kernel_entry<&forward<T>>(kernels::simple_rnn, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::simple_rnn_backward, dtype_of<T>)
WEFT_GPU_KERNELS(simple_rnn, SIMPLE_RNN(float), SIMPLE_RNN(double))
