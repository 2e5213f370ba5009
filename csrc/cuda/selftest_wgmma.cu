// Self-tests of wgmma: descriptors, swizzles, majors, shapes, types (sm_90a), and a whole pipeline.
#include "cuda/selftest_support.h"

namespace weft::WEFT_GPU {
namespace {

using ptx::Major;
using ptx::Swizzle;

constexpr int kM = 64;

// How an operand of `rows` (m or n) by K elements of `bytes` is laid out in shared memory, and what
// its descriptors say. Written from the PTX manual, apart from the simulator.
template <int bytes, Major major, Swizzle swizzle>
struct OperandLayout {
  static constexpr int kWidth = static_cast<int>(swizzle);  // bytes of an atom's row
  int rows, K;

  __host__ __device__ int bytes_needed() const {
    if (kWidth == 0) return rows * K * bytes;
    constexpr int atom = kWidth == 0 ? 1 : kWidth / bytes;
    return major == Major::k ? rows * K * bytes : (rows + atom - 1) / atom * atom * K * bytes;
  }

  __host__ __device__ uint32_t offset(int row, int k) const {
    const uint32_t linear = static_cast<uint32_t>(linear_offset(row, k));
    const uint32_t line = linear / 128;
    constexpr uint32_t kUnits = kWidth == 0 ? 1 : kWidth / 16;
    return linear ^ line % kUnits * 16;
  }

  __device__ uint64_t descriptor(const unsigned char* tile, int k) const {
    const unsigned char* start = tile + linear_offset(0, k);
    if (kWidth == 0) return ptx::wgmma_descriptor(start, swizzle, leading_none(), stride_none());
    if (major == Major::k) return ptx::wgmma_descriptor(start, swizzle, 16, 8 * kWidth);
    return ptx::wgmma_descriptor(start, swizzle, static_cast<uint32_t>(K * kWidth), 8 * kWidth);
  }

