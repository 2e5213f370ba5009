// Distributions on Philox words, with the bits of csrc/cpu/random.cpp: every thread makes one block
// of four words (two for a pair of normals) and writes what they give as one access. Written once;
// about 25 integer operations for each word keep float32 draws a little below the memory's speed.
#include "ops/random.h"

#include "cuda/random_math.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

// Elements that one block of four words gives.
template <class T>
constexpr int kPerBlock = 4 / kWordsOf<T>;

dim3 grid_of(int64_t threads) { return dim3(blocks_for(threads, kDenseThreads)); }

template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    uniform_kernel(const RandomStream* stream, T low, T range, T largest, T* y, int64_t n) {
  constexpr int kWidth = kPerBlock<T>;
  const int64_t number = dense_thread(), first = number * kWidth;
  if (first >= n) return;
  const PhiloxBlock block = stream->block(number);
  gpu::Vector<T, kWidth> share;
  UNROLL for (int i = 0; i < kWidth; i++) {
    const T value = (low + uniform_at<T>(block, i) * Rounded<T>(range)).value;
    share[i] = value < largest ? value : largest;  // rounding could reach high itself
  }
  store_share(y + first, share, n - first, true);
}

template <class T>
void random_uniform(const UniformParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  const int64_t n = y.size(), blocks = (n + kPerBlock<T> - 1) / kPerBlock<T>;
  const TakenBlocks taken(operands[0], blocks);
  gpu::launch(uniform_kernel<T>, grid_of(blocks), dim3(kDenseThreads), 0, stream(), taken.get(),
              static_cast<T>(p.low), static_cast<T>(p.high - p.low), static_cast<T>(p.largest),
              y.as<T>(), n);
}

// As on the CPU the words of 32 elements belong together: the first half of a group gives radii,
// the second angles.
constexpr int kGroup = 32;

template <class T>
int64_t blocks_of_groups(int64_t n) {
  return (n + kGroup - 1) / kGroup * (kGroup / kPerBlock<T>);
}

// Box-Muller: two uniforms make a radius and an angle, these make two normals. A thread has one
// block of radii and the block of angles beside it.
template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    normal_kernel(const RandomStream* stream, T mean, T stddev, T* y, int64_t n) {
  constexpr int kWidth = kPerBlock<T>, kThreadsPerGroup = kGroup / 2 / kWidth;
  const int64_t group = dense_thread() / kThreadsPerGroup;
  const int part = static_cast<int>(dense_thread() % kThreadsPerGroup);
  const int64_t first = group * kGroup + part * kWidth;
  if (first >= n) return;
  const int64_t number = group * 2 * kThreadsPerGroup + part;
  const PhiloxBlock radii = stream->block(number),
                    angles = stream->block(number + kThreadsPerGroup);
  gpu::Vector<T, kWidth> cosines, sines;
  UNROLL for (int i = 0; i < kWidth; i++) {
    const Rounded<T> radius = square_root(T(-2) * logarithm(positive_uniform_at<T>(radii, i)));
    const SineCosine<T> turn = sine_cosine_of_turn(Rounded<T>(uniform_at<T>(angles, i)));
    cosines[i] = (mean + stddev * (radius * turn.cosine)).value;
    sines[i] = (mean + stddev * (radius * turn.sine)).value;
  }
  store_share(y + first, cosines, n - first, true);
  store_share(y + first + kGroup / 2, sines, n - first - kGroup / 2, true);
}

template <class T>
void random_normal(const NormalParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  const int64_t blocks = blocks_of_groups<T>(y.size());
  const TakenBlocks taken(operands[0], blocks);
  gpu::launch(normal_kernel<T>, grid_of(blocks / 2), dim3(kDenseThreads), 0, stream(), taken.get(),
              static_cast<T>(p.mean), static_cast<T>(p.stddev), y.as<T>(), y.size());
}

