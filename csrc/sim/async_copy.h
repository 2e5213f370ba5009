// Asynchronous copies: cp.async, mbarriers, TMA tiles and bulk copies. What cuda/ptx.h calls when
// it is compiled for the simulator.
//
// Completion is as late as the program allows: cp.async lands when its group is waited for, TMA
// loads land when no thread can go on without them. A seeded run also lets them land early. So a
// kernel that forgets to wait reads what was there before.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/tensor_map.h"

namespace weft::simulator {

class Block;

// Copies source_bytes and fills up to `bytes` (4, 8 or 16) with zeros.
void copy_async(void* shared, const void* global, int bytes, int source_bytes);
void copy_async_commit();
void copy_async_wait(int keep_groups);
void copy_async_wait_all();  // committed or not

void mbarrier_init(uint64_t* barrier, uint32_t count);
void mbarrier_invalidate(uint64_t* barrier);
void mbarrier_arrive(uint64_t* barrier, uint32_t count = 1);
void mbarrier_arrive_expect_bytes(uint64_t* barrier, uint32_t bytes);
void mbarrier_expect_bytes(uint64_t* barrier, uint32_t bytes);
// Waits until the phase of this parity has completed.
void mbarrier_wait(uint64_t* barrier, uint32_t parity);
bool mbarrier_test(uint64_t* barrier, uint32_t parity);

void tile_load(void* shared, const TensorMap* map, uint64_t* barrier, const int32_t* coordinates,
               int rank);
void tile_store(const TensorMap* map, const void* shared, const int32_t* coordinates, int rank);
void bulk_load(void* shared, const void* global, uint32_t bytes, uint64_t* barrier);
void bulk_store(void* global, const void* shared, uint32_t bytes);
void bulk_commit();
// The sources of all but the newest groups have been read, and (unless read_only) written.
void bulk_wait(int keep_groups, bool read_only);

void proxy_fence();

// For the scheduler.
void land_bulk_load(Block& block, size_t which);
void complete_transaction(Block& block, uint64_t* barrier, size_t bytes);
void finish_bulk_stores(Block& block);

}  // namespace weft::simulator
