// Planted mistakes in plain C++: bounds, initialisation, races, barriers.
#include "cuda/selftest_faults.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kThreads = 64;

// ---- memory ------------------------------------------------------------------------------------

__global__ void write_past_end(int n, float* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i <= n) out[i] = 1.0f;  // FAULT
}
WEFT_PLANTED(global_write_past_end) {
  DeviceBuffer<float> out(40);
  gpu::launch(write_past_end, dim3(1), dim3(kThreads), 0, nullptr, 40, out.data());
}

__global__ void read_before_begin(const float* in, float* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = in[i - 1];  // FAULT
}
WEFT_PLANTED(global_read_before_begin) {
  DeviceBuffer<float> in{std::vector<float>(kThreads)}, out(kThreads);
  gpu::launch(read_before_begin, dim3(1), dim3(kThreads), 0, nullptr, in.data(), out.data());
}

__global__ void copy_values(const float* in, float* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = in[i] + 1.0f;  // FAULT
}
WEFT_PLANTED(host_pointer) {
  std::vector<float> host(kThreads);
  DeviceBuffer<float> out(kThreads);
  gpu::launch(copy_values, dim3(1), dim3(kThreads), 0, nullptr, host.data(), out.data());
}

__global__ void read_freed(const float* in, float* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = in[i];  // FAULT
}
WEFT_PLANTED(freed_memory) {
  DeviceBuffer<float> out(kThreads);
  const float* stale;
  {
    DeviceBuffer<float> in{std::vector<float>(kThreads)};
    stale = in.data();
  }
  gpu::launch(read_freed, dim3(1), dim3(kThreads), 0, nullptr, stale, out.data());
}

__global__ void read_uninitialised_global(const float* in, float* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i == 5) out[i] = in[i] * 2.0f;  // FAULT
}
WEFT_PLANTED(uninitialised_global) {
  DeviceBuffer<float> in(kThreads), out(kThreads);
  gpu::launch(read_uninitialised_global, dim3(1), dim3(kThreads), 0, nullptr, in.data(),
              out.data());
}

__global__ void read_uninitialised_shared(float* out) {
  __shared__ float values[kThreads];
  const int i = static_cast<int>(threadIdx.x);
  if (i < kThreads - 1) values[i] = 1.0f;
  __syncthreads();
  out[blockIdx.x * kThreads + threadIdx.x] = values[i];  // FAULT
}
WEFT_PLANTED(uninitialised_shared) {
  DeviceBuffer<float> out(2 * kThreads);
  // The first block leaves values behind that the second must not take for its own.
  gpu::launch(read_uninitialised_shared, dim3(2), dim3(kThreads), 0, nullptr, out.data());
}

__global__ void overrun_dynamic(float* out) {
  DYN_SMEM(float, values);
  const int i = static_cast<int>(threadIdx.x);
  values[i] = 1.0f;  // FAULT
  __syncthreads();
  out[i] = values[i];
}
WEFT_PLANTED(dynamic_shared_overrun) {
  DeviceBuffer<float> out(kThreads);
  gpu::launch(overrun_dynamic, dim3(1), dim3(kThreads), 60 * sizeof(float), nullptr, out.data());
}

__global__ void overrun_static(int n, float* out) {
  __shared__ float values[kThreads];
  const int i = static_cast<int>(threadIdx.x);
  values[i + n] = 1.0f;  // FAULT
  __syncthreads();
  out[i] = values[i];
}
WEFT_PLANTED(static_shared_overrun) {
  DeviceBuffer<float> out(kThreads);
  gpu::launch(overrun_static, dim3(1), dim3(kThreads), 0, nullptr, 4, out.data());
}

__global__ void load_misaligned(const float* in, float* out) {
  using V = gpu::Vector<float, 4>;
  const int i = static_cast<int>(threadIdx.x);
  const V v = gpu::load_vec<V>(in + 4 * i + 1);  // FAULT
  out[i] = v[0] + v[3];
}
WEFT_PLANTED(misaligned_vector_load) {
  DeviceBuffer<float> in{std::vector<float>(300)}, out(kThreads);
  gpu::launch(load_misaligned, dim3(1), dim3(kThreads), 0, nullptr, in.data(), out.data());
}

// ---- races -------------------------------------------------------------------------------------

__global__ void reverse_without_barrier(int* out) {
  __shared__ int values[kThreads];
  const int i = static_cast<int>(threadIdx.x);
  values[i] = i;                      // OTHER
  out[i] = values[kThreads - 1 - i];  // FAULT
}
WEFT_PLANTED(missing_syncthreads) {
  DeviceBuffer<int> out(kThreads);
  gpu::launch(reverse_without_barrier, dim3(1), dim3(kThreads), 0, nullptr, out.data());
}

__global__ void sums_without_second_barrier(int rounds, int* out) {
  __shared__ int values[kThreads];
  const int i = static_cast<int>(threadIdx.x);
  int sum = 0;
  for (int round = 0; round < rounds; round++) {
    values[i] = i + round;  // FAULT
    __syncthreads();
    sum += values[(i + 40) % kThreads];  // OTHER
  }
  out[i] = sum;
}
WEFT_PLANTED(missing_syncthreads_at_the_end_of_a_loop) {
  DeviceBuffer<int> out(kThreads);
  gpu::launch(sums_without_second_barrier, dim3(1), dim3(kThreads), 0, nullptr, 3, out.data());
}

