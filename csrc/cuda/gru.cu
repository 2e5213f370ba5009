// Gated recurrent units. Bound by the products; the gates move about 8 U values a row forward and
// backward.
#include "ops/gru.h"

#include "cuda/recurrent.h"

namespace weft::WEFT_GPU {
namespace {

// The kernels of the gates come in two forms. With reset_after one kernel does a step. Without, the
// candidate is a product of r * h, so that a kernel comes before that product and one behind.
enum class Part { whole, before, behind };

template <class T>
struct Step {
  int64_t rows;
  Divisor units;
  // (rows, 4 units): z, r and the x part of the candidate before their activations, then after; the
  // h part of the candidate, or r * h.
  T* gates;
  T* h;  // (rows, units): the state, updated
  StepOutputs<T> outputs;
  StepMask mask;
};

template <Part kPart, class T>
__global__ void __launch_bounds__(kDenseThreads) step_kernel(const __grid_constant__ Step<T> s) {
  const Unit at(s.rows, s.units);
  if (!at.exists) return;
  const int64_t n = s.units.value, i = at.row * n + at.unit;
  T* const gates = s.gates + at.row * 4 * n + at.unit;
  T h = s.h[i];
  if constexpr (kPart == Part::before) {
    const T reset = Math::sigmoid(gates[n]);
    gates[0] = Math::sigmoid(gates[0]);
    gates[n] = reset;
    gates[3 * n] = reset * h;
  } else {
    if (!s.mask.skips(at.row)) {
      T update = gates[0], candidate = gates[2 * n];
      if constexpr (kPart == Part::whole) {
        const T reset = Math::sigmoid(gates[n]);
        update = Math::sigmoid(update);
        candidate += reset * gates[3 * n];
        gates[0] = update;
        gates[n] = reset;
      }
      candidate = Math::tanh(candidate);
      gates[2 * n] = candidate;
      h = update * h + (T(1) - update) * candidate;
      s.h[i] = h;
    }
    s.outputs.store(at.row, at.unit, h);
  }
}

// columns [first, first + count) of a matrix with `width` columns
template <class T>
Operand columns(T* data, int64_t rows, int64_t width, int64_t first, int64_t count) {
  return matrix(data + first, rows, count, width);
}

template <class T>
Operand bias_part(const Operand& bias, int64_t first, int64_t count) {
  if (!bias.present) return Operand();
  return view(bias.as<T>() + first, dtype_of<T>, {count}, {1});
}

template <class T>
void forward(const GruParams& p, const Operand* o) {
  const Operand &x = o[0], &bias = o[3], &inputs = o[8];
  const int64_t N = p.N, U = p.U, width = 4 * U;
  const Operand h = matrix(o[7].as<T>(), N, U, U);
  T* const weights = o[2].as<T>();
  const Operand to_gates = columns(weights, U, 3 * U, 0, 2 * U);
  const Operand to_candidate = columns(weights, U, 3 * U, 2 * U, U);
  const Operand gate_bias = p.reset_after ? bias_part<T>(bias, 3 * U, 2 * U) : Operand();
  copy_or_clear<T>(o[4], h);
  save_inputs<T>(p, x, inputs, o[4]);
  const OptionalDeviceScratch<T> gates(o[9], p.T * N * width);
  multiply(p, steps_first(p, x.as<T>(), p.F, x.strides[0], x.strides[1]), o[1],
           bias_part<T>(bias, 0, 3 * U),
           view(gates.get(), dtype_of<T>, {p.T, N, 3 * U}, {N * width, width, 1}), false);
  Step<T> s{N, Divisor(static_cast<uint32_t>(U)), nullptr, h.as<T>(), {}, {}};
  const dim3 grid = grid_of_units(p), block(kDenseThreads);
  for (int64_t step = 0; step < p.T; step++) {
    s.gates = gates.get() + step * N * width;
    s.outputs = outputs_of_step<T>(p, o[6], inputs, step);
    s.mask = mask_of_step(p, o[5], step);
    multiply(p, h, to_gates, gate_bias, columns(s.gates, N, width, 0, 2 * U), true);
    if (p.reset_after) {
      multiply(p, h, to_candidate, bias_part<T>(bias, 5 * U, U),
               columns(s.gates, N, width, 3 * U, U), false);
      gpu::launch(step_kernel<Part::whole, T>, grid, block, 0, stream(), s);
    } else {
      gpu::launch(step_kernel<Part::before, T>, grid, block, 0, stream(), s);
      multiply(p, columns(s.gates, N, width, 3 * U, U), to_candidate, Operand(),
               columns(s.gates, N, width, 2 * U, U), true);
      gpu::launch(step_kernel<Part::behind, T>, grid, block, 0, stream(), s);
    }
  }
}

template <class T>
struct StepBack {
  int64_t rows;
  Divisor units;
  const T* gates;  // (rows, 4 units)
  const T* h;      // the state before the step
  int64_t h_stride;
  const T* dy;  // row stride dy_stride; may be absent
  int64_t dy_stride;
  T* dh;          // (rows, units): of this step, then what of it passes by to the step before
  const T* d_rh;  // (rows, units): the gradient of r * h
  T* dz;          // (rows, dz_width)
  int64_t dz_width;
  StepMask mask;
};

template <Part kPart, class T>
__global__ void __launch_bounds__(kDenseThreads)
    step_back_kernel(const __grid_constant__ StepBack<T> s) {
  const Unit at(s.rows, s.units);
  if (!at.exists) return;
  const int64_t n = s.units.value, i = at.row * n + at.unit;
  T* const dz = s.dz + at.row * s.dz_width + at.unit;
  const T* const gates = s.gates + at.row * 4 * n + at.unit;
  const bool skips = s.mask.skips(at.row);
  if constexpr (kPart == Part::behind) {
    const T reset = skips ? T(0) : gates[n], d = s.d_rh[i];
    dz[n] = skips ? T(0) : d * s.h[at.row * s.h_stride + at.unit] * reset * (T(1) - reset);
    s.dh[i] += skips ? T(0) : d * reset;
  } else {
    T dh = s.dh[i];
    if (s.dy != nullptr) dh += s.dy[at.row * s.dy_stride + at.unit];
    if (skips) {
      for (int64_t k = 0; k < s.dz_width; k += n) dz[k] = T(0);
      s.dh[i] = dh;
      return;
    }
    const T update = gates[0], candidate = gates[2 * n];
    const T inner = dh * (T(1) - update) * (T(1) - candidate * candidate);
    dz[0] = dh * (s.h[at.row * s.h_stride + at.unit] - candidate) * update * (T(1) - update);
    dz[2 * n] = inner;
    if constexpr (kPart == Part::whole) {
      const T reset = gates[n];
      dz[n] = inner * gates[3 * n] * reset * (T(1) - reset);
      dz[3 * n] = inner * reset;
    }
    s.dh[i] = dh * update;
  }
}

template <class T>
void backward(const GruParams& p, const Operand* o) {
  const Operand &dy = o[0], &inputs = o[5], &gates = o[6], &dz = o[7], &dx = o[8];
  const int64_t N = p.N, U = p.U, width = p.F + U, dz_width = (p.reset_after ? 4 : 3) * U;
  const Operand dh = matrix(o[9].as<T>(), N, U, U);
  copy_or_clear<T>(o[1], dh);
  T* const weights = o[3].as<T>();
  const Operand from_gates = transposed(weights, U, 2 * U, 3 * U);
  const Operand from_candidate = transposed(weights + 2 * U, U, U, 3 * U);
  const DeviceScratch<T> d_rh(p.reset_after ? 0 : N * U);
  StepBack<T> s{};
  s.rows = N;
  s.units = Divisor(static_cast<uint32_t>(U));
  s.h_stride = width;
  s.dy_stride = p.T * U;
  s.dh = dh.as<T>();
  s.d_rh = d_rh.get();
  s.dz_width = dz_width;
  const dim3 grid = grid_of_units(p), block(kDenseThreads);
  for (int64_t step = p.T; step-- > 0;) {
    s.gates = gates.as<T>() + step * N * 4 * U;
    s.h = inputs.as<T>() + step * N * width + p.F;
    s.dy = dy.present ? dy.as<T>() + step * U : nullptr;
    s.dz = dz.as<T>() + step * N * dz_width;
    s.mask = mask_of_step(p, o[4], step);
    if (p.reset_after) {
      gpu::launch(step_back_kernel<Part::whole, T>, grid, block, 0, stream(), s);
      multiply(p, columns(s.dz, N, dz_width, 3 * U, U), from_candidate, Operand(), dh, true);
    } else {
      gpu::launch(step_back_kernel<Part::before, T>, grid, block, 0, stream(), s);
      multiply(p, columns(s.dz, N, dz_width, 2 * U, U), from_candidate, Operand(),
               matrix(d_rh.get(), N, U, U), false);
      gpu::launch(step_back_kernel<Part::behind, T>, grid, block, 0, stream(), s);
    }
    multiply(p, columns(s.dz, N, dz_width, 0, 2 * U), from_gates, Operand(), dh, true);
  }
  if (dx.present)
    multiply(p, view(dz.data, dtype_of<T>, {p.T, N, 3 * U}, {N * dz_width, dz_width, 1}),
             transposed(o[2].as<T>(), p.F, 3 * U, 3 * U), Operand(),
             steps_first(p, dx.as<T>(), p.F, p.T * p.F, p.F), false);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define GRU(T)                                          \
  kernel_entry<&forward<T>>(kernels::gru, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::gru_backward, dtype_of<T>)
WEFT_GPU_KERNELS(gru, GRU(float), GRU(double))
