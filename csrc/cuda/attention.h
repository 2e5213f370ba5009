// What attention's two directions share on a GPU, and its products on the ordinary units, which
// serve float32, float64 and heads that the tensor cores (attention_mma.h) do not take. Everything
// is a product of tiles of 64 x 64 numbers in shared memory: 256 threads hold 4 x 4 sums each and
// read two vectors of four numbers for 16 multiply-adds, so that arithmetic is the bound (3
// shared-memory wavefronts in 4 cycles of it). Halves are widened when a tile is loaded; sums are
// float32.
#pragma once

#include <initializer_list>

#include "cuda/math.h"
#include "cuda/random_stream.h"
#include "ops/attention.h"

namespace weft::WEFT_GPU {

namespace attending {

constexpr int kThreads = 256, kTile = 64;
constexpr int kTileStride = kTile + 4;  // rows stay aligned for vectors of four
constexpr int kTileElements = kTile * kTileStride;

// Float64 takes twice the registers.
template <class X>
constexpr int kBlocksPerSm = sizeof(X) == 8 ? 1 : 2;

template <class C>
constexpr C kLowest = static_cast<C>(-INFINITY);

// Rows of one head.
template <class X>
struct Rows {
  X* data;
  int64_t stride, count;
  int size;
  bool vectors;  // four numbers are one aligned access

  __device__ X* row(int64_t i) const { return data + i * stride; }
};

// An operand (N, steps, heads, size).
template <class X>
struct Heads {
  X* data;
  int64_t sample, step, head;

  Heads(const Operand& o)
      : data(o.as<X>()), sample(o.strides[0]), step(o.strides[1]), head(o.strides[2]) {}
  __device__ Rows<X> rows(int64_t n, int64_t h, int64_t count, int64_t size) const {
    X* start = data + n * sample + h * head;
    const bool vectors = step % 4 == 0 && reinterpret_cast<uintptr_t>(start) % (4 * sizeof(X)) == 0;
    return {start, step, count, static_cast<int>(size), vectors};
  }
};

template <class C>
using Four = gpu::Vector<C, 4>;

template <class C>
__device__ __forceinline__ Four<C> load_four(const C* from) {
  if constexpr (sizeof(C) == 4) {
    return gpu::load_vec<Four<C>>(from);
  } else {
    const auto a = gpu::load_vec<gpu::Vector<C, 2>>(from);
    const auto b = gpu::load_vec<gpu::Vector<C, 2>>(from + 2);
    return {a[0], a[1], b[0], b[1]};
  }
}
template <class C>
__device__ __forceinline__ void store_four(C* to, const Four<C>& v) {
  if constexpr (sizeof(C) == 4) {
    gpu::store_vec(to, v);
  } else {
    gpu::store_vec(to, gpu::Vector<C, 2>{v[0], v[1]});
    gpu::store_vec(to + 2, gpu::Vector<C, 2>{v[2], v[3]});
  }
}

// Four numbers of a row, 0 where there are none.
template <class X>
__device__ __forceinline__ Four<Compute<X>> four_of(const Rows<const X>& rows, int64_t row,
                                                    int column) {
  using C = Compute<X>;
  Four<C> v{};
  if (row >= rows.count || column >= rows.size) return v;
  const X* from = rows.row(row) + column;
  if (rows.vectors && column + 4 <= rows.size) {
    if constexpr (sizeof(X) == 8) {
      v = load_four(from);
    } else {
      const auto some = gpu::load_vec<gpu::Vector<X, 4>>(from);
      UNROLL for (int i = 0; i < 4; i++) v[i] = static_cast<C>(some[i]);
    }
  } else {
    UNROLL for (int i = 0; i < 4; i++) if (column + i < rows.size) v[i] = static_cast<C>(from[i]);
  }
  return v;
}

// tile[r][c] = rows[first + r][column + c].
template <class X>
__device__ void load_tile(const Rows<const X>& rows, int64_t first, int column, Compute<X>* tile) {
  _Pragma("unroll 2") for (int pass = 0; pass < 4; pass++) {
    const int t = static_cast<int>(threadIdx.x) + pass * kThreads, r = t / 16, c = t % 16 * 4;
    store_four(tile + r * kTileStride + c, four_of(rows, first + r, column + c));
  }
}

// tile[c][r] = rows[first + r][column + c]. A warp reads 64 bytes of each of 8 rows.
template <class X>
__device__ void load_transposed(const Rows<const X>& rows, int64_t first, int column,
                                Compute<X>* tile) {
  _Pragma("unroll 2") for (int pass = 0; pass < 4; pass++) {
    const int t = static_cast<int>(threadIdx.x) + pass * kThreads, warp = t / 32;
    const int r = warp % 8 * 8 + t % 8, c = (warp / 8 * 4 + t / 8 % 4) * 4;
    const auto v = four_of(rows, first + r, column + c);
    UNROLL for (int i = 0; i < 4; i++) tile[(c + i) * kTileStride + r] = v[i];
  }
}

// Rows and columns of a tile that a thread has: the first of four.
__device__ __forceinline__ int thread_row() { return static_cast<int>(threadIdx.x) / 16 * 4; }
__device__ __forceinline__ int thread_column() { return static_cast<int>(threadIdx.x) % 16 * 4; }

template <class C>
struct Sums {
  C at[4][4];  // [row][column]

