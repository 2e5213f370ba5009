// The simple recurrent network: the steps of a block of sequences, forward and backward.
#include "ops/simple_rnn.h"

#include "cpu/recurrent.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using namespace recurrent;  // NOLINT: the names below are its only use

template <StateActivation kActivation, class T>
void forward_row(const T* z, T* h, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    const auto v = load(z + u);
    if constexpr (kActivation == StateActivation::tanh)
      store(h + u, simd::tanh(v));
    else if constexpr (kActivation == StateActivation::relu)
      store(h + u, simd::max(simd::Vec<T>{}, v));  // NaN stays NaN
    else
      store(h + u, v);
  });
}

// dz from dh and the state after the step.
template <StateActivation kActivation, class T>
void backward_row(const T* h, const T* dh, T* dz, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    using V = simd::Vec<T>;
    const V d = load(dh + u), y = load(h + u);
    if constexpr (kActivation == StateActivation::tanh)
      store(dz + u, d * (simd::constant<V>(1) - y * y));
    else if constexpr (kActivation == StateActivation::relu)
      store(dz + u, simd::select(y > V{}, d, V{}));
    else
      store(dz + u, d);
  });
}

template <StateActivation kActivation, class T>
struct Forward {
  const SimpleRnnParams& p;
  const Operand *x, *bias, *h0, *mask, *y, *h, *inputs;
  const PackedMatrix<T>& weights;

  void operator()(int64_t first, int64_t last) const {
    const int64_t rows = last - first, F = p.F, U = p.U, width = F + U;
    const int64_t lda = tile_stride<T>(width), ldz = tile_stride<T>(U);
    const Scratch<T> a(rows * lda), z(rows * ldz);
    for (int64_t row = 0; row < rows; row++)
      copy_or_zero(row_of<T>(*h0, first + row, U), a.get() + row * lda + F, U);
    for (int64_t step = 0; step < p.T; step++) {
      load_inputs(p, *x, step, first, rows, a.get(), lda);
      if (inputs->present)
        for (int64_t row = 0; row < rows; row++)
          copy_row(a.get() + row * lda, row_at<T>(*inputs, p, step, first + row, width), width);
      weights.multiply(rows, a.get(), lda, z.get(), ldz, bias->as<T>(), false);
      for (int64_t row = 0; row < rows; row++) {
        T* state = a.get() + row * lda + F;
        if (!is_masked(*mask, p, first + row, step))
          forward_row<kActivation>(z.get() + row * ldz, state, U);
        if (y->present) copy_row(state, y->as<T>() + ((first + row) * p.T + step) * U, U);
      }
    }
    for (int64_t row = 0; row < rows; row++)
      copy_row(a.get() + row * lda + F, row_of<T>(*h, first + row, U), U);
  }
};

template <StateActivation kActivation, class T>
struct Backward {
  const SimpleRnnParams& p;
  const Operand *dy, *dh, *mask, *inputs, *h, *dz, *dx, *dh0;
  const PackedMatrix<T>& weights;  // back to [x, h], or to h alone

  void operator()(int64_t first, int64_t last) const {
    const int64_t rows = last - first, U = p.U, F = dx->present ? p.F : 0;
    const int64_t ldz = tile_stride<T>(U), ldd = tile_stride<T>(F + U);
    const Scratch<T> z(rows * ldz), d(rows * ldd);
    for (int64_t row = 0; row < rows; row++)
      copy_or_zero(row_of<T>(*dh, first + row, U), d.get() + row * ldd + F, U);
    for (int64_t step = p.T; step-- > 0;) {
      for (int64_t row = 0; row < rows; row++)
        start_row(step, first + row, d.get() + row * ldd, F, z.get() + row * ldz);
      weights.multiply(rows, z.get(), ldz, d.get(), ldd, nullptr, mask->present);
      store_inputs(p, *dx, step, first, rows, d.get(), ldd);
    }
    for (int64_t row = 0; row < rows; row++)
      copy_row(d.get() + row * ldd + F, row_of<T>(*dh0, first + row, U), U);
  }

  // d: [dx, dh]. With a mask the product is added to d, which holds what passes by a skipped step.
  WEFT_INLINE void start_row(int64_t step, int64_t row, T* d, int64_t F, T* z) const {
    const int64_t U = p.U;
    if (dy->present) add_row(dy->as<T>() + (row * p.T + step) * U, d + F, U);
    const bool masked = is_masked(*mask, p, row, step);
    if (masked) {
      fill_row(z, T(0), U);
    } else {
      const T* after = step + 1 < p.T ? row_at<T>(*inputs, p, step + 1, row, p.F + U) + p.F
                                      : row_of<T>(*h, row, U);
      backward_row<kActivation>(after, d + F, z, U);
    }
    if (mask->present) fill_row(d, T(0), masked ? F : F + U);
    copy_row(z, row_at<T>(*dz, p, step, row, U), U);
  }
};

template <StateActivation kActivation, class T>
void forward_with(const SimpleRnnParams& p, const Operand* o) {
  const int64_t U = p.U, k = p.F + U;
  const Stacked<T> both(o[1].as<T>(), p.F, o[2].as<T>(), U, U);
  const PackedMatrix<T> weights(k, U, both.get(), U, 1);
  const Forward<kActivation, T> body{p, &o[0], &o[3], &o[4], &o[5], &o[6], &o[7], &o[8], weights};
  for_each_block(p.N, k * U * static_cast<int64_t>(sizeof(T)), body);
}

template <StateActivation kActivation, class T>
void backward_with(const SimpleRnnParams& p, const Operand* o) {
  const int64_t U = p.U, F = o[8].present ? p.F : 0;
  const Stacked<T> both(o[2].as<T>(), F, o[3].as<T>(), U, U);
  const PackedMatrix<T> weights(U, F + U, both.get(), 1, U);
  const Backward<kActivation, T> body{p,     &o[0], &o[1], &o[4], &o[5],
                                      &o[6], &o[7], &o[8], &o[9], weights};
  for_each_block(p.N, U * (F + U) * static_cast<int64_t>(sizeof(T)), body);
}

template <class T>
void forward(const SimpleRnnParams& p, const Operand* o) {
  switch (p.activation) {
    case StateActivation::linear: return forward_with<StateActivation::linear, T>(p, o);
    case StateActivation::relu: return forward_with<StateActivation::relu, T>(p, o);
    case StateActivation::tanh: return forward_with<StateActivation::tanh, T>(p, o);
  }
}
template <class T>
void backward(const SimpleRnnParams& p, const Operand* o) {
  switch (p.activation) {
    case StateActivation::linear: return backward_with<StateActivation::linear, T>(p, o);
    case StateActivation::relu: return backward_with<StateActivation::relu, T>(p, o);
    case StateActivation::tanh: return backward_with<StateActivation::tanh, T>(p, o);
  }
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define SIMPLE_RNN(T)                                          \
  kernel_entry<&forward<T>>(kernels::simple_rnn, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::simple_rnn_backward, dtype_of<T>)
WEFT_CPU_KERNELS(simple_rnn, SIMPLE_RNN(float), SIMPLE_RNN(double))
