// Long short-term memory: the steps of a block of sequences, forward and backward.
#include "ops/lstm.h"

#include "cpu/recurrent.h"

namespace weft::cpu::WEFT_ISA {
namespace {

using namespace recurrent;  // NOLINT: the names below are its only use

constexpr int64_t kGates = 4;

// One row: z (input, forget, cell, output before their activations), c and h of `n` units. The
// gates are kept for the gradient unless null.
template <bool kSave, class T>
void forward_row(T* z, T* c, T* h, T* gates, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    const auto i = simd::sigmoid(load(z + u)), f = simd::sigmoid(load(z + n + u));
    const auto g = simd::tanh(load(z + 2 * n + u)), o = simd::sigmoid(load(z + 3 * n + u));
    store(c + u, f * load(c + u) + i * g);
    store(z + 3 * n + u, o);
    if constexpr (kSave) {
      store(gates + u, i);
      store(gates + n + u, f);
      store(gates + 2 * n + u, g);
      store(gates + 3 * n + u, o);
    }
  });
  // Apart: as the end of the chain above it would keep the processor from the next vector.
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    store(h + u, load(z + 3 * n + u) * simd::tanh(load(c + u)));
  });
}

template <class T>
struct Forward {
  const RecurrentParams& p;
  const Operand *x, *bias, *h0, *c0, *mask, *y, *h, *c, *inputs, *gates, *cells;
  const PackedMatrix<T>& weights;

  void operator()(int64_t first, int64_t last) const {
    const int64_t rows = last - first, F = p.F, U = p.U, width = F + U;
    const int64_t lda = tile_stride<T>(width), ldz = tile_stride<T>(kGates * U);
    const Scratch<T> a(rows * lda), z(rows * ldz), state(rows * U);
    for (int64_t row = 0; row < rows; row++) {
      copy_or_zero(row_of<T>(*h0, first + row, U), a.get() + row * lda + F, U);
      copy_or_zero(row_of<T>(*c0, first + row, U), state.get() + row * U, U);
    }
    for (int64_t step = 0; step < p.T; step++) {
      load_inputs(p, *x, step, first, rows, a.get(), lda);
      if (inputs->present)
        for (int64_t row = 0; row < rows; row++)
          copy_row(a.get() + row * lda, row_at<T>(*inputs, p, step, first + row, width), width);
      weights.multiply_first(step == 0 && p.from_zero ? F : width, rows, a.get(), lda, z.get(), ldz,
                             bias->as<T>(), false);
      for (int64_t row = 0; row < rows; row++)
        finish_row(step, first + row, z.get() + row * ldz, state.get() + row * U,
                   a.get() + row * lda + F);
    }
    for (int64_t row = 0; row < rows; row++) {
      copy_row(a.get() + row * lda + F, row_of<T>(*h, first + row, U), U);
      copy_row(state.get() + row * U, row_of<T>(*c, first + row, U), U);
    }
  }

  WEFT_INLINE void finish_row(int64_t step, int64_t row, T* z, T* cell, T* state) const {
    const int64_t U = p.U;
    if (!is_masked(*mask, p, row, step)) {
      if (gates->present)
        forward_row<true>(z, cell, state, row_at<T>(*gates, p, step, row, kGates * U), U);
      else
        forward_row<false>(z, cell, state, static_cast<T*>(nullptr), U);
    }
    if (cells->present) copy_row(cell, row_at<T>(*cells, p, step, row, U), U);
    if (y->present) copy_row(state, y->as<T>() + (row * p.T + step) * U, U);
  }
};

template <class T>
void forward(const RecurrentParams& p, const Operand* o) {
  const int64_t width = kGates * p.U, k = p.F + p.U;
  const Stacked<T> both(o[1].as<T>(), p.F, o[2].as<T>(), p.U, width);
  const PackedMatrix<T> weights(k, width, both.get(), width, 1);
  const Forward<T> body{p,     &o[0], &o[3],  &o[4],  &o[5],  &o[6],  &o[7],
                        &o[8], &o[9], &o[10], &o[11], &o[12], weights};
  for_each_block(p.N, k * width * static_cast<int64_t>(sizeof(T)), body);
}

// One row back: dh and dc of this step give dz, and dc of the step before.
// c: of this step, and then of the step before.
template <class T>
void backward_row(const T* gates, const T* before, T* c, const T* dh, T* dc, T* dz, int64_t n) {
  for_each_vector<T>(n, [&](int64_t u, auto load, auto store) __attribute__((always_inline)) {
    using V = simd::Vec<T>;
    const V one = simd::constant<V>(1);
    const V i = load(gates + u), f = load(gates + n + u), g = load(gates + 2 * n + u),
            o = load(gates + 3 * n + u);
    const V t = simd::tanh(load(c + u)), d = load(dh + u);
    const V cell = load(dc + u) + d * o * (one - t * t);
    const V previous = before != nullptr ? load(before + u) : V{};
    store(dz + u, cell * g * i * (one - i));
    store(dz + n + u, cell * previous * f * (one - f));
    store(dz + 2 * n + u, cell * i * (one - g * g));
    store(dz + 3 * n + u, d * t * o * (one - o));
    store(dc + u, cell * f);
    store(c + u, previous);
  });
}

template <class T>
struct Backward {
  const RecurrentParams& p;
  const Operand *dy, *dh, *dc, *c0, *mask, *inputs, *gates, *cells, *dz, *dx, *dh0, *dc0;
  const PackedMatrix<T>& weights;  // back to [x, h], or to h alone
  const WeightGradient<T>& gradient;

