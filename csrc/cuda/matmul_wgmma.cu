// Matrix products by wgmma: float16, bfloat16, and float32 that the copy engine rounds to tf32.
#include <algorithm>
#include <optional>

#include "cuda/gemm_launch.h"
#include "cuda/gemm_wgmma.h"
#include "cuda/transpose.h"

namespace weft::WEFT_GPU {
namespace {

template <class Shape_>
struct ProductLabour {
  using Shape = Shape_;
  const WgmmaArguments& w;

  __device__ __forceinline__ void produce(const WgmmaRing<Shape>& ring) const {
    wgmma_produce<Shape>(w, ring);
  }
  __device__ __forceinline__ void consume(const WgmmaRing<Shape>& ring,
                                          unsigned char* shared) const {
    wgmma_consume<Shape>(w, ring, shared);
  }
};

template <class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocksPerSm)
    wgmma_kernel(const __grid_constant__ WgmmaArguments w) {
#if !defined(__CUDA_ARCH__) || defined(WEFT_SM90A)
  wgmma_block(ProductLabour<Shape>{w});
#else
  __trap();  // why_not_wgmma lets nobody get here
#endif
}

using WgmmaKernel = void (*)(WgmmaArguments);

// ---- tensor maps
// --------------------------------------------------------------------------------

constexpr int64_t kMaxMapStride = int64_t{1} << 40;  // bytes

bool varies(const Loop& batch, int operand, int axis) {
  return batch.shape[axis] > 1 && batch.strides[operand][axis] != 0;
}

int varying_axes(const Loop& batch, int operand) {
  int count = 0;
  for (int axis = 0; axis < batch.ndim; axis++) count += varies(batch, operand, axis);
  return count;
}

// The map of a or b, batch axes from the innermost on, and the strides that turn an index of the
// batch into packed coordinates.
template <class Tile>
ptx::TensorMap matrix_map(ptx::TensorMapType type, const GemmMatrix& matrix, const char* base,
                          int64_t outer, int64_t k, const Loop& batch, int operand,
                          int64_t* packed_strides) {
  constexpr int64_t kBytes = Tile::kElement, kAlign = 16;
  const int64_t inner = Tile::kAlongK ? k : outer, rows = Tile::kAlongK ? outer : k;
  const int64_t row_stride = (Tile::kAlongK ? matrix.outer_stride : matrix.k_stride) * kBytes;
  ptx::TensorMapSpec spec{};
  spec.type = type;
  spec.base = const_cast<char*>(base);
  spec.rank = varying_axes(batch, operand) > 1 ? 2 + kMaxBatchAxes : 3;
  spec.swizzle = ptx::Swizzle::bytes128;
  spec.extent[0] = static_cast<uint64_t>(inner);
  spec.extent[1] = static_cast<uint64_t>(rows);
  spec.box[0] = kStepBytes / kBytes;
  spec.box[1] = static_cast<uint32_t>(Tile::kAlongK ? Tile::kOuter : Tile::kDepth);
  // The stride of a single row is never used, and may be anything.
  spec.stride[0] =
      static_cast<uint64_t>(rows == 1 ? ceil_div(inner * kBytes, kAlign) * kAlign : row_stride);
  for (int d = 2; d < spec.rank; d++) {
    spec.extent[d] = spec.box[d] = 1;
    spec.stride[d - 1] = spec.stride[0];
  }
  int d = 2;
  for (int axis = batch.ndim - 1; axis >= 0; axis--) {
    packed_strides[axis] = 0;
    if (!varies(batch, operand, axis)) continue;
    spec.extent[d] = static_cast<uint64_t>(batch.shape[axis]);
    spec.stride[d - 1] = static_cast<uint64_t>(batch.strides[operand][axis] * kBytes);
    packed_strides[axis] = int64_t{1} << kPackedBits * (d - 2);
    d++;
  }
  return ptx::encode_tensor_map(spec);
}

// A part of the batch that one launch takes, as a host's loop again.
Loop loop_of(const Piece<3>& piece) {
  Loop loop;
  loop.ndim = piece.loop.ndim;
  loop.operands = 3;
  for (int axis = 0; axis < loop.ndim; axis++) {
    loop.shape[axis] = piece.loop.shape[axis].value;
    for (int o = 0; o < 3; o++) loop.strides[o][axis] = piece.loop.strides[o][axis];
  }
  return loop;
}

// ---- factors that are turned first
// ---------------------------------------------------------------

// wgmma multiplies halves along either axis, but tf32 only along rows of k.
bool has_to_turn(const GemmProblem& p, const GemmMatrix& matrix, int64_t outer) {
  return p.dtype == DType::float32 && contiguous_axis(matrix, outer, p.k) != Contiguous::k;
}

constexpr int64_t kRowUnit = 4;  // floats: the copy engine wants rows at multiples of 16 bytes

// `p` with this factor as `turn` leaves it, matrices of a batch one after the other. Returns how
// many elements there are.
int64_t turned(GemmProblem& p, GemmMatrix& matrix, int64_t outer, int operand) {
  matrix.k_stride = 1;
  matrix.outer_stride = ceil_div(p.k, kRowUnit) * kRowUnit;
  matrix.alignment = 16;
  int64_t size = outer * matrix.outer_stride;
  for (int axis = p.batch.ndim - 1; axis >= 0; axis--) {
    if (!varies(p.batch, operand, axis)) continue;
    p.batch.strides[operand][axis] = size;
    size *= p.batch.shape[axis];
  }
  return size;
}

// A factor in temporary memory, where one has to be turned.
class Turned {
 public:
  Turned(GemmProblem& p, GemmMatrix& matrix, int64_t outer, int operand) {
    if (p.k == 0 || !has_to_turn(p, matrix, outer)) return;
    const GemmProblem before = p;
    const GemmMatrix from = matrix;
    memory_.emplace(turned(p, matrix, outer, operand));
    Loop loop;
    const auto add = [&loop](int64_t length, int64_t x_stride, int64_t y_stride) {
      loop.shape[loop.ndim] = length;
      loop.strides[0][loop.ndim] = x_stride;
      loop.strides[1][loop.ndim++] = y_stride;
    };
    loop.operands = 2;
    for (int axis = 0; axis < p.batch.ndim; axis++)
      if (varies(before.batch, operand, axis))
        add(p.batch.shape[axis], before.batch.strides[operand][axis],
            p.batch.strides[operand][axis]);
    add(outer, from.outer_stride, matrix.outer_stride);
    add(p.k, from.k_stride, 1);
    const bool done = transpose(loop, static_cast<const uint32_t*>(from.data),
                                reinterpret_cast<uint32_t*>(memory_->get()), 1);
    check(done, "matmul: a factor was to be turned that why_not_wgmma should have refused");
    matrix.data = memory_->get();
  }

