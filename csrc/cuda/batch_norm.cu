// Threads walk down the channels: neighbours read neighbouring channels, 16 bytes each where their
// number allows it, several rows in flight. Forward x is read twice and y written, backward dy and
// x are read twice and dx written: 3 and 5 M C sizeof(T) bytes; between the readings lies a small
// kernel that joins the parts of each channel. Where x and y are halves, all else is float32.
#include "ops/batch_norm.h"

#include "cuda/columns.h"
#include "cuda/layout.h"
#include "cuda/math.h"
#include "cuda/scratch.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kRowsInFlight = 8;

// How a matrix is shared out: tiles of channels times parts of rows, each for one block.
struct Plan {
  int64_t M, C, part_rows, parts, tiles;
  ColumnBlock block;

  // At most `most` parts.
  static Plan of(int64_t M, int64_t C, int width, int64_t most) {
    Plan p;
    p.M = M;
    p.C = C;
    p.block = ColumnBlock::of(C / width, (M + kRowsInFlight - 1) / kRowsInFlight);
    p.tiles = p.block.tiles(C / width);
    const int64_t step = int64_t{p.block.down} * kRowsInFlight;
    const int64_t steps = (M + step - 1) / step, each = (steps + most - 1) / most;
    p.part_rows = each * step;
    p.parts = (M + p.part_rows - 1) / p.part_rows;
    return p;
  }
  dim3 blocks() const { return dim3(static_cast<uint32_t>(tiles * parts)); }

  __device__ int64_t part() const { return blockIdx.x / tiles; }
  __device__ int64_t column() const { return (blockIdx.x % tiles) * block.across + block.column(); }
  __device__ int64_t begin() const { return part() * part_rows + block.row(); }
  __device__ int64_t end() const {
    const int64_t stop = (part() + 1) * part_rows;
    return stop < M ? stop : M;
  }
  __device__ int64_t step() const { return int64_t{block.down} * kRowsInFlight; }
  // How many of the kRowsInFlight rows from `row` on, every block.down-th, lie before `end`.
  __device__ int rows_from(int64_t row, int64_t end) const {
    const int64_t left = (end - row + block.down - 1) / block.down;
    return left < kRowsInFlight ? static_cast<int>(left) : kRowsInFlight;
  }
};

// Parts that the second stage joins. With 16 rows of threads and 8 rows in flight, 512 parts fill
// a large device even if there is one tile of channels only.
constexpr int64_t kMostParts = 512;
// Where nothing is joined, a thread has a few rows to share its per-channel numbers.
constexpr int64_t kUnlimited = int64_t{1} << 40;

template <class T, int kWidth>
using Channels = gpu::Vector<T, kWidth>;

struct AddingChannels {
  template <class T, int kWidth>
  __device__ Channels<T, kWidth> operator()(Channels<T, kWidth> a,
                                            const Channels<T, kWidth>& b) const {
    UNROLL for (int k = 0; k < kWidth; k++) a[k] += b[k];
    return a;
  }
};

// --- statistics ----------------------------------------------------------------------------------

// Mean and sum of squared deviations of the rows that one thread meets, relative to an origin: the
// mean of a few rows first, then deviations from it, joined by Chan's formula. Nothing cancels.
template <class T, int kWidth>
struct Moments {
  Channels<T, kWidth> mean{}, m2{};
  T count = 0;

  __device__ void add(const Channels<T, kWidth> (&v)[kRowsInFlight], int rows) {
    const T n = static_cast<T>(rows), total = count + n, share = n / total, both = count * share;
    UNROLL for (int k = 0; k < kWidth; k++) {
      T sum = 0, squares = 0;
      UNROLL for (int j = 0; j < kRowsInFlight; j++) sum += j < rows ? v[j][k] : T(0);
      const T center = sum / n;
      UNROLL for (int j = 0; j < kRowsInFlight; j++) {
        const T d = j < rows ? v[j][k] - center : T(0);
        squares += d * d;
      }
      const T delta = center - mean[k];
      mean[k] += delta * share;
      m2[k] += squares + delta * delta * both;
    }
    count = total;
  }
};

