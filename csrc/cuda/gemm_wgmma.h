// Tiles of a matrix product on Hopper's tensor cores: wgmma with operands that the copy engine
// (TMA) brings into a ring of shared memory, 128 bytes of k a step.
//
// The labour is divided. Two warpgroups multiply 64 rows each; every one keeps one wgmma group
// under way, and gives a stage of the ring back when the group after it has been started. One more
// thread does nothing but start copies: it waits until a stage is empty, announces the bytes to the
// stage's "full" mbarrier and lets two or more boxes of the operands come. With the large tile it
// has a warpgroup to itself, whose registers go to the other two (setmaxnreg); with the small one a
// warp, because 112 registers for all leave room for a second block: one writes while one
// multiplies. Blocks stay on their multiprocessor and take one tile after the other, so that the
// ring fills for the next tile while results of this one are written.
//
//   tile     of a warpgroup  sums  ring, 64 halves of k  writing  threads  blocks per SM (227 KB)
//   128x256  64x256          128   4 x 48 KB             16 KB    384      1
//   128x128  64x128          64    3 x 32 KB             16 KB    288      2
//
// A multiprocessor does 2048 multiply-adds of halves per cycle (990 TFLOP/s on 132 of them), so a
// step of 128x256x64 takes 1024 cycles. Its 48 KB come at 48 bytes per cycle; wgmma reads them as
// 2 x 4 x (2 KB of a + 8 KB of b), 80 bytes per cycle: shared memory, 128 bytes per cycle, is just
// fast enough. Tiles of 128x128 need 64 + 96 bytes per cycle and reach 80 %: they are for results
// that would leave multiprocessors idle with the larger ones. 64x256 per warpgroup, not 128x128,
// because b is read once for 64 rows and a, which is the smaller, twice. For L2, which gives about
// 40 bytes per cycle and multiprocessor, the 48 are too many: the expected bound is 80 % of the
// tensor cores; clusters that share copies would lift it. tf32 has half the elements in the same
// bytes at half the speed: the same numbers.
//
// What lies outside of the matrices arrives as zeros, so edges cost nothing but their part of a
// tile. The copy engine rounds floats to tf32 on their way; the simulated one leaves them as they
// are, and wgmma cuts off the low bits.
#pragma once

#include "cuda/gemm_mma.h"

namespace weft::WEFT_GPU {

// What a kernel of wgmma tiles knows beyond `GemmArguments`, whose batch has packed coordinates of
// the tensor maps instead of offsets for a and b.
struct WgmmaArguments {
  ptx::TensorMap a, b;
  GemmArguments gemm;
  bool several_axes_a, several_axes_b;  // of the batch: a map of 5 dimensions instead of 3
  uint32_t splits, tiles;               // tiles: of all products and splits
};

constexpr int kPackedBits = 20;  // of one of three coordinates
constexpr int kMaxBatchAxes = 3;

// One operand's part of a stage as TMA leaves it: rows of 128 bytes, 16-byte units permuted within
// 8 rows. A row is either the k of one m (or n), or 128 bytes along m (or n) of one k; the latter
// fill as many panels, one after the other, as the tile is wide.
template <class T, int kOuter_, Contiguous kAxis_>
struct WgmmaTile {
  static constexpr bool kAlongK = kAxis_ == Contiguous::k;
  static constexpr ptx::Major kMajor = kAlongK ? ptx::Major::k : ptx::Major::mn;
  static constexpr int kOuter = kOuter_, kElement = sizeof(typename MmaElement<T>::Stored);
  static constexpr int kDepth = kStepBytes / kElement, kStep = ptx::MmaShape<T>::k;
  static constexpr int kPanel = kAlongK ? kOuter : kStepBytes / kElement;  // of m or n in one box
  static constexpr int kBytes = kOuter * kStepBytes, kPanels = kOuter / kPanel;
  static constexpr int kPanelBytes = kBytes / kPanels;
  static_assert(kAlongK || MmaElement<T>::kHalf, "wgmma multiplies tf32 along k only");

  // From m or n = `outer` and `k` on. `batch`: packed coordinates.
  static __device__ __forceinline__ void load(unsigned char* tile, const ptx::TensorMap& map,
                                              uint64_t* full, int outer, int k, int64_t batch,
                                              bool several_axes) {
    constexpr int64_t kMask = (int64_t{1} << kPackedBits) - 1;
    UNROLL for (int p = 0; p < kPanels; p++) {
      unsigned char* const panel = tile + p * kPanelBytes;
      const int x = kAlongK ? k : outer + p * kPanel, y = kAlongK ? outer : k;
      if (several_axes)
        ptx::tma_load_5d(panel, &map, full, x, y, static_cast<int>(batch & kMask),
                         static_cast<int>(batch >> kPackedBits & kMask),
                         static_cast<int>(batch >> 2 * kPackedBits));
      else
        ptx::tma_load_3d(panel, &map, full, x, y, static_cast<int>(batch));
    }
  }

