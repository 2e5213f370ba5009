// Along the last axis a row is kept in registers: one reading and one writing, 2 n sizeof(T) bytes
// a row forward and 3 backward, which is what bounds these kernels. Rows too long for that are read
// twice (the second time mostly from L2). Along another axis threads walk down columns, twice.
// Halves are computed in float32.
#include "ops/softmax.h"

#include "cuda/columns.h"
#include "cuda/rows.h"
#include "cuda/stream.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

template <class T>
constexpr T kLowest = static_cast<T>(-INFINITY);

// The largest of some numbers, and the sum of exp(x - top) over them.
template <class T>
struct Exponentials {
  T top, sum;

  // Never inf - inf: what equals the maximum counts 1.
  __device__ static T term(T x, T top) { return x == top ? T(1) : Math::exp(x - top); }
};
struct JoinExponentials {
  template <class T>
  __device__ Exponentials<T> operator()(Exponentials<T> a, Exponentials<T> b) const {
    const T top = Larger{}(a.top, b.top);
    return {top,
            a.sum * Exponentials<T>::term(a.top, top) + b.sum * Exponentials<T>::term(b.top, top)};
  }
};

// What a softmax does with an infinite maximum: there is nothing to be relative to.
template <class T>
__device__ T nan_if_infinite(T top) {
  return top - top;
}

// --- rows in registers ---------------------------------------------------------------------------

template <class R, bool kLog>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    rows_forward(const typename R::Stored* __restrict__ x, typename R::Stored* __restrict__ y,
                 int64_t rows, int n) {
  using T = typename R::T;
  const int64_t row = R::first_row();
  const int length = row < rows ? n : 0;
  T v[R::kValues], e[R::kValues];
  R::load(x + row * n, length, kLowest<T>, v);
  const T top = team_max<R::kTeam>(max_values(v));
  UNROLL for (int k = 0; k < R::kValues; k++) {
    v[k] -= top;
    e[k] = Math::exp(v[k]);
  }
  const T sum = team_sum<R::kTeam>(sum_values(e));
  const T factor = kLog ? Math::log(sum) : T(1) / sum;
  UNROLL for (int k = 0; k < R::kValues; k++) v[k] = kLog ? v[k] - factor : e[k] * factor;
  R::store(y + row * n, length, v);
}

template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    rows_logsumexp(const typename R::Stored* __restrict__ x, typename R::Stored* __restrict__ y,
                   int64_t rows, int n) {
  using T = typename R::T;
  const int64_t row = R::first_row();
  const int length = row < rows ? n : 0;
  T v[R::kValues];
  R::load(x + row * n, length, kLowest<T>, v);
  const T largest = team_max<R::kTeam>(max_values(v));
  // An infinite maximum is the result; without a shift it comes out, and so does NaN.
  const T top = isfinite(largest) ? largest : T(0);
  UNROLL for (int k = 0; k < R::kValues; k++) v[k] = Math::exp(v[k] - top);
  const T sum = team_sum<R::kTeam>(sum_values(v));
  if (length > 0 && R::rank() == 0) y[row] = static_cast<typename R::Stored>(top + Math::log(sum));
}

// dx = y (dy - sum(dy y)), or dy - exp(y) sum(dy) for the logarithm.
template <bool kLog, class T>
__device__ T term_of(T dy, T y) {
  return kLog ? dy : dy * y;
}
template <bool kLog, class T>
__device__ T gradient_of(T dy, T y, T sum) {
  return kLog ? dy - Math::exp(y) * sum : y * (dy - sum);
}

template <class R, bool kLog>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    rows_backward(const typename R::Stored* __restrict__ dy,
                  const typename R::Stored* __restrict__ y, typename R::Stored* __restrict__ dx,
                  int64_t rows, int n) {
  using T = typename R::T;
  const int64_t row = R::first_row();
  const int length = row < rows ? n : 0;
  T d[R::kValues], v[R::kValues], terms[R::kValues];
  R::load(dy + row * n, length, T(0), d);
  R::load(y + row * n, length, T(0), v);
  UNROLL for (int k = 0; k < R::kValues; k++) terms[k] = term_of<kLog>(d[k], v[k]);
  const T sum = team_sum<R::kTeam>(sum_values(terms));
  UNROLL for (int k = 0; k < R::kValues; k++) d[k] = gradient_of<kLog>(d[k], v[k], sum);
  R::store(dx + row * n, length, d);
}

// --- long rows -----------------------------------------------------------------------------------

