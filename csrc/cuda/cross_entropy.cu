// A row of logits is kept in registers: n sizeof(T) bytes read for the loss, and as many written
// when the gradient is wanted with it. Rows too long for that are read twice. The backward pass
// computes the exponentials again, which is cheaper than storing probabilities. Beside
// class numbers logits and their gradient may be halves; all else is then float32.
#include "ops/cross_entropy.h"

#include "cuda/labels.h"
#include "cuda/layout.h"
#include "cuda/rows.h"
#include "cuda/sums.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

template <class T>
constexpr T kLowest = static_cast<T>(-INFINITY);

template <class T>
struct Statistics {
  T largest, scale;  // scale = sum(t) / sum(exp(x - largest))
};

template <class Stored>
struct Losses {
  using T = Compute<Stored>;
  CrossEntropyParams p;
  const Stored* x;
  Labels labels;     // of class numbers
  const T* weights;  // or else
  T* loss;
  Statistics<T>* statistics;
  Stored* dx;  // absent unless class numbers
  ErrorNote* note;
};

// The class of a row, or -1 where it has no loss.
template <class Stored>
__device__ int64_t class_of(const Losses<Stored>& a, int64_t row, bool reports) {
  const int64_t label = a.labels[row];
  if (a.p.ignores && label == a.p.ignored) return -1;
  if (label >= 0 && label < a.p.C) return label;
  if (reports) leave_note(a.note, ErrorNote::label, label, a.p.C);
  return -1;
}

// What a row of class numbers is given once its sums are known; for one thread of the team.
template <class Stored, class T>
__device__ void finish_sparse(const Losses<Stored>& a, int64_t row, int64_t label, T largest,
                              T total, T shifted) {
  if (label < 0) {
    a.loss[row] = 0;
    a.statistics[row] = {};
    return;
  }
  const T target_sum = static_cast<T>(a.p.on + a.p.off * static_cast<double>(a.p.C));
  T loss = target_sum * Math::log(total) -
           static_cast<T>(a.p.on) * (static_cast<T>(a.x[row * a.p.C + label]) - largest);
  if (a.p.off != 0) loss -= static_cast<T>(a.p.off) * shifted;
  a.loss[row] = loss;
  a.statistics[row] = {largest, target_sum / total};
}

// The gradient of the registers of a thread, from their exponentials.
template <class R, class T>
__device__ void store_slopes(const Losses<typename R::Stored>& a, int64_t row, int64_t first,
                             int length, int64_t label, T total, T (&e)[R::kValues]) {
  const T g = static_cast<T>(a.p.dloss_scale), on = g * static_cast<T>(a.p.on),
          off = g * static_cast<T>(a.p.off);
  const T target_sum = static_cast<T>(a.p.on + a.p.off * static_cast<double>(a.p.C));
  const T scale = g * (target_sum / total);
  UNROLL for (int k = 0; k < R::kValues; k++) {
    e[k] = scale * e[k] - off;
    if (first + R::column(k) == label) e[k] -= on;
    if (label < 0) e[k] = 0;
  }
  R::store(a.dx + row * a.p.C + first, length, e);
}

// x - largest where that is a number to add up: minus infinity counts nothing (0 * inf is 0 here).
template <class T>
__device__ T counted(T v) {
  return v == kLowest<T> ? T(0) : v;
}

template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    rows_sparse(const __grid_constant__ Losses<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = R::first_row();
  const bool live = row < a.p.N;
  const int length = live ? static_cast<int>(a.p.C) : 0;
  T v[R::kValues];
  R::load(a.x + row * a.p.C, length, kLowest<T>, v);
  const int64_t label = live ? class_of(a, row, R::rank() == 0) : -1;
  const T largest = team_max<R::kTeam>(max_values(v));
  UNROLL for (int k = 0; k < R::kValues; k++) v[k] -= largest;
  T shifted = 0;
  if (a.p.off != 0) {
    UNROLL for (int k = 0; k < R::kValues; k++) shifted += counted(v[k]);
    shifted = team_sum<R::kTeam>(shifted);
  }
  UNROLL for (int k = 0; k < R::kValues; k++) v[k] = Math::exp(v[k]);
  const T total = team_sum<R::kTeam>(sum_values(v));
  if (!live) return;
  if (R::rank() == 0) finish_sparse(a, row, label, largest, total, shifted);
  if (a.dx != nullptr) store_slopes<R>(a, row, 0, length, label, total, v);
}

