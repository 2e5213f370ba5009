// A row is kept in registers between its statistics and its result: 2 n sizeof(T) bytes a row
// forward and 3 backward. Backward, teams walk over many rows and keep what each adds to dgamma and
// dbeta in registers too, so that nothing is read for these. Rows too long for that are read twice
// (backward four times: the columns are summed by a kernel of their own). Where x and y are halves,
// everything else is float32.
#include "ops/layer_norm.h"

#include "cuda/columns.h"
#include "cuda/layout.h"
#include "cuda/rows.h"
#include "cuda/scratch.h"

namespace weft::WEFT_GPU {
namespace {

template <class Stored>
struct Forward {
  using T = Compute<Stored>;
  const Stored* x;
  const T *gamma, *beta;  // may be absent
  Stored* y;
  T *mean, *rstd;
  int64_t count, n;
  T epsilon;

  template <class R>
  void rows() const;
  template <class R>
  void chunks() const;
};

// From the sums of deviations from `center` and of their squares: the first is what rounding left
// of the mean.
template <class T>
struct Statistics {
  T mean, rstd;

  template <class Sum>
  __device__ Statistics(T center, Sum first, Sum second, int64_t n, T epsilon) {
    const Sum inverse = Sum(1) / static_cast<Sum>(n), lost = first * inverse;
    const Sum variance = Math::max(Sum(0), (second - first * lost) * inverse);
    mean = center + static_cast<T>(lost);
    rstd = T(1) / Math::sqrt(static_cast<T>(variance) + epsilon);
  }
};

// y = (x - mean) * rstd * gamma + beta for the registers of a thread.
template <class R, class T>
__device__ void store_normalized(const Forward<typename R::Stored>& a, const Statistics<T>& s,
                                 int64_t row, int64_t at, int length, T (&v)[R::kValues]) {
  UNROLL for (int k = 0; k < R::kValues; k++) v[k] = (v[k] - s.mean) * s.rstd;
  if (a.gamma != nullptr) {
    T scale[R::kValues];
    R::load(a.gamma + at, length, T(0), scale);
    UNROLL for (int k = 0; k < R::kValues; k++) v[k] *= scale[k];
  }
  if (a.beta != nullptr) {
    T shift[R::kValues];
    R::load(a.beta + at, length, T(0), shift);
    UNROLL for (int k = 0; k < R::kValues; k++) v[k] += shift[k];
  }
  R::store(a.y + row * a.n + at, length, v);
}

template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    rows_forward(const __grid_constant__ Forward<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = R::first_row();
  const bool live = row < a.count;
  const int length = live ? static_cast<int>(a.n) : 0;
  T v[R::kValues];
  R::load(a.x + row * a.n, length, T(0), v);
  const T center = team_sum<R::kTeam>(sum_values(v)) / static_cast<T>(a.n);
  T sums[2] = {};  // of deviations and of their squares
  UNROLL for (int k = 0; k < R::kValues; k++) {
    const T d = R::column(k) < length ? v[k] - center : T(0);
    sums[0] += d;
    sums[1] += d * d;
  }
  team_sums<R::kTeam>(sums);
  const Statistics<T> s(center, sums[0], sums[1], a.n, a.epsilon);
  if (!live) return;
  if (R::rank() == 0) {
    a.mean[row] = s.mean;
    a.rstd[row] = s.rstd;
  }
  store_normalized<R>(a, s, row, 0, length, v);
}

template <class R>
__device__ int chunk_length(int64_t at, int64_t n) {
  return n - at < R::kCapacity ? static_cast<int>(n - at) : R::kCapacity;
}

// Deviations are from the mean of the first chunk, which is at most sqrt(n / kCapacity) standard
// deviations away from that of the row: the correction costs few bits even for hostile data.
template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    chunks_forward(const __grid_constant__ Forward<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = blockIdx.x;
  const typename R::Stored* const x = a.x + row * a.n;
  T v[R::kValues];
  const int sampled = chunk_length<R>(0, a.n);
  R::load(x, sampled, T(0), v);
  const T center = team_sum<R::kTeam>(sum_values(v)) / static_cast<T>(sampled);
  double sums[2] = {};
  for (int64_t at = 0; at < a.n; at += R::kCapacity) {
    const int length = chunk_length<R>(at, a.n);
    R::load(x + at, length, center, v);
    T first = 0, second = 0;
    UNROLL for (int k = 0; k < R::kValues; k++) {
      const T d = v[k] - center;
      first += d;
      second += d * d;
    }
    sums[0] += static_cast<double>(first);
    sums[1] += static_cast<double>(second);
  }
  team_sums<R::kTeam>(sums);
  const Statistics<T> s(center, sums[0], sums[1], a.n, a.epsilon);
  if (threadIdx.x == 0) {
    a.mean[row] = s.mean;
    a.rstd[row] = s.rstd;
  }
  for (int64_t at = 0; at < a.n; at += R::kCapacity) {
    const int length = chunk_length<R>(at, a.n);
    R::load(x + at, length, T(0), v);
    store_normalized<R>(a, s, row, at, length, v);
  }
}

template <class Stored>
template <class R>
void Forward<Stored>::rows() const {
  gpu::launch(rows_forward<R>, blocks_of_rows<R>(count), dim3(R::kThreads), 0, stream(), *this);
}
template <class Stored>
template <class R>
void Forward<Stored>::chunks() const {
  gpu::launch(chunks_forward<R>, dim3(static_cast<uint32_t>(count)), dim3(R::kThreads), 0, stream(),
              *this);
}

template <class Stored>
void forward(const LayerNormParams& p, const Operand* operands) {
  using T = Compute<Stored>;
  const Forward<Stored> a{operands[0].as<Stored>(),
                          operands[1].as<T>(),
                          operands[2].as<T>(),
                          operands[3].as<Stored>(),
                          operands[4].as<T>(),
                          operands[5].as<T>(),
                          p.rows,
                          p.features,
                          static_cast<T>(p.epsilon)};
  with_row<Stored, 1>(p.features, all_aligned({a.x, a.gamma, a.beta, a.y}), a);
}

// --- backward: dx = rstd (g - mean(g) - xhat mean(g xhat)),  g = dy gamma,  xhat = (x - mean) rstd

template <class Stored>
struct Backward {
  using T = Compute<Stored>;
  const Stored *dy, *x;
  const T *gamma, *mean, *rstd;  // gamma may be absent
  Stored* dx;
  T *dgamma, *dbeta;
  int64_t count, n;

