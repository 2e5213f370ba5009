// What attention's two directions share on the CPU: where the rows of a head lie, products of a few
// rows on the micro-kernels, and what stands between raw scores and weights.
#pragma once

#include "cpu/gemm/pack.h"
#include "cpu/horizontal.h"
#include "cpu/philox.h"
#include "cpu/simd_math.h"
#include "ops/attention.h"

namespace weft::cpu::WEFT_ISA::attending {

using gemm::ALayout;
using gemm::BRows;
using simd::kLanes;

template <class T>
constexpr T kLowest = static_cast<T>(-__builtin_inf());

// Rows of one head, `stride` apart.
template <class T>
struct Rows {
  T* data;
  int64_t stride;

  T* row(int64_t i) const { return data + i * stride; }
};

// An operand (N, steps, heads, size).
template <class T>
WEFT_INLINE Rows<T> head_of(const Operand& o, int64_t n, int64_t head) {
  return {o.as<T>() + n * o.strides[0] + head * o.strides[2], o.strides[1]};
}

// A matrix in panels (gemm/pack.h) of which products take some steps and columns.
template <class T>
struct Panels {
  const T* data;
  int64_t steps, columns;

  // The transpose of `count` rows of `size` numbers: steps are the numbers, columns the rows.
  static Panels of_columns(Rows<const T> rows, int64_t size, int64_t count, T* memory) {
    gemm::pack_b(size, count, rows.data, 1, rows.stride, memory);
    return {memory, size, count};
  }
  // Steps are the rows.
  static Panels of_rows(Rows<const T> rows, int64_t count, int64_t size, T* memory) {
    gemm::pack_b(count, size, rows.data, rows.stride, 1, memory);
    return {memory, count, size};
  }
};

template <class T>
struct Factor {
  const T* data;
  int64_t stride;
  ALayout layout;
};

// c[rows x columns] = a b, or += where `accumulate`, from some step and column of b on; the column
// is a multiple of a panel's width.
template <class T>
inline void multiply(const Factor<T>& a, int64_t rows, const Panels<T>& b, int64_t first_step,
                     int64_t steps, int64_t first_column, int64_t columns, Rows<T> c,
                     bool accumulate) {
  const gemm::RowTiles tiles(rows);
  gemm::Tile<T> t;
  t.k = steps;
  t.lda = a.stride;
  t.ldc = c.stride;
  t.accumulate = accumulate;
  for (int64_t j = 0; j < columns; j += gemm::kPanelColumns<T>) {
    const int64_t rest = b.columns - first_column - j, wanted = columns - j;
    const int64_t held = rest < gemm::kPanelColumns<T> ? rest : gemm::kPanelColumns<T>;
    t.ldb = gemm::packed_ld<T>(held);
    t.b = b.data + (first_column + j) / gemm::kPanelColumns<T> * gemm::panel_stride<T>(b.steps) +
          first_step * t.ldb;
    for (int64_t r = 0; r < tiles.count; r++) {
      const int64_t row = tiles.begin(r);
      t.a = a.data + (a.layout == ALayout::rows ? row * a.stride : row);
      t.c = c.row(row) + j;
      gemm::run_tile(t, tiles.rows(r), static_cast<int>(wanted < held ? wanted : held), a.layout,
                     BRows::padded);
    }
  }
}

// What is added to the scores of one head, and which of them count.
template <class T>
struct Terms {
  const uint8_t* mask = nullptr;
  const T* bias = nullptr;
  int64_t mask_rows = 0, bias_rows = 0;     // from one query to the next
  bool one_mask = false, one_bias = false;  // the same for all keys

  Terms(const Operand& m, const Operand& b, int64_t n, int64_t head) {
    if (m.present) {
      mask = m.as<uint8_t>() + n * m.strides[0] + head * m.strides[1];
      mask_rows = m.strides[2];
      one_mask = m.strides[3] == 0;
    }
    if (b.present) {
      bias = b.as<T>() + n * b.strides[0] + head * b.strides[1];
      bias_rows = b.strides[2];
      one_bias = b.strides[3] == 0;
    }
  }
  bool none() const { return mask == nullptr && bias == nullptr; }

  // score * scale + bias, -inf where masked, for n keys from `key` on.
  void apply(T* scores, int64_t n, T scale, int64_t query, int64_t key) const {
    if (bias == nullptr || one_bias) {
      const T shift = bias == nullptr ? T(0) : bias[query * bias_rows];
      for (int64_t j = 0; j < n; j++) scores[j] = scores[j] * scale + shift;
    } else {
      const T* b = bias + query * bias_rows + key;
      for (int64_t j = 0; j < n; j++) scores[j] = scores[j] * scale + b[j];
    }
    if (mask == nullptr) return;
    if (one_mask) {
      if (!mask[query * mask_rows])
        for (int64_t j = 0; j < n; j++) scores[j] = kLowest<T>;
      return;
    }
    const uint8_t* m = mask + query * mask_rows + key;
    for (int64_t j = 0; j < n; j++) scores[j] = m[j] ? scores[j] : kLowest<T>;
  }
};

// Dropout of the weights of one head: number i of all weights has word i of the drawn blocks.
struct Chances {
  uint64_t seed = 0, counter = 0;
  uint32_t threshold = 0;
  bool used = false;
  int64_t first = 0, keys = 0;  // number of the head's first weight; weights of a row

  // factors[j] = keep ? scale : 0.
  template <class T>
  void factors(int64_t query, int64_t key, int64_t n, double scale, uint32_t* words,
               T* factors) const {
    const int64_t at = first + query * keys + key, block = at / 4, skipped = at % 4;
    philox_words(seed, counter + static_cast<uint64_t>(block), (skipped + n + 3) / 4, words);
    const T kept = static_cast<T>(scale);
    for (int64_t j = 0; j < n; j++) factors[j] = words[skipped + j] < threshold ? kept : T(0);
  }
};

// A generator's blocks for all weights of one launch.
inline int64_t blocks_of_chances(const AttentionParams& p) {
  return (p.N * p.heads * p.T * p.S + 3) / 4;
}

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Rows that lie `n` or a few numbers more apart, never a multiple of 4 KB.
template <class T>
inline int64_t row_stride(int64_t n) {
  return round_up(n, kLanes<T>) + kLanes<T>;
}

}  // namespace weft::cpu::WEFT_ISA::attending