// t = on * y + off, and 0 beyond the row.
template <class R, class T>
__device__ void load_targets(const Losses<typename R::Stored>& a, const T* weights, int length,
                             T (&t)[R::kValues]) {
  R::load(weights, length, T(0), t);
  UNROLL for (int k = 0; k < R::kValues; k++) t[k] =
      R::column(k) < length ? static_cast<T>(a.p.on) * t[k] + static_cast<T>(a.p.off) : T(0);
}

template <class Stored, class T>
__device__ void finish_dense(const Losses<Stored>& a, int64_t row, T largest, T total, T target_sum,
                             T product) {
  a.loss[row] = target_sum * Math::log(total) - product;
  a.statistics[row] = {largest, target_sum / total};
}

template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    rows_dense(const __grid_constant__ Losses<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = R::first_row();
  const bool live = row < a.p.N;
  const int length = live ? static_cast<int>(a.p.C) : 0;
  T v[R::kValues], t[R::kValues];
  R::load(a.x + row * a.p.C, length, kLowest<T>, v);
  load_targets<R>(a, a.weights + row * a.p.C, length, t);
  const T largest = team_max<R::kTeam>(max_values(v));
  T sums[3] = {};  // of exponentials, of targets, of targets times logits
  UNROLL for (int k = 0; k < R::kValues; k++) {
    v[k] -= largest;
    sums[0] += Math::exp(v[k]);
    sums[1] += t[k];
    sums[2] += t[k] == 0 ? T(0) : t[k] * v[k];
  }
  team_sums<R::kTeam>(sums);
  if (live && R::rank() == 0) finish_dense(a, row, largest, sums[0], sums[1], sums[2]);
}

// --- long rows: the largest logit and the sums relative to it in one reading ---------------------

template <class T>
struct LongSums {
  T largest = kLowest<T>;
  double total = 0, shifted = 0, weights = 0;  // of exponentials, of t (x - largest), of t
  double finite = 0;                           // how many logits `shifted` counts

  __device__ void raise(T top) {
    if (!(top > largest)) return;
    if (largest != kLowest<T>) {
      const T step = largest - top;
      total *= static_cast<double>(Math::exp(step));
      shifted += static_cast<double>(step) * finite;
    }
    largest = top;
  }
};

template <class T>
__device__ T exponential(T x, T largest) {
  return x == largest ? T(1) : Math::exp(x - largest);
}

// `kDense`: `shifted` is weighted by t, and `finite` the weight of what it counts.
template <class R, bool kDense>
__device__ LongSums<typename R::T> sums_of_row(const Losses<typename R::Stored>& a, int64_t start) {
  using T = typename R::T;
  LongSums<T> sums;
  for (int64_t at = 0; at < a.p.C; at += R::kCapacity) {
    const int length = a.p.C - at < R::kCapacity ? static_cast<int>(a.p.C - at) : R::kCapacity;
    T v[R::kValues], t[R::kValues];
    R::load(a.x + start + at, length, kLowest<T>, v);
    if constexpr (kDense) load_targets<R>(a, a.weights + start + at, length, t);
    sums.raise(max_values(v));
    T total = 0, shifted = 0, weights = 0, finite = 0;
    UNROLL for (int k = 0; k < R::kValues; k++) {
      total += exponential(v[k], sums.largest);
      const T weight = kDense ? t[k] : v[k] == kLowest<T> ? T(0) : T(1);
      // Minus infinity stays what it is, also while there is no other maximum.
      if (weight != 0) shifted += weight * (v[k] == kLowest<T> ? v[k] : v[k] - sums.largest);
      finite += weight;
      weights += weight;
    }
    sums.total += static_cast<double>(total);
    sums.shifted += static_cast<double>(shifted);
    sums.finite += static_cast<double>(finite);
    sums.weights += static_cast<double>(weights);
  }
  sums.raise(team_max<R::kTeam>(sums.largest));
  double all[3] = {sums.total, sums.shifted, sums.weights};
  team_sums<R::kTeam>(all);
  // Relative to an infinite maximum nothing is a number.
  const double infinite = static_cast<double>(sums.largest - sums.largest);
  sums.total = all[0] + infinite;
  sums.shifted = all[1];
  sums.weights = all[2];
  return sums;
}

