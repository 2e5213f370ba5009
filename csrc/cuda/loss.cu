// Pointwise losses: two streams in, 2 sizeof(T) bytes an element forward and 3 backward. The kind
// is a parameter, the same for all threads: choosing by it costs less than loading, and ten times
// fewer kernels are compiled.
#include "ops/loss.h"

#include "cuda/layout.h"
#include "cuda/rows.h"
#include "cuda/sums.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

template <class T>
__device__ T sign(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : x;
}
// x, or the bound it passes; NaN stays.
template <class T>
__device__ T cut(T x, T low, T high) {
  return Math::max(low, Math::min(high, x));
}
template <class T>
__device__ T margin_of(T y, T x) {
  return Math::max(T(0), T(1) - y * x);
}

template <class T>
__device__ T huber(T e, T delta) {
  return e > delta ? delta * (e - T(0.5) * delta) : T(0.5) * e * e;
}
template <class T>
__device__ T log_cosh(T e) {
  // Near 0, e + log1p(exp(-2e)) - log 2 would lose its digits; there the series is exact.
  const T square = e * e;
  if (e < T(sizeof(T) == 4 ? 0.04 : 0.002))
    return square * (T(0.5) - square * (T(1.0 / 12) - square * T(1.0 / 45)));
  return e + Math::log1p(Math::exp(T(-2) * e)) - T(0.6931471805599453);
}

// f and, below, df/dx of a target y and a prediction x.
template <class T>
__device__ T value_of(PointwiseLoss kind, T y, T x, T number) {
  switch (kind) {
    case PointwiseLoss::squared_error: return (x - y) * (x - y);
    case PointwiseLoss::absolute_error: return Math::abs(x - y);
    case PointwiseLoss::huber: return huber(Math::abs(x - y), number);
    case PointwiseLoss::log_cosh: return log_cosh(Math::abs(x - y));
    case PointwiseLoss::hinge: return margin_of(y, x);
    case PointwiseLoss::squared_hinge: return margin_of(y, x) * margin_of(y, x);
    case PointwiseLoss::sigmoid_cross_entropy:
      // softplus(x) - y x, arranged so that neither term overflows.
      return Math::max(T(0), x) - y * x + Math::log1p(Math::exp(-Math::abs(x)));
    case PointwiseLoss::binary_cross_entropy: {
      const T p = cut(x, number, T(1) - number);
      return -(y * Math::log(p) + (T(1) - y) * Math::log(T(1) - p));
    }
    case PointwiseLoss::kl_divergence: {
      const T target = cut(y, number, T(1));
      return target * Math::log(target / cut(x, number, T(1)));
    }
    case PointwiseLoss::poisson: return x - y * Math::log(x + number);
  }
  return T(0);
}

template <class T>
__device__ T slope_of(PointwiseLoss kind, T y, T x, T number) {
  switch (kind) {
    case PointwiseLoss::squared_error: return T(2) * (x - y);
    case PointwiseLoss::absolute_error: return sign(x - y);
    case PointwiseLoss::huber: {
      const T e = x - y;
      return Math::abs(e) > number ? number * sign(e) : e;
    }
    case PointwiseLoss::log_cosh: return Math::tanh(x - y);
    case PointwiseLoss::hinge: return T(1) - y * x > 0 ? -y : T(0);
    case PointwiseLoss::squared_hinge: return T(-2) * y * margin_of(y, x);
    case PointwiseLoss::sigmoid_cross_entropy: return Math::sigmoid(x) - y;
    case PointwiseLoss::binary_cross_entropy:
      return x >= number && x <= T(1) - number ? (x - y) / (x * (T(1) - x)) : x - x;
    case PointwiseLoss::kl_divergence:
      return x >= number && x <= T(1) ? -cut(y, number, T(1)) / x : x - x;
    case PointwiseLoss::poisson: return T(1) - y / (x + number);
  }
  return T(0);
}

template <class T>
struct Losses {
  PointwiseLoss kind;
  const T *y, *x;
  T number, scale;
  int64_t N, C;
};

constexpr int kThreads = 256;

// Rows of one element.
template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    elements_kernel(const __grid_constant__ Losses<T> a, T* __restrict__ loss) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= a.N) return;
  const auto y = load_values<T, kWidth>(a.y + i), x = load_values<T, kWidth>(a.x + i);
  gpu::Vector<T, kWidth> out;
  UNROLL for (int k = 0; k < kWidth; k++) out[k] = a.scale * value_of(a.kind, y[k], x[k], a.number);
  store_values(loss + i, out);
}

// The sum of f over columns [begin, end) of a row, by a team; four chains hide the latency.
template <class R>
__device__ double sum_of(const Losses<typename R::T>& a, int64_t start, int64_t begin,
                         int64_t end) {
  using T = typename R::T;
  double sum = 0;
  for (int64_t at = begin; at < end; at += R::kCapacity) {
    const int n = end - at < R::kCapacity ? static_cast<int>(end - at) : R::kCapacity;
    T y[R::kValues], x[R::kValues];
    R::load(a.y + start + at, n, T(0), y);
    R::load(a.x + start + at, n, T(0), x);
    // What lies beyond the row has a loss of its own: 1 of a hinge.
    UNROLL for (int k = 0; k < R::kValues; k++) x[k] =
        R::column(k) < n ? value_of(a.kind, y[k], x[k], a.number) : T(0);
    sum += static_cast<double>(sum_values(x));
  }
  return team_sum<R::kTeam>(sum);
}

