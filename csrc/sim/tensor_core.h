// Matrix fragments, mma.sync and wgmma: what cuda/ptx.h calls when compiled for the simulator.
// Layouts are those of the PTX manual; products are summed in float, in an order of our own.
#pragma once

#include <cstdint>

#include "sim/async_state.h"

namespace weft::simulator {

// ldmatrix and stmatrix of 1, 2 or 4 matrices: lane 8 m + r holds the address of row r of matrix m.
void load_matrix(uint32_t* registers, int count, bool transpose, const void* row);
void store_matrix(void* row, const uint32_t* registers, int count, bool transpose);

// m16n8k16 (bf16, f16) and m16n8k8 (tf32).
void mma(MmaType type, float* d, const uint32_t* a, const uint32_t* b);

void warpgroup_mma_fence();
void warpgroup_mma(MmaType type, float* d, int n, uint64_t a, uint64_t b, bool accumulate,
                   bool a_mn_major, bool b_mn_major);
void warpgroup_mma(MmaType type, float* d, int n, const uint32_t* a, uint64_t b, bool accumulate,
                   bool b_mn_major);
void warpgroup_mma_commit();
// The operands are read here: whoever overwrites them before the wait gets wrong results.
void warpgroup_mma_wait(int keep_groups);

}  // namespace weft::simulator
