// Self-tests of cp.async, ldmatrix, mma.sync and conversions (sm_80).
#include "cuda/selftest_support.h"

namespace weft::WEFT_GPU {
namespace {

// ---- cp.async: a ring of stages
// ------------------------------------------------------------------

template <int bytes>
__global__ void pipelined_copy(const unsigned char* in, int steps, int last_bytes,
                               unsigned char* out) {
  constexpr int kStages = 3, kThreads = 64;
  __shared__ __align__(16) unsigned char stage[kStages][kThreads * bytes];
  const int i = static_cast<int>(threadIdx.x);
  const auto load = [&](int step) {
    const int valid = step == steps - 1 ? last_bytes : bytes;
    ptx::cp_async<bytes>(&stage[step % kStages][i * bytes],
                         in + (static_cast<size_t>(step) * kThreads + i) * bytes, valid);
  };
  for (int step = 0; step < kStages - 1; step++) {
    if (step < steps) load(step);
    ptx::cp_async_commit();
  }
  for (int step = 0; step < steps; step++) {
    ptx::cp_async_wait<kStages - 2>();
    __syncthreads();
    if (step + kStages - 1 < steps) load(step + kStages - 1);
    ptx::cp_async_commit();
    const int other = kThreads - 1 - i;
    for (int b = 0; b < bytes; b++)
      out[(static_cast<size_t>(step) * kThreads + i) * bytes + b] =
          stage[step % kStages][other * bytes + b];
  }
}

template <int bytes>
double check_pipeline() {
  constexpr int kSteps = 7, kThreads = 64, kLastBytes = bytes == 4 ? 0 : bytes - 4;
  std::vector<unsigned char> in(kSteps * kThreads * bytes), expected(in.size());
  for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<unsigned char>(i * 37 + 1);
  for (size_t i = 0; i < in.size(); i++) {
    const size_t step = i / (kThreads * bytes), thread = i / bytes % kThreads;
    const int b = static_cast<int>(i % bytes);
    const bool zero = step == kSteps - 1 && b >= kLastBytes;
    expected[i] =
        zero ? 0 : in[(step * kThreads + kThreads - 1 - thread) * bytes + static_cast<size_t>(b)];
  }
  DeviceBuffer<unsigned char> source(in), out(in.size());
  gpu::launch(pipelined_copy<bytes>, dim3(1), dim3(kThreads), 0, nullptr, source.data(), kSteps,
              kLastBytes, out.data());
  return count_different(out.host(), expected);
}

WEFT_SELFTEST(cp_async_pipeline, 80, 0) {
  return check_pipeline<4>() + check_pipeline<8>() + check_pipeline<16>();
}

// ---- ldmatrix
// --------------------------------------------------------------------------------------

template <int count, bool transpose>
__global__ void load_fragments(const uint16_t* in, uint32_t* out) {
  __shared__ __align__(16) uint16_t matrices[4][8][8];
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 256; i += 32) (&matrices[0][0][0])[i] = in[i];
  __syncwarp();
  uint32_t r[count];
  const void* row = &matrices[lane / 8 % count][lane % 8][0];
  if (transpose)
    ptx::ldmatrix_trans(r, row);
  else
    ptx::ldmatrix(r, row);
  for (int m = 0; m < count; m++) out[lane * count + m] = r[m];
}

template <int count, bool transpose>
double check_fragments() {
  std::vector<uint16_t> in(256);
  for (int i = 0; i < 256; i++) in[i] = static_cast<uint16_t>(i * 257);
  std::vector<uint32_t> expected;
  for (int lane = 0; lane < 32; lane++)
    for (int m = 0; m < count; m++) {
      const int row = lane / 4, column = lane % 4 * 2;
      const auto at = [&](int r, int c) { return static_cast<uint32_t>(in[m * 64 + r * 8 + c]); };
      expected.push_back(transpose ? at(column, row) | at(column + 1, row) << 16
                                   : at(row, column) | at(row, column + 1) << 16);
    }
  DeviceBuffer<uint16_t> source(in);
  DeviceBuffer<uint32_t> out(expected.size());
  gpu::launch(load_fragments<count, transpose>, dim3(1), dim3(32), 0, nullptr, source.data(),
              out.data());
  return count_different(out.host(), expected);
}

WEFT_SELFTEST(ldmatrix_fragments, 80, 0) {
  return check_fragments<1, false>() + check_fragments<2, false>() + check_fragments<4, false>() +
         check_fragments<1, true>() + check_fragments<2, true>() + check_fragments<4, true>();
}

// ---- mma.sync
// ----------------------------------------------------------------------------------------

// c[16x8] = a[16xK] * b[8xK]^T by one warp, fragments built by hand from the manual's tables.
template <class T>
__global__ void multiply(const typename TensorElement<T>::Storage* a,
                         const typename TensorElement<T>::Storage* b, int K, float* c) {
  constexpr int k_step = ptx::MmaShape<T>::k, pack = k_step / 8;
  const int lane = static_cast<int>(threadIdx.x), group = lane / 4, quad = lane % 4;
  const auto word = [&](const typename TensorElement<T>::Storage* p) {
    if constexpr (pack == 1)
      return p[0];
    else
      return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 16;
  };
  float d[4] = {};
  for (int k = 0; k < K; k += k_step) {
    uint32_t fa[4], fb[2];
    for (int r = 0; r < 4; r++)
      fa[r] = word(a + (group + r % 2 * 8) * K + k + r / 2 * 4 * pack + quad * pack);
    for (int r = 0; r < 2; r++) fb[r] = word(b + group * K + k + r * 4 * pack + quad * pack);
    ptx::mma<T>(d, fa, fb);
  }
  for (int i = 0; i < 4; i++) c[(group + i / 2 * 8) * 8 + quad * 2 + i % 2] = d[i];
}

template <class T>
double check_mma() {
  constexpr int kM = 16, kN = 8, kK = 64;
  const auto a = random_elements<T>(kM * kK, 1), b = random_elements<T>(kN * kK, 2);
  DeviceBuffer<typename TensorElement<T>::Storage> da(a), db(b);
  DeviceBuffer<float> c(kM * kN);
  gpu::launch(multiply<T>, dim3(1), dim3(32), 0, nullptr, da.data(), db.data(), kK, c.data());
  return relative_error(c.host(), product<T>(a, b, kM, kN, kK));
}

// Hardware truncates while it aligns products: more than float rounding, far less than the inputs'.
WEFT_SELFTEST(mma_bf16, 80, 2e-6) { return check_mma<BFloat16>(); }
WEFT_SELFTEST(mma_f16, 80, 2e-6) { return check_mma<Float16>(); }
WEFT_SELFTEST(mma_tf32, 80, 2e-6) { return check_mma<ptx::Tf32>(); }

// What tf32 has no bits for is cut off, not rounded: kernels round before (ptx::tf32_bits).
WEFT_SELFTEST(mma_tf32_cuts_its_operands, 80, 0) {
  constexpr int kM = 16, kK = 8;
  std::vector<uint32_t> a, identity(kK * kK, 0);
  std::vector<float> expected;
  for (const float x : random_floats(kM * kK, 7)) {
    a.push_back(std::bit_cast<uint32_t>(x));
    expected.push_back(std::bit_cast<float>(TensorElement<ptx::Tf32>::bits(x)));
  }
  for (int k = 0; k < kK; k++) identity[k * kK + k] = std::bit_cast<uint32_t>(1.0f);
  DeviceBuffer<uint32_t> da(a), db(identity);
  DeviceBuffer<float> c(kM * kK);
  gpu::launch(multiply<ptx::Tf32>, dim3(1), dim3(32), 0, nullptr, da.data(), db.data(), kK,
              c.data());
  return count_different(c.host(), expected);
}

// a (row-major) and b (row-major, K x N) through shared memory and ldmatrix.
__global__ void multiply_with_ldmatrix(const uint16_t* a, const uint16_t* b, float* c) {
  constexpr int kK = 32, kN = 16, kPad = 8;
  __shared__ __align__(16) uint16_t as[16][kK + kPad];
  __shared__ __align__(16) uint16_t bs[kK][kN + kPad];
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 16 * kK; i += 32) as[i / kK][i % kK] = a[i];
  for (int i = lane; i < kK * kN; i += 32) bs[i / kN][i % kN] = b[i];
  __syncwarp();
  float d[2][4] = {};
  for (int k = 0; k < kK; k += 16) {
    uint32_t fa[4];
    ptx::ldmatrix(fa, &as[lane % 16][k + lane / 16 * 8]);
    for (int j = 0; j < 2; j++) {
      uint32_t fb[2];
      ptx::ldmatrix_trans(fb, &bs[k + lane % 16][j * 8]);
      ptx::mma_bf16(d[j], fa, fb);
    }
  }
  for (int j = 0; j < 2; j++)
    for (int i = 0; i < 4; i++)
      c[(lane / 4 + i / 2 * 8) * kN + j * 8 + lane % 4 * 2 + i % 2] = d[j][i];
}