template <class R>
__global__ void __launch_bounds__(R::kThreads)
    rows_kernel(const __grid_constant__ Losses<typename R::T> a, typename R::T* __restrict__ loss) {
  const int64_t row = R::first_row();
  const bool live = row < a.N;
  const double sum = sum_of<R>(a, live ? row * a.C : 0, 0, live ? a.C : 0);
  if (live && R::rank() == 0)
    loss[row] = static_cast<typename R::T>(static_cast<double>(a.scale) * sum);
}

// Few long rows: blocks (piece, row), joined in a second stage.
template <class R>
__global__ void __launch_bounds__(R::kThreads)
    pieces_kernel(const __grid_constant__ Losses<typename R::T> a, int64_t piece,
                  double* __restrict__ partial) {
  const int64_t begin = blockIdx.x * piece;
  const double sum =
      sum_of<R>(a, blockIdx.y * a.C, begin, begin + piece < a.C ? begin + piece : a.C);
  if (threadIdx.x == 0) partial[int64_t{blockIdx.y} * gridDim.x + blockIdx.x] = sum;
}

template <class T, int kWidth>
void sum_rows(const Losses<T>& a, double scale, T* loss) {
  using Warp = Row<T, 32, 4, kWidth>;
  using Block = Row<T, 256, 4, kWidth>;
  const int64_t piece = piece_of(a.C), pieces = (a.C + piece - 1) / piece;
  if (pieces > 1 && a.N < 256) {
    const DeviceScratch<double> partial(a.N * pieces);
    gpu::launch(pieces_kernel<Block>,
                dim3(static_cast<uint32_t>(pieces), static_cast<uint32_t>(a.N)),
                dim3(Block::kThreads), 0, stream(), a, piece, partial.get());
    gpu::launch(row_sums_kernel<double, T>, dim3(static_cast<uint32_t>(a.N)), dim3(kSumThreads), 0,
                stream(), partial.get(), pieces, scale, loss);
  } else if (a.C <= 1024 && a.N > 1) {
    gpu::launch(rows_kernel<Warp>, blocks_of_rows<Warp>(a.N), dim3(Warp::kThreads), 0, stream(), a,
                loss);
  } else {
    gpu::launch(rows_kernel<Block>, blocks_of_rows<Block>(a.N), dim3(Block::kThreads), 0, stream(),
                a, loss);
  }
}

template <class T, int kWidth>
void launch_elements(const Losses<T>& a, T* loss) {
  gpu::launch(elements_kernel<T, kWidth>, dim3(blocks_for(a.N / kWidth, kThreads)), dim3(kThreads),
              0, stream(), a, loss);
}

template <class T>
Losses<T> losses_of(const PointwiseLossParams& p, const Operand& y, const Operand& x) {
  return {p.kind, y.as<T>(), x.as<T>(), static_cast<T>(p.number), static_cast<T>(p.scale),
          p.N,    p.C};
}

constexpr int64_t kVector = 4;

template <class T>
void forward(const PointwiseLossParams& p, const Operand* operands) {
  const Losses<T> a = losses_of<T>(p, operands[0], operands[1]);
  T* loss = operands[2].as<T>();
  const bool vectors = sizeof(T) == 4 && all_aligned({a.x, a.y});
  if (p.C == 1 && p.N > 1) {
    if (vectors && all_aligned({loss}) && p.N % kVector == 0)
      launch_elements<T, 16 / sizeof(T)>(a, loss);
    else
      launch_elements<T, 1>(a, loss);
  } else if (vectors && p.C % kVector == 0) {
    sum_rows<T, 16 / sizeof(T)>(a, p.scale, loss);
  } else {
    sum_rows<T, 1>(a, p.scale, loss);
  }
}

// dx = dloss[row] * scale * df/dx; `stride` of dloss, 0 where one number is for all.
template <class T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    slopes_kernel(const __grid_constant__ Losses<T> a, const T* __restrict__ dloss, int64_t stride,
                  RowFinder finder, T* __restrict__ dx) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= a.N * a.C) return;
  const auto y = load_values<T, kWidth>(a.y + i), x = load_values<T, kWidth>(a.x + i);
  gpu::Vector<T, kWidth> out;
  const int64_t row = stride == 0 ? 0 : finder.row(i);
  int64_t g = row * stride, next = stride == 0 ? a.N * a.C : (row + 1) * a.C;
  T scale = a.scale * dloss[g];
  UNROLL for (int k = 0; k < kWidth; k++) {
    if (i + k == next) {
      next += a.C;
      g += stride;
      scale = a.scale * dloss[g];
    }
    out[k] = scale * slope_of(a.kind, y[k], x[k], a.number);
  }
  store_values(dx + i, out);
}

template <class T, int kWidth>
void launch_slopes(const Losses<T>& a, const Operand& dloss, T* dx) {
  const int64_t count = a.N * a.C, stride = a.N == 1 ? 0 : dloss.strides[0];
  gpu::launch(slopes_kernel<T, kWidth>, dim3(blocks_for(count / kWidth, kThreads)), dim3(kThreads),
              0, stream(), a, dloss.as<T>(), stride, RowFinder(count, a.C), dx);
}

template <class T>
void backward(const PointwiseLossParams& p, const Operand* operands) {
  const Losses<T> a = losses_of<T>(p, operands[1], operands[2]);
  T* dx = operands[3].as<T>();
  if (sizeof(T) == 4 && all_aligned({a.x, a.y, dx}) && p.N * p.C % kVector == 0)
    launch_slopes<T, 16 / sizeof(T)>(a, operands[0], dx);
  else
    launch_slopes<T, 1>(a, operands[0], dx);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_ONE_DTYPE(T)                                           \
  kernel_entry<&forward<T>>(kernels::pointwise_loss, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::pointwise_loss_backward, dtype_of<T>)
WEFT_GPU_KERNELS(loss, FOR_ONE_DTYPE(float), FOR_ONE_DTYPE(double))
