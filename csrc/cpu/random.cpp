// Distributions on Philox words. Only additions, products, square roots and comparisons are used,
// each rounded once (this file is compiled without contraction to FMA), so every instruction set
// gives the same bits.
#include "ops/random.h"

#include "core/parallel.h"
#include "cpu/isa.h"
#include "cpu/philox.h"
#include "cpu/random_math.h"

namespace weft::cpu::WEFT_ISA {
namespace {

// Words of randomness per element: 32 bits for float, 64 for double.
template <class T>
constexpr int kWords = sizeof(T) / 4;

template <class T>
inline T uniform_at(const uint32_t* words, int64_t i) {
  if constexpr (sizeof(T) == 4)
    return uniform_float(words[i]);
  else
    return uniform_double(words[2 * i], words[2 * i + 1]);
}

template <class T>
void random_uniform(const UniformParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  const T low = static_cast<T>(p.low), range = static_cast<T>(p.high - p.low),
          largest = static_cast<T>(p.largest);
  for_each_piece<kWords<T>>(
      operands[0], y.size(), [&](int64_t first, int64_t n, const uint32_t* w) {
        T* out = y.as<T>() + first;
        for (int64_t i = 0; i < n; i++) {
          const T value = low + uniform_at<T>(w, i) * range;
          out[i] = value < largest ? value : largest;  // rounding could reach high itself
        }
      });
}

// The words of a group of elements are turned into values together, whatever the width of a
// vector: the first half of a group gives radii, the second angles.
constexpr int64_t kGroup = 32;

// body(words, values) makes a whole group; of the last one what exceeds y is dropped.
template <class T, class Body>
inline void for_each_group(const Operand& state, const Operand& y, Body&& body) {
  const int64_t size = y.size(), whole = (size + kGroup - 1) / kGroup * kGroup;
  for_each_piece<kWords<T>>(state, whole, [&](int64_t first, int64_t n, const uint32_t* words) {
    T* out = y.as<T>() + first;
    for (int64_t i = 0; i < n; i += kGroup, words += kGroup * kWords<T>) {
      if (first + i + kGroup <= size) {
        body(words, out + i);
        continue;
      }
      T values[kGroup];
      body(words, values);
      for (int64_t k = 0; first + i + k < size; k++) out[i + k] = values[k];
    }
  });
}

// Box-Muller: two uniforms make a radius and an angle, these make two normals.
template <class T>
void random_normal(const NormalParams& p, const Operand* operands) {
  using V = simd::Vec<T>;
  const T mean = static_cast<T>(p.mean), stddev = static_cast<T>(p.stddev);
  for_each_group<T>(operands[0], operands[1], [=](const uint32_t* words, T* values) {
    for (int64_t i = 0; i < kGroup / 2; i += simd::kLanes<T>) {
      const V u = positive_uniform_vector<T>(words + i * kWords<T>);
      const V radius = simd::sqrt(T(-2) * logarithm(u));
      const SineCosine<T> turn =
          sine_cosine_of_turn(uniform_vector<T>(words + (kGroup / 2 + i) * kWords<T>));
      simd::store(values + i, mean + stddev * (radius * turn.cosine));
      simd::store(values + kGroup / 2 + i, mean + stddev * (radius * turn.sine));
    }
  });
}

// The inverse of the distribution function, restricted to two standard deviations.
template <class T>
void random_truncated_normal(const NormalParams& p, const Operand* operands) {
  using V = simd::Vec<T>;
  const T mean = static_cast<T>(p.mean), stddev = static_cast<T>(p.stddev);
  constexpr T kErfOfSqrt2 = static_cast<T>(0.95449973610364158560);
  for_each_group<T>(operands[0], operands[1], [=](const uint32_t* words, T* values) {
    for (int64_t i = 0; i < kGroup; i += simd::kLanes<T>) {
      const V u = uniform_vector<T>(words + i * kWords<T>);
      const V z = sqrt2_inverse_erf((u + u - T(1)) * kErfOfSqrt2);
      const V inside = simd::max(simd::min(z, V{} + T(2)), V{} - T(2));
      simd::store(values + i, mean + stddev * inside);
    }
  });
}

// Lemire's method: the high word of random * count. The few low words that would make some numbers
// more likely are refused, and drawn again from a stream of their own.
// "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
inline uint64_t below(uint64_t bits, uint64_t count, uint64_t seed, uint64_t position) {
  if (count == 0) return bits;  // all 64 bits
  unsigned __int128 product = static_cast<unsigned __int128>(bits) * count;
  if (static_cast<uint64_t>(product) < count) [[unlikely]] {
    const uint64_t refused = (0 - count) % count;
    for (uint64_t attempt = 1; static_cast<uint64_t>(product) < refused; attempt++) {
      const PhiloxBlock again = philox(seed ^ (attempt * 0x9E3779B97F4A7C15u), ~position);
      const uint64_t fresh = (uint64_t{again.x[0]} << 32) | again.x[1];
      product = static_cast<unsigned __int128>(fresh) * count;
    }
  }
  return static_cast<uint64_t>(product >> 64);
}

inline uint64_t word_pair(const uint32_t* words, int64_t i) {
  return (uint64_t{words[2 * i]} << 32) | words[2 * i + 1];
}

void random_integers(const IntegersParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  const uint64_t* state = operands[0].as<uint64_t>();
  const uint64_t seed = state[0], start = state[1];
  for_each_piece<2>(operands[0], y.size(), [&](int64_t first, int64_t n, const uint32_t* w) {
    int64_t* out = y.as<int64_t>() + first;
    for (int64_t i = 0; i < n; i++) {
      const uint64_t position = 2 * start + static_cast<uint64_t>(first + i);
      out[i] = static_cast<int64_t>(static_cast<uint64_t>(p.low) +
                                    below(word_pair(w, i), p.count, seed, position));
    }
  });
}

void random_bernoulli(const BernoulliParams& p, const Operand* operands) {
  const Operand& y = operands[1];
  for_each_piece<1>(operands[0], y.size(), [&](int64_t first, int64_t n, const uint32_t* w) {
    uint8_t* out = y.as<uint8_t>() + first;
    if (p.threshold >> 32)  // certain
      for (int64_t i = 0; i < n; i++) out[i] = 1;
    else
      for (int64_t i = 0; i < n; i++) out[i] = w[i] < static_cast<uint32_t>(p.threshold);
  });
}

// Fisher-Yates from the front: position i gets one of the numbers that are left.
void random_permutation(const NoParams&, const Operand* operands) {
  constexpr int64_t kPiece = 512;
  const Operand& y = operands[1];
  int64_t* out = y.as<int64_t>();
  const int64_t n = y.size();
  const RandomStream stream = take_blocks(operands[0], (n + 1) / 2);
  for (int64_t i = 0; i < n; i++) out[i] = i;
  const Scratch<uint32_t> words(2 * kPiece + 4);
  for (int64_t first = 0; first < n; first += kPiece) {
    const int64_t count = n - first < kPiece ? n - first : kPiece;
    philox_words(stream.seed, stream.counter + static_cast<uint64_t>(first / 2), (count + 1) / 2,
                 words.get());
    for (int64_t i = 0; i < count; i++) {
      const int64_t at = first + i;
      const uint64_t position = 2 * stream.counter + static_cast<uint64_t>(at);
      const int64_t other =
          at + static_cast<int64_t>(below(word_pair(words.get(), i), static_cast<uint64_t>(n - at),
                                          stream.seed, position));
      const int64_t kept = out[at];
      out[at] = out[other];
      out[other] = kept;
    }
  }
}

// The running sum of the softmax of one row, and where a uniform number falls in it.
void random_categorical(const CategoricalParams& p, const Operand* operands) {
  const double* logits = operands[0].as<double>();
  int64_t* out = operands[2].as<int64_t>();
  const int64_t rows = operands[2].shape[0], classes = p.classes, samples = p.samples;
  const int64_t blocks_per_row = (samples + 1) / 2;
  const RandomStream stream = take_blocks(operands[1], rows * blocks_per_row);
  parallel_for(rows, 16 * 1024 / (classes + samples), [&](int64_t begin, int64_t end) {
    const Scratch<double> sums(classes);
    for (int64_t row = begin; row < end; row++) {
      const double* l = logits + row * classes;
      double largest = l[0], total = 0;
      for (int64_t c = 1; c < classes; c++) largest = l[c] > largest ? l[c] : largest;
      for (int64_t c = 0; c < classes; c++) sums[c] = total += exponential(l[c] - largest);
      for (int64_t s = 0; s < samples; s++) {
        const PhiloxBlock block = philox(
            stream.seed, stream.counter + static_cast<uint64_t>(row * blocks_per_row + s / 2));
        const double u = uniform_double(block.x[s % 2 * 2], block.x[s % 2 * 2 + 1]) * total;
        int64_t low = 0, high = classes - 1;  // first class whose sum exceeds u
        while (low < high) {
          const int64_t middle = (low + high) / 2;
          if (sums[middle] > u)
            high = middle;
          else
            low = middle + 1;
        }
        out[row * samples + s] = low;
      }
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define FOR_BOTH_FLOATS(f)                             \
  kernel_entry<&f<float>>(kernels::f, DType::float32), \
      kernel_entry<&f<double>>(kernels::f, DType::float64)
WEFT_CPU_KERNELS(random, FOR_BOTH_FLOATS(random_uniform), FOR_BOTH_FLOATS(random_normal),
                 FOR_BOTH_FLOATS(random_truncated_normal),
                 kernel_entry<&random_integers>(kernels::random_integers, DType::int64),
                 kernel_entry<&random_bernoulli>(kernels::random_bernoulli, DType::boolean),
                 kernel_entry<&random_permutation>(kernels::random_permutation, DType::int64),
                 kernel_entry<&random_categorical>(kernels::random_categorical, DType::float64))