  __device__ void clear() {
    UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < 4; j++) at[i][j] = C(0);
  }
  // += sum over k of a[k][row] * b[k][column].
  __device__ void add_product(const C* a, const C* b, int steps) {
    a += thread_row();
    b += thread_column();
    _Pragma("unroll 4") for (int k = 0; k < steps; k++) {
      const Four<C> x = load_four(a + k * kTileStride), y = load_four(b + k * kTileStride);
      UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < 4; j++) at[i][j] += x[i] * y[j];
    }
  }
  __device__ void multiply_by(const C* tile) {
    UNROLL for (int i = 0; i < 4; i++) {
      const Four<C> v = load_four(tile + (thread_row() + i) * kTileStride + thread_column());
      UNROLL for (int j = 0; j < 4; j++) at[i][j] *= v[j];
    }
  }
  // tile[row][column], or tile[column][row].
  __device__ void store_plain(C* tile) const {
    UNROLL for (int i = 0; i < 4; i++)
        store_four(tile + (thread_row() + i) * kTileStride + thread_column(),
                   Four<C>{at[i][0], at[i][1], at[i][2], at[i][3]});
  }
  __device__ void store_transposed(C* tile) const {
    UNROLL for (int j = 0; j < 4; j++)
        store_four(tile + (thread_column() + j) * kTileStride + thread_row(),
                   Four<C>{at[0][j], at[1][j], at[2][j], at[3][j]});
  }
  // To rows [first, ...) and columns [column, ...) of a head.
  template <class X>
  __device__ void store(const Rows<X>& rows, int64_t first, int column, C factor) const {
    UNROLL for (int i = 0; i < 4; i++) {
      const int64_t row = first + thread_row() + i;
      if (row >= rows.count) continue;
      UNROLL for (int j = 0; j < 4; j++) {
        const int c = column + thread_column() + j;
        if (c < rows.size) rows.row(row)[c] = static_cast<X>(at[i][j] * factor);
      }
    }
  }
};

// += a b^T over the whole size of the heads' rows, tile by tile of their columns. `keep_a` says
// that the tile of a is already there (rows of one tile's size only).
template <class X>
__device__ void add_scores(Sums<Compute<X>>& sums, const Rows<const X>& a, int64_t a_first,
                           const Rows<const X>& b, int64_t b_first, Compute<X>* a_tile,
                           Compute<X>* b_tile, bool keep_a) {
  for (int c = 0; c < a.size; c += kTile) {
    __syncthreads();  // tiles may still be read
    if (!keep_a) load_transposed(a, a_first, c, a_tile);
    load_transposed(b, b_first, c, b_tile);
    __syncthreads();
    sums.add_product(a_tile, b_tile, a.size - c < kTile ? a.size - c : kTile);
  }
}

// Mask and bias of all heads.
template <class X>
struct Terms {
  const uint8_t* mask;
  const X* bias;
  int64_t mask_strides[4], bias_strides[4];

  Terms(const Operand& m, const Operand& b)
      : mask(m.present ? m.as<uint8_t>() : nullptr), bias(b.present ? b.as<X>() : nullptr) {
    for (int axis = 0; axis < 4; axis++) {
      mask_strides[axis] = m.present ? m.strides[axis] : 0;
      bias_strides[axis] = b.present ? b.strides[axis] : 0;
    }
  }
};