template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    chunks_sparse(const __grid_constant__ Losses<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = blockIdx.x, start = row * a.p.C;
  const int64_t label = class_of(a, row, threadIdx.x == 0);
  const LongSums<T> sums = sums_of_row<R, false>(a, start);
  const T total = static_cast<T>(sums.total);
  if (threadIdx.x == 0)
    finish_sparse(a, row, label, sums.largest, total, static_cast<T>(sums.shifted));
  if (a.dx == nullptr) return;
  for (int64_t at = 0; at < a.p.C; at += R::kCapacity) {
    const int length = a.p.C - at < R::kCapacity ? static_cast<int>(a.p.C - at) : R::kCapacity;
    T v[R::kValues];
    R::load(a.x + start + at, length, T(0), v);
    UNROLL for (int k = 0; k < R::kValues; k++) v[k] = Math::exp(v[k] - sums.largest);
    store_slopes<R>(a, row, at, length, label, total, v);
  }
}

template <class R>
__global__ void __launch_bounds__(R::kThreads, R::kBlocksPerSm)
    chunks_dense(const __grid_constant__ Losses<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = blockIdx.x;
  const LongSums<T> sums = sums_of_row<R, true>(a, row * a.p.C);
  if (threadIdx.x == 0)
    finish_dense(a, row, sums.largest, static_cast<T>(sums.total), static_cast<T>(sums.weights),
                 static_cast<T>(sums.shifted));
}

// --- rows of probabilities: two readings, a team a row -------------------------------------------

// The statistics are 1 / sum(p) and the target's weight that was not cut.
template <class R, bool kDense>
__global__ void __launch_bounds__(R::kThreads)
    probabilities(const __grid_constant__ Losses<typename R::Stored> a) {
  using T = typename R::T;
  const int64_t row = R::first_row(), start = row * a.p.C;
  const bool live = row < a.p.N;
  const int64_t columns = live ? a.p.C : 0;
  T sum = 0;
  for (int64_t c = R::rank(); c < columns; c += R::kTeam) sum += static_cast<T>(a.x[start + c]);
  const T inverse = T(1) / team_sum<R::kTeam>(sum);
  const T low = static_cast<T>(a.p.epsilon), high = T(1) - low;
  if constexpr (kDense) {
    T sums[2] = {};  // of losses, of targets that were not cut
    for (int64_t c = R::rank(); c < columns; c += R::kTeam) {
      const T q = static_cast<T>(a.x[start + c]) * inverse;
      const T t = static_cast<T>(a.p.on) * a.weights[start + c] + static_cast<T>(a.p.off);
      sums[0] -= t * Math::log(q < low ? low : q > high ? high : q);
      sums[1] += q >= low && q <= high ? t : T(0);
    }
    team_sums<R::kTeam>(sums);
    if (!live || R::rank() != 0) return;
    a.loss[row] = sums[0];
    a.statistics[row] = {inverse, sums[1]};
  } else {
    if (!live) return;
    const int64_t label = class_of(a, row, R::rank() == 0);
    const T p = label < 0 ? T(0) : static_cast<T>(a.x[start + label]);
    const T q = p * inverse;
    const T kept = label >= 0 && q >= low && q <= high ? T(1) : T(0);
    if (R::rank() == 0) {
      a.loss[row] = label < 0 ? T(0) : -Math::log(q < low ? low : q > high ? high : q);
      a.statistics[row] = {label < 0 ? T(0) : inverse, kept};
    }
    const T g = static_cast<T>(a.p.dloss_scale);
    if (a.dx != nullptr)
      for (int64_t c = R::rank(); c < columns; c += R::kTeam)
        a.dx[start + c] = static_cast<typename R::Stored>(
            label < 0 ? T(0) : g * inverse * kept - (kept != 0 && c == label ? g / p : T(0)));
  }
}