 private:
  std::optional<DeviceScratch<float>> memory_;
};

// ---- launches
// -----------------------------------------------------------------------------------

template <class Shape>
void launch_piece(const GemmProblem& p, const GemmSplit& split, WgmmaArguments w,
                  const Piece<3>& piece) {
  const auto bytes = static_cast<int64_t>(itemsize(p.dtype));
  const auto at = [&](const GemmMatrix& matrix, int operand) {
    return static_cast<const char*>(matrix.data) + piece.base[operand] * bytes;
  };
  const Loop batch = loop_of(piece);
  w.gemm.batch = piece.loop;
  w.several_axes_a = varying_axes(batch, 0) > 1;
  w.several_axes_b = varying_axes(batch, 1) > 1;
  if (p.k > 0) {  // a sum of nothing loads nothing, and a map of nothing does not exist
    constexpr ptx::TensorMapType kType = kMapType<typename Shape::T>;
    w.a = matrix_map<typename Shape::TileA>(kType, p.a, at(p.a, 0), p.m, p.k, batch, 0,
                                            w.gemm.batch.strides[0]);
    w.b = matrix_map<typename Shape::TileB>(kType, p.b, at(p.b, 1), p.n, p.k, batch, 1,
                                            w.gemm.batch.strides[1]);
  }
  const int64_t of_product = int64_t{w.gemm.tiles_m} * w.gemm.tiles_n * split.count;
  const int64_t at_once = std::max<int64_t>(1, kMaxLaunchElements / of_product);
  for (int64_t first = 0; first < piece.count; first += at_once) {
    const int64_t tiles = std::min(piece.count - first, at_once) * of_product;
    w.gemm.first_product = static_cast<uint32_t>(first);
    w.tiles = static_cast<uint32_t>(tiles);
    const auto resident = int64_t{Shape::kBlocksPerSm} * device_traits().multiprocessors;
    gpu::launch(&wgmma_kernel<Shape>, dim3(static_cast<uint32_t>(std::min(tiles, resident))),
                dim3(Shape::kThreads), Shape::kSharedBytes, stream(), w);
  }
}

template <class Shape>
void launch_shape(const GemmProblem& p, const GemmSplit& split, void* partial) {
  WgmmaArguments w{};
  w.gemm = gemm_arguments({Shape::kTileM, Shape::kTileN, Shape::kThreads, Shape::kSharedBytes}, p,
                          split, partial);
  w.splits = static_cast<uint32_t>(split.count);
  const int64_t c_bytes = c_element_bytes(p, partial);
  void* const c = w.gemm.c;
  for (const Piece<3>& piece : pieces_of<3>(gemm_batch(p, partial))) {
    w.gemm.c = static_cast<char*>(c) + piece.base[2] * c_bytes;
    launch_piece<Shape>(p, split, w, piece);
  }
}

template <class T, int kTileN>
void launch_wgmma(const GemmProblem& p, const GemmSplit& split, void* partial) {
  constexpr Contiguous k = Contiguous::k, outer = Contiguous::outer;
  if constexpr (MmaElement<T>::kHalf) {
    const bool a_k = contiguous_axis(p.a, p.m, p.k) == k, b_k = contiguous_axis(p.b, p.n, p.k) == k;
    if (a_k && !b_k) return launch_shape<WgmmaShape<T, kTileN, k, outer>>(p, split, partial);
    if (!a_k && b_k) return launch_shape<WgmmaShape<T, kTileN, outer, k>>(p, split, partial);
    if (!a_k) return launch_shape<WgmmaShape<T, kTileN, outer, outer>>(p, split, partial);
  }
  launch_shape<WgmmaShape<T, kTileN, k, k>>(p, split, partial);
}

template <class T>
void launch_variant(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split,
                    void* partial) {
  if (variant == MatmulVariant::wgmma_128x128) return launch_wgmma<T, 128>(p, split, partial);
  launch_wgmma<T, 256>(p, split, partial);
}

void launch_dtype(const GemmProblem& p, MatmulVariant variant, const GemmSplit& split,
                  void* partial) {
  switch (p.dtype) {
    case DType::float16: return launch_variant<Float16>(p, variant, split, partial);
    case DType::bfloat16: return launch_variant<BFloat16>(p, variant, split, partial);
    default: return launch_variant<ptx::Tf32>(p, variant, split, partial);
  }
}

// ---- conditions
// ---------------------------------------------------------------------------------

// Code of sm_90a, which a build may lack; a GPU would then take the empty kernel of sm_80.
bool has_wgmma_code() {
  using Shape = WgmmaShape<BFloat16, 128, Contiguous::k, Contiguous::k>;
  static const bool known = [] {
    cudaFuncAttributes attributes{};
    return cudaFuncGetAttributes(
               &attributes, reinterpret_cast<const void*>(&wgmma_kernel<Shape>)) == cudaSuccess &&
           attributes.ptxVersion >= 90;
  }();
  return known;
}

const char* why_not_matrix(const GemmMatrix& matrix, const GemmProblem& p, int64_t outer,
                           int operand) {
  const bool along_k = contiguous_axis(matrix, outer, p.k) == Contiguous::k;
  if (has_to_turn(p, matrix, outer)) {
    GemmProblem after = p;
    GemmMatrix result = matrix;
    if (contiguous_axis(matrix, outer, p.k) != Contiguous::outer ||
        turned(after, result, outer, operand) > kMaxLaunchElements)
      return "one axis of a tf32 matrix has to be contiguous, and one that is not contiguous along "
             "the sum may have at most 2^31 - 1 elements";
    return why_not_matrix(result, after, outer, operand);
  }
  if (matrix.alignment < 16)
    return "the copy engine needs rows, and the matrices of a batch, that begin at multiples of 16 "
           "bytes";
  const auto bytes = static_cast<int64_t>(itemsize(p.dtype));
  const int64_t rows = along_k ? outer : p.k;
  const int64_t row_stride = (along_k ? matrix.outer_stride : matrix.k_stride) * bytes;
  bool forward = rows == 1 || (row_stride > 0 && row_stride < kMaxMapStride);
  bool short_axes = true;
  const int axes = varying_axes(p.batch, operand);
  for (int axis = 0; axis < p.batch.ndim; axis++) {
    if (!varies(p.batch, operand, axis)) continue;
    const int64_t stride = p.batch.strides[operand][axis] * bytes;
    forward = forward && stride > 0 && stride < kMaxMapStride;
    short_axes = short_axes && (axes == 1 || p.batch.shape[axis] < int64_t{1} << kPackedBits);
  }
  if (!forward) return "the copy engine needs strides between 1 byte and 1 TB";
  if (axes > kMaxBatchAxes || !short_axes)
    return "the copy engine counts three axes of a batch, of less than 2^20 matrices each";
  return nullptr;
}

}  // namespace

