// Correct kernels that a careless checker would complain about. See also the self-tests.
#include "cuda/selftest_faults.h"

namespace weft::WEFT_GPU {
namespace {

__global__ void sum_of_a_warp(const float* in, float* out) {
  __shared__ float values[64];
  const int i = static_cast<int>(threadIdx.x), lane = i % 32;
  values[i] = in[i];
  __syncwarp();
  for (int offset = 16; offset > 0; offset /= 2) {
    const float other = lane < offset ? values[i + offset] : 0.0f;
    __syncwarp();
    if (lane < offset) values[i] += other;
    __syncwarp();
  }
  if (lane == 0) out[i / 32] = values[i];
}
WEFT_PLANTED(legal_warp_synchronous_sum) {
  DeviceBuffer<float> in{std::vector<float>(64, 1.0f)}, out(2);
  gpu::launch(sum_of_a_warp, dim3(1), dim3(64), 0, nullptr, in.data(), out.data());
}

__global__ void double_in_place(int n, float* x) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] += x[i];
}
// 16 blocks write the same words of `out` only one after the other: in launches of their own.
WEFT_PLANTED(legal_in_place) {
  DeviceBuffer<float> x{std::vector<float>(1000, 1.0f)};
  for (int n = 0; n < 3; n++)
    gpu::launch(double_in_place, dim3(16), dim3(64), 0, nullptr, 1000, x.data());
}

__global__ void histogram(int n, const uint8_t* in, unsigned* out) {
  __shared__ unsigned counts[16];
  const int i = static_cast<int>(threadIdx.x);
  if (i < 16) counts[i] = 0;
  __syncthreads();
  for (int at = static_cast<int>(blockIdx.x * blockDim.x) + i; at < n;
       at += static_cast<int>(gridDim.x * blockDim.x))
    atomicAdd(&counts[in[at] % 16], 1u);
  __syncthreads();
  if (i < 16) atomicAdd(&out[i], counts[i]);
}
WEFT_PLANTED(legal_shared_and_global_atomics) {
  DeviceBuffer<uint8_t> in{std::vector<uint8_t>(1000, 3)};
  DeviceBuffer<unsigned> out(std::vector<unsigned>(16));
  gpu::launch(histogram, dim3(4), dim3(96), 0, nullptr, 1000, in.data(), out.data());
}

__global__ void transpose(int n, const float* in, float* out) {
  __shared__ float tile[32][33];
  const int x = static_cast<int>(threadIdx.x), bx = static_cast<int>(blockIdx.x) * 32;
  const int by = static_cast<int>(blockIdx.y) * 32;
  for (int y = static_cast<int>(threadIdx.y); y < 32; y += 8)
    if (by + y < n && bx + x < n) tile[y][x] = in[(by + y) * n + bx + x];
  __syncthreads();
  for (int y = static_cast<int>(threadIdx.y); y < 32; y += 8)
    if (bx + y < n && by + x < n) out[(bx + y) * n + by + x] = tile[x][y];
}
WEFT_PLANTED(legal_transpose) {
  DeviceBuffer<float> in{std::vector<float>(75 * 75)}, out(75 * 75);
  gpu::launch(transpose, dim3(3, 3), dim3(32, 8), 0, nullptr, 75, in.data(), out.data());
}

// Neighbouring bytes belong to different threads, and to different blocks.
__global__ void bytes_of_their_own(uint8_t* out) {
  __shared__ uint8_t values[64];
  const int i = static_cast<int>(threadIdx.x);
  values[i] = static_cast<uint8_t>(i);
  values[i]++;
  out[blockIdx.x * blockDim.x + threadIdx.x] = values[i];
}
WEFT_PLANTED(legal_bytes_of_neighbours) {
  DeviceBuffer<uint8_t> out(62);
  gpu::launch(bytes_of_their_own, dim3(2), dim3(31), 0, nullptr, out.data());
}