__global__ void neighbours_without_syncwarp(int* out) {
  __shared__ int values[32];
  const int i = static_cast<int>(threadIdx.x);
  values[i] = i;           // OTHER
  out[i] = values[i ^ 1];  // FAULT
}
WEFT_PLANTED(missing_syncwarp) {
  DeviceBuffer<int> out(32);
  gpu::launch(neighbours_without_syncwarp, dim3(1), dim3(32), 0, nullptr, out.data());
}

__global__ void add_plainly(float* total) {
  *total += 1.0f;  // FAULT
}
WEFT_PLANTED(plain_sum_between_blocks) {
  DeviceBuffer<float> total{std::vector<float>(1)};
  gpu::launch(add_plainly, dim3(3), dim3(1), 0, nullptr, total.data());
}

__global__ void shift_in_place(int n, float* x) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i + 1 < n) x[i] = x[i + 1];  // FAULT
}
WEFT_PLANTED(shift_in_place_without_barrier) {
  DeviceBuffer<float> x{std::vector<float>(128)};
  gpu::launch(shift_in_place, dim3(2), dim3(kThreads), 0, nullptr, 128, x.data());
}

__global__ void sum_without_fence(float* partial, unsigned* done, float* out) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = 1.0f;  // OTHER
    last = atomicAdd(done, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x != 0) return;
  float total = 0;
  for (unsigned b = 0; b < gridDim.x; b++) total += partial[b];  // FAULT
  *out = total;
}
WEFT_PLANTED(missing_threadfence) {
  DeviceBuffer<float> partial(4), out(1);
  DeviceBuffer<unsigned> done{std::vector<unsigned>(1)};
  gpu::launch(sum_without_fence, dim3(4), dim3(32), 0, nullptr, partial.data(), done.data(),
              out.data());
}

__global__ void count_beside_atomics(unsigned* count, unsigned* out) {
  if (threadIdx.x < 32)
    atomicAdd(count, 1u);  // OTHER
  else if (threadIdx.x == 32)
    *out = *count;  // FAULT
}
WEFT_PLANTED(plain_read_beside_atomics) {
  DeviceBuffer<unsigned> count{std::vector<unsigned>(1)}, out(1);
  gpu::launch(count_beside_atomics, dim3(1), dim3(kThreads), 0, nullptr, count.data(), out.data());
}

__global__ void bytes_of_neighbours(uint8_t* out) {
  __shared__ uint8_t values[kThreads];
  const int i = static_cast<int>(threadIdx.x);
  values[i] = 1;
  __syncthreads();
  if (i == 33) values[2] = 7;      // OTHER
  if (i == 2) out[0] = values[2];  // FAULT
}
WEFT_PLANTED(race_for_one_byte) {
  DeviceBuffer<uint8_t> out(1);
  gpu::launch(bytes_of_neighbours, dim3(1), dim3(kThreads), 0, nullptr, out.data());
}

// ---- barriers ----------------------------------------------------------------------------------

__global__ void shuffle_with_a_short_mask(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = __shfl_xor_sync(0xffffu, i, 1);  // FAULT
}
WEFT_PLANTED(lane_outside_of_its_mask) {
  DeviceBuffer<int> out(kThreads);
  gpu::launch(shuffle_with_a_short_mask, dim3(1), dim3(kThreads), 0, nullptr, out.data());
}

__global__ void barriers_in_branches(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i % 2 == 0) {
    out[i] = 1;
    __syncthreads();  // OTHER
  } else {
    __syncthreads();  // FAULT
    out[i] = 2;
  }
}
WEFT_PLANTED(divergent_syncthreads) {
  DeviceBuffer<int> out(kThreads);
  gpu::launch(barriers_in_branches, dim3(1), dim3(kThreads), 0, nullptr, out.data());
}

__global__ void barrier_against_shuffle(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < 16)
    __syncthreads();  // FAULT
  else
    out[i] = __shfl_xor_sync(gpu::kAllLanes, i, 1);  // OTHER
}
WEFT_PLANTED(barrier_against_shuffle) {
  DeviceBuffer<int> out(kThreads);
  gpu::launch(barrier_against_shuffle, dim3(1), dim3(32), 0, nullptr, out.data());
}

__global__ void named_barrier_short_of_a_warp(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < 32) ptx::barrier_sync(1, 64);  // FAULT
  out[i] = i;
}
WEFT_PLANTED(named_barrier_that_never_completes) {
  DeviceBuffer<int> out(kThreads);
  gpu::launch(named_barrier_short_of_a_warp, dim3(1), dim3(kThreads), 0, nullptr, out.data());
}

__global__ void named_barrier_of_too_few(int* out) {
  __shared__ int values[96];
  const int i = static_cast<int>(threadIdx.x);
  values[i] = i;  // OTHER
  if (i < 64) ptx::barrier_sync(1, 64);
  out[i] = values[95 - i];  // FAULT
}
WEFT_PLANTED(named_barrier_that_leaves_a_warp_out) {
  DeviceBuffer<int> out(96);
  gpu::launch(named_barrier_of_too_few, dim3(1), dim3(96), 0, nullptr, out.data());
}

}  // namespace

std::vector<std::string> planted_fault_names() {
  std::vector<std::string> names;
  for (const PlantedFault& fault : planted_faults()) names.push_back(fault.name);
  return names;
}

void run_planted_fault(const std::string& name) {
  for (const PlantedFault& fault : planted_faults())
    if (name == fault.name) return fault.run();
  fail(ErrorKind::value, "no planted fault is called '", name, "'");
}

}  // namespace weft::WEFT_GPU
