// wgmma: d[64xN] += a[64xk] * b[kxN] by the 128 threads of a warpgroup (sm_90a). Part of ptx.h.
//
// Operands are described by 64-bit descriptors of shared memory, or (a only) lie in registers. The
// instruction is asynchronous: wgmma_fence before the first, wgmma_commit after the last of a
// group, and wgmma_wait before accumulators or shared memory are touched again.
#pragma once

namespace weft::ptx {
inline namespace WEFT_GPU {

// Which dimension of an operand is contiguous in shared memory: k, or the other one.
enum class Major : int { k = 0, mn = 1 };

// The descriptor of an operand. Tiles lie in "atoms" of 8 rows (k-major: rows of m or n, mn-major:
// rows of k), each row as wide as the swizzle (16 bytes without one); an atom starts at a multiple
// of 8 rows' bytes, which is what Swizzle wants. In bytes:
//   k-major, swizzled:    stride_bytes between groups of 8 rows; leading_bytes is not used
//   k-major, none:        stride_bytes between groups of 8 rows, leading_bytes between the two
//                         16-byte columns of one k-step
//   mn-major, swizzled:   leading_bytes between atoms along m or n, stride_bytes between groups of
//                         8 rows of k
//   mn-major, none:       stride_bytes between 16-byte columns along m or n, leading_bytes between
//                         groups of 8 rows of k
// The next k-step of a k-major swizzled operand is the same descriptor with the address 32 bytes on
// (+2 in the descriptor).
WEFT_PTX uint64_t wgmma_descriptor(const void* tile, Swizzle swizzle, uint32_t leading_bytes,
                                   uint32_t stride_bytes) {
  const uint64_t mode = swizzle == Swizzle::bytes128  ? 1
                        : swizzle == Swizzle::bytes64 ? 2
                        : swizzle == Swizzle::bytes32 ? 3
                                                      : 0;
  const uint64_t address = shared_address(tile) & 0x3ffffu;
  return address >> 4 | static_cast<uint64_t>(leading_bytes >> 4 & 0x3fffu) << 16 |
         static_cast<uint64_t>(stride_bytes >> 4 & 0x3fffu) << 32 | mode << 62;
}

// Of a k-major tile whose rows are exactly as wide as the swizzle, row after row: what a TMA load
// with the same swizzle leaves behind.
WEFT_PTX uint64_t wgmma_descriptor(const void* tile, Swizzle swizzle) {
  return wgmma_descriptor(tile, swizzle, 16, 8 * static_cast<uint32_t>(swizzle));
}

// The accumulators d[i] of a thread: row and column in the 64xN tile.
WEFT_PTX int wgmma_row(int thread, int i) {
  return thread / 32 * 16 + thread % 32 / 4 + (i >> 1 & 1) * 8;
}
WEFT_PTX int wgmma_column(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + (i & 1); }

#ifdef __CUDACC__

#ifdef WEFT_SM90A
#define WEFT_PTX_90(...) asm volatile(__VA_ARGS__)
#else
#define WEFT_PTX_90(...) __trap()
#endif

// Keeps the compiler from moving reads and writes of the accumulators across.
template <int count>
WEFT_PTX void hold_registers(float (&d)[count]) {
  UNROLL for (int i = 0; i < count; i++) asm volatile("" : "+f"(d[i])::"memory");
}
WEFT_PTX void wgmma_fence() { WEFT_PTX_90("wgmma.fence.sync.aligned;" :: : "memory"); }
WEFT_PTX void wgmma_commit() { WEFT_PTX_90("wgmma.commit_group.sync.aligned;" :: : "memory"); }
// Until at most `keep` of the newest groups are under way.
template <int keep>
WEFT_PTX void wgmma_wait() {
  WEFT_PTX_90("wgmma.wait_group.sync.aligned %0;" ::"n"(keep) : "memory");
}

// Chains of registers for every N, so that one instruction text serves all.
#define WEFT_WGMMA_FOUR(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
// clang-format off
#define WEFT_WGMMA_REGISTERS_8 "%0, %1, %2, %3"
#define WEFT_WGMMA_OPERANDS_8 WEFT_WGMMA_FOUR(0)
#define WEFT_WGMMA_REGISTERS_16 WEFT_WGMMA_REGISTERS_8 ", %4, %5, %6, %7"
#define WEFT_WGMMA_OPERANDS_16 WEFT_WGMMA_OPERANDS_8, WEFT_WGMMA_FOUR(4)
#define WEFT_WGMMA_REGISTERS_24 WEFT_WGMMA_REGISTERS_16 ", %8, %9, %10, %11"
#define WEFT_WGMMA_OPERANDS_24 WEFT_WGMMA_OPERANDS_16, WEFT_WGMMA_FOUR(8)
#define WEFT_WGMMA_REGISTERS_32 WEFT_WGMMA_REGISTERS_24 ", %12, %13, %14, %15"
#define WEFT_WGMMA_OPERANDS_32 WEFT_WGMMA_OPERANDS_24, WEFT_WGMMA_FOUR(12)
#define WEFT_WGMMA_REGISTERS_40 WEFT_WGMMA_REGISTERS_32 ", %16, %17, %18, %19"
#define WEFT_WGMMA_OPERANDS_40 WEFT_WGMMA_OPERANDS_32, WEFT_WGMMA_FOUR(16)
#define WEFT_WGMMA_REGISTERS_48 WEFT_WGMMA_REGISTERS_40 ", %20, %21, %22, %23"
#define WEFT_WGMMA_OPERANDS_48 WEFT_WGMMA_OPERANDS_40, WEFT_WGMMA_FOUR(20)
#define WEFT_WGMMA_REGISTERS_56 WEFT_WGMMA_REGISTERS_48 ", %24, %25, %26, %27"
#define WEFT_WGMMA_OPERANDS_56 WEFT_WGMMA_OPERANDS_48, WEFT_WGMMA_FOUR(24)
#define WEFT_WGMMA_REGISTERS_64 WEFT_WGMMA_REGISTERS_56 ", %28, %29, %30, %31"
#define WEFT_WGMMA_OPERANDS_64 WEFT_WGMMA_OPERANDS_56, WEFT_WGMMA_FOUR(28)
#define WEFT_WGMMA_REGISTERS_72 WEFT_WGMMA_REGISTERS_64 ", %32, %33, %34, %35"
#define WEFT_WGMMA_OPERANDS_72 WEFT_WGMMA_OPERANDS_64, WEFT_WGMMA_FOUR(32)
#define WEFT_WGMMA_REGISTERS_80 WEFT_WGMMA_REGISTERS_72 ", %36, %37, %38, %39"
#define WEFT_WGMMA_OPERANDS_80 WEFT_WGMMA_OPERANDS_72, WEFT_WGMMA_FOUR(36)
#define WEFT_WGMMA_REGISTERS_88 WEFT_WGMMA_REGISTERS_80 ", %40, %41, %42, %43"
#define WEFT_WGMMA_OPERANDS_88 WEFT_WGMMA_OPERANDS_80, WEFT_WGMMA_FOUR(40)
#define WEFT_WGMMA_REGISTERS_96 WEFT_WGMMA_REGISTERS_88 ", %44, %45, %46, %47"
#define WEFT_WGMMA_OPERANDS_96 WEFT_WGMMA_OPERANDS_88, WEFT_WGMMA_FOUR(44)
#define WEFT_WGMMA_REGISTERS_104 WEFT_WGMMA_REGISTERS_96 ", %48, %49, %50, %51"
#define WEFT_WGMMA_OPERANDS_104 WEFT_WGMMA_OPERANDS_96, WEFT_WGMMA_FOUR(48)
#define WEFT_WGMMA_REGISTERS_112 WEFT_WGMMA_REGISTERS_104 ", %52, %53, %54, %55"
#define WEFT_WGMMA_OPERANDS_112 WEFT_WGMMA_OPERANDS_104, WEFT_WGMMA_FOUR(52)
#define WEFT_WGMMA_REGISTERS_120 WEFT_WGMMA_REGISTERS_112 ", %56, %57, %58, %59"
#define WEFT_WGMMA_OPERANDS_120 WEFT_WGMMA_OPERANDS_112, WEFT_WGMMA_FOUR(56)
#define WEFT_WGMMA_REGISTERS_128 WEFT_WGMMA_REGISTERS_120 ", %60, %61, %62, %63"
#define WEFT_WGMMA_OPERANDS_128 WEFT_WGMMA_OPERANDS_120, WEFT_WGMMA_FOUR(60)
#define WEFT_WGMMA_REGISTERS_136 WEFT_WGMMA_REGISTERS_128 ", %64, %65, %66, %67"
#define WEFT_WGMMA_OPERANDS_136 WEFT_WGMMA_OPERANDS_128, WEFT_WGMMA_FOUR(64)
#define WEFT_WGMMA_REGISTERS_144 WEFT_WGMMA_REGISTERS_136 ", %68, %69, %70, %71"
#define WEFT_WGMMA_OPERANDS_144 WEFT_WGMMA_OPERANDS_136, WEFT_WGMMA_FOUR(68)
#define WEFT_WGMMA_REGISTERS_152 WEFT_WGMMA_REGISTERS_144 ", %72, %73, %74, %75"
#define WEFT_WGMMA_OPERANDS_152 WEFT_WGMMA_OPERANDS_144, WEFT_WGMMA_FOUR(72)
#define WEFT_WGMMA_REGISTERS_160 WEFT_WGMMA_REGISTERS_152 ", %76, %77, %78, %79"
#define WEFT_WGMMA_OPERANDS_160 WEFT_WGMMA_OPERANDS_152, WEFT_WGMMA_FOUR(76)
#define WEFT_WGMMA_REGISTERS_168 WEFT_WGMMA_REGISTERS_160 ", %80, %81, %82, %83"
#define WEFT_WGMMA_OPERANDS_168 WEFT_WGMMA_OPERANDS_160, WEFT_WGMMA_FOUR(80)
#define WEFT_WGMMA_REGISTERS_176 WEFT_WGMMA_REGISTERS_168 ", %84, %85, %86, %87"
#define WEFT_WGMMA_OPERANDS_176 WEFT_WGMMA_OPERANDS_168, WEFT_WGMMA_FOUR(84)
#define WEFT_WGMMA_REGISTERS_184 WEFT_WGMMA_REGISTERS_176 ", %88, %89, %90, %91"
#define WEFT_WGMMA_OPERANDS_184 WEFT_WGMMA_OPERANDS_176, WEFT_WGMMA_FOUR(88)
#define WEFT_WGMMA_REGISTERS_192 WEFT_WGMMA_REGISTERS_184 ", %92, %93, %94, %95"
#define WEFT_WGMMA_OPERANDS_192 WEFT_WGMMA_OPERANDS_184, WEFT_WGMMA_FOUR(92)
#define WEFT_WGMMA_REGISTERS_200 WEFT_WGMMA_REGISTERS_192 ", %96, %97, %98, %99"
#define WEFT_WGMMA_OPERANDS_200 WEFT_WGMMA_OPERANDS_192, WEFT_WGMMA_FOUR(96)
#define WEFT_WGMMA_REGISTERS_208 WEFT_WGMMA_REGISTERS_200 ", %100, %101, %102, %103"
#define WEFT_WGMMA_OPERANDS_208 WEFT_WGMMA_OPERANDS_200, WEFT_WGMMA_FOUR(100)
#define WEFT_WGMMA_REGISTERS_216 WEFT_WGMMA_REGISTERS_208 ", %104, %105, %106, %107"
#define WEFT_WGMMA_OPERANDS_216 WEFT_WGMMA_OPERANDS_208, WEFT_WGMMA_FOUR(104)
#define WEFT_WGMMA_REGISTERS_224 WEFT_WGMMA_REGISTERS_216 ", %108, %109, %110, %111"
#define WEFT_WGMMA_OPERANDS_224 WEFT_WGMMA_OPERANDS_216, WEFT_WGMMA_FOUR(108)
#define WEFT_WGMMA_REGISTERS_232 WEFT_WGMMA_REGISTERS_224 ", %112, %113, %114, %115"
#define WEFT_WGMMA_OPERANDS_232 WEFT_WGMMA_OPERANDS_224, WEFT_WGMMA_FOUR(112)
#define WEFT_WGMMA_REGISTERS_240 WEFT_WGMMA_REGISTERS_232 ", %116, %117, %118, %119"
#define WEFT_WGMMA_OPERANDS_240 WEFT_WGMMA_OPERANDS_232, WEFT_WGMMA_FOUR(116)
#define WEFT_WGMMA_REGISTERS_248 WEFT_WGMMA_REGISTERS_240 ", %120, %121, %122, %123"
#define WEFT_WGMMA_OPERANDS_248 WEFT_WGMMA_OPERANDS_240, WEFT_WGMMA_FOUR(120)
#define WEFT_WGMMA_REGISTERS_256 WEFT_WGMMA_REGISTERS_248 ", %124, %125, %126, %127"
#define WEFT_WGMMA_OPERANDS_256 WEFT_WGMMA_OPERANDS_248, WEFT_WGMMA_FOUR(124)
// clang-format on

#ifdef WEFT_SM90A
// nvcc knows no named operands, so the numbers of those that follow the accumulators (p0 and on)
// come with N.
#define WEFT_WGMMA_BEGIN(accumulate) \
  "{\n.reg .pred p;\nsetp.ne.b32 p, " accumulate ", 0;\nwgmma.mma_async.sync.aligned.m64n"
// a is described: a, b, accumulate and, for 16-bit types, the two transpose flags.
#define WEFT_WGMMA_BOTH(N, shape, p0, p1, p2, tail, ...)                                           \
  asm volatile(WEFT_WGMMA_BEGIN(p2) #N shape " {" WEFT_WGMMA_REGISTERS_##N "}, " p0 ", " p1        \
                                                                           ", p, 1, 1" tail ";\n}" \
               : WEFT_WGMMA_OPERANDS_##N                                                           \
               : "l"(a), "l"(b), "r"(static_cast<int>(accumulate))__VA_ARGS__)
// a is in registers: four of them, b, accumulate and the transpose flag of b.
#define WEFT_WGMMA_ONE(N, shape, p0, p1, p2, p3, p4, p5, tail, ...)               \
  asm volatile(WEFT_WGMMA_BEGIN(p5) #N shape " {" WEFT_WGMMA_REGISTERS_##N        \
               "}, {" p0 ", " p1 ", " p2 ", " p3 "}, " p4 ", p, 1, 1" tail ";\n}" \
               : WEFT_WGMMA_OPERANDS_##N                                          \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),              \
                 "r"(static_cast<int>(accumulate))__VA_ARGS__)
#define WEFT_WGMMA_COMMA ,
#define WEFT_WGMMA_BOTH_16(N, shape, p0, p1, p2, p3, p4) \
  WEFT_WGMMA_BOTH(N, shape, p0, p1, p2, ", " p3 ", " p4, \
                  WEFT_WGMMA_COMMA "n"(static_cast<int>(major_a)), "n"(static_cast<int>(major_b)))
#define WEFT_WGMMA_ONE_16(N, shape, p0, p1, p2, p3, p4, p5, p6) \
  WEFT_WGMMA_ONE(N, shape, p0, p1, p2, p3, p4, p5, ", " p6,     \
                 WEFT_WGMMA_COMMA "n"(static_cast<int>(major_b)))
#endif

#ifdef WEFT_SM90A
#define WEFT_WGMMA_CASE(N_, p0, p1, p2, p3, p4, p5, p6)                                     \
  template <>                                                                               \
  struct Wgmma<N_> {                                                                        \
    template <class T, Major major_a, Major major_b>                                        \
    WEFT_PTX static void run(float (&d)[N_ / 2], uint64_t a, uint64_t b, bool accumulate) { \
      if constexpr (std::is_same_v<T, BFloat16>)                                            \
        WEFT_WGMMA_BOTH_16(N_, "k16.f32.bf16.bf16", p0, p1, p2, p3, p4);                    \
      else if constexpr (std::is_same_v<T, Float16>)                                        \
        WEFT_WGMMA_BOTH_16(N_, "k16.f32.f16.f16", p0, p1, p2, p3, p4);                      \
      else                                                                                  \
        WEFT_WGMMA_BOTH(N_, "k8.f32.tf32.tf32", p0, p1, p2, "", );                          \
    }                                                                                       \
    template <class T, Major major_b>                                                       \
    WEFT_PTX static void run(float (&d)[N_ / 2], const uint32_t (&a)[4], uint64_t b,        \
                             bool accumulate) {                                             \
      if constexpr (std::is_same_v<T, BFloat16>)                                            \
        WEFT_WGMMA_ONE_16(N_, "k16.f32.bf16.bf16", p0, p1, p2, p3, p4, p5, p6);             \
      else if constexpr (std::is_same_v<T, Float16>)                                        \
        WEFT_WGMMA_ONE_16(N_, "k16.f32.f16.f16", p0, p1, p2, p3, p4, p5, p6);               \
      else                                                                                  \
        WEFT_WGMMA_ONE(N_, "k8.f32.tf32.tf32", p0, p1, p2, p3, p4, p5, "", );               \
    }                                                                                       \
  }
template <int N>
struct Wgmma;
// clang-format off
WEFT_WGMMA_CASE(8, "%4", "%5", "%6", "%7", "%8", "%9", "%10");
WEFT_WGMMA_CASE(16, "%8", "%9", "%10", "%11", "%12", "%13", "%14");
WEFT_WGMMA_CASE(24, "%12", "%13", "%14", "%15", "%16", "%17", "%18");
WEFT_WGMMA_CASE(32, "%16", "%17", "%18", "%19", "%20", "%21", "%22");
WEFT_WGMMA_CASE(40, "%20", "%21", "%22", "%23", "%24", "%25", "%26");
WEFT_WGMMA_CASE(48, "%24", "%25", "%26", "%27", "%28", "%29", "%30");
WEFT_WGMMA_CASE(56, "%28", "%29", "%30", "%31", "%32", "%33", "%34");
WEFT_WGMMA_CASE(64, "%32", "%33", "%34", "%35", "%36", "%37", "%38");
WEFT_WGMMA_CASE(72, "%36", "%37", "%38", "%39", "%40", "%41", "%42");
WEFT_WGMMA_CASE(80, "%40", "%41", "%42", "%43", "%44", "%45", "%46");
WEFT_WGMMA_CASE(88, "%44", "%45", "%46", "%47", "%48", "%49", "%50");
WEFT_WGMMA_CASE(96, "%48", "%49", "%50", "%51", "%52", "%53", "%54");
WEFT_WGMMA_CASE(104, "%52", "%53", "%54", "%55", "%56", "%57", "%58");
WEFT_WGMMA_CASE(112, "%56", "%57", "%58", "%59", "%60", "%61", "%62");
WEFT_WGMMA_CASE(120, "%60", "%61", "%62", "%63", "%64", "%65", "%66");
WEFT_WGMMA_CASE(128, "%64", "%65", "%66", "%67", "%68", "%69", "%70");
WEFT_WGMMA_CASE(136, "%68", "%69", "%70", "%71", "%72", "%73", "%74");
WEFT_WGMMA_CASE(144, "%72", "%73", "%74", "%75", "%76", "%77", "%78");
WEFT_WGMMA_CASE(152, "%76", "%77", "%78", "%79", "%80", "%81", "%82");
WEFT_WGMMA_CASE(160, "%80", "%81", "%82", "%83", "%84", "%85", "%86");
WEFT_WGMMA_CASE(168, "%84", "%85", "%86", "%87", "%88", "%89", "%90");
WEFT_WGMMA_CASE(176, "%88", "%89", "%90", "%91", "%92", "%93", "%94");
WEFT_WGMMA_CASE(184, "%92", "%93", "%94", "%95", "%96", "%97", "%98");
WEFT_WGMMA_CASE(192, "%96", "%97", "%98", "%99", "%100", "%101", "%102");
WEFT_WGMMA_CASE(200, "%100", "%101", "%102", "%103", "%104", "%105", "%106");
WEFT_WGMMA_CASE(208, "%104", "%105", "%106", "%107", "%108", "%109", "%110");
WEFT_WGMMA_CASE(216, "%108", "%109", "%110", "%111", "%112", "%113", "%114");
WEFT_WGMMA_CASE(224, "%112", "%113", "%114", "%115", "%116", "%117", "%118");
WEFT_WGMMA_CASE(232, "%116", "%117", "%118", "%119", "%120", "%121", "%122");
WEFT_WGMMA_CASE(240, "%120", "%121", "%122", "%123", "%124", "%125", "%126");
WEFT_WGMMA_CASE(248, "%124", "%125", "%126", "%127", "%128", "%129", "%130");
WEFT_WGMMA_CASE(256, "%128", "%129", "%130", "%131", "%132", "%133", "%134");
// clang-format on
#undef WEFT_WGMMA_CASE
#undef WEFT_WGMMA_COMMA
#endif

// One k-step (16 for BFloat16 and Float16, 8 for Tf32, which must be k-major) of the product. With
// accumulate false, d is overwritten.
template <int N, class T, Major major_a = Major::k, Major major_b = Major::k>
WEFT_PTX void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate = true) {
  static_assert(N >= 8 && N <= 256 && N % 8 == 0);
  static_assert(!std::is_same_v<T, Tf32> || (major_a == Major::k && major_b == Major::k));
#ifdef WEFT_SM90A
  Wgmma<N>::template run<T, major_a, major_b>(d, a, b, accumulate);
#else
  __trap();
#endif
}
// The same with a in registers, in the fragment layout of mma.sync (16 rows per warp).
template <int N, class T, Major major_b = Major::k>
WEFT_PTX void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate = true) {
  static_assert(N >= 8 && N <= 256 && N % 8 == 0);
  static_assert(!std::is_same_v<T, Tf32> || major_b == Major::k);
#ifdef WEFT_SM90A
  Wgmma<N>::template run<T, major_b>(d, a, b, accumulate);
#else
  __trap();
#endif
}
#undef WEFT_PTX_90

