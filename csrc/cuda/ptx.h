// Every instruction a kernel needs that C++ has no word for: once as PTX, once as a call into the
// simulated device. Included by kernel files after cuda/gpu.h.
//
// ptx.h          addresses, conversions, named barriers, cp.async, matrix fragments, mma.sync
// ptx_async.h    mbarriers, TMA, bulk copies, proxy fences, tensor maps (sm_90a)
// ptx_wgmma.h    warpgroup matrix multiplication (sm_90a)
#pragma once

#include "cuda/gpu.h"

#ifndef __CUDACC__
#include "sim/async_copy.h"
#include "sim/tensor_core.h"
#endif

// Instructions that only sm_90a has are compiled for that target alone; a kernel that uses them
// still compiles for sm_80, where it traps.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define WEFT_SM90A 1
#endif

#define WEFT_PTX __device__ __forceinline__

namespace weft::ptx {
inline namespace WEFT_GPU {

// The element types of tensor-core operands that are no C++ type.
struct Tf32 {
  uint32_t bits;  // a float; the tensor core ignores the low 13 bits
};

WEFT_PTX uint16_t bf16_bits(float x) { return BFloat16::from_float(x); }
WEFT_PTX uint16_t f16_bits(float x) { return Float16::from_float(x); }
WEFT_PTX float f16_to_float(uint16_t bits) { return Float16::to_float(bits); }

#ifdef __CUDACC__

WEFT_PTX uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// ---- conversions, all round to nearest even except tf32 (ties away) ----------------------------

// Two floats in one register, `low` in the low half: what fragments of mma hold.
WEFT_PTX uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
WEFT_PTX uint32_t pack_f16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
WEFT_PTX uint32_t tf32_bits(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

// ---- named barriers: `threads` is a multiple of 32 ----------------------------------------------

WEFT_PTX void barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
WEFT_PTX void barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// ---- cp.async
// ------------------------------------------------------------------------------------

// Copies `bytes` (4, 8, 16), of which only source_bytes are read; the rest becomes zero.
template <int bytes>
WEFT_PTX void cp_async(void* shared, const void* global, int source_bytes = bytes) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
                 "l"(global), "r"(source_bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)),
                 "l"(global), "n"(bytes), "r"(source_bytes)
                 : "memory");
}
WEFT_PTX void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Until at most `keep` of this thread's newest groups are under way.
template <int keep>
WEFT_PTX void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(keep) : "memory");
}
WEFT_PTX void cp_async_wait_all() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// ---- matrix fragments: 8x8 matrices of 16-bit elements, one row address per lane ----------------

WEFT_PTX void ldmatrix(uint32_t (&r)[1], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
               : "=r"(r[0])
               : "r"(shared_address(row))
               : "memory");
}
WEFT_PTX void ldmatrix(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}
WEFT_PTX void ldmatrix(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
WEFT_PTX void ldmatrix_trans(uint32_t (&r)[1], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
               : "=r"(r[0])
               : "r"(shared_address(row))
               : "memory");
}
WEFT_PTX void ldmatrix_trans(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
}
WEFT_PTX void ldmatrix_trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

// ---- mma.sync: d[16x8] += a[16xk] * b[kx8], float accumulators
// -----------------------------------

#define WEFT_MMA(instruction)                                                                 \
  asm volatile(instruction " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                               \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
WEFT_PTX void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  WEFT_MMA("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
}
WEFT_PTX void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  WEFT_MMA("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
}
WEFT_PTX void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  WEFT_MMA("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");
}
#undef WEFT_MMA

#else  // simulated

using simulator::shared_address;

WEFT_PTX uint32_t pack_bf16(float low, float high) {
  return bf16_bits(low) | static_cast<uint32_t>(bf16_bits(high)) << 16;
}
WEFT_PTX uint32_t pack_f16(float low, float high) {
  return f16_bits(low) | static_cast<uint32_t>(f16_bits(high)) << 16;
}
WEFT_PTX uint32_t tf32_bits(float x) {
  const uint32_t bits = __float_as_uint(x);
  const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
  return (finite ? bits + 0x1000u : bits) & ~0x1fffu;
}

WEFT_PTX void barrier_sync(int id, int threads) { simulator::barrier_sync(id, threads); }
WEFT_PTX void barrier_arrive(int id, int threads) { simulator::barrier_arrive(id, threads); }

template <int bytes>
WEFT_PTX void cp_async(void* shared, const void* global, int source_bytes = bytes) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  simulator::copy_async(shared, global, bytes, source_bytes);
}
WEFT_PTX void cp_async_commit() { simulator::copy_async_commit(); }
template <int keep>
WEFT_PTX void cp_async_wait() {
  simulator::copy_async_wait(keep);
}
WEFT_PTX void cp_async_wait_all() { simulator::copy_async_wait_all(); }

template <int count>
WEFT_PTX void ldmatrix(uint32_t (&r)[count], const void* row) {
  simulator::load_matrix(r, count, false, row);
}
template <int count>
WEFT_PTX void ldmatrix_trans(uint32_t (&r)[count], const void* row) {
  simulator::load_matrix(r, count, true, row);
}

WEFT_PTX void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  simulator::mma(simulator::MmaType::bf16, d, a, b);
}
WEFT_PTX void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  simulator::mma(simulator::MmaType::f16, d, a, b);
}
WEFT_PTX void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  simulator::mma(simulator::MmaType::tf32, d, a, b);
}

#endif

// One k-step of T: k is 16 for BFloat16 and Float16, 8 for Tf32.
template <class T>
struct MmaShape {
  static constexpr int m = 16, n = 8, k = 16;
};
template <>
struct MmaShape<Tf32> {
  static constexpr int m = 16, n = 8, k = 8;
};

template <class T>
WEFT_PTX void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
template <>
WEFT_PTX void mma<BFloat16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mma_bf16(d, a, b);
}
template <>
WEFT_PTX void mma<Float16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mma_f16(d, a, b);
}
template <>
WEFT_PTX void mma<Tf32>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mma_tf32(d, a, b);
}

// Two floats as one register of T's pairs.
template <class T>
WEFT_PTX uint32_t pack(float low, float high);
template <>
WEFT_PTX uint32_t pack<BFloat16>(float low, float high) {
  return pack_bf16(low, high);
}
template <>
WEFT_PTX uint32_t pack<Float16>(float low, float high) {
  return pack_f16(low, high);
}

}  // namespace WEFT_GPU
}  // namespace weft::ptx

#include "cuda/ptx_async.h"
#include "cuda/ptx_wgmma.h"
