// wgmma: 64xNxk products of a warpgroup, on operands in shared memory.
#include <cstring>
#include <string>
#include <vector>

#include "sim/block.h"
#include "sim/errors.h"
#include "sim/fragment.h"
#include "sim/tensor_core.h"

namespace weft::simulator {
namespace {

constexpr int kRows = 64;
constexpr int kMaxColumns = 256;
constexpr int kMaxK = 16;

// The fields of a matrix descriptor.
struct Descriptor {
  uint32_t address, leading_bytes, stride_bytes;
  int swizzle;

  explicit Descriptor(uint64_t bits)
      : address(static_cast<uint32_t>(bits & 0x3fff) << 4),
        leading_bytes(static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride_bytes(static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4) {
    constexpr int kWidths[] = {0, 128, 64, 32};
    swizzle = kWidths[bits >> 62];
  }
};

// Where element (row, k) lies; a row is one of m or n. ptx_wgmma.h explains the layouts.
uint32_t k_major_address(const Descriptor& d, int row, int k, int element_bytes) {
  const uint32_t along = static_cast<uint32_t>(k * element_bytes);
  uint32_t address = d.address + static_cast<uint32_t>(row / 8) * d.stride_bytes;
  if (d.swizzle == 0)
    return address + static_cast<uint32_t>(row % 8) * 16 + along / 16 * d.leading_bytes +
           along % 16;
  address += static_cast<uint32_t>(row % 8 * d.swizzle) + along;
  return swizzle_address(address, d.swizzle);
}

uint32_t mn_major_address(const Descriptor& d, int row, int k, int element_bytes) {
  if (d.swizzle == 0) {
    const int per_unit = 16 / element_bytes;
    return d.address + static_cast<uint32_t>(row / per_unit) * d.stride_bytes +
           static_cast<uint32_t>(row % per_unit * element_bytes + k % 8 * 16) +
           static_cast<uint32_t>(k / 8) * d.leading_bytes;
  }
  const int per_atom = d.swizzle / element_bytes;
  const uint32_t address = d.address + static_cast<uint32_t>(row / per_atom) * d.leading_bytes +
                           static_cast<uint32_t>(row % per_atom * element_bytes) +
                           static_cast<uint32_t>(k % 8 * d.swizzle) +
                           static_cast<uint32_t>(k / 8) * d.stride_bytes;
  return swizzle_address(address, d.swizzle);
}

int k_of(MmaType type) { return type == MmaType::tf32 ? 8 : 16; }
int bytes_of(MmaType type) { return type == MmaType::tf32 ? 4 : 2; }

float read_element(MmaType type, uint32_t address) {
  uint32_t word = 0;
  std::memcpy(&word, shared_pointer(address), static_cast<size_t>(bytes_of(type)));
  switch (type) {
    case MmaType::bf16: return element_of<MmaType::bf16>(word, 0);
    case MmaType::f16: return element_of<MmaType::f16>(word, 0);
    case MmaType::tf32: return element_of<MmaType::tf32>(word, 0);
  }
  return 0;
}

using Operand = float (*)[kMaxK];

// Reads an operand of `rows` rows. The observer hears of every 16-byte unit once.
void read_operand(Block& block, const WarpgroupMma& mma, uint64_t bits, bool mn_major, int rows,
                  Operand values) {
  const Descriptor descriptor(bits);
  const int bytes = bytes_of(mma.type);
  Observer* const watching = observer();
  for (int row = 0; row < rows; row++) {
    for (int k = 0; k < k_of(mma.type); k++) {
      const uint32_t address = mn_major ? mn_major_address(descriptor, row, k, bytes)
                                        : k_major_address(descriptor, row, k, bytes);
      if (address + static_cast<uint32_t>(bytes) > kMaxSharedBytes)
        block.fail(cudaErrorIllegalAddress, "wgmma: an operand lies outside of shared memory",
                   mma.pc);
      if (watching != nullptr && address % 16 == 0)
        watching->access({shared_pointer(address), 16, AccessKind::read, mma.pc, true});
      values[row][k] = read_element(mma.type, address);
    }
  }
}

struct WaitRecord {
  OperationGroups<WarpgroupMma>* mmas;
};

WarpgroupMma& issued(void** records, int thread, size_t which) {
  return static_cast<WaitRecord*>(records[thread])->mmas->begin()[which];
}

float fragment_element(MmaType type, uint32_t word, int half) {
  switch (type) {
    case MmaType::bf16: return element_of<MmaType::bf16>(word, half);
    case MmaType::f16: return element_of<MmaType::f16>(word, half);
    case MmaType::tf32: return element_of<MmaType::tf32>(word, half);
  }
  return 0;
}

// Fragments as mma.sync has them, 16 rows per warp.
void read_register_operand(void** records, size_t which, const WarpgroupMma& first,
                           Operand values) {
  const int pack = k_of(first.type) / 8;
  for (int thread = 0; thread < kWarpgroupThreads; thread++) {
    const WarpgroupMma& mine = issued(records, thread, which);
    const int lane = thread % kWarpLanes;
    for (int r = 0; r < 4; r++) {
      const int row = thread / kWarpLanes * 16 + lane / 4 + r % 2 * 8;
      for (int i = 0; i < pack; i++)
        values[row][lane % 4 * pack + r / 2 * 4 * pack + i] =
            fragment_element(first.type, mine.a_fragment[r], i);
    }
  }
}

// One instruction must be the same for all 128 threads.
void check_uniform(Block& block, void** records, size_t which) {
  const WarpgroupMma& first = issued(records, 0, which);
  for (int thread = 1; thread < kWarpgroupThreads; thread++) {
    const WarpgroupMma& other = issued(records, thread, which);
    if (other.n != first.n || other.type != first.type || other.accumulate != first.accumulate ||
        other.b_descriptor != first.b_descriptor || other.a_in_registers != first.a_in_registers ||
        (!first.a_in_registers && other.a_descriptor != first.a_descriptor))
      block.fail(cudaErrorIllegalInstruction,
                 "wgmma: thread " + std::to_string(thread) +
                     " of the warpgroup gives another shape or descriptor than thread 0",
                 other.pc);
  }
}

void perform(Block& block, void** records, size_t which) {
  check_uniform(block, records, which);
  const WarpgroupMma& first = issued(records, 0, which);
  // Too large for a fiber's stack.
  static thread_local float a[kRows][kMaxK], b[kMaxColumns][kMaxK];
  if (first.a_in_registers)
    read_register_operand(records, which, first, a);
  else
    read_operand(block, first, first.a_descriptor, first.a_mn_major, kRows, a);
  read_operand(block, first, first.b_descriptor, first.b_mn_major, first.n, b);
  const int k = k_of(first.type);
  for (int thread = 0; thread < kWarpgroupThreads; thread++) {
    float* const d = issued(records, thread, which).accumulators;
    const int lane = thread % kWarpLanes;
    for (int i = 0; i < first.n / 2; i++) {
      const int row = thread / kWarpLanes * 16 + lane / 4 + (i >> 1 & 1) * 8;
      const int column = i / 4 * 8 + lane % 4 * 2 + (i & 1);
      float sum = 0;
      for (int j = 0; j < k; j++) sum += a[row][j] * b[column][j];
      d[i] = first.accumulate ? d[i] + sum : sum;
    }
  }
}

void combine_wait(void** records) {
  Block& block = Block::running();
  const size_t count = static_cast<WaitRecord*>(records[0])->mmas->front_size();
  for (int thread = 1; thread < kWarpgroupThreads; thread++)
    if (static_cast<WaitRecord*>(records[thread])->mmas->front_size() != count)
      block.fail(cudaErrorIllegalInstruction,
                 "wgmma: threads of one warpgroup committed different numbers of instructions",
                 nullptr);
  for (size_t which = 0; which < count; which++) perform(block, records, which);
}

void issue(WarpgroupMma mma) {
  SimulatorCall call;
  Block& block = call.block();
  const int group = current->linear / kWarpgroupThreads;
  if ((group + 1) * kWarpgroupThreads > block.thread_count())
    block.fail(cudaErrorIllegalInstruction, "wgmma needs a full warpgroup of 128 threads", mma.pc);
  Block::self().pending().mmas.add(mma);
}

}  // namespace

void warpgroup_mma_fence() {}

void warpgroup_mma(MmaType type, float* d, int n, uint64_t a, uint64_t b, bool accumulate,
                   bool a_mn_major, bool b_mn_major) {
  WarpgroupMma mma{};
  mma.accumulators = d;
  mma.n = n;
  mma.type = type;
  mma.accumulate = accumulate;
  mma.a_mn_major = a_mn_major;
  mma.b_mn_major = b_mn_major;
  mma.a_descriptor = a;
  mma.b_descriptor = b;
  mma.pc = __builtin_return_address(0);
  issue(mma);
}

void warpgroup_mma(MmaType type, float* d, int n, const uint32_t* a, uint64_t b, bool accumulate,
                   bool b_mn_major) {
  WarpgroupMma mma{};
  mma.accumulators = d;
  mma.n = n;
  mma.type = type;
  mma.a_in_registers = true;
  mma.accumulate = accumulate;
  mma.b_mn_major = b_mn_major;
  mma.b_descriptor = b;
  std::memcpy(mma.a_fragment, a, sizeof mma.a_fragment);
  mma.pc = __builtin_return_address(0);
  issue(mma);
}

void warpgroup_mma_commit() { SimulatorCall().thread().pending().mmas.commit(); }

void warpgroup_mma_wait(int keep_groups) {
  const void* pc = __builtin_return_address(0);
  SimulatorCall call;
  Block& block = call.block();
  OperationGroups<WarpgroupMma>& mmas = Block::self().pending().mmas;
  while (mmas.committed() > static_cast<size_t>(keep_groups)) {
    WaitRecord record{&mmas};
    block.meet_warpgroup(combine_wait, &record, "wgmma.wait_group", pc);
    mmas.retire(mmas.committed() - 1, [](const WarpgroupMma&) {});
  }
}

}  // namespace weft::simulator