const char* why_no_wgmma() {
  constexpr int kHopper = 90;
  if (device_traits().capability != kHopper)
    return "it needs a GPU of compute capability 9.0, and the device has another";
  if (!has_wgmma_code()) return "weft was built without code for sm_90a";
  return nullptr;
}

const char* why_not_wgmma(const GemmProblem& p) {
  if (const char* why = why_no_wgmma()) return why;
  if (p.k == 0) return nullptr;  // nothing is loaded
  if (const char* why = why_not_matrix(p.a, p, p.m, 0)) return why;
  return why_not_matrix(p.b, p, p.n, 1);
}

double bytes_before_wgmma(const GemmProblem& p) {
  double bytes = 0;
  GemmProblem after = p;
  for (const auto& [matrix, outer, operand] :
       {std::tuple(&p.a, p.m, 0), std::tuple(&p.b, p.n, 1)}) {
    GemmMatrix result = *matrix;
    if (p.k > 0 && has_to_turn(p, *matrix, outer))
      bytes += 2.0 * sizeof(float) * static_cast<double>(turned(after, result, outer, operand));
  }
  return bytes;
}

void matmul_wgmma(const GemmProblem& given, MatmulVariant variant, const GemmSplit& split) {
  GemmProblem p = given;
  const Turned a(p, p.a, p.m, 0), b(p, p.b, p.n, 1);
  if (split.count == 1) return launch_dtype(p, variant, split, nullptr);
  const DeviceScratch<float> partial(split.count * p.products() * p.m * p.n);
  launch_dtype(p, variant, split, partial.get());
  sum_splits(p, partial.get(), split.count);
}

}  // namespace weft::WEFT_GPU
