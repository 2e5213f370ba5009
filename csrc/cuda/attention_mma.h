// Attention on tensor cores by mma.sync, for heads of float16, bfloat16 and, where the precision
// allows it, of floats rounded to tf32; sizes are multiples of 8 up to 128 and rows begin at
// multiples of 16 bytes. Four warps have 16 or 32 rows each of the tile whose results a block
// computes, and pass over tiles of the other operand that cp.async brings into a ring. Scores stay
// in registers: what mma leaves there as sums is, two tiles of 8 columns at a time, what it takes
// as its first operand, so that weights go from the first product through the exponentials into
// the second without shared memory (Dao, arXiv 2307.08691).
#pragma once

#include "cuda/attention.h"
#include "cuda/gemm_mma.h"
#include "cuda/ptx_math.h"

namespace weft::WEFT_GPU {
namespace attending {

constexpr int kMmaThreads = 128, kMmaWarps = kMmaThreads / gpu::kWarp;
constexpr int kLargestMmaHead = 128;
constexpr float kLog2OfE = 1.4426950408889634f, kLnOf2 = 0.6931471805599453f;

__device__ __forceinline__ int tiles_in(int rows, int tile) { return (rows + tile - 1) / tile; }

// Addresses that follow from it are computed in every turn of a loop and take no registers between.
__device__ __forceinline__ int fresh_lane() {
  return static_cast<int>(anew(threadIdx.x) % gpu::kWarp);
}

// Rows of a head in shared memory, 128 bytes of each beside one another (a panel), permuted as
// MmaTile does it.
template <class T, int kRows_, int kSize_>
struct HeadTile {
  using Element = T;
  using X = typename MmaElement<T>::Stored;
  using Panel = MmaTile<T, kRows_, Contiguous::k>;
  static constexpr int kRows = kRows_, kSize = kSize_, kStep = Panel::kStep;
  static constexpr int kDepth = Panel::kDepth, kPanels = (kSize + kDepth - 1) / kDepth;
  static constexpr int kBytes = kPanels * Panel::kBytes;

  static __device__ __forceinline__ int offset(int row, int column) {
    return column / kDepth * Panel::kBytes + Panel::offset(row, column % kDepth);
  }
  // a[row ...][column ...]
  static __device__ __forceinline__ void load_a(const unsigned char* tile, int row, int column,
                                                int lane, uint32_t (&a)[4]) {
    ptx::ldmatrix(a, tile + offset(row + lane % 16, column + lane / 16 * (kStep / 2)));
    round(a);
  }
  // Two fragments b[k][n]: k is column ..., n is row ..., then row + 8 ...
  static __device__ __forceinline__ void load_b(const unsigned char* tile, int row, int column,
                                                int lane, uint32_t (&b)[4]) {
    ptx::ldmatrix(
        b, tile + offset(row + lane / 16 * 8 + lane % 8, column + lane / 8 % 2 * (kStep / 2)));
    round(b);
  }
  // Two fragments b[k][n]: k is row ..., n is column ..., then column + 8 ... Of floats k is in the
  // order 0 2 4 6 1 3 5 7, as `weights_of` has it: four lanes then read different banks.
  static __device__ __forceinline__ void load_b_across(const unsigned char* tile, int row,
                                                       int column, int lane, uint32_t (&b)[4]) {
    if constexpr (MmaElement<T>::kHalf) {
      ptx::ldmatrix_trans(b, tile + offset(row + lane % 16, column + lane / 16 * 8));
    } else {
      UNROLL for (int r = 0; r < 4; r++) b[r] = *reinterpret_cast<const uint32_t*>(
          tile + offset(row + lane % 4 * 2 + r % 2, column + lane / 4 + r / 2 * 8));
      round(b);
    }
  }