// partial: (parts, 2, C), the mean relative to row 0 of x and m2 of each part.
template <class Stored, int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    moments_kernel(const __grid_constant__ Plan p, const Stored* __restrict__ x,
                   Compute<Stored>* __restrict__ partial) {
  using T = Compute<Stored>;
  const int64_t c = p.column() * kWidth, end = p.end();
  const bool inside = c < p.C;
  Moments<T, kWidth> moments;
  Channels<T, kWidth> origin{};
  if (inside) origin = load_as<T, kWidth>(x + c);
  for (int64_t row = p.begin(); row < end && inside; row += p.step()) {
    const int rows = p.rows_from(row, end);
    Channels<T, kWidth> v[kRowsInFlight] = {};
    UNROLL for (int j = 0; j < kRowsInFlight; j++) if (j < rows) v[j] =
        load_as<T, kWidth>(x + (row + j * p.block.down) * p.C + c);
    UNROLL for (int j = 0; j < kRowsInFlight; j++) {
      UNROLL for (int k = 0; k < kWidth; k++) v[j][k] = j < rows ? v[j][k] - origin[k] : T(0);
    }
    moments.add(v, rows);
  }
  // All threads of a column: the mean of the means, then how far each was from it.
  const T total = static_cast<T>(end - p.part() * p.part_rows);
  Channels<T, kWidth> mean;
  UNROLL for (int k = 0; k < kWidth; k++) mean[k] = moments.mean[k] * (moments.count / total);
  mean = column_reduce(p.block, mean, AddingChannels{});
  Channels<T, kWidth> m2;
  UNROLL for (int k = 0; k < kWidth; k++) {
    const T d = moments.mean[k] - mean[k];
    m2[k] = moments.m2[k] + d * d * moments.count;
  }
  m2 = column_reduce(p.block, m2, AddingChannels{});
  if (!inside || p.block.row() != 0) return;
  store_values(partial + p.part() * 2 * p.C + c, mean);
  store_values(partial + (p.part() * 2 + 1) * p.C + c, m2);
}

template <class Stored>
struct Statistics {
  using T = Compute<Stored>;
  const T* partial;
  const Stored* x;
  T *mean, *variance, *rstd;
  double epsilon;
};

// Joins the parts of each channel, in float64 and without a division for each.
template <class Stored>
__global__ void __launch_bounds__(kWideColumnThreads)
    join_moments_kernel(const __grid_constant__ Plan p,
                        const __grid_constant__ Statistics<Stored> a, ColumnBlock block) {
  using T = Compute<Stored>;
  const int64_t c = int64_t{blockIdx.x} * block.across + block.column();
  const bool inside = c < p.C;
  const auto rows_of = [&](int64_t part) {
    const int64_t begin = part * p.part_rows;
    return static_cast<double>(p.M - begin < p.part_rows ? p.M - begin : p.part_rows);
  };
  double sum = 0, m2 = 0;
  for (int64_t part = block.row(); part < p.parts && inside; part += block.down) {
    sum += rows_of(part) * static_cast<double>(a.partial[part * 2 * p.C + c]);
    m2 += static_cast<double>(a.partial[(part * 2 + 1) * p.C + c]);
  }
  const double M = static_cast<double>(p.M);
  const double mean = column_reduce<kWideColumnThreads>(block, sum, Adding{}) / M;
  for (int64_t part = block.row(); part < p.parts && inside; part += block.down) {
    const double d = static_cast<double>(a.partial[part * 2 * p.C + c]) - mean;
    m2 += rows_of(part) * d * d;
  }
  m2 = column_reduce<kWideColumnThreads>(block, m2, Adding{});
  if (!inside || block.row() != 0) return;
  a.mean[c] = static_cast<T>(static_cast<double>(static_cast<T>(a.x[c])) + mean);
  a.variance[c] = static_cast<T>(m2 / M);
  a.rstd[c] = static_cast<T>(1 / sqrt(m2 / M + a.epsilon));
}

// --- the result ----------------------------------------------------------------------------------

template <class Stored>
struct Normalize {
  using T = Compute<Stored>;
  const Stored* x;
  const T *mean, *spread, *gamma, *beta;  // gamma and beta may be absent
  Stored* y;
  bool is_variance;  // spread: the variance, else rstd
  T epsilon;
};