template <class X>
struct Scores {
  AttentionParams p;
  Terms<X> terms;
  const RandomStream* random;  // null without dropout

  // Raw products of queries [query, ...) and keys [key, ...) become scores; -inf: not seen.
  __device__ void finish(Sums<Compute<X>>& s, int64_t n, int64_t h, int64_t query,
                         int64_t key) const {
    using C = Compute<X>;
    const C scale = static_cast<C>(p.scale);
    const int64_t first = key + thread_column();
    UNROLL for (int i = 0; i < 4; i++) {
      const int64_t t = query + thread_row() + i;
      const int64_t sees = t >= p.T ? 0 : p.causal && t + 1 < p.S ? t + 1 : p.S;
      UNROLL for (int j = 0; j < 4; j++) {
        const bool seen = first + j < sees;
        s.at[i][j] = seen ? s.at[i][j] * scale : kLowest<C>;
      }
    }
    if (terms.bias != nullptr)
      for_each_seen(terms.bias_strides, n, h, query, first, [&](int i, int j, int64_t at) {
        s.at[i][j] += static_cast<C>(terms.bias[at]);
      });
    if (terms.mask != nullptr)
      for_each_seen(terms.mask_strides, n, h, query, first, [&](int i, int j, int64_t at) {
        if (!terms.mask[at]) s.at[i][j] = kLowest<C>;
      });
  }

  // tile[row][column] = keep ? 1 / (1 - rate) : 0 where the thread itself has rows and columns;
  // weight number i has word i of the stream. Through memory and not unrolled: ten rounds of
  // Philox inlined sixteen times would take longer to compile than all the rest.
  __device__ void chances(Compute<X>* tile, int64_t n, int64_t h, int64_t query,
                          int64_t key) const {
    using C = Compute<X>;
    _Pragma("unroll 1") for (int i = 0; i < 4; i++) {
      const int64_t t = query + thread_row() + i;
      const int64_t first = ((n * p.heads + h) * p.T + t) * p.S + key + thread_column();
      C* to = tile + (thread_row() + i) * kTileStride + thread_column();
      _Pragma("unroll 1") for (int64_t number = first / 4; number * 4 < first + 4; number++) {
        const PhiloxBlock block = random->block(number);
        UNROLL for (int word = 0; word < 4; word++) {
          const int64_t j = number * 4 + word - first;
          if (j >= 0 && j < 4)
            to[j] = block.x[word] < p.keep_threshold ? static_cast<C>(p.keep_scale) : C(0);
        }
      }
    }
  }

 private:
  template <class Body>
  __device__ __forceinline__ void for_each_seen(const int64_t* strides, int64_t n, int64_t h,
                                                int64_t query, int64_t key,
                                                const Body& body) const {
    const int64_t start = n * strides[0] + h * strides[1];
    UNROLL for (int i = 0; i < 4; i++) {
      const int64_t t = query + thread_row() + i;
      UNROLL for (int j = 0; j < 4; j++) if (t < p.T && key + j < p.S)
          body(i, j, start + t * strides[2] + (key + j) * strides[3]);
    }
  }
};

// How many tiles a count of rows needs.
inline int64_t tiles_of(int64_t rows) { return (rows + kTile - 1) / kTile; }

template <class X>
struct ForwardArguments {
  Scores<X> scores;
  Heads<const X> query, key, value;
  Heads<X> y;
  Compute<X>* lse;
};

template <class X>
struct BackwardArguments {
  Scores<X> scores;
  Heads<const X> dy, query, key, value, y;
  Heads<X> dquery, dkey, dvalue;
  X* dbias;
  const Compute<X>* lse;
  Compute<X>* delta;  // (N, heads, T): sum(dy y)
};

// Whether the tensor cores compute this: see attention_mma.h. `heads` are the operands (N, steps,
// heads, size).
bool fits_mma(const AttentionParams& p, std::initializer_list<const Operand*> heads);
void launch_mma(const ForwardArguments<float>& a);
void launch_mma(const ForwardArguments<Float16>& a);
void launch_mma(const ForwardArguments<BFloat16>& a);
void launch_mma(const BackwardArguments<float>& a);
void launch_mma(const BackwardArguments<Float16>& a);
void launch_mma(const BackwardArguments<BFloat16>& a);

}  // namespace attending
}  // namespace weft::WEFT_GPU