 private:
  // The tensor core would cut off what tf32 has no bits for.
  static __device__ __forceinline__ void round(uint32_t (&r)[4]) {
    if constexpr (!MmaElement<T>::kHalf) {
      UNROLL for (int i = 0; i < 4; i++) r[i] = ptx::tf32_bits(__uint_as_float(r[i]));
    }
  }
};

// Brings rows of a head into a tile; 0 where there are none. What it knows of them is in shared
// memory, and places are computed anew for every tile: kept throughout a main loop they would take
// registers that sums need.
template <class Tile>
class HeadFetcher {
 public:
  using X = typename Tile::X;
  static constexpr int kElements = kUnit / static_cast<int>(sizeof(X));
  static constexpr int kUnitsPerRow = Tile::kSize / kElements;
  static constexpr int kRowsAtOnce = kMmaThreads / kUnitsPerRow;
  static_assert(Tile::kRows % kRowsAtOnce == 0);

  __device__ explicit HeadFetcher(const Rows<const X>& shared_rows) : rows_(shared_rows) {}
  // `offset` elements further.
  __device__ __forceinline__ void fetch(unsigned char* tile, int first, int64_t offset = 0) const {
    const int thread = static_cast<int>(anew(threadIdx.x));
    const int row = place_of(thread / kUnitsPerRow);
    const int column = thread % kUnitsPerRow * kElements;
    const int count = column < rows_.size ? static_cast<int>(rows_.count) - first : 0;
    const X* from = rows_.row(first + row) + column + offset;
    UNROLL for (int r = 0; r < Tile::kRows; r += kRowsAtOnce) {
      const bool inside = row + r < count;
      ptx::cp_async<kUnit>(tile + Tile::offset(row + r, column), inside ? from : rows_.data,
                           inside ? kUnit : 0);
      from += kRowsAtOnce * rows_.stride;
    }
  }

 private:
  // Half rows of four units: eight lanes write one in the lower half of the banks, one in the
  // upper.
  static __device__ __forceinline__ int place_of(int row) {
    return kUnitsPerRow == 4 ? row / 8 * 8 + row % 2 * 4 + row % 8 / 2 : row;
  }