// The exponentials of a row, by a whole block; every thread gets them.
template <class R>
__device__ Exponentials<typename R::T> exponentials_of(const typename R::Stored* x, int64_t n) {
  using T = typename R::T;
  T top = kLowest<T>;
  double sum = 0;
  for (int64_t at = 0; at < n; at += R::kCapacity) {
    T v[R::kValues];
    R::load(x + at, n - at < R::kCapacity ? static_cast<int>(n - at) : R::kCapacity, kLowest<T>, v);
    const T largest = max_values(v);
    if (largest > top) {
      sum *= static_cast<double>(Math::exp(top - largest));
      top = largest;
    }
    UNROLL for (int k = 0; k < R::kValues; k++) v[k] = Exponentials<T>::term(v[k], top);
    sum += static_cast<double>(sum_values(v));
  }
  const T all = team_max<R::kTeam>(top);
  return {all, static_cast<T>(
                   team_sum<R::kTeam>(sum * static_cast<double>(Exponentials<T>::term(top, all))))};
}

template <class R, bool kLog>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    chunks_forward(const typename R::Stored* __restrict__ x, typename R::Stored* __restrict__ y,
                   int64_t n) {
  using T = typename R::T;
  x += int64_t{blockIdx.x} * n;
  y += int64_t{blockIdx.x} * n;
  const auto [top, finite_sum] = exponentials_of<R>(x, n);
  const T sum = finite_sum + nan_if_infinite(top);
  const T factor = kLog ? Math::log(sum) : T(1) / sum;
  for (int64_t at = 0; at < n; at += R::kCapacity) {
    const int length = n - at < R::kCapacity ? static_cast<int>(n - at) : R::kCapacity;
    T v[R::kValues];
    R::load(x + at, length, T(0), v);
    UNROLL for (int k = 0; k < R::kValues; k++) v[k] =
        kLog ? v[k] - top - factor : Math::exp(v[k] - top) * factor;
    R::store(y + at, length, v);
  }
}

template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    chunks_logsumexp(const typename R::Stored* __restrict__ x, typename R::Stored* __restrict__ y,
                     int64_t n) {
  const auto [top, sum] = exponentials_of<R>(x + int64_t{blockIdx.x} * n, n);
  if (threadIdx.x == 0) y[blockIdx.x] = static_cast<typename R::Stored>(top + Math::log(sum));
}

template <class R, bool kLog>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    chunks_backward(const typename R::Stored* __restrict__ dy,
                    const typename R::Stored* __restrict__ y, typename R::Stored* __restrict__ dx,
                    int64_t n) {
  using T = typename R::T;
  const int64_t start = int64_t{blockIdx.x} * n;
  double total = 0;
  for (int64_t at = 0; at < n; at += R::kCapacity) {
    const int length = n - at < R::kCapacity ? static_cast<int>(n - at) : R::kCapacity;
    T d[R::kValues], v[R::kValues];
    R::load(dy + start + at, length, T(0), d);
    R::load(y + start + at, length, T(0), v);
    UNROLL for (int k = 0; k < R::kValues; k++) d[k] = term_of<kLog>(d[k], v[k]);
    total += static_cast<double>(sum_values(d));
  }
  const T sum = static_cast<T>(team_sum<R::kTeam>(total));
  for (int64_t at = 0; at < n; at += R::kCapacity) {
    const int length = n - at < R::kCapacity ? static_cast<int>(n - at) : R::kCapacity;
    T d[R::kValues], v[R::kValues];
    R::load(dy + start + at, length, T(0), d);
    R::load(y + start + at, length, T(0), v);
    UNROLL for (int k = 0; k < R::kValues; k++) d[k] = gradient_of<kLog>(d[k], v[k], sum);
    R::store(dx + start + at, length, d);
  }
}

// --- along another axis --------------------------------------------------------------------------

// Where a block's column starts: `columns` tiles of `across` for each of the outer matrices.
struct Column {
  int64_t at;
  bool inside;

  __device__ Column(const SoftmaxParams& p, const ColumnBlock& block) {
    const int64_t tiles = block.tiles(p.inner);
    const int64_t c = blockIdx.x % tiles * block.across + block.column();
    inside = c < p.inner;
    at = blockIdx.x / tiles * p.n * p.inner + c;
  }
};

template <class Stored, bool kLog>
__global__ void __launch_bounds__(kColumnThreads)
    columns_forward(const Stored* __restrict__ x, Stored* __restrict__ y, SoftmaxParams p,
                    ColumnBlock block) {
  using T = Compute<Stored>;
  const Column column(p, block);
  Exponentials<T> e{kLowest<T>, T(0)};
  for (int64_t r = block.row(); r < p.n && column.inside; r += block.down) {
    const T v = static_cast<T>(x[column.at + r * p.inner]);
    if (v > e.top)
      e = {v, e.sum * Math::exp(e.top - v) + T(1)};
    else
      e.sum += Exponentials<T>::term(v, e.top);
  }
  e = column_reduce(block, e, JoinExponentials{});
  const T sum = e.sum + nan_if_infinite(e.top);
  const T factor = kLog ? Math::log(sum) : T(1) / sum;
  for (int64_t r = block.row(); r < p.n && column.inside; r += block.down) {
    const T v = static_cast<T>(x[column.at + r * p.inner]) - e.top;
    y[column.at + r * p.inner] = static_cast<Stored>(kLog ? v - factor : Math::exp(v) * factor);
  }
}

