// Philox by the vector: the random words of consecutive blocks, in order.
#pragma once

#include "core/philox.h"
#include "core/scratch.h"
#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

// Multiplies the low 32 bits of each lane; what is in the high bits does not matter.
WEFT_INLINE simd::Vec<uint64_t> multiply_low_words(simd::Vec<uint64_t> a, simd::Vec<uint64_t> b) {
#if defined(__AVX512F__)
  return (simd::Vec<uint64_t>)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (simd::Vec<uint64_t>)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (simd::Vec<uint64_t>)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// words[4 * i + j] = philox(seed, counter + i).x[j] for i < blocks.
inline void philox_words(uint64_t seed, uint64_t counter, int64_t blocks, uint32_t* words) {
  using U = simd::Vec<uint64_t>;
  constexpr int kBlocks = simd::kVectorBytes / 8;  // one block to a 64-bit lane
  int64_t done = 0;
  for (; done + kBlocks <= blocks; done += kBlocks) {
    U number;
    for (int i = 0; i < kBlocks; i++) number[i] = counter + static_cast<uint64_t>(done + i);
    U c0 = number, c1 = number >> 32, c2{}, c3{};
    const U multiplier0 = U{} + 0xD2511F53u, multiplier1 = U{} + 0xCD9E8D57u;
    uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; round++) {
      const U p0 = multiply_low_words(c0, multiplier0), p1 = multiply_low_words(c2, multiplier1);
      c0 = (p1 >> 32) ^ c1 ^ (U{} + uint64_t{key0});
      c1 = p1;
      c2 = (p0 >> 32) ^ c3 ^ (U{} + uint64_t{key1});
      c3 = p0;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    const U low = (c0 & 0xffffffffu) | (c1 << 32), high = (c2 & 0xffffffffu) | (c3 << 32);
    uint64_t pairs[2 * kBlocks];
    for (int i = 0; i < kBlocks; i++) {
      pairs[2 * i] = low[i];
      pairs[2 * i + 1] = high[i];
    }
    __builtin_memcpy(words + 4 * done, pairs, sizeof pairs);
  }
  for (; done < blocks; done++) {
    const PhiloxBlock block = philox(seed, counter + static_cast<uint64_t>(done));
    __builtin_memcpy(words + 4 * done, block.x, sizeof block.x);
  }
}

// The part of the stream that one launch owns. Taking it is atomic, so that two Python threads
// that share a generator get different numbers.
struct RandomStream {
  uint64_t seed, counter;
};
inline RandomStream take_blocks(const Operand& state, int64_t blocks) {
  uint64_t* s = state.as<uint64_t>();
  return {s[0], __atomic_fetch_add(&s[1], static_cast<uint64_t>(blocks), __ATOMIC_RELAXED)};
}

// body(first, n, words) for pieces of n elements that have kWords words each; a piece begins at a
// block and fits the first-level cache.
template <int kWords, class Body>
inline void for_each_piece(const Operand& state, int64_t elements, Body&& body) {
  constexpr int64_t kPieceWords = 2048, kPiece = kPieceWords / kWords;
  const int64_t blocks = (elements * kWords + 3) / 4;
  const RandomStream stream = take_blocks(state, blocks);
  const int64_t pieces = (elements + kPiece - 1) / kPiece;
  parallel_for(pieces, 8, [&](int64_t begin, int64_t end) {
    const Scratch<uint32_t> words(kPieceWords + 4);
    for (int64_t piece = begin; piece < end; piece++) {
      const int64_t first = piece * kPiece;
      const int64_t n = elements - first < kPiece ? elements - first : kPiece;
      philox_words(stream.seed, stream.counter + static_cast<uint64_t>(first * kWords / 4),
                   (n * kWords + 3) / 4, words.get());
      body(first, n, static_cast<const uint32_t*>(words.get()));
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA
