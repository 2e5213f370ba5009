// Planted mistakes around asynchronous copies: cp.async, TMA, mbarriers, wgmma.
#include "cuda/selftest_faults.h"
#include "cuda/tensor_map.h"

namespace weft::WEFT_GPU {
namespace {

// ---- cp.async ----------------------------------------------------------------------------------

__global__ void read_before_the_wait(const float* in, float* out) {
  __shared__ __align__(16) float values[128];
  const int i = static_cast<int>(threadIdx.x) * 4;
  ptx::cp_async<16>(&values[i], in + i);  // OTHER
  ptx::cp_async_commit();
  out[i] = values[i];  // FAULT
  ptx::cp_async_wait<0>();
}
WEFT_PLANTED(cp_async_without_wait) {
  DeviceBuffer<float> in{std::vector<float>(128)}, out(128);
  gpu::launch(read_before_the_wait, dim3(1), dim3(32), 0, nullptr, in.data(), out.data());
}

__global__ void wait_without_barrier(const float* in, float* out) {
  __shared__ __align__(16) float values[256];
  const int i = static_cast<int>(threadIdx.x) * 4;
  ptx::cp_async<16>(&values[i], in + i);  // OTHER
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  out[i] = values[255 - i];  // FAULT
}
WEFT_PLANTED(cp_async_wait_without_barrier) {
  DeviceBuffer<float> in{std::vector<float>(256)}, out(256);
  gpu::launch(wait_without_barrier, dim3(1), dim3(64), 0, nullptr, in.data(), out.data());
}

// Two stages; the wait leaves one group too many under way.
__global__ void wait_for_one_group_less(int steps, const float* in, float* out) {
  __shared__ __align__(16) float stages[2][128];
  const int i = static_cast<int>(threadIdx.x) * 4;
  float sum = 0;
  ptx::cp_async<16>(&stages[0][i], in + i);  // OTHER
  ptx::cp_async_commit();
  for (int step = 0; step < steps; step++) {
    if (step + 1 < steps)
      ptx::cp_async<16>(&stages[(step + 1) % 2][i], in + (step + 1) * 128 + i);  // OTHER
    ptx::cp_async_commit();
    ptx::cp_async_wait<2>();
    __syncthreads();
    sum += stages[step % 2][127 - i];  // FAULT
    __syncthreads();
  }
  ptx::cp_async_wait_all();
  out[i] = sum;
}
WEFT_PLANTED(cp_async_waits_for_the_wrong_group) {
  DeviceBuffer<float> in{std::vector<float>(512)}, out(128);
  gpu::launch(wait_for_one_group_less, dim3(1), dim3(32), 0, nullptr, 4, in.data(), out.data());
}

// The next stage is requested before everybody has read it.
__global__ void overwrite_a_stage_in_use(int steps, const float* in, float* out) {
  __shared__ __align__(16) float stage[256];
  const int i = static_cast<int>(threadIdx.x) * 4;
  float sum = 0;
  for (int step = 0; step < steps; step++) {
    ptx::cp_async<16>(&stage[i], in + step * 256 + i);  // FAULT
    ptx::cp_async_commit();
    ptx::cp_async_wait<0>();
    __syncthreads();
    sum += stage[255 - i];  // OTHER
  }
  out[i] = sum;
}
WEFT_PLANTED(cp_async_into_a_stage_in_use) {
  DeviceBuffer<float> in{std::vector<float>(512)}, out(256);
  gpu::launch(overwrite_a_stage_in_use, dim3(1), dim3(64), 0, nullptr, 2, in.data(), out.data());
}

__global__ void never_wait(const float* in, float* out) {
  __shared__ __align__(16) float values[128];
  const int i = static_cast<int>(threadIdx.x) * 4;
  ptx::cp_async<16>(&values[i], in + i);  // FAULT
  ptx::cp_async_commit();
  out[i] = 1.0f;
}
WEFT_PLANTED(cp_async_never_waited_for) {
  DeviceBuffer<float> in{std::vector<float>(128)}, out(128);
  gpu::launch(never_wait, dim3(1), dim3(32), 0, nullptr, in.data(), out.data());
}

__global__ void copy_past_end(const float* in, float* out) {
  __shared__ __align__(16) float values[128];
  const int i = static_cast<int>(threadIdx.x) * 4;
  ptx::cp_async<16>(&values[i], in + i);  // FAULT
  ptx::cp_async_wait_all();
  out[i] = values[i];
}
WEFT_PLANTED(cp_async_past_the_end) {
  DeviceBuffer<float> in{std::vector<float>(126)}, out(128);
  gpu::launch(copy_past_end, dim3(1), dim3(32), 0, nullptr, in.data(), out.data());
}

// ---- TMA and mbarriers -------------------------------------------------------------------------

constexpr int kRun = 512;  // bytes

__global__ void read_before_the_mbarrier(const float* in, float* out) {
  __shared__ __align__(128) float values[kRun / 4];
  __shared__ uint64_t barrier;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (i == 0) {
    ptx::mbarrier_arrive_expect_bytes(&barrier, kRun);
    ptx::bulk_load(values, in, kRun, &barrier);  // OTHER
  }
  __syncthreads();
  out[i] = values[i];  // FAULT
  ptx::mbarrier_wait(&barrier, 0);
}
WEFT_PLANTED(bulk_load_without_wait) {
  DeviceBuffer<float> in{std::vector<float>(kRun / 4)}, out(kRun / 4);
  gpu::launch(read_before_the_mbarrier, dim3(1), dim3(64), 0, nullptr, in.data(), out.data());
}

// A ring of two stages whose producer does not wait for the stage to be empty.
__global__ void ring_without_empty(int steps, const float* in, float* out) {
  __shared__ __align__(128) float stages[2][kRun / 4];
  __shared__ uint64_t full[2];
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    for (uint64_t& barrier : full) ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (i == 0) {
    for (int step = 0; step < steps; step++) {
      ptx::mbarrier_arrive_expect_bytes(&full[step % 2], kRun);
      ptx::bulk_load(stages[step % 2], in + step * (kRun / 4), kRun, &full[step % 2]);  // FAULT
      if (step >= 1) ptx::mbarrier_wait(&full[(step - 1) % 2], (step - 1) / 2 & 1);
    }
  } else if (i >= 32) {
    float sum = 0;
    for (int step = 0; step < steps; step++) {
      ptx::mbarrier_wait(&full[step % 2], step / 2 & 1);
      sum += stages[step % 2][i];  // FAULT
    }
    out[i] = sum;
  }
}
WEFT_PLANTED(ring_without_empty_barriers) {
  DeviceBuffer<float> in{std::vector<float>(4 * kRun / 4)}, out(64);
  gpu::launch(ring_without_empty, dim3(1), dim3(64), 0, nullptr, 4, in.data(), out.data());
}

__global__ void wrong_arrival_count(int* out) {
  __shared__ uint64_t barrier;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) ptx::mbarrier_init(&barrier, 65);
  __syncthreads();
  ptx::mbarrier_arrive(&barrier);
  ptx::mbarrier_wait(&barrier, 0);  // FAULT
  out[i] = i;
}
WEFT_PLANTED(mbarrier_that_never_completes) {
  DeviceBuffer<int> out(64);
  gpu::launch(wrong_arrival_count, dim3(1), dim3(64), 0, nullptr, out.data());
}

__global__ void initialise_without_barrier(int* out) {
  __shared__ uint64_t barrier;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) ptx::mbarrier_init(&barrier, 64);  // OTHER
  __syncwarp();
  ptx::mbarrier_arrive(&barrier);   // FAULT
  ptx::mbarrier_wait(&barrier, 0);  // OTHER
  out[i] = i;
}
WEFT_PLANTED(mbarrier_init_unseen) {
  DeviceBuffer<int> out(64);
  gpu::launch(initialise_without_barrier, dim3(1), dim3(64), 0, nullptr, out.data());
}