  const Rows<const X>& rows_;
};

// Where number e of fragment (i, j) of a warp's sums is.
__device__ __forceinline__ int fragment_row(int i, int e) {
  return static_cast<int>(threadIdx.x) % gpu::kWarp / 4 + i * 16 + e / 2 * 8;
}
__device__ __forceinline__ int fragment_column(int j, int e) {
  return static_cast<int>(threadIdx.x) % 4 * 2 + j * 8 + e % 2;
}

// sums[j], sums[j + 1] += a times two fragments of b.
template <class T, int kN>
__device__ __forceinline__ void multiply_pair(float (&sums)[kN][4], int j, const uint32_t (&a)[4],
                                              const uint32_t (&b)[4]) {
  const uint32_t first[2] = {b[0], b[1]}, second[2] = {b[2], b[3]};
  ptx::mma<T>(sums[j], a, first);
  ptx::mma<T>(sums[j + 1], a, second);
}

// sums += a's rows times b's rows, over the size of a head.
template <class A, class B, int kM, int kN>
__device__ __forceinline__ void add_row_products(float (&sums)[kM][kN][4], const unsigned char* a,
                                                 int a_row, const unsigned char* b) {
  static_assert(A::kSize == B::kSize && B::kRows == kN * 8);
  const int lane = fresh_lane();
  UNROLL for (int k = 0; k < A::kSize; k += A::kStep) {
    uint32_t rows[kM][4];
    UNROLL for (int i = 0; i < kM; i++) A::load_a(a, a_row + i * 16, k, lane, rows[i]);
    UNROLL for (int j = 0; j < kN; j += 2) {
      uint32_t other[4];
      B::load_b(b, j * 8, k, lane, other);
      UNROLL for (int i = 0; i < kM; i++)
          multiply_pair<typename A::Element>(sums[i], j, rows[i], other);
    }
  }
}

// Columns `column` ... of a warp's sums as the first operand of a product.
template <class T, int kN>
__device__ __forceinline__ void weights_of(const float (&s)[kN][4], int column, uint32_t (&a)[4]) {
  const int j = column / 8;
  if constexpr (MmaElement<T>::kHalf) {
    UNROLL for (int r = 0; r < 4; r++) a[r] =
        ptx::pack<T>(s[j + r / 2][r % 2 * 2], s[j + r / 2][r % 2 * 2 + 1]);
  } else {
    UNROLL for (int r = 0; r < 4; r++) a[r] = ptx::tf32_bits(s[j][r % 2 * 2 + r / 2]);
  }
}

// sums += weights times the rows of b.
template <class B, int kM, int kN, int kColumns>
__device__ __forceinline__ void add_weighted_rows(float (&sums)[kM][kColumns][4],
                                                  const float (&weights)[kM][kN][4],
                                                  const unsigned char* b) {
  static_assert(B::kRows == kN * 8 && B::kSize == kColumns * 8);
  const int lane = fresh_lane();
  UNROLL for (int k = 0; k < B::kRows; k += B::kStep) {
    uint32_t rows[kM][4];
    UNROLL for (int i = 0; i < kM; i++) weights_of<typename B::Element>(weights[i], k, rows[i]);
    UNROLL for (int j = 0; j < kColumns; j += 2) {
      uint32_t other[4];
      B::load_b_across(b, k, j * 8, lane, other);
      UNROLL for (int i = 0; i < kM; i++)
          multiply_pair<typename B::Element>(sums[i], j, rows[i], other);
    }
  }
}

// Where a warp's scores lie: sample and head, and the query and key of the first. Rows are queries,
// or, transposed, keys.
template <bool kTransposed>
struct ScorePlace {
  int n, h, query, key;
};

// A bit for each of a warp's scores. A lane has those of one row, or half of one, or, transposed,
// of one column or two; the others ask it.
template <int kM, int kN, bool kTransposed>
class ScoreBits {
 public:
  // Which keys are seen.
  template <class X>
  __device__ __forceinline__ void look(const Scores<X>& scores, const ScorePlace<kTransposed>& at) {
    const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
    if constexpr (kTransposed) {
      static_assert(kM == 1 && kN <= 8);
      bits_ = 0;
      for (int c = 0; c < kN * 8; c += gpu::kWarp)
        bits_ |= seen_keys(scores.p, at.query + c + lane, at.key) << c / 2;
    } else {
      bits_ = seen_keys(scores.p, at.query + lane % kRows, at.key + lane / kRows * kCount);
    }
    if (scores.terms.mask != nullptr) bits_ &= masked(scores, at);
  }
  // What dropout keeps.
  template <class X>
  __device__ __forceinline__ void draw(const Scores<X>& scores, const ScorePlace<kTransposed>& at) {
    const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
    if constexpr (kTransposed) {
      bits_ = 0;
      for (int c = 0; c < kN * 8; c += gpu::kWarp)
        bits_ |= kept_keys(scores, at, at.query + c + lane, at.key) << c / 2;
    } else {
      bits_ = kept_keys(scores, at, at.query + lane % kRows, at.key + lane / kRows * kCount);
    }
  }
  // Puts `other` where a bit is not set.
  __device__ __forceinline__ void apply(float (&s)[kM][kN][4], float other) const {
    if constexpr (kTransposed) {
      UNROLL for (int j = 0; j < kN; j++) {
        UNROLL for (int e = 0; e < 2; e++) {
          const int column = fragment_column(j, e);
          const uint64_t bits = of_lane(column % gpu::kWarp) >> column / gpu::kWarp * 16;
          UNROLL for (int half = 0; half < 4; half += 2) if (!(bits >> fragment_row(0, half) & 1))
              s[0][j][e + half] = other;
        }
      }
    } else {
      UNROLL for (int i = 0; i < kM; i++) {
        UNROLL for (int e = 0; e < 4; e += 2) apply_row(s[i], fragment_row(i, e), e, other);
      }
    }
  }

 private:
  static constexpr int kRows = 16 * kM, kCount = kTransposed ? 16 : kN * 4 * kM;  // of a lane

