// Intrinsics of one thread: bits, conversions, approximate mathematics, cached loads. Part of
// language.h. The approximations are exact here: compare results with a tolerance, never bits.
#pragma once

#include <bit>

namespace weft::simulator::cuda {

#define WEFT_SIM_MIN_MAX(T)                                   \
  WEFT_SIM_FUNCTION T min(T a, T b) { return b < a ? b : a; } \
  WEFT_SIM_FUNCTION T max(T a, T b) { return a < b ? b : a; }
WEFT_SIM_MIN_MAX(int)
WEFT_SIM_MIN_MAX(unsigned)
WEFT_SIM_MIN_MAX(long)
WEFT_SIM_MIN_MAX(unsigned long)
WEFT_SIM_MIN_MAX(long long)
WEFT_SIM_MIN_MAX(unsigned long long)
#undef WEFT_SIM_MIN_MAX
WEFT_SIM_FUNCTION float min(float a, float b) { return std::fmin(a, b); }
WEFT_SIM_FUNCTION float max(float a, float b) { return std::fmax(a, b); }
WEFT_SIM_FUNCTION double min(double a, double b) { return std::fmin(a, b); }
WEFT_SIM_FUNCTION double max(double a, double b) { return std::fmax(a, b); }

WEFT_SIM_FUNCTION int __popc(unsigned x) { return __builtin_popcount(x); }
WEFT_SIM_FUNCTION int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
WEFT_SIM_FUNCTION int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
WEFT_SIM_FUNCTION int __clzll(long long x) {
  return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x));
}
WEFT_SIM_FUNCTION int __ffs(int x) { return __builtin_ffs(x); }
WEFT_SIM_FUNCTION int __ffsll(long long x) { return __builtin_ffsll(x); }
WEFT_SIM_FUNCTION unsigned __brev(unsigned x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
WEFT_SIM_FUNCTION unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32);
}
WEFT_SIM_FUNCTION int __mulhi(int a, int b) {
  return static_cast<int>(static_cast<int64_t>(a) * b >> 32);
}
WEFT_SIM_FUNCTION unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
WEFT_SIM_FUNCTION unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) << (shift & 31) >> 32);
}
WEFT_SIM_FUNCTION unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}

WEFT_SIM_FUNCTION int __float_as_int(float x) { return std::bit_cast<int>(x); }
WEFT_SIM_FUNCTION unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
WEFT_SIM_FUNCTION float __int_as_float(int x) { return std::bit_cast<float>(x); }
WEFT_SIM_FUNCTION float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
WEFT_SIM_FUNCTION long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
WEFT_SIM_FUNCTION double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
WEFT_SIM_FUNCTION int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
WEFT_SIM_FUNCTION int __float2int_rz(float x) { return static_cast<int>(x); }
WEFT_SIM_FUNCTION int __float2int_rd(float x) { return static_cast<int>(std::floor(x)); }
WEFT_SIM_FUNCTION float __int2float_rn(int x) { return static_cast<float>(x); }
WEFT_SIM_FUNCTION float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
WEFT_SIM_FUNCTION float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }

WEFT_SIM_FUNCTION float __expf(float x) { return std::exp(x); }
WEFT_SIM_FUNCTION float __exp10f(float x) { return std::pow(10.0f, x); }
WEFT_SIM_FUNCTION float __logf(float x) { return std::log(x); }
WEFT_SIM_FUNCTION float __log2f(float x) { return std::log2(x); }
WEFT_SIM_FUNCTION float __log10f(float x) { return std::log10(x); }
WEFT_SIM_FUNCTION float __powf(float x, float y) { return std::pow(x, y); }
WEFT_SIM_FUNCTION float __sinf(float x) { return std::sin(x); }
WEFT_SIM_FUNCTION float __cosf(float x) { return std::cos(x); }
WEFT_SIM_FUNCTION float __tanf(float x) { return std::tan(x); }
WEFT_SIM_FUNCTION void __sincosf(float x, float* sine, float* cosine) {
  *sine = std::sin(x);
  *cosine = std::cos(x);
}
WEFT_SIM_FUNCTION float __fdividef(float a, float b) { return a / b; }
WEFT_SIM_FUNCTION float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
WEFT_SIM_FUNCTION float __frcp_rn(float x) { return 1.0f / x; }
WEFT_SIM_FUNCTION float __fsqrt_rn(float x) { return std::sqrt(x); }
WEFT_SIM_FUNCTION float __frsqrt_rn(float x) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x)));
}
// volatile keeps the host compiler from contracting these into a fused multiply-add, which is what
// they are for.
WEFT_SIM_FUNCTION float __fadd_rn(float a, float b) {
  volatile float sum = a + b;
  return sum;
}
WEFT_SIM_FUNCTION float __fsub_rn(float a, float b) {
  volatile float difference = a - b;
  return difference;
}
WEFT_SIM_FUNCTION float __fmul_rn(float a, float b) {
  volatile float product = a * b;
  return product;
}
WEFT_SIM_FUNCTION float __fdiv_rn(float a, float b) { return a / b; }
WEFT_SIM_FUNCTION float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
WEFT_SIM_FUNCTION double __dadd_rn(double a, double b) {
  volatile double sum = a + b;
  return sum;
}
WEFT_SIM_FUNCTION double __dmul_rn(double a, double b) {
  volatile double product = a * b;
  return product;
}
WEFT_SIM_FUNCTION double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }

// glibc 2.42 brought functions of these names (C23).
#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 42)
WEFT_SIM_FUNCTION float rsqrtf(float x) { return __frsqrt_rn(x); }
WEFT_SIM_FUNCTION double rsqrt(double x) { return 1.0 / std::sqrt(x); }
#endif
WEFT_SIM_FUNCTION float rcbrtf(float x) { return 1.0f / std::cbrt(x); }

template <class T>
WEFT_SIM_FUNCTION T __ldg(const T* p) {
  return *p;
}
template <class T>
WEFT_SIM_FUNCTION T __ldca(const T* p) {
  return *p;
}
template <class T>
WEFT_SIM_FUNCTION T __ldcg(const T* p) {
  // Read from the level all blocks share: never a value the compiler kept.
  T value;
  std::memcpy(&value, const_cast<const T*>(static_cast<const volatile T*>(p)), sizeof(T));
  return value;
}
template <class T>
WEFT_SIM_FUNCTION T __ldcs(const T* p) {
  return *p;
}
template <class T>
WEFT_SIM_FUNCTION void __stcs(T* p, T value) {
  *p = value;
}
template <class T>
WEFT_SIM_FUNCTION void __stcg(T* p, T value) {
  *p = value;
}
template <class T>
WEFT_SIM_FUNCTION void __stwt(T* p, T value) {
  *p = value;
}

}  // namespace weft::simulator::cuda