__global__ void overwrite_source_of_store(float* out) {
  __shared__ __align__(128) float values[kRun / 4];
  const int i = static_cast<int>(threadIdx.x);
  for (int w = i; w < kRun / 4; w += 32) values[w] = 1.0f;
  ptx::fence_proxy_async();
  __syncwarp();
  if (i == 0) {
    ptx::bulk_store(out, values, kRun);  // OTHER
    ptx::bulk_commit();
  }
  __syncwarp();
  values[i] = 2.0f;  // FAULT
  if (i == 0) ptx::bulk_wait<0>();
}
WEFT_PLANTED(source_of_a_bulk_store_overwritten) {
  DeviceBuffer<float> out(kRun / 4);
  gpu::launch(overwrite_source_of_store, dim3(1), dim3(32), 0, nullptr, out.data());
}

ptx::TensorMap map_of(float* data, int rows, int box_rows) {
  ptx::TensorMapSpec spec{};
  spec.type = ptx::TensorMapType::f32;
  spec.base = data;
  spec.rank = 2;
  spec.extent[0] = 32;
  spec.extent[1] = static_cast<uint64_t>(rows);
  spec.stride[0] = 128;
  spec.box[0] = 32;
  spec.box[1] = static_cast<uint32_t>(box_rows);
  return ptx::encode_tensor_map(spec);
}

__global__ void load_one_tile(const __grid_constant__ ptx::TensorMap map, float* out) {
  __shared__ __align__(128) float tile[8 * 32];
  __shared__ uint64_t barrier;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_arrive_expect_bytes(&barrier, sizeof tile);
    ptx::tma_load_2d(tile, &map, &barrier, 0, 0);  // FAULT
  }
  __syncwarp();
  ptx::mbarrier_wait(&barrier, 0);
  out[i] = tile[i];
}
// The map promises more rows than the tensor has.
WEFT_PLANTED(tensor_map_larger_than_its_tensor) {
  DeviceBuffer<float> in{std::vector<float>(6 * 32)}, out(32);
  gpu::launch(load_one_tile, dim3(1), dim3(32), 0, nullptr, map_of(in.data(), 8, 8), out.data());
}

// Memory that a TMA store wrote is initialised for the kernel that comes next.
__global__ void store_one_tile(const __grid_constant__ ptx::TensorMap map) {
  __shared__ __align__(128) float tile[8 * 32];
  const int i = static_cast<int>(threadIdx.x);
  for (int w = i; w < 8 * 32; w += 32) tile[w] = static_cast<float>(w);
  ptx::fence_proxy_async();
  __syncwarp();
  if (i != 0) return;
  ptx::tma_store_2d(&map, tile, 0, 0);
  ptx::bulk_commit();
  ptx::bulk_wait<0>();
}
WEFT_PLANTED(legal_tma_store_then_load) {
  DeviceBuffer<float> x(6 * 32), out(32);
  gpu::launch(store_one_tile, dim3(1), dim3(32), 0, nullptr, map_of(x.data(), 6, 8));
  gpu::launch(load_one_tile, dim3(1), dim3(32), 0, nullptr, map_of(x.data(), 6, 8), out.data());
}

}  // namespace
}  // namespace weft::WEFT_GPU