WEFT_SELFTEST(mma_with_ldmatrix, 80, 2e-6) {
  constexpr int kM = 16, kN = 16, kK = 32;
  const auto a = random_elements<BFloat16>(kM * kK, 4), b = random_elements<BFloat16>(kN * kK, 5);
  std::vector<uint16_t> transposed(b.size());
  for (int n = 0; n < kN; n++)
    for (int k = 0; k < kK; k++) transposed[k * kN + n] = b[n * kK + k];
  DeviceBuffer<uint16_t> da(a), db(transposed);
  DeviceBuffer<float> c(kM * kN);
  gpu::launch(multiply_with_ldmatrix, dim3(1), dim3(32), 0, nullptr, da.data(), db.data(),
              c.data());
  return relative_error(c.host(), product<BFloat16>(a, b, kM, kN, kK));
}

// ---- conversions
// -----------------------------------------------------------------------------------

__global__ void convert(const float* in, uint32_t* out) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const float x = in[i], y = in[i ^ 1u];
  uint32_t* mine = out + i * 5;
  mine[0] = ptx::pack_bf16(x, y);
  mine[1] = ptx::pack_f16(x, y);
  mine[2] = ptx::bf16_bits(x) | static_cast<uint32_t>(ptx::f16_bits(x)) << 16;
  mine[3] = ptx::tf32_bits(x) & ~0x1fffu;
  mine[4] = __float_as_uint(ptx::f16_to_float(ptx::f16_bits(x)));
}