  template <class R>
  void rows() const;
  template <class R>
  void chunks() const;
};

template <class R, class T>
__device__ void load_gamma(const Backward<typename R::Stored>& a, int64_t at, int length,
                           T (&v)[R::kValues]) {
  if (a.gamma != nullptr) {
    R::load(a.gamma + at, length, T(0), v);
  } else {
    UNROLL for (int k = 0; k < R::kValues; k++) v[k] = T(1);
  }
}

// d becomes g, and v becomes xhat.
template <class R, class T>
__device__ void weigh(const Backward<typename R::Stored>& a, T mean, T rstd, int64_t at, int length,
                      T (&d)[R::kValues], T (&v)[R::kValues], T (&sums)[2]) {
  T scale[R::kValues];
  load_gamma<R>(a, at, length, scale);
  UNROLL for (int k = 0; k < R::kValues; k++) {
    v[k] = (v[k] - mean) * rstd;
    d[k] *= scale[k];
    sums[0] += d[k];
    sums[1] += d[k] * v[k];
  }
}

// One row of partial sums (dgamma, dbeta) for each block.
template <class R>
__global__ void __launch_bounds__(R::kThreads)
    rows_backward(const __grid_constant__ Backward<typename R::Stored> a, typename R::T* partial) {
  using T = typename R::T;
  const int n = static_cast<int>(a.n), team = static_cast<int>(threadIdx.x) / R::kTeam;
  T dgamma[R::kValues] = {}, dbeta[R::kValues] = {};
  for (int64_t first = int64_t{blockIdx.x} * R::kRowsPerBlock; first < a.count;
       first += int64_t{gridDim.x} * R::kRowsPerBlock) {
    const int64_t row = first + team;
    const bool live = row < a.count;
    const int length = live ? n : 0;
    T d[R::kValues], v[R::kValues], sums[2] = {};
    R::load(a.dy + row * n, length, T(0), d);
    R::load(a.x + row * n, length, T(0), v);
    const T mean = live ? a.mean[row] : T(0), rstd = live ? a.rstd[row] : T(0);
    UNROLL for (int k = 0; k < R::kValues; k++) {
      dgamma[k] += d[k] * ((v[k] - mean) * rstd);
      dbeta[k] += d[k];
    }
    weigh<R>(a, mean, rstd, 0, length, d, v, sums);
    team_sums<R::kTeam>(sums);
    const T shift = sums[0] / static_cast<T>(n), slope = sums[1] / static_cast<T>(n);
    UNROLL for (int k = 0; k < R::kValues; k++) d[k] = (d[k] - shift - v[k] * slope) * rstd;
    R::store(a.dx + row * n, length, d);
  }
  partial += int64_t{blockIdx.x} * 2 * n;
  if constexpr (R::kRowsPerBlock == 1) {
    R::store(partial, n, dgamma);
    R::store(partial + n, n, dbeta);
  } else {  // the teams of a block in turn
    DYN_SMEM(T, shared);
    for (int turn = 0; turn < R::kRowsPerBlock; turn++) {
      UNROLL for (int k = 0; k < R::kValues; k++) {
        const int c = R::column(k);
        if (turn != team || c >= n) continue;
        shared[c] = turn == 0 ? dgamma[k] : shared[c] + dgamma[k];
        shared[n + c] = turn == 0 ? dbeta[k] : shared[n + c] + dbeta[k];
      }
      __syncthreads();
    }
    for (int c = static_cast<int>(threadIdx.x); c < 2 * n; c += R::kThreads) partial[c] = shared[c];
  }
}

template <class R>
__global__ void __launch_bounds__(R::kThreads)
    chunks_backward(const __grid_constant__ Backward<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = blockIdx.x, start = row * a.n;
  const T mean = a.mean[row], rstd = a.rstd[row];
  double sums[2] = {};
  T d[R::kValues], v[R::kValues];
  for (int64_t at = 0; at < a.n; at += R::kCapacity) {
    const int length = chunk_length<R>(at, a.n);
    T some[2] = {};
    R::load(a.dy + start + at, length, T(0), d);
    R::load(a.x + start + at, length, T(0), v);
    weigh<R>(a, mean, rstd, at, length, d, v, some);
    sums[0] += static_cast<double>(some[0]);
    sums[1] += static_cast<double>(some[1]);
  }
  team_sums<R::kTeam>(sums);
  const T shift = static_cast<T>(sums[0] / static_cast<double>(a.n)),
          slope = static_cast<T>(sums[1] / static_cast<double>(a.n));
  for (int64_t at = 0; at < a.n; at += R::kCapacity) {
    const int length = chunk_length<R>(at, a.n);
    T unused[2] = {};
    R::load(a.dy + start + at, length, T(0), d);
    R::load(a.x + start + at, length, T(0), v);
    weigh<R>(a, mean, rstd, at, length, d, v, unused);
    UNROLL for (int k = 0; k < R::kValues; k++) d[k] = (d[k] - shift - v[k] * slope) * rstd;
    R::store(a.dx + start + at, length, d);
  }
}

// Sums over rows [part * part_rows, ...) of columns that are too many for registers.
template <class Stored>
__global__ void __launch_bounds__(kColumnThreads)
    columns_backward(const __grid_constant__ Backward<Stored> a, int64_t part_rows,
                     ColumnBlock block, Compute<Stored>* __restrict__ partial) {
  using T = Compute<Stored>;
  const int64_t c = int64_t{blockIdx.x} * block.across + block.column();
  const int64_t begin = blockIdx.y * part_rows;
  const int64_t end = begin + part_rows < a.count ? begin + part_rows : a.count;
  T dgamma = 0, dbeta = 0;
  for (int64_t row = begin + block.row(); row < end && c < a.n; row += block.down) {
    const T d = static_cast<T>(a.dy[row * a.n + c]), x = static_cast<T>(a.x[row * a.n + c]);
    dgamma += d * ((x - a.mean[row]) * a.rstd[row]);
    dbeta += d;
  }
  dgamma = column_reduce(block, dgamma, Adding{});
  dbeta = column_reduce(block, dbeta, Adding{});
  if (c >= a.n || block.row() != 0) return;
  partial[blockIdx.y * 2 * a.n + c] = dgamma;
  partial[blockIdx.y * 2 * a.n + a.n + c] = dbeta;
}

// Blocks that walk over the rows: as many as fill a large device, whatever device it is.
constexpr int64_t kBlocksOfTeams = 512, kBlocksOfRows = 264;

template <class Stored>
template <class R>
void Backward<Stored>::rows() const {
  const int64_t wanted = (count + R::kRowsPerBlock - 1) / R::kRowsPerBlock;
  const int64_t most = R::kRowsPerBlock > 1 ? kBlocksOfTeams : kBlocksOfRows;
  const int64_t blocks = wanted < most ? wanted : most;
  const DeviceScratch<T> partial(blocks * 2 * n);
  const size_t shared = R::kRowsPerBlock > 1 ? static_cast<size_t>(2 * n) * sizeof(T) : 0;
  gpu::launch(rows_backward<R>, dim3(static_cast<uint32_t>(blocks)), dim3(R::kThreads), shared,
              stream(), *this, partial.get());
  sum_columns<T>({partial.get(), blocks, n, {dgamma, dbeta}});
}

template <class Stored>
template <class R>
void Backward<Stored>::chunks() const {
  gpu::launch(chunks_backward<R>, dim3(static_cast<uint32_t>(count)), dim3(R::kThreads), 0,
              stream(), *this);
  constexpr int64_t kPartRows = 256;
  const int64_t part_rows =
      (count + kPartRows - 1) / kPartRows < 64 ? kPartRows : (count + 63) / 64;
  const int64_t parts = (count + part_rows - 1) / part_rows;
  const ColumnBlock block = ColumnBlock::of(n, part_rows < count ? part_rows : count);
  const DeviceScratch<T> partial(parts * 2 * n);
  gpu::launch(columns_backward<Stored>,
              dim3(static_cast<uint32_t>(block.tiles(n)), static_cast<uint32_t>(parts)),
              dim3(block.threads()), 0, stream(), *this, part_rows, block, partial.get());
  sum_columns<T>({partial.get(), parts, n, {dgamma, dbeta}});
}

template <class Stored>
void backward(const LayerNormParams& p, const Operand* operands) {
  using T = Compute<Stored>;
  const Backward<Stored> a{operands[0].as<Stored>(),
                           operands[1].as<Stored>(),
                           operands[2].as<T>(),
                           operands[3].as<T>(),
                           operands[4].as<T>(),
                           operands[5].as<Stored>(),
                           operands[6].as<T>(),
                           operands[7].as<T>(),
                           p.rows,
                           p.features};
  with_row<Stored, 2>(p.features, all_aligned({a.dy, a.x, a.gamma, a.dx}), a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define LAYER_NORM(T)                                          \
  kernel_entry<&forward<T>>(kernels::layer_norm, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::layer_norm_backward, dtype_of<T>)
WEFT_GPU_KERNELS(layer_norm, LAYER_NORM(Float16), LAYER_NORM(BFloat16), LAYER_NORM(float),
                 LAYER_NORM(double))
