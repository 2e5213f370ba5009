// Self-tests of the language: indices, shared memory, barriers, warps, atomics, single-thread
// intrinsics. And the runner of all of them.
#include "cuda/selftest_support.h"

namespace weft::WEFT_GPU {

std::vector<SelftestResult> run_selftests(const std::string& only) {
  int device = 0, major = 0, minor = 0;
  require(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  std::vector<SelftestResult> results;
  for (const Selftest& test : selftests()) {
    if (!only.empty() && only != test.name) continue;
    // wgmma and its relatives exist on compute capability 9.0 only.
    if (test.capability == 90 ? major != 9 : major * 10 + minor < test.capability) continue;
    SelftestResult result{test.name, std::numeric_limits<double>::infinity(), test.tolerance};
    try {
      result.error = test.run();
      require(cudaDeviceSynchronize(), "after the check");
    } catch (const std::exception& error) {
      result.name += std::string(": ") + error.what();
    }
    results.push_back(result);
  }
  return results;
}

namespace {

__global__ void write_indices(unsigned* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  out[block * threads + thread] = (blockIdx.x << 20) + (blockIdx.y << 16) + (blockIdx.z << 12) +
                                  (threadIdx.x << 8) + (threadIdx.y << 4) + threadIdx.z;
}

WEFT_SELFTEST(indices_in_three_dimensions, 80, 0) {
  const dim3 grid(2, 3, 2), block(4, 3, 5);
  std::vector<unsigned> expected;
  for (unsigned bz = 0; bz < grid.z; bz++)
    for (unsigned by = 0; by < grid.y; by++)
      for (unsigned bx = 0; bx < grid.x; bx++)
        for (unsigned z = 0; z < block.z; z++)
          for (unsigned y = 0; y < block.y; y++)
            for (unsigned x = 0; x < block.x; x++)
              expected.push_back((bx << 20) + (by << 16) + (bz << 12) + (x << 8) + (y << 4) + z);
  DeviceBuffer<unsigned> out(expected.size());
  gpu::launch(write_indices, grid, block, 0, nullptr, out.data());
  return count_different(out.host(), expected);
}

__global__ void reverse_static(const int* in, int* out) {
  __shared__ int values[96];
  const int i = static_cast<int>(threadIdx.x), base = static_cast<int>(blockIdx.x * 96);
  values[i] = in[base + i];
  __syncthreads();
  out[base + i] = values[95 - i];
}

WEFT_SELFTEST(static_shared_memory, 80, 0) {
  std::vector<int> in(96 * 5), expected(in.size());
  for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<int>(i * 7);
  for (size_t i = 0; i < in.size(); i++) expected[i] = in[i / 96 * 96 + 95 - i % 96];
  DeviceBuffer<int> source(in), out(in.size());
  gpu::launch(reverse_static, dim3(5), dim3(96), 0, nullptr, source.data(), out.data());
  return count_different(out.host(), expected);
}

__global__ void rotate_dynamic(int words, int* out) {
  DYN_SMEM(int, values);
  const int i = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  for (int w = i; w < words; w += threads) values[w] = w * 3;
  __syncthreads();
  for (int w = i; w < words; w += threads) out[w] = values[(w + 1000) % words];
}

WEFT_SELFTEST(dynamic_shared_memory, 80, 0) {
  double wrong = 0;
  for (const int bytes : {4096, 48 * 1024, 160 * 1024}) {
    const int words = bytes / 4;
    std::vector<int> expected;
    for (int w = 0; w < words; w++) expected.push_back((w + 1000) % words * 3);
    DeviceBuffer<int> out(expected.size());
    gpu::launch(rotate_dynamic, dim3(1), dim3(256), bytes, nullptr, words, out.data());
    wrong += count_different(out.host(), expected);
  }
  return wrong;
}

__global__ void reduce_predicates(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  int sum = __syncthreads_count(i % 3 == 0);
  sum = sum * 10 + __syncthreads_and(i < 100);
  sum = sum * 10 + (__syncthreads_or(i == 77) != 0);
  sum = sum * 10 + (__syncthreads_or(i == 777) != 0);
  sum = sum * 10 + (__syncthreads_and(i < 99) != 0);
  out[i] = sum;
}

WEFT_SELFTEST(barriers_with_reduction, 80, 0) {
  DeviceBuffer<int> out(100);
  gpu::launch(reduce_predicates, dim3(1), dim3(100), 0, nullptr, out.data());
  return count_different(out.host(), std::vector<int>(100, 341100));
}

// Threads 0..63 produce, 64..127 consume, through two named barriers.
__global__ void ping_pong(int rounds, int* out) {
  __shared__ int values[64];
  const int i = static_cast<int>(threadIdx.x), lane = i % 64;
  if (i < 64) {
    for (int round = 0; round < rounds; round++) {
      ptx::barrier_sync(1, 128);  // the buffer is empty
      values[lane] = round * 64 + lane;
      ptx::barrier_arrive(2, 128);
    }
  } else {
    int sum = 0;
    for (int round = 0; round < rounds; round++) {
      ptx::barrier_arrive(1, 128);
      ptx::barrier_sync(2, 128);  // the buffer is full
      sum += values[63 - lane];
    }
    out[lane] = sum;
  }
}

WEFT_SELFTEST(named_barriers, 80, 0) {
  constexpr int kRounds = 9;
  std::vector<int> expected(64);
  for (int i = 0; i < 64; i++)
    for (int round = 0; round < kRounds; round++) expected[i] += round * 64 + 63 - i;
  DeviceBuffer<int> out(64);
  gpu::launch(ping_pong, dim3(1), dim3(128), 0, nullptr, kRounds, out.data());
  return count_different(out.host(), expected);
}

template <class T>
__global__ void shuffle_all(T* out) {
  const int i = static_cast<int>(threadIdx.x);
  const T value = static_cast<T>(i * 5 + 1);
  T* mine = out + i * 8;
  mine[0] = __shfl_sync(gpu::kAllLanes, value, 7);
  mine[1] = __shfl_sync(gpu::kAllLanes, value, i + 3, 8);
  mine[2] = __shfl_up_sync(gpu::kAllLanes, value, 3);
  mine[3] = __shfl_up_sync(gpu::kAllLanes, value, 5, 16);
  mine[4] = __shfl_down_sync(gpu::kAllLanes, value, 2);
  mine[5] = __shfl_down_sync(gpu::kAllLanes, value, 1, 4);
  mine[6] = __shfl_xor_sync(gpu::kAllLanes, value, 17);
  mine[7] = __shfl_xor_sync(gpu::kAllLanes, value, 5, 8);
}

template <class T>
double check_shuffles() {
  DeviceBuffer<T> out(32 * 8);
  gpu::launch(shuffle_all<T>, dim3(1), dim3(32), 0, nullptr, out.data());
  std::vector<T> expected;
  for (int i = 0; i < 32; i++) {
    const int sources[] = {7,
                           i / 8 * 8 + (i + 3) % 8,
                           i < 3 ? i : i - 3,
                           i % 16 < 5 ? i : i - 5,
                           i + 2 < 32 ? i + 2 : i,
                           i % 4 + 1 < 4 ? i + 1 : i,
                           i ^ 17,
                           i ^ 5};
    for (const int source : sources) expected.push_back(static_cast<T>(source * 5 + 1));
  }
  return count_different(out.host(), expected);
}

WEFT_SELFTEST(shuffles, 80, 0) {
  return check_shuffles<int>() + check_shuffles<unsigned>() + check_shuffles<float>() +
         check_shuffles<double>() + check_shuffles<long long>();
}

__global__ void vote_and_match(unsigned* out) {
  const unsigned i = threadIdx.x, all = gpu::kAllLanes;
  unsigned* mine = out + i * 8;
  mine[0] = __ballot_sync(all, i % 5 == 1);
  mine[1] = static_cast<unsigned>(__any_sync(all, i == 31) != 0) * 2u +
            static_cast<unsigned>(__all_sync(all, i < 31) != 0);
  mine[2] = __match_any_sync(all, i % 3);
  int same = 0;
  mine[3] = __match_all_sync(all, 42u, &same);
  mine[4] = __reduce_add_sync(all, i);
  mine[5] = __reduce_max_sync(all, static_cast<unsigned>(i ^ 9u));
  // The two halves of the warp meet apart from each other.
  if (i < 16)
    mine[6] = __ballot_sync(0x0000ffffu, i & 1);
  else
    mine[6] = __ballot_sync(0xffff0000u, (i & 1) == 0);
  mine[7] = static_cast<unsigned>(same);
  __syncwarp();
}

WEFT_SELFTEST(votes_and_matches, 80, 0) {
  DeviceBuffer<unsigned> out(32 * 8);
  gpu::launch(vote_and_match, dim3(1), dim3(32), 0, nullptr, out.data());
  std::vector<unsigned> expected;
  for (unsigned i = 0; i < 32; i++) {
    unsigned ballot = 0, like_me = 0;
    for (unsigned j = 0; j < 32; j++) {
      if (j % 5 == 1) ballot |= 1u << j;
      if (j % 3 == i % 3) like_me |= 1u << j;
    }
    for (const unsigned value :
         {ballot, 2u, like_me, 0xffffffffu, 496u, 31u, i < 16 ? 0x0000aaaau : 0x55550000u, 1u})
      expected.push_back(value);
  }
  return count_different(out.host(), expected);
}

// Of 50 threads, those from 40 on leave before the warp meets again.
__global__ void leave_early(int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= 40) return;
  __syncthreads();
  const unsigned mask = i < 32 ? gpu::kAllLanes : 0xffu;
  out[i] = __shfl_xor_sync(mask, i, 1) + __syncthreads_count(1);
}

WEFT_SELFTEST(threads_that_leave_early, 80, 0) {
  std::vector<int> expected;
  for (int i = 0; i < 40; i++) expected.push_back((i ^ 1) + 40);
  DeviceBuffer<int> out(40);
  gpu::launch(leave_early, dim3(1), dim3(50), 0, nullptr, out.data());
  return count_different(out.host(), expected);
}

__global__ void atomics(int* ints, unsigned* words, unsigned long long* longs, float* floats,
                        double* doubles) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const unsigned u = static_cast<unsigned>(i);
  atomicAdd(&ints[0], i);
  atomicSub(&ints[1], i);
  atomicMin(&ints[2], -i);
  atomicMax(&ints[3], i);
  atomicAdd(&words[0], u);
  atomicInc(&words[1], 99u);
  atomicDec(&words[2], 99u);
  atomicOr(&words[3], 1u << (u % 32));
  atomicAnd(&words[4], ~(1u << (u % 16)));
  atomicXor(&words[5], u);
  atomicMax(&words[6], u);
  atomicMin(&words[7], u + 5u);
  atomicAdd(&longs[0], static_cast<unsigned long long>(u) << 20);
  atomicMax(&longs[1], static_cast<unsigned long long>(u) << 33);
  atomicAdd(&floats[0], 1.0f);
  atomicAdd(&doubles[0], 0.5);
  // A lock-free maximum, the way a kernel does it for a type without an instruction. A plain read
  // beside the others' exchanges would be a race.
  unsigned old = *static_cast<volatile unsigned*>(&words[8]);
  while (old < u * 3u) {
    const unsigned seen = atomicCAS(&words[8], old, u * 3u);
    if (seen == old) break;
    old = seen;
  }
}

WEFT_SELFTEST(atomic_operations, 80, 0) {
  constexpr unsigned kThreads = 1280, kLast = kThreads - 1;
  DeviceBuffer<int> ints(std::vector<int>(4, 0));
  std::vector<unsigned> start(9, 0);
  start[4] = 0xffffffffu;
  start[7] = 1000;
  DeviceBuffer<unsigned> words(start);
  DeviceBuffer<unsigned long long> longs(std::vector<unsigned long long>(2, 0));
  DeviceBuffer<float> floats(std::vector<float>(1, 0));
  DeviceBuffer<double> doubles(std::vector<double>(1, 0));
  gpu::launch(atomics, dim3(10), dim3(128), 0, nullptr, ints.data(), words.data(), longs.data(),
              floats.data(), doubles.data());
  constexpr int kSum = kThreads * kLast / 2;
  unsigned parity = 0;
  for (unsigned i = 0; i < kThreads; i++) parity ^= i;
  double wrong = count_different(ints.host(),
                                 {kSum, -kSum, -static_cast<int>(kLast), static_cast<int>(kLast)});
  wrong += count_different(words.host(), {kSum, kThreads % 100, (100 - kThreads % 100) % 100,
                                          0xffffffffu, 0xffff0000u, parity, kLast, 5u, kLast * 3});
  wrong += count_different(longs.host(), {static_cast<unsigned long long>(kSum) << 20,
                                          static_cast<unsigned long long>(kLast) << 33});
  wrong += count_different(floats.host(), {static_cast<float>(kThreads)});
  return wrong + count_different(doubles.host(), {kThreads * 0.5});
}

// Every block leaves its sum; the last to finish adds them up.
__global__ void sum_with_last_block(const float* x, int n, float* partial, unsigned* done,
                                    float* out) {
  __shared__ float part[8];
  __shared__ bool last;
  const int i = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int j = static_cast<int>(blockIdx.x) * 256 + i; j < n;
       j += static_cast<int>(gridDim.x) * 256)
    sum += x[j];
  for (int offset = 16; offset > 0; offset /= 2)
    sum += __shfl_down_sync(gpu::kAllLanes, sum, static_cast<unsigned>(offset));
  if (i % 32 == 0) part[i / 32] = sum;
  __syncthreads();
  if (i == 0) {
    for (int w = 1; w < 8; w++) sum += part[w];
    partial[blockIdx.x] = sum;
    __threadfence();
    last = atomicAdd(done, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && i == 0) {
    __threadfence();
    float total = 0;
    for (unsigned b = 0; b < gridDim.x; b++) total += __ldcg(&partial[b]);
    *out = total;
  }
}

WEFT_SELFTEST(last_block_reduction, 80, 1e-6) {
  const std::vector<float> x = random_floats(100'003, 3);
  double expected = 0;
  std::vector<float> positive;
  for (const float v : x) {
    positive.push_back(std::fabs(v));
    expected += positive.back();
  }
  DeviceBuffer<float> in(positive), partial(20), out(1);
  DeviceBuffer<unsigned> done(std::vector<unsigned>(1, 0));
  gpu::launch(sum_with_last_block, dim3(20), dim3(256), 0, nullptr, in.data(),
              static_cast<int>(x.size()), partial.data(), done.data(), out.data());
  return relative_error(out.host(), {expected});
}

// Warp 0 spins on a flag that the last warp sets.
__global__ void wait_for_flag(unsigned* flag, int* out) {
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) {
    while (atomicAdd(flag, 0u) == 0) __nanosleep(100);
    out[0] = 1;
  } else if (i == 96) {
    atomicExch(flag, 1u);
  }
}

WEFT_SELFTEST(spinning_on_a_flag, 80, 0) {
  DeviceBuffer<unsigned> flag(std::vector<unsigned>(1, 0));
  DeviceBuffer<int> out(1);
  gpu::launch(wait_for_flag, dim3(1), dim3(128), 0, nullptr, flag.data(), out.data());
  return count_different(out.host(), {1});
}

__global__ void single_thread(unsigned* out) {
  const unsigned x = 0x00f0c081u;
  out[0] = static_cast<unsigned>(__popc(x));
  out[1] = static_cast<unsigned>(__clz(static_cast<int>(x)));
  out[2] = static_cast<unsigned>(__ffs(static_cast<int>(x & ~1u)));
  out[3] = __brev(x);
  out[4] = __umulhi(x, 0xdeadbeefu);
  out[5] = __funnelshift_l(x, 0x12345678u, 8);
  out[6] = __float_as_uint(1.5f);
  out[7] = static_cast<unsigned>(__clzll(1ll << 40)) * 100 +
           static_cast<unsigned>(__popcll(0xff00ff00ff00ull));
  const long long begin = clock64();
  out[8] = clock64() >= begin;
  out[9] = __float_as_uint(__fmul_rn(0.1f, 3.0f));
}

WEFT_SELFTEST(single_thread_intrinsics, 80, 0) {
  DeviceBuffer<unsigned> out(10);
  gpu::launch(single_thread, dim3(1), dim3(1), 0, nullptr, out.data());
  const volatile float product = 0.1f * 3.0f;
  const float rounded = product;
  return count_different(
      out.host(),
      {8u, 8u, 8u, 0x81030f00u, static_cast<unsigned>(0x00f0c081ull * 0xdeadbeefull >> 32),
       0x34567800u, 0x3fc00000u, 2324u, 1u, std::bit_cast<unsigned>(rounded)});
}

template <class T, int N>
__global__ void add_vectors(const T* x, T* y) {
  using V = gpu::Vector<T, N>;
  const size_t i = (blockIdx.x * blockDim.x + threadIdx.x) * N;
  const V v = gpu::load_vec<V>(x + i);
  V w;
  UNROLL for (int j = 0; j < N; j++) w[j] = static_cast<T>(v[N - 1 - j] + 1);
  gpu::store_vec(y + i, w);
}

template <class T, int N>
double check_vectors() {
  std::vector<T> in, expected;
  for (int i = 0; i < 256 * N; i++) in.push_back(static_cast<T>(i));
  for (int i = 0; i < 256 * N; i++)
    expected.push_back(static_cast<T>(in[i / N * N + N - 1 - i % N] + 1));
  DeviceBuffer<T> source(in), out(in.size());
  gpu::launch(add_vectors<T, N>, dim3(4), dim3(64), 0, nullptr, source.data(), out.data());
  return count_different(out.host(), expected);
}

WEFT_SELFTEST(vector_accesses, 80, 0) {
  return check_vectors<float, 4>() + check_vectors<double, 2>() + check_vectors<uint16_t, 8>() +
         check_vectors<uint16_t, 2>() + check_vectors<uint8_t, 8>();
}

}  // namespace
}  // namespace weft::WEFT_GPU