WEFT_SELFTEST(conversions, 80, 0) {
  std::vector<float> in = random_floats(4096, 6);
  for (size_t i = 0; i < in.size(); i++)
    in[i] = std::ldexp(in[i], static_cast<int>(i % 64) - 40);  // subnormal to large halves
  in[0] = INFINITY;
  in[1] = -0.0f;
  std::vector<uint32_t> expected;
  for (size_t i = 0; i < in.size(); i++) {
    const float x = in[i], y = in[i ^ 1u];
    const uint32_t bf16[] = {BFloat16::from_float(x), BFloat16::from_float(y)};
    const uint32_t f16[] = {Float16::from_float(x), Float16::from_float(y)};
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    expected.push_back(bf16[0] | bf16[1] << 16);
    expected.push_back(f16[0] | f16[1] << 16);
    expected.push_back(bf16[0] | f16[0] << 16);
    expected.push_back((std::isfinite(x) ? bits + 0x1000u : bits) & ~0x1fffu);
    expected.push_back(std::bit_cast<uint32_t>(Float16::to_float(Float16::from_float(x))));
  }
  DeviceBuffer<float> source(in);
  DeviceBuffer<uint32_t> out(expected.size());
  gpu::launch(convert, dim3(32), dim3(128), 0, nullptr, source.data(), out.data());
  return count_different(out.host(), expected);
}

}  // namespace
}  // namespace weft::WEFT_GPU