// The inverse of the distribution function, restricted to two standard deviations.
template <class T>
__global__ void __launch_bounds__(kDenseThreads)
    truncated_normal_kernel(const RandomStream* stream, T mean, T stddev, T* y, int64_t n) {
  constexpr int kWidth = kPerBlock<T>;
  constexpr T kErfOfSqrt2 = static_cast<T>(0.95449973610364158560);
  const int64_t number = dense_thread(), first = number * kWidth;
  if (first >= n) return;
  const PhiloxBlock block = stream->block(number);
  gpu::Vector<T, kWidth> share;
  UNROLL for (int i = 0; i < kWidth; i++) {
    const Rounded<T> u = uniform_at<T>(block, i);
    const T z = sqrt2_inverse_erf((u + u - T(1)) * kErfOfSqrt2).value;
    const T inside = z > T(2) ? T(2) : z < T(-2) ? T(-2) : z;
    share[i] = (mean + Rounded<T>(stddev) * inside).value;
  }
  store_share(y + first, share, n - first, true);
}

template <class T>
void random_truncated_normal(const NormalParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  const int64_t blocks = blocks_of_groups<T>(y.size());
  const TakenBlocks taken(operands[0], blocks);
  gpu::launch(truncated_normal_kernel<T>, grid_of(blocks), dim3(kDenseThreads), 0, stream(),
              taken.get(), static_cast<T>(p.mean), static_cast<T>(p.stddev), y.as<T>(), y.size());
}

// Lemire's method, explained in cpu/random.cpp. The rare refused number is drawn again from a
// stream of its own.
__device__ inline uint64_t below(uint64_t bits, uint64_t count, uint64_t seed, uint64_t position) {
  if (count == 0) return bits;  // all 64 bits
  uint64_t high = __umul64hi(bits, count), low = bits * count;
  if (low < count) {
    const uint64_t refused = (0 - count) % count;
    for (uint64_t attempt = 1; low < refused; attempt++) {
      const PhiloxBlock again = philox(seed ^ (attempt * 0x9E3779B97F4A7C15u), ~position);
      const uint64_t fresh = (uint64_t{again.x[0]} << 32) | again.x[1];
      high = __umul64hi(fresh, count);
      low = fresh * count;
    }
  }
  return high;
}

__device__ inline uint64_t word_pair(const PhiloxBlock& block, int i) {
  return (uint64_t{block.x[2 * i]} << 32) | block.x[2 * i + 1];
}

__global__ void __launch_bounds__(kDenseThreads)
    integers_kernel(const RandomStream* stream, IntegersParams p, int64_t* y, int64_t n) {
  const int64_t number = dense_thread(), first = 2 * number;
  if (first >= n) return;
  const PhiloxBlock block = stream->block(number);
  gpu::Vector<int64_t, 2> share;
  UNROLL for (int i = 0; i < 2; i++) {
    const uint64_t position = 2 * stream->counter + static_cast<uint64_t>(first + i);
    share[i] = static_cast<int64_t>(static_cast<uint64_t>(p.low) +
                                    below(word_pair(block, i), p.count, stream->seed, position));
  }
  store_share(y + first, share, n - first, true);
}

void random_integers(const IntegersParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  const int64_t blocks = (y.size() + 1) / 2;
  const TakenBlocks taken(operands[0], blocks);
  gpu::launch(integers_kernel, grid_of(blocks), dim3(kDenseThreads), 0, stream(), taken.get(), p,
              y.as<int64_t>(), y.size());
}

__global__ void __launch_bounds__(kDenseThreads)
    bernoulli_kernel(const RandomStream* stream, uint64_t threshold, uint8_t* y, int64_t n) {
  const int64_t number = dense_thread(), first = 4 * number;
  if (first >= n) return;
  const PhiloxBlock block = stream->block(number);
  gpu::Vector<uint8_t, 4> share;
  UNROLL for (int i = 0; i < 4; i++) share[i] = block.x[i] < threshold;  // 2^32: always
  store_share(y + first, share, n - first, true);
}

