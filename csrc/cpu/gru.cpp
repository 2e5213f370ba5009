// Gated recurrent units: the steps of a block of sequences, forward and backward.
//
// A row of the tile z holds 4 U values: z, r, the x part of the candidate, and its h part.
#include "ops/gru.h"

#include "cpu/recurrent.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using namespace recurrent;  // NOLINT: the names below are its only use

// The weights in the products that a step needs, all with the stacked kernels' rows (F for x, then
// U) and columns (3 U). `gates` makes z and r of [x, h]. The candidate is made of x by `candidate`
// and of h by `candidate_state`, or of [x, r * h] by `candidate` alone. `back` multiplies with the
// transposes.
template <class T>
struct Weights {
  Stacked<T> both;
  PackedMatrix<T> gates, candidate, candidate_state;

  Weights(const GruParams& p, const T* kernel, int64_t F, const T* recurrent, bool back)
      : both(kernel, F, recurrent, p.U, 3 * p.U),
        gates(packed(p, 0, 0, F + p.U, 2 * p.U, back)),
        candidate(packed(p, 0, 2 * p.U, p.reset_after ? F : F + p.U, p.U, back)),
        candidate_state(
            packed(p, F, 2 * p.U, p.reset_after ? p.U : 0, p.reset_after ? p.U : 0, back)) {}

 private:
  PackedMatrix<T> packed(const GruParams& p, int64_t row, int64_t column, int64_t rows,
                         int64_t columns, bool back) const {
    const T* from = both.get() + row * 3 * p.U + column;
    if (back) return PackedMatrix<T>(columns, rows, from, 1, 3 * p.U);
    return PackedMatrix<T>(rows, columns, from, 3 * p.U, 1);
  }
};

template <class T>
WEFT_INLINE auto mixed(simd::Vec<T> z, simd::Vec<T> h, simd::Vec<T> candidate) {
  return z * h + (simd::constant<simd::Vec<T>>(1) - z) * candidate;
}

// One row with reset_after: h of `n` units. The gates are kept for the gradient unless null.
template <class T>
void forward_row(const T* z, T* h, T* gates, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    const auto update = simd::sigmoid(load(z + u)), reset = simd::sigmoid(load(z + n + u));
    const auto part = load(z + 3 * n + u);
    const auto candidate = simd::tanh(load(z + 2 * n + u) + reset * part);
    store(h + u, mixed<T>(update, load(h + u), candidate));
    if (gates != nullptr) {
      store(gates + u, update);
      store(gates + n + u, reset);
      store(gates + 2 * n + u, candidate);
      store(gates + 3 * n + u, part);
    }
  });
}

// Without: first the gates, and r * h, which the candidate is made of...
template <class T>
void gate_row(T* z, const T* h, T* reset_h, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    const auto reset = simd::sigmoid(load(z + n + u));
    store(z + u, simd::sigmoid(load(z + u)));
    store(z + n + u, reset);
    store(reset_h + u, reset * load(h + u));
  });
}
// ...then the candidate and h.
template <class T>
void candidate_row(T* z, T* h, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    const auto candidate = simd::tanh(load(z + 2 * n + u));
    store(z + 2 * n + u, candidate);
    store(h + u, mixed<T>(load(z + u), load(h + u), candidate));
  });
}

template <class T>
struct Forward {
  const GruParams& p;
  const Operand *x, *h0, *mask, *y, *h, *inputs, *gates;
  const Weights<T>& weights;
  const T *gate_bias, *candidate_bias, *state_bias;  // null: none

  void operator()(int64_t first, int64_t last) const {
    const int64_t rows = last - first, F = p.F, U = p.U, width = F + U;
    const int64_t lda = tile_stride<T>(width), ldz = tile_stride<T>(4 * U);
    const Scratch<T> a(rows * lda), z(rows * ldz), reset(p.reset_after ? 1 : rows * lda);
    for (int64_t row = 0; row < rows; row++)
      copy_or_zero(row_of<T>(*h0, first + row, U), a.get() + row * lda + F, U);
    for (int64_t step = 0; step < p.T; step++) {
      load_inputs(p, *x, step, first, rows, a.get(), lda);
      if (inputs->present)
        for (int64_t row = 0; row < rows; row++)
          copy_row(a.get() + row * lda, row_at<T>(*inputs, p, step, first + row, width), width);
      weights.gates.multiply(rows, a.get(), lda, z.get(), ldz, gate_bias, false);
      if (p.reset_after)
        finish_after(step, first, rows, a.get(), lda, z.get(), ldz);
      else
        finish_before(step, first, rows, a.get(), lda, z.get(), ldz, reset.get());
      if (y->present)
        for (int64_t row = 0; row < rows; row++)
          copy_row(a.get() + row * lda + F, y->as<T>() + ((first + row) * p.T + step) * U, U);
    }
    for (int64_t row = 0; row < rows; row++)
      copy_row(a.get() + row * lda + F, row_of<T>(*h, first + row, U), U);
  }

