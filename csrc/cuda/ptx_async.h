// mbarriers, TMA, bulk copies and proxy fences (sm_90a). Part of ptx.h.
#pragma once

#include "cuda/tensor_map.h"

namespace weft::ptx {
inline namespace WEFT_GPU {

#ifdef __CUDACC__

#ifdef WEFT_SM90A
#define WEFT_PTX_90(...) asm volatile(__VA_ARGS__)
#else
#define WEFT_PTX_90(...) __trap()
#endif

// ---- mbarrier: a 64-bit word in shared memory
// ----------------------------------------------------

WEFT_PTX void mbarrier_init(uint64_t* barrier, uint32_t count) {
  WEFT_PTX_90("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
              "r"(count) : "memory");
}
WEFT_PTX void mbarrier_invalidate(uint64_t* barrier) {
  WEFT_PTX_90("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(shared_address(barrier)) : "memory");
}
// Makes the initialisation visible to TMA: by the thread that did it, before __syncthreads.
WEFT_PTX void fence_mbarrier_init() {
  WEFT_PTX_90("fence.mbarrier_init.release.cluster;" :: : "memory");
}
WEFT_PTX void mbarrier_arrive(uint64_t* barrier) {
  WEFT_PTX_90("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
// Arrives, and announces bytes that copies will bring in this phase.
WEFT_PTX void mbarrier_arrive_expect_bytes(uint64_t* barrier, uint32_t bytes) {
  WEFT_PTX_90(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes) : "memory");
}
WEFT_PTX void mbarrier_expect_bytes(uint64_t* barrier, uint32_t bytes) {
  WEFT_PTX_90(
      "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
      "r"(bytes) : "memory");
}
// Whether the phase of this parity has completed; may wait for a while.
WEFT_PTX bool mbarrier_try_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t done = 0;
  WEFT_PTX_90(
      "{\n"
      ".reg .pred p;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}" : "=r"(done) : "r"(shared_address(barrier)),
      "r"(parity) : "memory");
  return done != 0;
}
WEFT_PTX bool mbarrier_test_wait(uint64_t* barrier, uint32_t parity) {
  uint32_t done = 0;
  WEFT_PTX_90(
      "{\n"
      ".reg .pred p;\n"
      "mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}" : "=r"(done) : "r"(shared_address(barrier)),
      "r"(parity) : "memory");
  return done != 0;
}
// Until the phase of this parity has completed. A barrier starts in phase 0, so a wait for parity 1
// falls through at first.
WEFT_PTX void mbarrier_wait(uint64_t* barrier, uint32_t parity) {
  while (!mbarrier_try_wait(barrier, parity)) {
  }
}

// Between writes to shared memory by threads and reads of it by TMA stores or wgmma.
WEFT_PTX void fence_proxy_async() { WEFT_PTX_90("fence.proxy.async.shared::cta;" :: : "memory"); }

// ---- TMA tiles: coordinates count elements, dimension 0 (contiguous) first
// -----------------------

#define WEFT_TMA_LOAD(dimensions, indices, ...)                                                \
  WEFT_PTX_90("cp.async.bulk.tensor." dimensions                                               \
              ".shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {" indices \
              "}], [%2];" ::"r"(shared_address(shared)),                                       \
              "l"(map), "r"(shared_address(barrier)), __VA_ARGS__ : "memory")
WEFT_PTX void tma_load_1d(void* shared, const TensorMap* map, uint64_t* barrier, int c0) {
  WEFT_TMA_LOAD("1d", "%3", "r"(c0));
}
WEFT_PTX void tma_load_2d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1) {
  WEFT_TMA_LOAD("2d", "%3, %4", "r"(c0), "r"(c1));
}
WEFT_PTX void tma_load_3d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1,
                          int c2) {
  WEFT_TMA_LOAD("3d", "%3, %4, %5", "r"(c0), "r"(c1), "r"(c2));
}
WEFT_PTX void tma_load_4d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1,
                          int c2, int c3) {
  WEFT_TMA_LOAD("4d", "%3, %4, %5, %6", "r"(c0), "r"(c1), "r"(c2), "r"(c3));
}
WEFT_PTX void tma_load_5d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1,
                          int c2, int c3, int c4) {
  WEFT_TMA_LOAD("5d", "%3, %4, %5, %6, %7", "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4));
}
#undef WEFT_TMA_LOAD

#define WEFT_TMA_STORE(dimensions, indices, ...)                                           \
  WEFT_PTX_90("cp.async.bulk.tensor." dimensions                                           \
              ".global.shared::cta.tile.bulk_group [%0, {" indices "}], [%1];" ::"l"(map), \
              "r"(shared_address(shared)), __VA_ARGS__ : "memory")
WEFT_PTX void tma_store_1d(const TensorMap* map, const void* shared, int c0) {
  WEFT_TMA_STORE("1d", "%2", "r"(c0));
}
WEFT_PTX void tma_store_2d(const TensorMap* map, const void* shared, int c0, int c1) {
  WEFT_TMA_STORE("2d", "%2, %3", "r"(c0), "r"(c1));
}
WEFT_PTX void tma_store_3d(const TensorMap* map, const void* shared, int c0, int c1, int c2) {
  WEFT_TMA_STORE("3d", "%2, %3, %4", "r"(c0), "r"(c1), "r"(c2));
}
WEFT_PTX void tma_store_4d(const TensorMap* map, const void* shared, int c0, int c1, int c2,
                           int c3) {
  WEFT_TMA_STORE("4d", "%2, %3, %4, %5", "r"(c0), "r"(c1), "r"(c2), "r"(c3));
}
WEFT_PTX void tma_store_5d(const TensorMap* map, const void* shared, int c0, int c1, int c2, int c3,
                           int c4) {
  WEFT_TMA_STORE("5d", "%2, %3, %4, %5, %6", "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4));
}
#undef WEFT_TMA_STORE

WEFT_PTX void prefetch_tensor_map(const TensorMap* map) {
  WEFT_PTX_90("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// ---- runs of bytes: addresses and size are multiples of 16
// ---------------------------------------

WEFT_PTX void bulk_load(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  WEFT_PTX_90(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, "
      "[%3];" ::"r"(shared_address(shared)),
      "l"(global), "r"(bytes), "r"(shared_address(barrier)) : "memory");
}
WEFT_PTX void bulk_store(void* global, const void* shared, uint32_t bytes) {
  WEFT_PTX_90("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(global),
              "r"(shared_address(shared)), "r"(bytes) : "memory");
}
// Stores, of tiles and of runs, complete in groups, of the thread that issued them.
WEFT_PTX void bulk_commit() { WEFT_PTX_90("cp.async.bulk.commit_group;" :: : "memory"); }
template <int keep>
WEFT_PTX void bulk_wait() {
  WEFT_PTX_90("cp.async.bulk.wait_group %0;" ::"n"(keep) : "memory");
}
// Until their shared memory has been read and may be written again.
template <int keep>
WEFT_PTX void bulk_wait_read() {
  WEFT_PTX_90("cp.async.bulk.wait_group.read %0;" ::"n"(keep) : "memory");
}

// ---- registers and dependent launches
// ------------------------------------------------------------

template <int registers>
WEFT_PTX void decrease_registers() {
  WEFT_PTX_90("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
WEFT_PTX void increase_registers() {
  WEFT_PTX_90("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}

// ---- 8x8 matrices of 16-bit elements, from registers to shared memory
// ----------------------------

WEFT_PTX void stmatrix(void* row, const uint32_t (&r)[1]) {
  WEFT_PTX_90("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%0], {%1};" ::"r"(shared_address(row)),
              "r"(r[0]) : "memory");
}
WEFT_PTX void stmatrix(void* row, const uint32_t (&r)[2]) {
  WEFT_PTX_90("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(shared_address(row)),
              "r"(r[0]), "r"(r[1]) : "memory");
}
WEFT_PTX void stmatrix(void* row, const uint32_t (&r)[4]) {
  WEFT_PTX_90(
      "stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared_address(row)),
      "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}
WEFT_PTX void stmatrix_trans(void* row, const uint32_t (&r)[4]) {
  WEFT_PTX_90("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(
                  shared_address(row)),
              "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}
#undef WEFT_PTX_90

#else  // simulated

using simulator::mbarrier_arrive_expect_bytes;
using simulator::mbarrier_expect_bytes;
using simulator::mbarrier_init;
using simulator::mbarrier_invalidate;
using simulator::mbarrier_wait;
WEFT_PTX void mbarrier_arrive(uint64_t* barrier) { simulator::mbarrier_arrive(barrier); }
WEFT_PTX void fence_mbarrier_init() { simulator::proxy_fence(); }
WEFT_PTX void fence_proxy_async() { simulator::proxy_fence(); }
WEFT_PTX bool mbarrier_try_wait(uint64_t* barrier, uint32_t parity) {
  simulator::mbarrier_wait(barrier, parity);  // it may wait for any time
  return true;
}
WEFT_PTX bool mbarrier_test_wait(uint64_t* barrier, uint32_t parity) {
  return simulator::mbarrier_test(barrier, parity);
}

WEFT_PTX void tma_load_1d(void* shared, const TensorMap* map, uint64_t* barrier, int c0) {
  const int32_t at[] = {c0};
  simulator::tile_load(shared, map, barrier, at, 1);
}
WEFT_PTX void tma_load_2d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1) {
  const int32_t at[] = {c0, c1};
  simulator::tile_load(shared, map, barrier, at, 2);
}
WEFT_PTX void tma_load_3d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1,
                          int c2) {
  const int32_t at[] = {c0, c1, c2};
  simulator::tile_load(shared, map, barrier, at, 3);
}
WEFT_PTX void tma_load_4d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1,
                          int c2, int c3) {
  const int32_t at[] = {c0, c1, c2, c3};
  simulator::tile_load(shared, map, barrier, at, 4);
}
WEFT_PTX void tma_load_5d(void* shared, const TensorMap* map, uint64_t* barrier, int c0, int c1,
                          int c2, int c3, int c4) {
  const int32_t at[] = {c0, c1, c2, c3, c4};
  simulator::tile_load(shared, map, barrier, at, 5);
}
WEFT_PTX void tma_store_1d(const TensorMap* map, const void* shared, int c0) {
  const int32_t at[] = {c0};
  simulator::tile_store(map, shared, at, 1);
}
WEFT_PTX void tma_store_2d(const TensorMap* map, const void* shared, int c0, int c1) {
  const int32_t at[] = {c0, c1};
  simulator::tile_store(map, shared, at, 2);
}
WEFT_PTX void tma_store_3d(const TensorMap* map, const void* shared, int c0, int c1, int c2) {
  const int32_t at[] = {c0, c1, c2};
  simulator::tile_store(map, shared, at, 3);
}
WEFT_PTX void tma_store_4d(const TensorMap* map, const void* shared, int c0, int c1, int c2,
                           int c3) {
  const int32_t at[] = {c0, c1, c2, c3};
  simulator::tile_store(map, shared, at, 4);
}
WEFT_PTX void tma_store_5d(const TensorMap* map, const void* shared, int c0, int c1, int c2, int c3,
                           int c4) {
  const int32_t at[] = {c0, c1, c2, c3, c4};
  simulator::tile_store(map, shared, at, 5);
}
WEFT_PTX void prefetch_tensor_map(const TensorMap*) {}

using simulator::bulk_commit;
using simulator::bulk_load;
using simulator::bulk_store;
template <int keep>
WEFT_PTX void bulk_wait() {
  simulator::bulk_wait(keep, false);
}
template <int keep>
WEFT_PTX void bulk_wait_read() {
  simulator::bulk_wait(keep, true);
}

template <int registers>
WEFT_PTX void decrease_registers() {}
template <int registers>
WEFT_PTX void increase_registers() {}

template <int count>
WEFT_PTX void stmatrix(void* row, const uint32_t (&r)[count]) {
  simulator::store_matrix(row, r, count, false);
}
template <int count>
WEFT_PTX void stmatrix_trans(void* row, const uint32_t (&r)[count]) {
  simulator::store_matrix(row, r, count, true);
}

#endif

}  // namespace WEFT_GPU
}  // namespace weft::ptx
