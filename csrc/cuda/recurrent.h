// What the recurrent kernels share on a GPU: one product for the inputs of all steps, then for each
// step one product that adds the state's part and one kernel of the gates, N x U threads, which
// reads and writes every value once.
#pragma once

#include "cuda/dense.h"
#include "cuda/math.h"
#include "cuda/scratch.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "ops/recurrent.h"

namespace weft::WEFT_GPU {

// Temporary memory, or nothing when there is memory already.
template <class T>
class OptionalDeviceScratch {
 public:
  OptionalDeviceScratch(const Operand& given, int64_t count)
      : own_(given.present ? 0 : count), data_(given.present ? given.as<T>() : own_.get()) {}
  T* get() const { return data_; }

 private:
  DeviceScratch<T> own_;
  T* data_;
};

// A view of memory as an operand.
inline Operand view(void* data, DType dtype, const Shape& shape, const Strides& strides) {
  Operand operand;
  operand.data = data;
  operand.dtype = dtype;
  operand.shape = shape;
  operand.strides = strides;
  operand.present = true;
  return operand;
}
template <class T>
Operand matrix(T* data, int64_t rows, int64_t columns, int64_t row_stride) {
  return view(data, dtype_of<T>, {rows, columns}, {row_stride, 1});
}
// The transpose of a matrix whose rows have no gaps.
template <class T>
Operand transposed(T* data, int64_t rows, int64_t columns, int64_t row_stride) {
  return view(data, dtype_of<T>, {columns, rows}, {1, row_stride});
}

// c = a @ b + bias, or a @ b added to c, by the kernels of matmul.
inline void multiply(const RecurrentParams& p, const Operand& a, const Operand& b,
                     const Operand& bias, const Operand& c, bool accumulate) {
  if (c.size() == 0) return;
  MatmulParams params;
  params.accumulate = accumulate;
  params.precision =
      p.precision == MatmulPrecision::float32 ? MatmulPrecision::float32 : MatmulPrecision::tf32;
  const Operand operands[] = {a, b, bias, c};
  kernels::matmul.find(DeviceType::WEFT_GPU_DEVICE, a.dtype)(&params, operands);
}

// y = x, or 0 for an absent x, of any strides.
template <class T>
void copy_or_clear(const Operand& x, const Operand& y) {
  if (y.size() == 0) return;
  const NoParams none;
  T zero(0);
  Operand number = view(&zero, y.dtype, {}, {});
  number.on_host = true;
  const Operand operands[] = {x.present ? x : number, y};
  Kernel<NoParams>& kernel = x.present ? kernels::cast : kernels::fill;
  kernel.find(DeviceType::WEFT_GPU_DEVICE, y.dtype)(&none, operands);
}

// x (N, T, columns) with steps outside, in the order of the computation: (T, N, columns).
template <class T>
Operand steps_first(const RecurrentParams& p, T* data, int64_t columns, int64_t row_stride,
                    int64_t step_stride) {
  T* const first = p.go_backwards ? data + (p.T - 1) * step_stride : data;
  return view(first, dtype_of<T>, {p.T, p.N, columns},
              {p.go_backwards ? -step_stride : step_stride, row_stride, 1});
}

// Copies x into the first F columns of `inputs`, and the state before the first step beside it.
template <class T>
void save_inputs(const RecurrentParams& p, const Operand& x, const Operand& inputs,
                 const Operand& state) {
  if (!inputs.present || inputs.size() == 0) return;
  const int64_t width = p.F + p.U;
  T* const to = inputs.as<T>();
  copy_or_clear<T>(steps_first(p, x.as<T>(), p.F, x.strides[0], x.strides[1]),
                   view(to, dtype_of<T>, {p.T, p.N, p.F}, {p.N * width, width, 1}));
  copy_or_clear<T>(state, matrix(to + p.F, p.N, p.U, width));
}

// Where a unit of a sequence is, and whether the step counts for it.
struct StepMask {
  const bool* mask;  // null: every step counts
  int64_t row_stride;
  __device__ bool skips(int64_t row) const { return mask != nullptr && !mask[row * row_stride]; }
};
inline StepMask mask_of_step(const RecurrentParams& p, const Operand& mask, int64_t step) {
  if (!mask.present) return {nullptr, 0};
  return {mask.as<bool>() + (p.go_backwards ? p.T - 1 - step : step), p.T};
}

// What a step writes beside the state itself: absent parts are null.
template <class T>
struct StepOutputs {
  T* y;  // row stride T U
  int64_t y_stride;
  T* inputs;  // the state's columns of the next step's inputs
  int64_t inputs_stride;

  __device__ void store(int64_t row, int64_t unit, T h) const {
    if (y != nullptr) y[row * y_stride + unit] = h;
    if (inputs != nullptr) inputs[row * inputs_stride + unit] = h;
  }
};
template <class T>
StepOutputs<T> outputs_of_step(const RecurrentParams& p, const Operand& y, const Operand& inputs,
                               int64_t step) {
  const int64_t width = p.F + p.U;
  const bool next = inputs.present && step + 1 < p.T;
  return {y.present ? y.as<T>() + step * p.U : nullptr, p.T * p.U,
          next ? inputs.as<T>() + (step + 1) * p.N * width + p.F : nullptr, width};
}

// One thread for each unit of each sequence.
inline dim3 grid_of_units(const RecurrentParams& p) {
  check(p.N * p.U <= kMaxLaunchElements, "a state of ", p.N, " x ", p.U,
        " units is too large for a GPU; use smaller batches");
  return dim3(blocks_for(p.N * p.U, kDenseThreads));
}
struct Unit {
  int64_t row, unit;
  bool exists;
  __device__ Unit(int64_t rows, Divisor units) {
    const auto i = static_cast<uint32_t>(dense_thread());
    exists = i < rows * units.value;
    row = units.quotient(i);
    unit = i - row * units.value;
  }
};

}  // namespace weft::WEFT_GPU
