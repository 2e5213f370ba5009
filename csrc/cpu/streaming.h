// Stores that go past the caches, for results too large to be found there again.
//
// An ordinary store reads the line first and, once it is dirty, pushes out of the cache what the
// next pass over the inputs would have found. Measured on Zen 4 (32 MiB of L3), reading 26 MB and
// reading it again to write 26 MB: 1.9 ms in place of 2.8. A result that still fits is worth more
// in the cache, to the kernel that reads it next: with input and result of 10 MB each, the two
// kernels together are faster with ordinary stores; from 12 MB on they are not.
#pragma once

#include "cpu/isa.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {

// Bytes of the largest input and of the result. A constant: what the system says of a shared or
// virtual cache cannot be relied upon (sysconf has 320 MiB for the machine above).
inline constexpr int64_t kStreamedFrom = int64_t{24} << 20;

// p is aligned to the vector.
template <class T>
WEFT_INLINE void store_past_caches(T* p, simd::Vec<T> v) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(p), (__m512i)v);
#elif defined(__AVX2__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), (__m256i)v);
#elif defined(__x86_64__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), (__m128i)v);
#else
  simd::store(p, v);
#endif
}

// After the last such store of a chunk: other threads must not see its end before its data.
inline void finish_streaming() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

template <class T>
WEFT_INLINE bool is_vector_aligned(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % simd::kVectorBytes == 0;
}

// Elements of a row of n before its first aligned vector; n if it has none.
template <class T>
WEFT_INLINE int64_t elements_before_alignment(const T* p, int64_t n) {
  constexpr uintptr_t kBytes = simd::kVectorBytes;
  const uintptr_t past = reinterpret_cast<uintptr_t>(p) % kBytes;
  const int64_t before = past == 0 ? 0 : static_cast<int64_t>((kBytes - past) / sizeof(T));
  return before < n ? before : n;
}

template <bool kStream, class T>
WEFT_INLINE void store_or_stream(T* p, simd::Vec<T> v) {
  if constexpr (kStream)
    store_past_caches(p, v);
  else
    simd::store(p, v);
}

}  // namespace weft::cpu::WEFT_ISA