void random_bernoulli(const BernoulliParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  const int64_t blocks = (y.size() + 3) / 4;
  const TakenBlocks taken(operands[0], blocks);
  gpu::launch(bernoulli_kernel, grid_of(blocks), dim3(kDenseThreads), 0, stream(), taken.get(),
              p.threshold, y.as<uint8_t>(), y.size());
}

// --- permutation -------------------------------------------------------------------------------
// The CPU shuffles from the front: step i swaps position i with position target[i] >= i. The same
// permutation comes out without walking the steps in order, because what step i finds at position p
// was put there by the last earlier step j with target[j] = p, which took it from position j; and
// if there is none, p still holds the number p. Steps with the same target are linked in lists (in
// any order: only the largest step below a bound is asked for); both the lists and the chains of
// steps are about log(n) long at most, and mostly empty.

struct Swaps {
  unsigned long long* head;  // by position: 1 + a step that has it as its target, or 0
  unsigned long long* link;  // by step: the next in the list of its target, the same way
  int64_t n;
};

__global__ void __launch_bounds__(kDenseThreads)
    swaps_kernel(const RandomStream* stream, Swaps swaps, int64_t* target) {
  const int64_t number = dense_thread();
  const PhiloxBlock block = stream->block(number);
  UNROLL for (int i = 0; i < 2; i++) {
    const int64_t step = 2 * number + i;
    if (step >= swaps.n) return;
    const uint64_t position = 2 * stream->counter + static_cast<uint64_t>(step);
    const int64_t other = step + static_cast<int64_t>(below(word_pair(block, i),
                                                            static_cast<uint64_t>(swaps.n - step),
                                                            stream->seed, position));
    target[step] = other;
    swaps.link[step] = atomicExch(&swaps.head[other], static_cast<unsigned long long>(step) + 1);
  }
}

// The last step before `bound` whose target was `position`, or -1.
__device__ inline int64_t last_step_into(const Swaps& swaps, int64_t position, int64_t bound) {
  int64_t last = -1;
  for (auto next = static_cast<int64_t>(swaps.head[position]); next != 0;
       next = static_cast<int64_t>(swaps.link[next - 1]))
    if (next - 1 < bound && next - 1 > last) last = next - 1;
  return last;
}

// y holds the targets and is overwritten: a thread reads its own element only.
__global__ void __launch_bounds__(kDenseThreads) follow_swaps_kernel(Swaps swaps, int64_t* y) {
  const int64_t step = dense_thread();
  if (step >= swaps.n) return;
  int64_t position = y[step], bound = step;
  for (int64_t from = last_step_into(swaps, position, bound); from >= 0;
       from = last_step_into(swaps, position, bound))
    position = bound = from;
  y[step] = position;
}

void random_permutation(const NoParams&, const Operand* operands) {
  const Operand& y = operands[1];
  const int64_t n = y.size(), blocks = (n + 1) / 2;
  const TakenBlocks taken(operands[0], blocks);
  const DeviceScratch<unsigned long long> lists(2 * n);
  const Swaps swaps{lists.get(), lists.get() + n, n};
  cudaMemsetAsync(swaps.head, 0, static_cast<size_t>(n) * sizeof *swaps.head, stream());
  gpu::launch(swaps_kernel, grid_of(blocks), dim3(kDenseThreads), 0, stream(), taken.get(), swaps,
              y.as<int64_t>());
  gpu::launch(follow_swaps_kernel, grid_of(n), dim3(kDenseThreads), 0, stream(), swaps,
              y.as<int64_t>());
}

// --- categorical -------------------------------------------------------------------------------

struct CategoricalArguments {
  const double* logits;           // (rows, classes)
  double* sums;                   // (rows, classes)
  int64_t* y;                     // (rows, samples)
  int64_t classes, samples, run;  // a thread sums `run` classes
};

// Running sums of the softmax of one row: each thread sums a run of classes, one adds up the runs
// in order, so that sums never decrease. With up to 256 classes they have the bits of the CPU.
__device__ inline double sum_row(const CategoricalArguments& a, const double* l, double* sums) {
  __shared__ double of_thread[kDenseThreads];
  const int64_t begin = threadIdx.x * a.run < a.classes ? threadIdx.x * a.run : a.classes;
  const int64_t end = begin + a.run < a.classes ? begin + a.run : a.classes;
  const int runs = static_cast<int>((a.classes + a.run - 1) / a.run);
  double largest = l[0];  // NaN here stays, elsewhere it is passed over: as on the CPU
  for (int64_t c = begin; c < end; c++) largest = l[c] > largest ? l[c] : largest;
  of_thread[threadIdx.x] = largest;
  __syncthreads();
  largest = of_thread[0];
  for (int i = 1; i < runs; i++) largest = of_thread[i] > largest ? of_thread[i] : largest;
  double total = 0;
  for (int64_t c = begin; c < end; c++) sums[c] = total += exponential(l[c] - largest);
  __syncthreads();  // all have read the largest
  of_thread[threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.x == 0) {
    total = 0;
    for (int i = 0; i < runs; i++) of_thread[i] = total += of_thread[i];
  }
  __syncthreads();
  if (threadIdx.x > 0)
    for (int64_t c = begin; c < end; c++) sums[c] += of_thread[threadIdx.x - 1];
  __syncthreads();  // the sums are read by everybody
  return of_thread[runs - 1];
}

__global__ void __launch_bounds__(kDenseThreads)
    categorical_kernel(const RandomStream* stream, CategoricalArguments a) {
  const int64_t row = blockIdx.x, blocks_per_row = (a.samples + 1) / 2;
  double* const sums = a.sums + row * a.classes;
  const double total = sum_row(a, a.logits + row * a.classes, sums);
  for (int64_t s = threadIdx.x; s < a.samples; s += blockDim.x) {
    const PhiloxBlock block = stream->block(row * blocks_per_row + s / 2);
    const double u = uniform_at<double>(block, static_cast<int>(s % 2)) * total;
    int64_t low = 0, high = a.classes - 1;  // first class whose sum exceeds u
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (sums[middle] > u)
        high = middle;
      else
        low = middle + 1;
    }
    a.y[row * a.samples + s] = low;
  }
}

// One block for each row. The logits are read twice, the second time from cache.
void random_categorical(const CategoricalParams& p, const Operand* operands) {
  const int64_t rows = operands[2].shape[0];
  const TakenBlocks taken(operands[1], rows * ((p.samples + 1) / 2));
  const DeviceScratch<double> sums(rows * p.classes);
  const CategoricalArguments a{operands[0].as<double>(),
                               sums.get(),
                               operands[2].as<int64_t>(),
                               p.classes,
                               p.samples,
                               (p.classes + kDenseThreads - 1) / kDenseThreads};
  const int64_t useful = p.classes > p.samples ? p.classes : p.samples;
  const unsigned threads = useful < kDenseThreads ? (useful + 31) / 32 * 32 : kDenseThreads;
  gpu::launch(categorical_kernel, dim3(static_cast<unsigned>(rows)), dim3(threads), 0, stream(),
              taken.get(), a);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FOR_BOTH_FLOATS(f)                             \
  kernel_entry<&f<float>>(kernels::f, DType::float32), \
      kernel_entry<&f<double>>(kernels::f, DType::float64)
WEFT_GPU_KERNELS(random, FOR_BOTH_FLOATS(random_uniform), FOR_BOTH_FLOATS(random_normal),
                 FOR_BOTH_FLOATS(random_truncated_normal),
                 kernel_entry<&random_integers>(kernels::random_integers, DType::int64),
                 kernel_entry<&random_bernoulli>(kernels::random_bernoulli, DType::boolean),
                 kernel_entry<&random_permutation>(kernels::random_permutation, DType::int64),
                 kernel_entry<&random_categorical>(kernels::random_categorical, DType::float64))