template <class T, int kWidth>
__device__ Channels<T, kWidth> load_or(const T* p, int64_t c, T otherwise) {
  if (p != nullptr) return load_values<T, kWidth>(p + c);
  Channels<T, kWidth> v;
  UNROLL for (int k = 0; k < kWidth; k++) v[k] = otherwise;
  return v;
}

template <class Stored, int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    normalize_kernel(const __grid_constant__ Plan p, const __grid_constant__ Normalize<Stored> a) {
  using T = Compute<Stored>;
  const int64_t c = p.column() * kWidth, end = p.end();
  if (c >= p.C) return;
  const auto center = load_values<T, kWidth>(a.mean + c);
  const auto gamma = load_or<T, kWidth>(a.gamma, c, T(1));
  const auto shift = load_or<T, kWidth>(a.beta, c, T(0));
  auto scale = load_values<T, kWidth>(a.spread + c);
  UNROLL for (int k = 0; k < kWidth; k++) {
    if (a.is_variance) scale[k] = T(1) / Math::sqrt(scale[k] + a.epsilon);
    scale[k] *= gamma[k];
  }
  for (int64_t row = p.begin(); row < end; row += p.step()) {
    const int rows = p.rows_from(row, end);
    Channels<T, kWidth> v[kRowsInFlight] = {};
    UNROLL for (int j = 0; j < kRowsInFlight; j++) if (j < rows) v[j] =
        load_as<T, kWidth>(a.x + (row + j * p.block.down) * p.C + c);
    UNROLL for (int j = 0; j < kRowsInFlight; j++) {
      if (j >= rows) break;
      UNROLL for (int k = 0; k < kWidth; k++) v[j][k] = (v[j][k] - center[k]) * scale[k] + shift[k];
      store_as(a.y + (row + j * p.block.down) * p.C + c, v[j]);
    }
  }
}

// --- backward ------------------------------------------------------------------------------------

template <class Stored>
struct Backward {
  using T = Compute<Stored>;
  const Stored *dy, *x;
  const T *gamma, *mean, *rstd;  // gamma may be absent
  Stored* dx;
  T *dgamma, *dbeta;
  T* partial;  // (parts, 2, C): sums of dy and of dy (x - mean)
  T *shift, *slope;
};

constexpr int kPairsInFlight = kRowsInFlight / 2;  // of rows of dy and of x

template <class Stored, int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    gradient_sums_kernel(const __grid_constant__ Plan p,
                         const __grid_constant__ Backward<Stored> a) {
  using T = Compute<Stored>;
  const int64_t c = p.column() * kWidth, end = p.end(), down = p.block.down;
  const bool inside = c < p.C;
  Channels<T, kWidth> center{}, plain{}, scaled{};
  if (inside) center = load_values<T, kWidth>(a.mean + c);
  for (int64_t row = p.begin(); row < end && inside; row += kPairsInFlight * down) {
    Channels<T, kWidth> d[kPairsInFlight] = {}, v[kPairsInFlight];
    UNROLL for (int j = 0; j < kPairsInFlight; j++) {
      v[j] = center;
      if (row + j * down >= end) continue;
      d[j] = load_as<T, kWidth>(a.dy + (row + j * down) * p.C + c);
      v[j] = load_as<T, kWidth>(a.x + (row + j * down) * p.C + c);
    }
    UNROLL for (int k = 0; k < kWidth; k++) {
      T some = 0, products = 0;
      UNROLL for (int j = 0; j < kPairsInFlight; j++) {
        some += d[j][k];
        products += d[j][k] * (v[j][k] - center[k]);
      }
      plain[k] += some;
      scaled[k] += products;
    }
  }
  plain = column_reduce(p.block, plain, AddingChannels{});
  scaled = column_reduce(p.block, scaled, AddingChannels{});
  if (!inside || p.block.row() != 0) return;
  store_values(a.partial + p.part() * 2 * p.C + c, plain);
  store_values(a.partial + (p.part() * 2 + 1) * p.C + c, scaled);
}