  void finish_after(int64_t step, int64_t first, int64_t rows, T* a, int64_t lda, T* z,
                    int64_t ldz) const {
    const int64_t F = p.F, U = p.U;
    weights.candidate.multiply(rows, a, lda, z + 2 * U, ldz, candidate_bias, false);
    weights.candidate_state.multiply(rows, a + F, lda, z + 3 * U, ldz, state_bias, false);
    for (int64_t row = 0; row < rows; row++) {
      if (is_masked(*mask, p, first + row, step)) continue;
      T* kept = gates->present ? row_at<T>(*gates, p, step, first + row, 4 * U) : nullptr;
      forward_row(z + row * ldz, a + row * lda + F, kept, U);
    }
  }

  // reset: a tile like a, of [x, r * h].
  void finish_before(int64_t step, int64_t first, int64_t rows, T* a, int64_t lda, T* z,
                     int64_t ldz, T* reset) const {
    const int64_t F = p.F, U = p.U;
    for (int64_t row = 0; row < rows; row++) {
      copy_row(a + row * lda, reset + row * lda, F);
      gate_row(z + row * ldz, a + row * lda + F, reset + row * lda + F, U);
    }
    weights.candidate.multiply(rows, reset, lda, z + 2 * U, ldz, candidate_bias, false);
    for (int64_t row = 0; row < rows; row++) {
      if (!is_masked(*mask, p, first + row, step))
        candidate_row(z + row * ldz, a + row * lda + F, U);
      if (!gates->present) continue;
      T* kept = row_at<T>(*gates, p, step, first + row, 4 * U);
      copy_row(z + row * ldz, kept, 3 * U);
      // Also of masked steps: the gradient of the weights multiplies it, though with zeros.
      copy_row(reset + row * lda + F, kept + 3 * U, U);
    }
  }
};

template <class T>
void forward(const GruParams& p, const Operand* o) {
  const int64_t U = p.U, width = 3 * U;
  const Weights<T> weights(p, o[1].as<T>(), p.F, o[2].as<T>(), false);
  const Scratch<T> sums(2 * U);
  const T* bias = o[3].as<T>();
  const T *gate_bias = bias, *candidate_bias = nullptr, *state_bias = nullptr;
  if (bias != nullptr) {
    candidate_bias = bias + 2 * U;
    if (p.reset_after) {
      for (int64_t i = 0; i < 2 * U; i++) sums[i] = bias[i] + bias[width + i];
      gate_bias = sums.get();
      state_bias = bias + width + 2 * U;
    }
  }
  const Forward<T> body{p,     &o[0], &o[4],   &o[5],     &o[6],          &o[7],
                        &o[8], &o[9], weights, gate_bias, candidate_bias, state_bias};
  for_each_block(p.N, (p.F + U) * width * static_cast<int64_t>(sizeof(T)), body);
}

// The gradient of one row with reset_after; d becomes what passes by to the step before.
template <class T>
void backward_row(const T* gates, const T* h, T* d, T* dz, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    using V = simd::Vec<T>;
    const V one = simd::constant<V>(1);
    const V update = load(gates + u), reset = load(gates + n + u), dh = load(d + u);
    const V candidate = load(gates + 2 * n + u), part = load(gates + 3 * n + u);
    const V inner = dh * (one - update) * (one - candidate * candidate);
    store(dz + u, dh * (load(h + u) - candidate) * update * (one - update));
    store(dz + n + u, inner * part * reset * (one - reset));
    store(dz + 2 * n + u, inner);
    store(dz + 3 * n + u, inner * reset);
    store(d + u, dh * update);
  });
}

// Without: first the update gate and the candidate...
template <class T>
void candidate_back_row(const T* gates, const T* h, const T* d, T* passes, T* dz, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    using V = simd::Vec<T>;
    const V one = simd::constant<V>(1);
    const V update = load(gates + u), candidate = load(gates + 2 * n + u), dh = load(d + u);
    store(dz + u, dh * (load(h + u) - candidate) * update * (one - update));
    store(dz + 2 * n + u, dh * (one - update) * (one - candidate * candidate));
    store(passes + u, dh * update);
  });
}
// ...then, from the gradient d of r * h, the reset gate.
template <class T>
void reset_back_row(const T* gates, const T* h, const T* d, T* passes, T* dz, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    using V = simd::Vec<T>;
    const V reset = load(gates + n + u), dr = load(d + u);
    store(dz + n + u, dr * load(h + u) * reset * (simd::constant<V>(1) - reset));
    store(passes + u, load(passes + u) + dr * reset);
  });
}