  // `part` takes the gradient of the weights; null if dz is kept for it.
  void operator()(int64_t first, int64_t last, T* part) const {
    const int64_t rows = last - first, U = p.U, F = dx->present ? p.F : 0;
    const int64_t ldz = tile_stride<T>(kGates * U), ldd = tile_stride<T>(F + U);
    const Scratch<T> z(rows * ldz), d(rows * ldd), dcell(rows * U), cell(rows * U);
    const int64_t together = WeightGradient<T>::steps_together(rows, p.T),
                  capacity = together * rows;
    const Scratch<T> packed(part != nullptr ? gemm::packed_size<T>(capacity, kGates * U) : 1);
    const int64_t lda = tile_stride<T>(p.F + U);
    const Scratch<T> a(part != nullptr ? capacity * lda : 1);
    for (int64_t row = 0; row < rows; row++) {
      copy_or_zero(row_of<T>(*dh, first + row, U), d.get() + row * ldd + F, U);
      copy_or_zero(row_of<T>(*dc, first + row, U), dcell.get() + row * U, U);
      if (p.T > 0) copy_row(row_at<T>(*cells, p, p.T - 1, first + row, U), cell.get() + row * U, U);
    }
    int64_t waiting = 0;  // steps in `packed`
    for (int64_t step = p.T; step-- > 0;) {
      for (int64_t row = 0; row < rows; row++)
        start_row(step, first + row, d.get() + row * ldd, F, cell.get() + row * U,
                  dcell.get() + row * U, z.get() + row * ldz);
      if (part != nullptr) {
        gradient.append(z.get(), ldz, rows, waiting * rows, capacity, packed.get());
        gradient.add_sums(z.get(), ldz, rows, part);
        for (int64_t row = 0; row < rows; row++)
          copy_row(row_at<T>(*inputs, p, step, first + row, p.F + U),
                   a.get() + (waiting * rows + row) * lda, p.F + U);
        if (++waiting == together || step == 0) {
          gradient.add(a.get(), lda, p.F, 0, waiting * rows, capacity, packed.get(), part);
          // The last ones are of the first step, whose state may be 0.
          const int64_t of_state = step == 0 && p.from_zero ? waiting - 1 : waiting;
          gradient.add(a.get() + p.F, lda, U, p.F, of_state * rows, capacity, packed.get(), part);
          waiting = 0;
        }
      }
      if (step == 0 && !dx->present && !dh0->present) break;
      weights.multiply(rows, z.get(), ldz, d.get(), ldd, nullptr, mask->present,
                       ahead(step, first, rows, part != nullptr));
      store_inputs(p, *dx, step, first, rows, d.get(), ldd);
    }
    for (int64_t row = 0; row < rows; row++) {
      if (dh0->present) copy_row(d.get() + row * ldd + F, row_of<T>(*dh0, first + row, U), U);
      if (dc0->present) copy_row(dcell.get() + row * U, row_of<T>(*dc0, first + row, U), U);
    }
  }

  // What the step before this one reads.
  Prefetch ahead(int64_t step, int64_t first, int64_t rows, bool with_inputs) const {
    constexpr int64_t kSize = sizeof(T);
    Prefetch ahead;
    if (step == 0) return ahead;
    ahead.add(row_at<T>(*gates, p, step - 1, first, kGates * p.U), rows * kGates * p.U * kSize);
    if (step > 1) ahead.add(row_at<T>(*cells, p, step - 2, first, p.U), rows * p.U * kSize);
    if (with_inputs)
      ahead.add(row_at<T>(*inputs, p, step - 1, first, p.F + p.U), rows * (p.F + p.U) * kSize);
    return ahead;
  }

  // d: [dx, dh]. With a mask the product is added to d, which holds what passes by a skipped step.
  WEFT_INLINE void start_row(int64_t step, int64_t row, T* d, int64_t F, T* cell, T* dcell,
                             T* z) const {
    const int64_t U = p.U;
    if (dy->present) add_row(dy->as<T>() + (row * p.T + step) * U, d + F, U);
    const bool masked = is_masked(*mask, p, row, step);
    if (masked) {
      fill_row(z, T(0), kGates * U);
    } else {
      const T* before = step > 0 ? row_at<T>(*cells, p, step - 1, row, U) : row_of<T>(*c0, row, U);
      backward_row(row_at<T>(*gates, p, step, row, kGates * U), before, cell, d + F, dcell, z, U);
    }
    if (mask->present) fill_row(d, T(0), masked ? F : F + U);
    if (dz->present) copy_row(z, row_at<T>(*dz, p, step, row, kGates * U), kGates * U);
  }
};

template <class T>
void backward(const RecurrentParams& p, const Operand* o) {
  const int64_t width = kGates * p.U, F = o[11].present ? p.F : 0;
  const Operand &dweights = o[14], &dbias = o[15];
  const Stacked<T> both(o[3].as<T>(), F, o[4].as<T>(), p.U, width);
  const PackedMatrix<T> weights(width, F + p.U, both.get(), 1, width);
  const WeightGradient<T> gradient(p.F + p.U, width);
  const Backward<T> body{p,     &o[0],  &o[1],  &o[2],  &o[5],  &o[6],   &o[7],   &o[8],
                         &o[9], &o[10], &o[11], &o[12], &o[13], weights, gradient};
  const Blocks blocks(p.N, width * (F + p.U) * static_cast<int64_t>(sizeof(T)));
  add_up_blocks(blocks, gradient, body, dweights.as<T>(), dbias.as<T>());
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define LSTM(T)                                          \
  kernel_entry<&forward<T>>(kernels::lstm, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::lstm_backward, dtype_of<T>)
WEFT_CPU_KERNELS(lstm, LSTM(float), LSTM(double))