 private:
  __host__ __device__ int linear_offset(int row, int k) const {
    if constexpr (kWidth == 0 && major == Major::k)
      return k * bytes / 16 * rows * 16 + row / 8 * 128 + row % 8 * 16 + k * bytes % 16;
    else if constexpr (kWidth == 0)
      return k / 8 * rows * 16 + row * bytes / 16 * 128 + k % 8 * 16 + row * bytes % 16;
    else if constexpr (major == Major::k)
      return k * bytes / kWidth * rows * kWidth + row * kWidth + k * bytes % kWidth;
    else
      return row * bytes / kWidth * K * kWidth + k * kWidth + row * bytes % kWidth;
  }
  __device__ uint32_t leading_none() const { return static_cast<uint32_t>(rows * 16); }
  __device__ uint32_t stride_none() const { return 128; }
};

// c[64xN] = a[64xK] * b[NxK]^T by one warpgroup.
template <int N, int K, class T, Major major_a, Major major_b, Swizzle swizzle, bool a_in_registers>
__global__ void __launch_bounds__(128)
    multiply_warpgroup(const typename TensorElement<T>::Storage* a,
                       const typename TensorElement<T>::Storage* b, float* c) {
  using Storage = typename TensorElement<T>::Storage;
  constexpr int bytes = sizeof(Storage), k_step = 32 / bytes, pack = k_step / 8;
  DYN_SMEM(unsigned char, shared);
  const OperandLayout<bytes, major_a, swizzle> layout_a{kM, K};
  const OperandLayout<bytes, major_b, swizzle> layout_b{N, K};
  unsigned char* const tile_a = shared;
  unsigned char* const tile_b = shared + (layout_a.bytes_needed() + 1023) / 1024 * 1024;
  const int t = static_cast<int>(threadIdx.x);
  for (int i = t; i < kM * K; i += 128)
    *reinterpret_cast<Storage*>(tile_a + layout_a.offset(i / K, i % K)) = a[i];
  for (int i = t; i < N * K; i += 128)
    *reinterpret_cast<Storage*>(tile_b + layout_b.offset(i / K, i % K)) = b[i];
  ptx::fence_proxy_async();
  __syncthreads();

  float d[N / 2];
  UNROLL for (int i = 0; i < N / 2; i++) d[i] = 1e30f;  // the first step must overwrite
  uint32_t fragments[K / k_step][4] = {};
  if constexpr (a_in_registers) {
    UNROLL for (int s = 0; s < K / k_step; s++) {
      UNROLL for (int r = 0; r < 4; r++) {
        const int row = t / 32 * 16 + t % 32 / 4 + r % 2 * 8;
        const int k = s * k_step + r / 2 * 4 * pack + t % 4 * pack;
        UNROLL for (int i = 0; i < pack; i++) fragments[s][r] |=
            static_cast<uint32_t>(a[row * K + k + i]) << 16 * i;
      }
    }
  }
  ptx::hold_registers(d);
  ptx::wgmma_fence();
  UNROLL for (int k = 0; k < K; k += k_step) {
    const uint64_t descriptor_b = layout_b.descriptor(tile_b, k);
    if constexpr (a_in_registers)
      ptx::wgmma<N, T, major_b>(d, fragments[k / k_step], descriptor_b, k > 0);
    else
      ptx::wgmma<N, T, major_a, major_b>(d, layout_a.descriptor(tile_a, k), descriptor_b, k > 0);
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  ptx::hold_registers(d);
  UNROLL for (int i = 0; i < N / 2; i++) c[ptx::wgmma_row(t, i) * N + ptx::wgmma_column(t, i)] =
      d[i];
}

template <int N, class T, Major major_a = Major::k, Major major_b = Major::k,
          Swizzle swizzle = Swizzle::bytes128, bool a_in_registers = false>
double check_wgmma() {
  using Storage = typename TensorElement<T>::Storage;
  constexpr int bytes = sizeof(Storage), K = 256 / bytes;  // two atoms of the widest swizzle
  const auto a = random_elements<T>(kM * K, 11), b = random_elements<T>(N * K, 12);
  const OperandLayout<bytes, major_a, swizzle> layout_a{kM, K};
  const OperandLayout<bytes, major_b, swizzle> layout_b{N, K};
  const size_t shared = (layout_a.bytes_needed() + 1023) / 1024 * 1024 + layout_b.bytes_needed();
  DeviceBuffer<Storage> da(a), db(b);
  DeviceBuffer<float> c(static_cast<size_t>(kM) * N);
  gpu::launch(multiply_warpgroup<N, K, T, major_a, major_b, swizzle, a_in_registers>, dim3(1),
              dim3(128), shared, nullptr, da.data(), db.data(), c.data());
  return relative_error(c.host(), product<T>(a, b, kM, N, K));
}

// Hardware truncates while it aligns products: more than float rounding, far less than the inputs'.
constexpr double kTolerance = 2e-6;

WEFT_SELFTEST(wgmma_bf16_widths, 90, kTolerance) {
  return std::max({check_wgmma<8, BFloat16>(), check_wgmma<24, BFloat16>(),
                   check_wgmma<64, BFloat16>(), check_wgmma<128, BFloat16>(),
                   check_wgmma<192, BFloat16>(), check_wgmma<256, BFloat16>()});
}
WEFT_SELFTEST(wgmma_f16, 90, kTolerance) {
  return std::max(check_wgmma<64, Float16>(), check_wgmma<136, Float16>());
}
WEFT_SELFTEST(wgmma_tf32, 90, kTolerance) {
  constexpr Major k = Major::k;
  return std::max({check_wgmma<8, ptx::Tf32>(), check_wgmma<128, ptx::Tf32>(),
                   check_wgmma<64, ptx::Tf32, k, k, Swizzle::bytes64>(),
                   check_wgmma<64, ptx::Tf32, k, k, Swizzle::bytes32>(),
                   check_wgmma<64, ptx::Tf32, k, k, Swizzle::none>()});
}

template <Swizzle swizzle>
double check_majors() {
  constexpr Major k = Major::k, mn = Major::mn;
  return std::max(
      {check_wgmma<64, BFloat16, k, k, swizzle>(), check_wgmma<64, BFloat16, k, mn, swizzle>(),
       check_wgmma<64, BFloat16, mn, k, swizzle>(), check_wgmma<64, BFloat16, mn, mn, swizzle>(),
       check_wgmma<128, Float16, mn, mn, swizzle>()});
}
WEFT_SELFTEST(wgmma_swizzle_128, 90, kTolerance) { return check_majors<Swizzle::bytes128>(); }
WEFT_SELFTEST(wgmma_swizzle_64, 90, kTolerance) { return check_majors<Swizzle::bytes64>(); }
WEFT_SELFTEST(wgmma_swizzle_32, 90, kTolerance) { return check_majors<Swizzle::bytes32>(); }
WEFT_SELFTEST(wgmma_no_swizzle, 90, kTolerance) { return check_majors<Swizzle::none>(); }

WEFT_SELFTEST(wgmma_a_in_registers, 90, kTolerance) {
  constexpr Major k = Major::k, mn = Major::mn;
  constexpr Swizzle wide = Swizzle::bytes128;
  return std::max({check_wgmma<64, BFloat16, k, k, wide, true>(),
                   check_wgmma<64, BFloat16, k, mn, wide, true>(),
                   check_wgmma<32, Float16, k, k, wide, true>(),
                   check_wgmma<64, ptx::Tf32, k, k, wide, true>()});
}

// ---- a matrix product as shipped kernels do it: TMA feeds a ring, two warpgroups multiply
// ----------

constexpr int kTileM = 128, kTileN = 128, kTileK = 64, kStages = 3;
constexpr int kTileBytes = kTileM * kTileK * 2;

__global__ void __launch_bounds__(384, 1)
    multiply_pipelined(int M, int N, int K, const __grid_constant__ ptx::TensorMap map_a,
                       const __grid_constant__ ptx::TensorMap map_b, float* c) {
  DYN_SMEM(unsigned char, shared);
  __shared__ uint64_t full[kStages], empty[kStages];
  const int t = static_cast<int>(threadIdx.x), group = t / 128;
  const int m0 = static_cast<int>(blockIdx.y) * kTileM, n0 = static_cast<int>(blockIdx.x) * kTileN;
  const int steps = (K + kTileK - 1) / kTileK;
  if (t == 0) {
    for (int s = 0; s < kStages; s++) {
      ptx::mbarrier_init(&full[s], 1);
      ptx::mbarrier_init(&empty[s], 2);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (group == 0) {
    ptx::decrease_registers<40>();
    if (t == 0) {
      for (int i = 0; i < steps; i++) {
        const int s = i % kStages;
        unsigned char* const stage = shared + s * 2 * kTileBytes;
        ptx::mbarrier_wait(&empty[s], static_cast<uint32_t>(i / kStages & 1) ^ 1u);
        ptx::mbarrier_arrive_expect_bytes(&full[s], 2 * kTileBytes);
        ptx::tma_load_2d(stage, &map_a, &full[s], i * kTileK, m0);
        ptx::tma_load_2d(stage + kTileBytes, &map_b, &full[s], i * kTileK, n0);
      }
    }
    return;
  }
  ptx::increase_registers<232>();
  const int thread = t % 128, half = group - 1;
  float d[kTileN / 2];
  for (int i = 0; i < steps; i++) {
    const int s = i % kStages;
    const unsigned char* const stage = shared + s * 2 * kTileBytes;
    ptx::mbarrier_wait(&full[s], static_cast<uint32_t>(i / kStages & 1));
    const uint64_t a = ptx::wgmma_descriptor(stage + half * kTileBytes / 2, Swizzle::bytes128);
    const uint64_t b = ptx::wgmma_descriptor(stage + kTileBytes, Swizzle::bytes128);
    ptx::hold_registers(d);
    ptx::wgmma_fence();
    UNROLL for (int k = 0; k < kTileK / 16; k++)
        ptx::wgmma<kTileN, BFloat16>(d, a + k * 2, b + k * 2, i > 0 || k > 0);
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
    ptx::hold_registers(d);
    if (thread == 0) ptx::mbarrier_arrive(&empty[s]);
  }
  UNROLL for (int i = 0; i < kTileN / 2; i++) {
    const int row = m0 + half * 64 + ptx::wgmma_row(thread, i);
    const int column = n0 + ptx::wgmma_column(thread, i);
    if (row < M && column < N) c[static_cast<size_t>(row) * N + column] = d[i];
  }
}

ptx::TensorMap map_rows(const uint16_t* data, int rows, int columns, int box_rows) {
  ptx::TensorMapSpec spec{};
  spec.type = ptx::TensorMapType::bf16;
  spec.base = const_cast<uint16_t*>(data);
  spec.rank = 2;
  spec.extent[0] = static_cast<uint64_t>(columns);
  spec.extent[1] = static_cast<uint64_t>(rows);
  spec.stride[0] = static_cast<uint64_t>(columns) * 2;
  spec.box[0] = kTileK;
  spec.box[1] = static_cast<uint32_t>(box_rows);
  spec.swizzle = Swizzle::bytes128;
  return ptx::encode_tensor_map(spec);
}

WEFT_SELFTEST(wgmma_pipeline, 90, kTolerance) {
  constexpr int M = 200, N = 136, K = 328;
  const auto a = random_elements<BFloat16>(M * K, 21), b = random_elements<BFloat16>(N * K, 22);
  DeviceBuffer<uint16_t> da(a), db(b);
  DeviceBuffer<float> c(M * N);
  gpu::launch(multiply_pipelined, dim3((N + kTileN - 1) / kTileN, (M + kTileM - 1) / kTileM),
              dim3(384), kStages * 2 * kTileBytes, nullptr, M, N, K,
              map_rows(da.data(), M, K, kTileM), map_rows(db.data(), N, K, kTileN), c.data());
  return relative_error(c.host(), product<BFloat16>(a, b, M, N, K));
}

}  // namespace
}  // namespace weft::WEFT_GPU