  __device__ __forceinline__ void apply_row(float (&s)[kN][4], int row, int e, float other) const {
    uint64_t bits = of_lane(row);
    if constexpr (kM == 1) bits |= of_lane(row + 16) << kCount;
    bits >>= fragment_column(0, 0);
    UNROLL for (int j = 0; j < kN; j++) {
      UNROLL for (int c = 0; c < 2; c++) if (!(bits >> (j * 8 + c) & 1)) s[j][e + c] = other;
    }
  }
  __device__ __forceinline__ uint64_t of_lane(int lane) const {
    return __shfl_sync(gpu::kAllLanes, bits_, lane);
  }
  static __device__ __forceinline__ uint64_t seen_keys(const AttentionParams& p, int query,
                                                       int key) {
    const int end = p.causal && query + 1 < p.S ? query + 1 : static_cast<int>(p.S);
    const int count = end - key < kCount ? end - key : kCount;
    return count <= 0 ? 0 : ~uint64_t{0} >> (64 - count);
  }
  // Not unrolled: see `chances`.
  template <class X>
  static __device__ __forceinline__ uint64_t kept_keys(const Scores<X>& scores,
                                                       const ScorePlace<kTransposed>& at, int query,
                                                       int key) {
    const AttentionParams& p = scores.p;
    const int64_t first = ((int64_t{at.n} * p.heads + at.h) * p.T + query) * p.S + key;
    uint64_t kept = 0;
    _Pragma("unroll 1") for (int64_t number = first / 4; number * 4 < first + kCount; number++) {
      const PhiloxBlock block = scores.random->block(number);
      UNROLL for (int word = 0; word < 4; word++) {
        const int64_t j = number * 4 + word - first;
        if (j >= 0 && j < kCount && block.x[word] < p.keep_threshold) kept |= uint64_t{1} << j;
      }
    }
    return kept;
  }
  // Neighbouring lanes read neighbouring keys of a query; a vote gathers their bits.
  template <class X>
  static __device__ __forceinline__ uint64_t masked(const Scores<X>& scores,
                                                    const ScorePlace<kTransposed>& at) {
    const AttentionParams& p = scores.p;
    const int64_t* strides = scores.terms.mask_strides;
    const uint8_t* mask = scores.terms.mask + anew(at.n) * strides[0] + anew(at.h) * strides[1];
    const int lane = fresh_lane();
    const bool same = strides[2] == 0;  // for all queries
    const int steps = same ? 1 : kTransposed ? gpu::kWarp : kRows;
    uint64_t mine = 0;
    _Pragma("unroll 4") for (int r = 0; r < steps; r++) {
      const int t = at.query + r + (kTransposed ? lane / 16 * gpu::kWarp : 0);
      uint64_t bits = 0;
      UNROLL for (int c = 0; c < (kTransposed ? 1 : kN * 8); c += gpu::kWarp) {
        const int k = at.key + (kTransposed ? lane % 16 : c + lane);
        const bool seen = t < p.T && k < p.S && mask[t * strides[2] + k * strides[3]];
        bits |= uint64_t{__ballot_sync(gpu::kAllLanes, seen)} << c;
      }
      if (same || lane % (kTransposed ? gpu::kWarp : kRows) == r) mine = bits;
    }
    return kTransposed ? mine : mine >> lane / kRows * kCount;
  }

  unsigned long long bits_ = 0;
};

// A warp's part of the bias on its way to the scores: rows of it are read whole, and wait in shared
// memory.
template <int kM, int kN, bool kTransposed>
struct BiasTile {
  static constexpr int kColumns = kTransposed ? 16 : kN * 8;  // keys
  static constexpr int kQueries = kTransposed ? kN * 8 : kM * 16;
  static constexpr int kStride = kTransposed ? 20 : kColumns;  // four queries in different banks
  static constexpr int kBytes = kQueries * kStride * 4;
  unsigned char* tile;