__global__ void pipeline(int steps, const float* in, float* out) {
  __shared__ __align__(16) float stages[3][256];
  const int i = static_cast<int>(threadIdx.x) * 4;
  float sum = 0;
  for (int step = 0; step < 2; step++) {
    ptx::cp_async<16>(&stages[step][i], in + step * 256 + i, step < steps ? 16 : 0);
    ptx::cp_async_commit();
  }
  for (int step = 0; step < steps; step++) {
    ptx::cp_async_wait<1>();
    __syncthreads();
    if (step + 2 < steps) ptx::cp_async<16>(&stages[(step + 2) % 3][i], in + (step + 2) * 256 + i);
    ptx::cp_async_commit();
    for (int k = 0; k < 4; k++) sum += stages[step % 3][255 - i - k];
  }
  ptx::cp_async_wait_all();
  out[i] = sum;
}
WEFT_PLANTED(legal_cp_async_pipeline) {
  DeviceBuffer<float> in{std::vector<float>(7 * 256)}, out(256);
  gpu::launch(pipeline, dim3(1), dim3(64), 0, nullptr, 7, in.data(), out.data());
}

constexpr int kRun = 512;  // bytes

__global__ void ring(int steps, const float* in, float* out) {
  __shared__ __align__(128) float stages[2][kRun / 4];
  __shared__ uint64_t full[2], empty[2];
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    for (int s = 0; s < 2; s++) {
      ptx::mbarrier_init(&full[s], 1);
      ptx::mbarrier_init(&empty[s], 2);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (i == 0) {
    for (int step = 0; step < steps; step++) {
      const int s = step % 2;
      const uint32_t phase = static_cast<uint32_t>(step / 2) & 1u;
      ptx::mbarrier_wait(&empty[s], phase ^ 1u);
      ptx::mbarrier_arrive_expect_bytes(&full[s], kRun);
      ptx::bulk_load(stages[s], in + step * (kRun / 4), kRun, &full[s]);
    }
  } else if (i >= 32) {
    float sum = 0;
    for (int step = 0; step < steps; step++) {
      const int s = step % 2;
      ptx::mbarrier_wait(&full[s], static_cast<uint32_t>(step / 2) & 1u);
      sum += stages[s][i - 32] + stages[s][95 - i];
      __syncwarp();
      if (i % 32 == 0) ptx::mbarrier_arrive(&empty[s]);
    }
    out[i - 32] = sum;
  }
}
WEFT_PLANTED(legal_mbarrier_ring) {
  DeviceBuffer<float> in{std::vector<float>(9 * kRun / 4)}, out(64);
  gpu::launch(ring, dim3(1), dim3(96), 0, nullptr, 9, in.data(), out.data());
}

// Data handed from one warp to another through a flag.
__global__ void hand_over(unsigned* flag, int* data, int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i == 32) {
    data[0] = 42;
    __threadfence();
    atomicExch(flag, 1u);
  } else if (i == 0) {
    while (atomicAdd(flag, 0u) == 0) __nanosleep(100);
    __threadfence();
    out[0] = data[0];
  }
}
WEFT_PLANTED(legal_flag_with_fence) {
  DeviceBuffer<unsigned> flag{std::vector<unsigned>(1)};
  DeviceBuffer<int> data(1), out(1);
  gpu::launch(hand_over, dim3(1), dim3(64), 0, nullptr, flag.data(), data.data(), out.data());
}

// Every thread fences what it wrote; one of them counts the block.
__global__ void last_block_sums(float* partial, unsigned* done, float* out) {
  __shared__ bool last;
  const int i = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  partial[static_cast<int>(blockIdx.x) * threads + i] = 1.0f;
  __threadfence();
  __syncthreads();
  if (i == 0) last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;
  __syncthreads();
  if (!last) return;
  float sum = 0;
  for (int at = i; at < static_cast<int>(gridDim.x) * threads; at += threads) sum += partial[at];
  out[i] = sum;
}
WEFT_PLANTED(legal_last_block) {
  DeviceBuffer<float> partial(5 * 64), out(64);
  DeviceBuffer<unsigned> done{std::vector<unsigned>(1)};
  for (int n = 0; n < 2; n++)
    gpu::launch(last_block_sums, dim3(5), dim3(64), 0, nullptr, partial.data(), done.data(),
                out.data());
}

}  // namespace
}  // namespace weft::WEFT_GPU