template <class Stored, bool kLog>
__global__ void __launch_bounds__(kColumnThreads)
    columns_backward(const Stored* __restrict__ dy, const Stored* __restrict__ y,
                     Stored* __restrict__ dx, SoftmaxParams p, ColumnBlock block) {
  using T = Compute<Stored>;
  const Column column(p, block);
  T sum = 0;
  for (int64_t r = block.row(); r < p.n && column.inside; r += block.down) {
    const int64_t i = column.at + r * p.inner;
    sum += term_of<kLog>(static_cast<T>(dy[i]), static_cast<T>(y[i]));
  }
  sum = column_reduce(block, sum, Adding{});
  for (int64_t r = block.row(); r < p.n && column.inside; r += block.down) {
    const int64_t i = column.at + r * p.inner;
    dx[i] =
        static_cast<Stored>(gradient_of<kLog>(static_cast<T>(dy[i]), static_cast<T>(y[i]), sum));
  }
}

// --- launchers -----------------------------------------------------------------------------------

enum class Kind { softmax, log_softmax, logsumexp };

template <class T, Kind kKind>
struct Forward {
  const T* x;
  T* y;
  int64_t count, n;

  template <class R>
  void rows() const {
    const auto kernel = kKind == Kind::logsumexp ? &rows_logsumexp<R>
                                                 : &rows_forward<R, kKind == Kind::log_softmax>;
    gpu::launch(kernel, blocks_of_rows<R>(count), dim3(R::kThreads), 0, stream(), x, y, count,
                static_cast<int>(n));
  }
  template <class R>
  void chunks() const {
    const auto kernel = kKind == Kind::logsumexp ? &chunks_logsumexp<R>
                                                 : &chunks_forward<R, kKind == Kind::log_softmax>;
    gpu::launch(kernel, dim3(static_cast<uint32_t>(count)), dim3(R::kThreads), 0, stream(), x, y,
                n);
  }
};

template <class T, bool kLog>
struct Backward {
  const T *dy, *y;
  T* dx;
  int64_t count, n;

  template <class R>
  void rows() const {
    gpu::launch(rows_backward<R, kLog>, blocks_of_rows<R>(count), dim3(R::kThreads), 0, stream(),
                dy, y, dx, count, static_cast<int>(n));
  }
  template <class R>
  void chunks() const {
    gpu::launch(chunks_backward<R, kLog>, dim3(static_cast<uint32_t>(count)), dim3(R::kThreads), 0,
                stream(), dy, y, dx, n);
  }
};

dim3 blocks_of_columns(const SoftmaxParams& p, const ColumnBlock& block) {
  return dim3(static_cast<uint32_t>(p.outer * (block.tiles(p.inner))));
}

template <class T, Kind kKind>
void forward(const SoftmaxParams& p, const Operand* operands) {
  const T* x = operands[0].as<T>();
  T* y = operands[1].as<T>();
  if constexpr (kKind != Kind::logsumexp) {
    if (p.inner > 1) {
      const ColumnBlock block = ColumnBlock::of(p.inner, p.n);
      gpu::launch(columns_forward<T, kKind == Kind::log_softmax>, blocks_of_columns(p, block),
                  dim3(block.threads()), 0, stream(), x, y, p, block);
      return;
    }
  }
  const bool aligned = all_aligned({x}) && (kKind == Kind::logsumexp || all_aligned({y}));
  with_row<T, 1>(p.n, aligned, Forward<T, kKind>{x, y, p.outer, p.n});
}

template <class T, bool kLog>
void backward(const SoftmaxParams& p, const Operand* operands) {
  const T *dy = operands[0].as<T>(), *y = operands[1].as<T>();
  T* dx = operands[2].as<T>();
  if (p.inner > 1) {
    const ColumnBlock block = ColumnBlock::of(p.inner, p.n);
    gpu::launch(columns_backward<T, kLog>, blocks_of_columns(p, block), dim3(block.threads()), 0,
                stream(), dy, y, dx, p, block);
    return;
  }
  with_row<T, 2>(p.n, all_aligned({dy, y, dx}), Backward<T, kLog>{dy, y, dx, p.outer, p.n});
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define SOFTMAX(T)                                                                     \
  kernel_entry<&forward<T, Kind::softmax>>(kernels::softmax, dtype_of<T>),             \
      kernel_entry<&forward<T, Kind::log_softmax>>(kernels::log_softmax, dtype_of<T>), \
      kernel_entry<&forward<T, Kind::logsumexp>>(kernels::logsumexp, dtype_of<T>),     \
      kernel_entry<&backward<T, false>>(kernels::softmax_backward, dtype_of<T>),       \
      kernel_entry<&backward<T, true>>(kernels::log_softmax_backward, dtype_of<T>)
WEFT_GPU_KERNELS(softmax, SOFTMAX(Float16), SOFTMAX(BFloat16), SOFTMAX(float), SOFTMAX(double))