  __device__ __forceinline__ float* at(int query, int key) const {
    if constexpr (kTransposed)
      return reinterpret_cast<float*>(tile) + query * kStride + key;
    else
      return reinterpret_cast<float*>(WarpRows<kColumns>{tile}.at(query, key));
  }
  template <class X>
  __device__ __forceinline__ void load(const Scores<X>& scores,
                                       const ScorePlace<kTransposed>& place) const {
    const AttentionParams& p = scores.p;
    const int64_t* strides = scores.terms.bias_strides;
    constexpr int kLanes = kColumns < gpu::kWarp ? kColumns : gpu::kWarp;  // of a row
    constexpr int kAtOnce = gpu::kWarp / kLanes;
    const int lane = fresh_lane(), key = lane % kLanes;
    const X* from = scores.terms.bias + anew(place.n) * strides[0] + anew(place.h) * strides[1] +
                    place.query * strides[2] + (place.key + key) * strides[3];
    __syncwarp();  // an earlier tile has been read
    _Pragma("unroll 2") for (int i = 0; i < kQueries / kAtOnce; i++) {
      // The two that a warp reads at once lie in different banks.
      const int query = kTransposed ? i / 4 * 8 + i % 4 + lane / kLanes * 4 : i;
      UNROLL for (int c = 0; c < kColumns; c += kLanes) {
        const bool exists = place.query + query < p.T && place.key + key + c < p.S;
        const int64_t offset = query * strides[2] + c * strides[3];
        *at(query, key + c) = exists ? static_cast<float>(from[offset]) * kLog2OfE : 0.0f;
      }
    }
    __syncwarp();
  }
  __device__ __forceinline__ void add(float (&s)[kM][kN][4]) const {
    UNROLL for (int i = 0; i < kM; i++) {
      UNROLL for (int j = 0; j < kN; j++) {
        UNROLL for (int e = 0; e < 4; e += kTransposed ? 1 : 2) {
          const int row = fragment_row(i, e), column = fragment_column(j, e);
          if constexpr (kTransposed) {
            s[i][j][e] += *at(column, row);
          } else {
            const auto pair = gpu::load_vec<gpu::Vector<float, 2>>(at(row, column));
            s[i][j][e] += pair[0];
            s[i][j][e + 1] += pair[1];
          }
        }
      }
    }
  }
};

// Raw products become scores, as exponents of 2; -inf: not seen. `bias_tile` is the warp's, where
// there is a bias.
template <class X, bool kTransposed, int kM, int kN>
__device__ __forceinline__ void finish_scores(const Scores<X>& scores, float (&s)[kM][kN][4],
                                              const ScorePlace<kTransposed>& at,
                                              unsigned char* bias_tile) {
  const AttentionParams& p = scores.p;
  const float scale = static_cast<float>(p.scale) * kLog2OfE;
  UNROLL for (int i = 0; i < kM; i++) {
    UNROLL for (int j = 0; j < kN; j++) UNROLL for (int e = 0; e < 4; e++) s[i][j][e] *= scale;
  }
  if (scores.terms.bias != nullptr) {
    const BiasTile<kM, kN, kTransposed> bias{bias_tile};
    bias.load(scores, at);
    bias.add(s);
  }
  const int last = at.key + (kTransposed ? kM * 16 : kN * 8) - 1;
  if (scores.terms.mask != nullptr || last >= p.S || (p.causal && last > at.query)) {
    ScoreBits<kM, kN, kTransposed> seen;
    seen.look(scores, at);
    seen.apply(s, kLowest<float>);
  }
}

// The 16 kM rows of a warp to rows `first` ... of a head, through shared memory that all threads
// are done with: `staging` has 64 bytes for each number of a row, times kM.
template <class X, int kM, int kN>
__device__ __forceinline__ void write_rows(const float (&sums)[kM][kN][4], const Rows<X>& rows,
                                           int first, float factor, unsigned char* staging) {
  constexpr int kColumns = kN * 8, kLanes = kColumns / 4;
  const WarpRows<kColumns> staged{staging};
  __syncwarp();  // an earlier call's rows have been read
  UNROLL for (int i = 0; i < kM; i++) {
    UNROLL for (int j = 0; j < kN; j++) {
      UNROLL for (int e = 0; e < 4; e += 2)
          staged.put(fragment_row(i, e), fragment_column(j, e), sums[i][j][e], sums[i][j][e + 1]);
    }
  }
  __syncwarp();
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp, column = lane % kLanes * 4;
  if (column >= rows.size) return;
  _Pragma("unroll 1") for (int row = lane / kLanes; row < 16 * kM; row += gpu::kWarp / kLanes) {
    if (first + row >= rows.count) break;
    const auto four = gpu::load_vec<Four<float>>(staged.at(row, column));
    gpu::Vector<X, 4> values;
    UNROLL for (int c = 0; c < 4; c++) values[c] = static_cast<X>(four[c] * factor);
    gpu::store_vec(rows.row(first + row) + column, values);
  }
}

}  // namespace attending
}  // namespace weft::WEFT_GPU