template <class T>
struct Backward {
  const GruParams& p;
  const Operand *dy, *dh, *mask, *inputs, *gates, *dz, *dx, *dh0;
  const Weights<T>& weights;

  void operator()(int64_t first, int64_t last) const {
    const int64_t rows = last - first, U = p.U, F = dx->present ? p.F : 0;
    const int64_t ldz = tile_stride<T>(4 * U), ldd = tile_stride<T>(F + U);
    const int64_t width = (p.reset_after ? 4 : 3) * U;
    const Scratch<T> z(rows * ldz), d(rows * ldd), passes(p.reset_after ? 1 : rows * U);
    for (int64_t row = 0; row < rows; row++)
      copy_or_zero(row_of<T>(*dh, first + row, U), d.get() + row * ldd + F, U);
    for (int64_t step = p.T; step-- > 0;) {
      if (dy->present)
        for (int64_t row = 0; row < rows; row++)
          add_row(dy->as<T>() + ((first + row) * p.T + step) * U, d.get() + row * ldd + F, U);
      if (p.reset_after)
        step_after(step, first, rows, z.get(), ldz, d.get(), ldd, F);
      else
        step_before(step, first, rows, z.get(), ldz, d.get(), ldd, F, passes.get());
      weights.gates.multiply(rows, z.get(), ldz, d.get(), ldd, nullptr, true);
      for (int64_t row = 0; row < rows; row++)
        copy_row(z.get() + row * ldz, row_at<T>(*dz, p, step, first + row, width), width);
      store_inputs(p, *dx, step, first, rows, d.get(), ldd);
    }
    for (int64_t row = 0; row < rows; row++)
      copy_row(d.get() + row * ldd + F, row_of<T>(*dh0, first + row, U), U);
  }

  WEFT_INLINE const T* state(int64_t step, int64_t row) const {  // before the step
    return row_at<T>(*inputs, p, step, row, p.F + p.U) + p.F;
  }

  // d: [dx, dh]; leaves there what the product of the gates is added to.
  void step_after(int64_t step, int64_t first, int64_t rows, T* z, int64_t ldz, T* d, int64_t ldd,
                  int64_t F) const {
    const int64_t U = p.U;
    for (int64_t row = 0; row < rows; row++) {
      if (is_masked(*mask, p, first + row, step))
        fill_row(z + row * ldz, T(0), 4 * U);
      else
        backward_row(row_at<T>(*gates, p, step, first + row, 4 * U), state(step, first + row),
                     d + row * ldd + F, z + row * ldz, U);
    }
    weights.candidate.multiply(rows, z + 2 * U, ldz, d, ldd, nullptr, false);
    weights.candidate_state.multiply(rows, z + 3 * U, ldz, d + F, ldd, nullptr, true);
  }

  void step_before(int64_t step, int64_t first, int64_t rows, T* z, int64_t ldz, T* d, int64_t ldd,
                   int64_t F, T* passes) const {
    const int64_t U = p.U;
    for (int64_t row = 0; row < rows; row++) {
      if (is_masked(*mask, p, first + row, step)) {
        fill_row(z + row * ldz, T(0), 3 * U);
        copy_row(d + row * ldd + F, passes + row * U, U);
      } else {
        candidate_back_row(row_at<T>(*gates, p, step, first + row, 4 * U), state(step, first + row),
                           d + row * ldd + F, passes + row * U, z + row * ldz, U);
      }
    }
    weights.candidate.multiply(rows, z + 2 * U, ldz, d, ldd, nullptr, false);
    for (int64_t row = 0; row < rows; row++) {
      if (!is_masked(*mask, p, first + row, step))
        reset_back_row(row_at<T>(*gates, p, step, first + row, 4 * U), state(step, first + row),
                       d + row * ldd + F, passes + row * U, z + row * ldz, U);
      copy_row(passes + row * U, d + row * ldd + F, U);
    }
  }
};

template <class T>
void backward(const GruParams& p, const Operand* o) {
  const int64_t F = o[8].present ? p.F : 0;
  const Weights<T> weights(p, o[2].as<T>(), F, o[3].as<T>(), true);
  const Backward<T> body{p, &o[0], &o[1], &o[4], &o[5], &o[6], &o[7], &o[8], &o[9], weights};
  for_each_block(p.N, (F + p.U) * 3 * p.U * static_cast<int64_t>(sizeof(T)), body);
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define GRU(T)                                          \
  kernel_entry<&forward<T>>(kernels::gru, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::gru_backward, dtype_of<T>)
WEFT_CPU_KERNELS(gru, GRU(float), GRU(double))