  // Of the first k-step of the rows from `outer`, a multiple of 64, on.
  static __device__ __forceinline__ uint64_t descriptor(const unsigned char* tile, int outer) {
    constexpr uint32_t kEightRows = 8 * kStepBytes;
    const unsigned char* const start =
        tile + (kAlongK ? outer * kStepBytes : outer / kPanel * kPanelBytes);
    return ptx::wgmma_descriptor(start, ptx::Swizzle::bytes128, kAlongK ? 16 : kPanelBytes,
                                 kEightRows);
  }
  // From one k-step's descriptor to the next: they count 16 bytes.
  static constexpr uint64_t kNextStep = (kAlongK ? kStep * kElement : kStep * kStepBytes) / 16;
};

template <class T_, int kTileN_, Contiguous kAxisA, Contiguous kAxisB>
struct WgmmaShape {
  using T = T_;
  static constexpr int kTileM = 128, kTileN = kTileN_, kRows = 64;  // kRows: of a warpgroup
  using TileA = WgmmaTile<T, kTileM, kAxisA>;
  using TileB = WgmmaTile<T, kTileN, kAxisB>;
  static constexpr int kWarpgroup = 128, kConsumers = kTileM / kRows;
  static constexpr bool kLarge = kTileN == 256;
  static constexpr int kProducer = kConsumers * kWarpgroup;  // the first thread after those
  static constexpr int kThreads = kProducer + (kLarge ? kWarpgroup : gpu::kWarp);
  static constexpr int kSums = kRows * kTileN / kWarpgroup;
  static constexpr int kBlocksPerSm = kLarge ? 1 : 2, kStages = kLarge ? 4 : 3;
  // Of the large tile: 128 * 40 + 256 * 232 are 384 * 168, with which a block starts.
  static constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;

  // Every warp writes 16 rows of 32 sums to shared memory and reads them as whole rows.
  static constexpr int kWriteColumns = 32, kWriteBytes = 16 * kWriteColumns * 4;
  static constexpr int kWriting = kStages * kStageBytes;  // where
  static constexpr int kBarriers = kWriting + kProducer / gpu::kWarp * kWriteBytes;
  static constexpr int kSharedBytes = kBarriers + 2 * kStages * 8;
};

// Where a thread is in the ring; a stage's barriers alternate between two phases.
template <class Shape>
class WgmmaRing {
 public:
  __device__ explicit WgmmaRing(unsigned char* shared)
      : shared_(shared), full_(reinterpret_cast<uint64_t*>(shared + Shape::kBarriers)) {}

  __device__ void initialize() const {
    for (int s = 0; s < Shape::kStages; s++) {
      ptx::mbarrier_init(full_ + s, 1);
      ptx::mbarrier_init(full_ + Shape::kStages + s, Shape::kConsumers);
    }
    ptx::fence_mbarrier_init();
  }
  __device__ __forceinline__ void advance() {
    if (++stage_ < Shape::kStages) return;
    stage_ = 0;
    phase_ ^= 1u;
  }
  __device__ __forceinline__ int stage() const { return stage_; }
  __device__ __forceinline__ unsigned char* a() const {
    return shared_ + stage_ * Shape::kStageBytes;
  }
  __device__ __forceinline__ unsigned char* b() const { return a() + Shape::TileA::kBytes; }
  __device__ __forceinline__ uint64_t* full() const { return full_ + stage_; }
  __device__ __forceinline__ uint64_t* empty(int stage) const {
    return full_ + Shape::kStages + stage;
  }
  __device__ __forceinline__ void wait_full() const { ptx::mbarrier_wait(full(), phase_); }
  // All stages are empty at first.
  __device__ __forceinline__ void wait_empty() const {
    ptx::mbarrier_wait(empty(stage_), phase_ ^ 1u);
  }