// --- backward: element by element, dense vectors whatever the length of the rows
// ------------------

template <class Stored>
struct Slopes {
  using T = Compute<Stored>;
  CrossEntropyParams p;
  const T* dloss;
  int64_t stride;  // of dloss
  const Stored* x;
  const T* weights;
  Labels labels;
  const Statistics<T>* statistics;
  Stored* dx;
};

template <class Stored, bool kDense>
struct SlopeOfRow {
  using T = Compute<Stored>;
  T g;
  Statistics<T> statistics;
  int64_t label;

  __device__ SlopeOfRow(const Slopes<Stored>& a, int64_t row)
      : g(a.dloss[row * a.stride] * static_cast<T>(a.p.dloss_scale)),
        statistics(a.statistics[row]),
        label(-1) {
    if constexpr (!kDense) {
      label = a.labels[row];
      // The forward pass has refused every other label but the ignored one.
      if (label < 0 || label >= a.p.C || (a.p.ignores && label == a.p.ignored)) label = -1;
    }
  }

  __device__ T at(const Slopes<Stored>& a, int64_t c, T x, T weight) const {
    const T on = static_cast<T>(a.p.on), off = static_cast<T>(a.p.off);
    if constexpr (!kDense) {
      if (label < 0) return T(0);
      weight = c == label ? T(1) : T(0);
    }
    if (a.p.epsilon == 0)
      return g * statistics.scale * Math::exp(x - statistics.largest) - g * on * weight - g * off;
    const T everywhere = g * statistics.largest * statistics.scale;
    if constexpr (!kDense) {
      return c == label && statistics.scale != 0 ? everywhere - g / x : everywhere;
    } else {
      const T low = static_cast<T>(a.p.epsilon), high = T(1) - low, q = x * statistics.largest;
      const T t = (on * weight + off) * g;
      return everywhere - (q >= low && q <= high ? t / x : T(0));
    }
  }
};

constexpr int kThreads = 256;

template <class Stored, bool kDense, int kWidth>
__global__ void __launch_bounds__(kThreads)
    slopes_kernel(const __grid_constant__ Slopes<Stored> a, RowFinder finder, int64_t count) {
  using T = Compute<Stored>;
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  int64_t row = finder.row(i), c = i - row * a.p.C;
  SlopeOfRow<Stored, kDense> slope(a, row);
  const auto x = load_as<T, kWidth>(a.x + i);
  gpu::Vector<T, kWidth> weights{}, dx;
  if constexpr (kDense) weights = load_values<T, kWidth>(a.weights + i);
  UNROLL for (int k = 0; k < kWidth; k++) {
    if (c == a.p.C) {
      c = 0;
      slope = SlopeOfRow<Stored, kDense>(a, ++row);
    }
    dx[k] = slope.at(a, c++, x[k], weights[k]);
  }
  store_as(a.dx + i, dx);
}

// --- launchers -----------------------------------------------------------------------------------

template <class Stored, bool kDense>
struct Forward {
  Losses<Stored> a;