#else  // simulated

template <int count>
WEFT_PTX void hold_registers(float (&)[count]) {}
WEFT_PTX void wgmma_fence() { simulator::warpgroup_mma_fence(); }
WEFT_PTX void wgmma_commit() { simulator::warpgroup_mma_commit(); }
template <int keep>
WEFT_PTX void wgmma_wait() {
  simulator::warpgroup_mma_wait(keep);
}

template <class T>
struct SimulatedMmaType;
template <>
struct SimulatedMmaType<BFloat16> {
  static constexpr auto value = simulator::MmaType::bf16;
};
template <>
struct SimulatedMmaType<Float16> {
  static constexpr auto value = simulator::MmaType::f16;
};
template <>
struct SimulatedMmaType<Tf32> {
  static constexpr auto value = simulator::MmaType::tf32;
};

template <int N, class T, Major major_a = Major::k, Major major_b = Major::k>
WEFT_PTX void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate = true) {
  static_assert(N >= 8 && N <= 256 && N % 8 == 0);
  simulator::warpgroup_mma(SimulatedMmaType<T>::value, d, N, a, b, accumulate, major_a == Major::mn,
                           major_b == Major::mn);
}
template <int N, class T, Major major_b = Major::k>
WEFT_PTX void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate = true) {
  static_assert(N >= 8 && N <= 256 && N % 8 == 0);
  simulator::warpgroup_mma(SimulatedMmaType<T>::value, d, N, a, b, accumulate,
                           major_b == Major::mn);
}

#endif

}  // namespace WEFT_GPU
}  // namespace weft::ptx
