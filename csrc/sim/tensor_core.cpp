// ldmatrix, stmatrix and mma.sync: collectives of one warp.
#include "sim/tensor_core.h"

#include <cstring>

#include "sim/block.h"
#include "sim/errors.h"
#include "sim/fragment.h"

namespace weft::simulator {
namespace {

constexpr uint32_t kAllLanes = 0xffffffffu;
constexpr int kRowBytes = 16;

struct MatrixRecord {
  uint32_t* registers;
  unsigned char* row;
  int count;
  bool transpose;
};

// The element `half` of register m of a lane: row and column in its matrix.
struct Place {
  int row, column;
};
Place place_of(int lane, int half, bool transpose) {
  const int along = lane / 4, across = lane % 4 * 2 + half;
  return transpose ? Place{across, along} : Place{along, across};
}

unsigned char* element(void** records, int matrix, Place place) {
  auto* owner = static_cast<MatrixRecord*>(records[matrix * 8 + place.row]);
  return owner->row + place.column * 2;
}

void combine_load(void** records, uint32_t) {
  for (int lane = 0; lane < kWarpLanes; lane++) {
    auto* mine = static_cast<MatrixRecord*>(records[lane]);
    for (int matrix = 0; matrix < mine->count; matrix++) {
      uint16_t halves[2];
      for (int half = 0; half < 2; half++)
        std::memcpy(&halves[half], element(records, matrix, place_of(lane, half, mine->transpose)),
                    sizeof(uint16_t));
      mine->registers[matrix] = halves[0] | static_cast<uint32_t>(halves[1]) << 16;
    }
  }
}

void combine_store(void** records, uint32_t) {
  for (int lane = 0; lane < kWarpLanes; lane++) {
    auto* mine = static_cast<MatrixRecord*>(records[lane]);
    for (int matrix = 0; matrix < mine->count; matrix++) {
      for (int half = 0; half < 2; half++) {
        const uint16_t bits = static_cast<uint16_t>(mine->registers[matrix] >> 16 * half);
        std::memcpy(element(records, matrix, place_of(lane, half, mine->transpose)), &bits,
                    sizeof bits);
      }
    }
  }
}

void require_full_warp(Block& block, const char* name, const void* pc) {
  if (block.alive_lanes(current->warp) != kAllLanes)
    block.fail(cudaErrorIllegalInstruction, std::string(name) + " needs all 32 lanes of the warp",
               pc);
}

// Only the lanes whose addresses are used touch memory.
void check_row(Block& block, const void* row, int count, bool write, const char* name,
               const void* pc) {
  if (current->lane >= count * 8) return;
  if (reinterpret_cast<uintptr_t>(row) % kRowBytes != 0)
    block.fail(cudaErrorMisalignedAddress,
               std::string(name) + ": a row address is not a multiple of 16 bytes", pc);
  if (Observer* watching = observer())
    watching->access({row, kRowBytes, write ? AccessKind::write : AccessKind::read, pc});
}

struct MmaRecord {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

// Rows of a, columns of b, as floats. A register holds `pack` elements; registers 0 and 1 (2 and 3)
// of a differ by 8 rows, and the second half of the registers by half of k.
template <MmaType type>
void combine_mma(void** records, uint32_t) {
  constexpr int k = type == MmaType::tf32 ? 8 : 16, pack = k / 8;
  float a[16][k], b[8][k];
  for (int lane = 0; lane < kWarpLanes; lane++) {
    const auto* mine = static_cast<const MmaRecord*>(records[lane]);
    const int group = lane / 4, column = lane % 4 * pack;
    for (int i = 0; i < pack; i++) {
      for (int r = 0; r < 4; r++)
        a[group + r % 2 * 8][column + r / 2 * 4 * pack + i] = element_of<type>(mine->a[r], i);
      for (int r = 0; r < 2; r++)
        b[group][column + r * 4 * pack + i] = element_of<type>(mine->b[r], i);
    }
  }
  for (int lane = 0; lane < kWarpLanes; lane++) {
    auto* mine = static_cast<MmaRecord*>(records[lane]);
    for (int i = 0; i < 4; i++) {
      const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float sum = 0;
      for (int j = 0; j < k; j++) sum += a[row][j] * b[column][j];
      mine->d[i] += sum;
    }
  }
}

}  // namespace

void load_matrix(uint32_t* registers, int count, bool transpose, const void* row) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  require_full_warp(block, "ldmatrix", pc);
  check_row(block, row, count, false, "ldmatrix", pc);
  MatrixRecord record{registers, static_cast<unsigned char*>(const_cast<void*>(row)), count,
                      transpose};
  block.meet_warp(kAllLanes, combine_load, &record, "ldmatrix", pc);
}

void store_matrix(void* row, const uint32_t* registers, int count, bool transpose) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  require_full_warp(block, "stmatrix", pc);
  check_row(block, row, count, true, "stmatrix", pc);
  MatrixRecord record{const_cast<uint32_t*>(registers), static_cast<unsigned char*>(row), count,
                      transpose};
  block.meet_warp(kAllLanes, combine_store, &record, "stmatrix", pc);
}

void mma(MmaType type, float* d, const uint32_t* a, const uint32_t* b) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  require_full_warp(block, "mma.sync", pc);
  MmaRecord record{d, a, b};
  switch (type) {
    case MmaType::bf16:
      block.meet_warp(kAllLanes, combine_mma<MmaType::bf16>, &record, "mma.sync bf16", pc);
      break;
    case MmaType::f16:
      block.meet_warp(kAllLanes, combine_mma<MmaType::f16>, &record, "mma.sync f16", pc);
      break;
    case MmaType::tf32:
      block.meet_warp(kAllLanes, combine_mma<MmaType::tf32>, &record, "mma.sync tf32", pc);
      break;
  }
}

}  // namespace weft::simulator