 private:
  unsigned char* shared_;
  uint64_t* full_;
  int stage_ = 0;
  uint32_t phase_ = 0;
};

// What one number stands for: a tile of a split of a product.
struct WgmmaPart {
  TileOrigin origin;
  uint32_t split, product;
  int k_begin, k_end;
};
template <class Shape>
__device__ __forceinline__ WgmmaPart wgmma_part(const WgmmaArguments& w, uint32_t number) {
  // 16 x 8 tiles of 128x256 have as many rows as columns.
  constexpr unsigned kGroup = Shape::kLarge ? 16 : 8;
  const GemmArguments& g = w.gemm;
  const uint32_t of_split = static_cast<uint32_t>(g.tiles_m) * static_cast<uint32_t>(g.tiles_n);
  const uint32_t rest = number / of_split;
  WgmmaPart part;
  part.origin = tile_origin(number - rest * of_split, g.tiles_m, g.tiles_n, Shape::kTileM,
                            Shape::kTileN, kGroup);
  part.product = rest / w.splits;
  part.split = rest - part.product * w.splits;
  part.k_begin = static_cast<int>(part.split) * g.k_per_split;
  part.k_end = g.k - part.k_begin < g.k_per_split ? g.k : part.k_begin + g.k_per_split;
  return part;
}

// One thread: copies for all tiles of the block, as far ahead as the ring reaches.
template <class Shape>
__device__ __forceinline__ void wgmma_produce(const WgmmaArguments& w, WgmmaRing<Shape> ring) {
  ptx::prefetch_tensor_map(&w.a);
  ptx::prefetch_tensor_map(&w.b);
  for (uint32_t number = blockIdx.x; number < w.tiles; number += gridDim.x) {
    const WgmmaPart part = wgmma_part<Shape>(w, number);
    int64_t at[3];
    w.gemm.batch.offsets(w.gemm.first_product + part.product, at);
    _Pragma("unroll 1") for (int k = part.k_begin; k < part.k_end; k += Shape::TileA::kDepth) {
      ring.wait_empty();
      ptx::mbarrier_arrive_expect_bytes(ring.full(), Shape::kStageBytes);
      Shape::TileA::load(ring.a(), w.a, ring.full(), part.origin.row, k, at[0], w.several_axes_a);
      Shape::TileB::load(ring.b(), w.b, ring.full(), part.origin.column, k, at[1],
                         w.several_axes_b);
      ring.advance();
    }
  }
}

// A warpgroup: sums = a[64 rows, k_begin..k_end] * b.
template <class Shape>
__device__ __forceinline__ void wgmma_main_loop(WgmmaRing<Shape>& ring, int k_begin, int k_end,
                                                float (&sums)[Shape::kSums]) {
  using TileA = typename Shape::TileA;
  using TileB = typename Shape::TileB;
  const int thread = static_cast<int>(threadIdx.x) % Shape::kWarpgroup;
  const int row = static_cast<int>(threadIdx.x) / Shape::kWarpgroup * Shape::kRows;
  UNROLL for (int i = 0; i < Shape::kSums; i++) sums[i] = 0;
  int before = -1;  // the stage that the wgmma group under way reads
  _Pragma("unroll 1") for (int k = k_begin; k < k_end; k += TileA::kDepth) {
    ring.wait_full();
    const uint64_t a = TileA::descriptor(ring.a(), row), b = TileB::descriptor(ring.b(), 0);
    ptx::hold_registers(sums);
    ptx::wgmma_fence();
    UNROLL for (int s = 0; s < TileA::kDepth / TileA::kStep; s++)
        ptx::wgmma<Shape::kTileN, typename Shape::T, TileA::kMajor, TileB::kMajor>(
            sums, a + s * TileA::kNextStep, b + s * TileB::kNextStep);
    ptx::wgmma_commit();
    ptx::hold_registers(sums);
    ptx::wgmma_wait<1>();
    if (before >= 0 && thread == 0) ptx::mbarrier_arrive(ring.empty(before));
    before = ring.stage();
    ring.advance();
  }
  ptx::wgmma_wait<0>();
  ptx::hold_registers(sums);
  if (before >= 0 && thread == 0) ptx::mbarrier_arrive(ring.empty(before));
}

// A warp's 16 rows. The fragments of wgmma give a lane pairs of columns; through shared memory, 32
// columns at a time, lanes get 4 neighbours and 8 of them a row, so that whole sectors are written.
// Rows there are permuted as TMA would do it, by units of 16 bytes, against bank conflicts.
// `row_of(row)` is the address of a row's column 0 in memory, null where there is no such row.
template <class Shape, class C, class RowOf>
__device__ __forceinline__ void wgmma_store(const Epilogue<C, float>& epilogue, const RowOf& row_of,
                                            int column, const float (&sums)[Shape::kSums],
                                            unsigned char* writing) {
  constexpr int kColumns = Shape::kWriteColumns, kRowBytes = kColumns * 4;
  const int lane = static_cast<int>(threadIdx.x) % gpu::kWarp;
  UNROLL for (int first = 0; first < Shape::kTileN; first += kColumns) {
    if (column + first >= epilogue.n) return;
    UNROLL for (int j = 0; j < kColumns / 8; j++) {
      UNROLL for (int h = 0; h < 2; h++) {
        const int i = first / 2 + j * 4 + h * 2;
        const int unit = (j * 2 + lane % 4 / 2) ^ lane / 4 % 4 * 2;
        gpu::store_vec(writing + (lane / 4 + h * 8) * kRowBytes + unit * kUnit + lane % 2 * 8,
                       gpu::Vector<float, 2>{{sums[i], sums[i + 1]}});
      }
    }
    __syncwarp();
    _Pragma("unroll 1") for (int r = lane / 8; r < 16; r += 4) {
      const int unit = lane % 8 ^ r % 4 * 2;
      const auto four =
          gpu::load_vec<gpu::Vector<float, 4>>(writing + r * kRowBytes + unit * kUnit);
      if (C* const to = row_of(r); to != nullptr)
        epilogue.store_row(to, column + first + lane % 8 * 4, four.values);
    }
    __syncwarp();
  }
}

template <class Shape, class C>
__device__ __forceinline__ void wgmma_store_matrix(const Epilogue<C, float>& epilogue, int row,
                                                   int column, const float (&sums)[Shape::kSums],
                                                   unsigned char* writing) {
  if (row < epilogue.m)
    wgmma_store<Shape>(epilogue, MatrixRows<C>{epilogue, row}, column, sums, writing);
}

// A warpgroup: half of every tile of the block.
template <class Shape>
__device__ __forceinline__ void wgmma_consume(const WgmmaArguments& w, WgmmaRing<Shape> ring,
                                              unsigned char* shared) {
  using Stored = typename MmaElement<typename Shape::T>::Stored;
  const int warp = static_cast<int>(threadIdx.x) / gpu::kWarp;
  unsigned char* const writing = shared + Shape::kWriting + warp * Shape::kWriteBytes;
  float sums[Shape::kSums];
  for (uint32_t number = blockIdx.x; number < w.tiles; number += gridDim.x) {
    {
      const WgmmaPart part = wgmma_part<Shape>(w, number);
      wgmma_main_loop<Shape>(ring, part.k_begin, part.k_end, sums);
    }
    const WgmmaPart part = wgmma_part<Shape>(w, anew(number));
    int64_t at[3];
    w.gemm.batch.offsets(w.gemm.first_product + part.product, at);
    const int row = part.origin.row + warp * 16, column = part.origin.column;
    if (!MmaElement<typename Shape::T>::kHalf || w.gemm.c_is_sum)
      wgmma_store_matrix<Shape>(epilogue_of<float, float>(w.gemm, at[2], part.split), row, column,
                                sums, writing);
    else
      wgmma_store_matrix<Shape>(epilogue_of<Stored, float>(w.gemm, at[2], part.split), row, column,
                                sums, writing);
  }
}

// A block: labour.produce(ring) by one thread, labour.consume(ring, shared) by the warpgroups that
// multiply.
template <class Labour>
__device__ __forceinline__ void wgmma_block(const Labour& labour) {
  using Shape = typename Labour::Shape;
  DYN_SMEM(unsigned char, shared);
  const WgmmaRing<Shape> ring(shared);
  if (threadIdx.x == 0) ring.initialize();
  __syncthreads();
  if (threadIdx.x >= Shape::kProducer) {
    if constexpr (Shape::kLarge) ptx::decrease_registers<Shape::kProducerRegisters>();
    if (threadIdx.x == Shape::kProducer) labour.produce(ring);
  } else {
    if constexpr (Shape::kLarge) ptx::increase_registers<Shape::kConsumerRegisters>();
    labour.consume(ring, shared);
  }
}

template <class T>
constexpr ptx::TensorMapType kMapType = ptx::TensorMapType::tf32;
template <>
constexpr ptx::TensorMapType kMapType<Float16> = ptx::TensorMapType::f16;
template <>
constexpr ptx::TensorMapType kMapType<BFloat16> = ptx::TensorMapType::bf16;

}  // namespace weft::WEFT_GPU