// dbeta, dgamma, and what dx needs of them: shift = mean(dy), slope = rstd^2 mean(dy (x - mean)).
template <class Stored>
__global__ void __launch_bounds__(kWideColumnThreads)
    join_gradients_kernel(const __grid_constant__ Plan p,
                          const __grid_constant__ Backward<Stored> a, ColumnBlock block) {
  using T = Compute<Stored>;
  const int64_t c = int64_t{blockIdx.x} * block.across + block.column();
  const bool inside = c < p.C;
  double plain = 0, scaled = 0;
  for (int64_t part = block.row(); part < p.parts && inside; part += block.down) {
    plain += static_cast<double>(a.partial[part * 2 * p.C + c]);
    scaled += static_cast<double>(a.partial[(part * 2 + 1) * p.C + c]);
  }
  plain = column_reduce<kWideColumnThreads>(block, plain, Adding{});
  scaled = column_reduce<kWideColumnThreads>(block, scaled, Adding{});
  if (!inside || block.row() != 0) return;
  const double M = static_cast<double>(p.M), rstd = static_cast<double>(a.rstd[c]);
  a.dbeta[c] = static_cast<T>(plain);
  a.dgamma[c] = static_cast<T>(scaled * rstd);
  a.shift[c] = static_cast<T>(plain / M);
  a.slope[c] = static_cast<T>(rstd * rstd * scaled / M);
}

// dx = rstd gamma (dy - shift - (x - mean) slope)
template <class Stored, int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    gradient_kernel(const __grid_constant__ Plan p, const __grid_constant__ Backward<Stored> a) {
  using T = Compute<Stored>;
  const int64_t c = p.column() * kWidth, end = p.end(), down = p.block.down;
  if (c >= p.C) return;
  const auto center = load_values<T, kWidth>(a.mean + c);
  const auto shift = load_values<T, kWidth>(a.shift + c);
  const auto slope = load_values<T, kWidth>(a.slope + c);
  const auto gamma = load_or<T, kWidth>(a.gamma, c, T(1));
  auto scale = load_values<T, kWidth>(a.rstd + c);
  UNROLL for (int k = 0; k < kWidth; k++) scale[k] *= gamma[k];
  for (int64_t row = p.begin(); row < end; row += kPairsInFlight * down) {
    Channels<T, kWidth> d[kPairsInFlight] = {}, v[kPairsInFlight] = {};
    UNROLL for (int j = 0; j < kPairsInFlight; j++) {
      if (row + j * down >= end) continue;
      d[j] = load_as<T, kWidth>(a.dy + (row + j * down) * p.C + c);
      v[j] = load_as<T, kWidth>(a.x + (row + j * down) * p.C + c);
    }
    UNROLL for (int j = 0; j < kPairsInFlight; j++) {
      if (row + j * down >= end) continue;
      UNROLL for (int k = 0; k < kWidth; k++) d[j][k] =
          (d[j][k] - shift[k] - (v[j][k] - center[k]) * slope[k]) * scale[k];
      store_as(a.dx + (row + j * down) * p.C + c, d[j]);
    }
  }
}

// --- launchers -----------------------------------------------------------------------------------

template <class T>
using Join = void (*)(Plan, T, ColumnBlock);

template <class Arguments>
void launch_join(Join<Arguments> kernel, const Plan& p, const Arguments& a) {
  const ColumnBlock block = ColumnBlock::of(p.C, p.parts, kWideColumnThreads);
  gpu::launch(kernel, dim3(static_cast<uint32_t>(block.tiles(p.C))), dim3(block.threads()), 0,
              stream(), p, a, block);
}

template <class Stored, int kWidth>
void launch_normalize(const BatchNormParams& p, const Normalize<Stored>& a) {
  const Plan plan = Plan::of(p.M, p.C, kWidth, kUnlimited);
  gpu::launch(normalize_kernel<Stored, kWidth>, plan.blocks(), dim3(plan.block.threads()), 0,
              stream(), plan, a);
}

template <class Stored, int kWidth>
void forward_of(const BatchNormParams& p, const Normalize<Stored>& a, Compute<Stored>* variance) {
  using T = Compute<Stored>;
  const Plan plan = Plan::of(p.M, p.C, kWidth, kMostParts);
  const DeviceScratch<T> partial(plan.parts * 2 * p.C);
  gpu::launch(moments_kernel<Stored, kWidth>, plan.blocks(), dim3(plan.block.threads()), 0,
              stream(), plan, a.x, partial.get());
  launch_join<Statistics<Stored>>(
      join_moments_kernel<Stored>, plan,
      {partial.get(), a.x, const_cast<T*>(a.mean), variance, const_cast<T*>(a.spread), p.epsilon});
  launch_normalize<Stored, kWidth>(p, a);
}