  template <class R>
  void rows() const {
    const auto kernel = kDense ? &rows_dense<R> : &rows_sparse<R>;
    gpu::launch(kernel, blocks_of_rows<R>(a.p.N), dim3(R::kThreads), 0, stream(), a);
  }
  template <class R>
  void chunks() const {
    const auto kernel = kDense ? &chunks_dense<R> : &chunks_sparse<R>;
    gpu::launch(kernel, dim3(static_cast<uint32_t>(a.p.N)), dim3(R::kThreads), 0, stream(), a);
  }
  template <class R>
  void probability_rows() const {
    gpu::launch(probabilities<R, kDense>, blocks_of_rows<R>(a.p.N), dim3(R::kThreads), 0, stream(),
                a);
  }
};

template <class Stored, bool kDense>
void forward(const CrossEntropyParams& p, const Operand* operands) {
  using T = Compute<Stored>;
  Losses<Stored> a{p,
                   operands[0].as<Stored>(),
                   {operands[1].data, operands[1].dtype},
                   operands[1].as<T>(),
                   operands[2].as<T>(),
                   operands[3].as<Statistics<T>>(),
                   nullptr,
                   error_note()};
  if (!kDense && operands[6].present) a.dx = operands[6].as<Stored>();
  const Forward<Stored, kDense> problem{a};
  if (p.epsilon > 0) {
    if (p.C <= 1024)
      problem.template probability_rows<Row<T, 32, 1, 1, Stored>>();
    else
      problem.template probability_rows<Row<T, 256, 1, 1, Stored>>();
  } else {
    const void* const read_too = kDense ? static_cast<const void*>(a.weights) : a.x;
    const bool aligned = all_aligned({a.x, read_too, a.dx});
    with_row<Stored, kDense ? 2 : 1>(p.C, aligned, problem);
  }
  const Operand& mean = operands[4];
  if (mean.present) sum_of_all<T>(a.loss, p.N, 1 / static_cast<double>(p.N), mean.as<T>());
}

template <class Stored, bool kDense, int kWidth>
void launch_slopes(const Slopes<Stored>& a) {
  const int64_t count = a.p.N * a.p.C;
  gpu::launch(slopes_kernel<Stored, kDense, kWidth>, dim3(blocks_for(count / kWidth, kThreads)),
              dim3(kThreads), 0, stream(), a, RowFinder(count, a.p.C), count);
}

template <class Stored, bool kDense>
void backward(const CrossEntropyParams& p, const Operand* operands) {
  using T = Compute<Stored>;
  const Slopes<Stored> a{p,
                         operands[0].as<T>(),
                         operands[0].strides[0],
                         operands[1].as<Stored>(),
                         operands[2].as<T>(),
                         {operands[2].data, operands[2].dtype},
                         operands[3].as<const Statistics<T>>(),
                         operands[4].as<Stored>()};
  const void* const read_too = kDense ? static_cast<const void*>(a.weights) : a.x;
  const bool aligned = all_aligned({a.x, a.dx, read_too});
  if (sizeof(T) == 4 && aligned && p.N * p.C % 4 == 0)
    launch_slopes<Stored, kDense, 16 / sizeof(T)>(a);
  else
    launch_slopes<Stored, kDense, 1>(a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define CLASS_NUMBERS(T)                                                        \
  kernel_entry<&forward<T, false>>(kernels::sparse_cross_entropy, dtype_of<T>), \
      kernel_entry<&backward<T, false>>(kernels::sparse_cross_entropy_backward, dtype_of<T>)
#define ROWS_OF_WEIGHTS(T)                                                    \
  kernel_entry<&forward<T, true>>(kernels::dense_cross_entropy, dtype_of<T>), \
      kernel_entry<&backward<T, true>>(kernels::dense_cross_entropy_backward, dtype_of<T>)
WEFT_GPU_KERNELS(cross_entropy, CLASS_NUMBERS(Float16), CLASS_NUMBERS(BFloat16),
                 CLASS_NUMBERS(float), CLASS_NUMBERS(double), ROWS_OF_WEIGHTS(float),
                 ROWS_OF_WEIGHTS(double))