template <class Stored, int kWidth>
void backward_of(const BatchNormParams& p, Backward<Stored> a) {
  using T = Compute<Stored>;
  const Plan plan = Plan::of(p.M, p.C, kWidth, kMostParts);
  const DeviceScratch<T> scratch((plan.parts + 1) * 2 * p.C);
  a.shift = scratch.get();
  a.slope = a.shift + p.C;
  a.partial = a.slope + p.C;
  gpu::launch(gradient_sums_kernel<Stored, kWidth>, plan.blocks(), dim3(plan.block.threads()), 0,
              stream(), plan, a);
  launch_join<Backward<Stored>>(join_gradients_kernel<Stored>, plan, a);
  const Plan fine = Plan::of(p.M, p.C, kWidth, kUnlimited);
  gpu::launch(gradient_kernel<Stored, kWidth>, fine.blocks(), dim3(fine.block.threads()), 0,
              stream(), fine, a);
}

// Halves move 8 bytes at a time: more channels a thread would take too many registers.
template <class Stored>
constexpr int kVector = 16 / sizeof(Compute<Stored>);

template <class Stored>
void forward(const BatchNormParams& p, const Operand* operands) {
  using T = Compute<Stored>;
  const Normalize<Stored> a{operands[0].as<Stored>(),
                            operands[4].as<T>(),
                            operands[6].as<T>(),
                            operands[1].as<T>(),
                            operands[2].as<T>(),
                            operands[3].as<Stored>(),
                            false,
                            T(0)};
  T* variance = operands[5].as<T>();
  if (p.C % kVector<Stored> == 0 && all_aligned({a.x, a.mean, a.spread, a.gamma, a.beta, a.y}))
    forward_of<Stored, kVector<Stored>>(p, a, variance);
  else
    forward_of<Stored, 1>(p, a, variance);
}

template <class Stored>
void inference(const BatchNormParams& p, const Operand* operands) {
  using T = Compute<Stored>;
  const Normalize<Stored> a{operands[0].as<Stored>(),
                            operands[1].as<T>(),
                            operands[2].as<T>(),
                            operands[3].as<T>(),
                            operands[4].as<T>(),
                            operands[5].as<Stored>(),
                            true,
                            static_cast<T>(p.epsilon)};
  if (p.C % kVector<Stored> == 0 && all_aligned({a.x, a.mean, a.spread, a.gamma, a.beta, a.y}))
    launch_normalize<Stored, kVector<Stored>>(p, a);
  else
    launch_normalize<Stored, 1>(p, a);
}

template <class Stored>
void backward(const BatchNormParams& p, const Operand* operands) {
  using T = Compute<Stored>;
  const Backward<Stored> a{operands[0].as<Stored>(),
                           operands[1].as<Stored>(),
                           operands[2].as<T>(),
                           operands[3].as<T>(),
                           operands[4].as<T>(),
                           operands[5].as<Stored>(),
                           operands[6].as<T>(),
                           operands[7].as<T>(),
                           nullptr,
                           nullptr,
                           nullptr};
  if (p.C % kVector<Stored> == 0 && all_aligned({a.dy, a.x, a.gamma, a.mean, a.rstd, a.dx}))
    backward_of<Stored, kVector<Stored>>(p, a);
  else
    backward_of<Stored, 1>(p, a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define BATCH_NORM(T)                                                          \
  kernel_entry<&forward<T>>(kernels::batch_norm, dtype_of<T>),                 \
      kernel_entry<&inference<T>>(kernels::batch_norm_inference, dtype_of<T>), \
      kernel_entry<&backward<T>>(kernels::batch_norm_backward, dtype_of<T>)
WEFT_GPU_KERNELS(batch_norm, BATCH_NORM(Float16), BATCH_NORM(BFloat16), BATCH_NORM(float),
                 BATCH_NORM(double))
