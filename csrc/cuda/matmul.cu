// Matrix products: which variant computes which problem.
#include "ops/matmul.h"

#include <algorithm>
#include <limits>

#include "cuda/gemm_launch.h"
#include "cuda/target.h"

namespace weft::WEFT_GPU {
namespace {

// The largest of 16, 8, 4, 2, 1 that divides all of these numbers of bytes.
class Alignment {
 public:
  explicit Alignment(const void* data) : bits_(reinterpret_cast<uintptr_t>(data) | 16) {}
  void add(int64_t bytes) { bits_ |= static_cast<uintptr_t>(bytes); }
  int bytes() const { return static_cast<int>(bits_ & (~bits_ + 1)); }

 private:
  uintptr_t bits_;
};

// The leading axes of x, y and out as a loop over products.
Loop batch_loop(const Operand& x, const Operand& y, const Operand& out) {
  const Operand* operands[] = {&x, &y, &out};
  Loop loop;
  loop.operands = 3;
  for (int axis = 0; axis + 2 < out.shape.size(); axis++) {
    if (out.shape[axis] == 1) continue;
    int64_t strides[3];
    bool continues = loop.ndim > 0;  // the axis before, in all three
    for (int o = 0; o < 3; o++) {
      const int own = axis - (out.shape.size() - operands[o]->shape.size());
      strides[o] = own < 0 || operands[o]->shape[own] == 1 ? 0 : operands[o]->strides[own];
      continues = continues && loop.strides[o][loop.ndim - 1] == strides[o] * out.shape[axis];
    }
    const int at = continues ? loop.ndim - 1 : loop.ndim++;
    loop.shape[at] = out.shape[axis] * (continues ? loop.shape[at] : 1);
    for (int o = 0; o < 3; o++) loop.strides[o][at] = strides[o];
  }
  if (loop.ndim == 0) {
    loop.ndim = 1;
    loop.shape[0] = 1;
    loop.strides[0][0] = loop.strides[1][0] = loop.strides[2][0] = 0;
  }
  return loop;
}

// How the rows (or columns, whichever are contiguous) of one operand of the loop are aligned.
int alignment_of(const Operand& x, const Loop& batch, int operand, int64_t row_stride) {
  const auto size = static_cast<int64_t>(itemsize(x.dtype));
  Alignment alignment(x.data);
  alignment.add(row_stride * size);
  for (int axis = 0; axis < batch.ndim; axis++) alignment.add(batch.strides[operand][axis] * size);
  return alignment.bytes();
}

GemmProblem problem_of(const MatmulParams& params, const Operand* operands) {
  const Operand &x = operands[0], &y = operands[1], &bias = operands[2], &out = operands[3];
  const int xd = x.shape.size(), yd = y.shape.size(), od = out.shape.size();
  GemmProblem p{};
  p.dtype = x.dtype;
  p.c_dtype = out.dtype;
  p.m = x.shape[xd - 2];
  p.k = x.shape[xd - 1];
  p.n = y.shape[yd - 1];
  p.batch = batch_loop(x, y, out);
  p.a = {x.data, x.strides[xd - 2], x.strides[xd - 1], 1};
  p.b = {y.data, y.strides[yd - 1], y.strides[yd - 2], 1};
  for (auto [matrix, operand, which, outer] :
       {std::tuple(&p.a, &x, 0, p.m), std::tuple(&p.b, &y, 1, p.n)}) {
    const bool along_k = contiguous_axis(*matrix, outer, p.k) == Contiguous::k;
    // The stride of an axis of length 1 is never used.
    const int64_t others =
        along_k ? (outer == 1 ? 0 : matrix->outer_stride) : (p.k == 1 ? 0 : matrix->k_stride);
    matrix->alignment = alignment_of(*operand, p.batch, which, others);
  }
  p.c = out.data;
  p.c_row_stride = out.strides[od - 2];
  p.c_column_stride = out.strides[od - 1];
  p.c_alignment = alignment_of(out, p.batch, 2, p.m == 1 ? 0 : p.c_row_stride);
  p.bias = bias.present ? bias.data : nullptr;
  p.accumulate = params.accumulate;
  p.relu = params.activation == Activation::relu;
  return p;
}

// ---- choice
// --------------------------------------------------------------------------------------

struct Candidate {
  MatmulVariant variant;
  int tile_m, tile_n, depth;
  double speed;  // multiply-adds per cycle of a multiprocessor
  bool splits;
  double before = 0;  // cycles
};
struct Plan {
  MatmulVariant variant = MatmulVariant::automatic;
  GemmSplit split;
};

constexpr double kBytesPerCycle = 18;   // of memory, for each multiprocessor
constexpr double kLaunchCycles = 3600;  // 2 us

// An estimate of the cycles a plan takes: the busiest multiprocessor's tiles, each with a start-up
// of about 32 steps of k; a split also writes and reads its sums and launches a second kernel.
double cycles(const GemmProblem& p, const Candidate& c, int64_t splits, int64_t k_per_split,
              int multiprocessors) {
  const int64_t tiles = ceil_div(p.m, c.tile_m) * ceil_div(p.n, c.tile_n) * p.products();
  const auto busiest = static_cast<double>(ceil_div(tiles * splits, multiprocessors));
  const double tile = static_cast<double>(c.tile_m) * c.tile_n *
                      static_cast<double>(std::min(k_per_split, p.k) + 32) / c.speed;
  if (splits == 1) return c.before + busiest * tile;
  const double results = static_cast<double>(p.m) * static_cast<double>(p.n * p.products());
  const double extra =
      results * static_cast<double>(splits) * 8 / (kBytesPerCycle * multiprocessors) +
      kLaunchCycles;
  return c.before + busiest * tile + extra;
}

constexpr int kMaxSplits = 64;
constexpr int64_t kMinSplitDepth = 128, kMaxPartialSums = int64_t{1} << 26;

Plan cheapest(const GemmProblem& p, const std::vector<Candidate>& candidates) {
  const int multiprocessors = device_traits().multiprocessors;
  Plan best;
  double least = std::numeric_limits<double>::infinity();
  for (const Candidate& c : candidates) {
    for (int64_t splits = 1; splits <= kMaxSplits; splits *= 2) {
      if (splits > 1 && (!c.splits || p.k / splits < kMinSplitDepth ||
                         splits * p.products() * p.m * p.n > kMaxPartialSums))
        break;
      const int64_t k_per_split = ceil_div(ceil_div(p.k, splits), c.depth) * c.depth;
      const double estimate = cycles(p, c, splits, k_per_split, multiprocessors);
      if (estimate >= least) continue;
      least = estimate;
      best = {c.variant,
              {static_cast<int>(ceil_div(p.k, std::max<int64_t>(1, k_per_split))), k_per_split}};
    }
  }
  best.split.count = std::max(best.split.count, 1);
  return best;
}

// Tensor cores multiply halves, and float32 where it may be rounded to tf32, at half that speed.
bool on_tensor_cores(const GemmProblem& p, const MatmulParams& params) {
  return is_half(p.dtype) ||
         (p.dtype == DType::float32 && params.precision == MatmulPrecision::tf32);
}

// Small tiles read more of shared memory for each multiply-add.
std::vector<Candidate> candidates_for(const GemmProblem& p, const MatmulParams& params) {
  if (on_tensor_cores(p, params)) {
    const int depth = is_half(p.dtype) ? 64 : 32;
    const double speed = is_half(p.dtype) ? 1 : 0.5;
    std::vector<Candidate> candidates = {
        {MatmulVariant::mma_128x128, 128, 128, depth, 1100 * speed, true},
        {MatmulVariant::mma_64x64, 64, 64, depth, 600 * speed, true}};
    if (why_not_wgmma(p) == nullptr) {
      const double bytes = bytes_before_wgmma(p);
      const double before =
          bytes == 0 ? 0
                     : bytes / (kBytesPerCycle * device_traits().multiprocessors) + kLaunchCycles;
      candidates.push_back(
          {MatmulVariant::wgmma_128x256, 128, 256, depth, 1640 * speed, true, before});
      candidates.push_back(
          {MatmulVariant::wgmma_128x128, 128, 128, depth, 1400 * speed, true, before});
    }
    return candidates;
  }
  if (p.dtype == DType::float64)
    return {{MatmulVariant::simt_64x64, 64, 64, 8, 52, true},
            {MatmulVariant::simt_32x32, 32, 32, 8, 32, true}};
  return {{MatmulVariant::simt_128x128, 128, 128, 8, 115, true},
          {MatmulVariant::simt_64x64, 64, 64, 16, 85, true},
          {MatmulVariant::simt_32x32, 32, 32, 16, 48, true}};
}

[[noreturn]] void refuse(MatmulVariant variant, const GemmProblem& p, const char* why) {
  fail(ErrorKind::value, "matmul: the variant '", name(variant), "' cannot multiply (", p.m, ", ",
       p.k, ") by (", p.k, ", ", p.n, ") in ", p.dtype, ": ", why,
       "; leave the choice to weft with weft.kernels.matmul.use('automatic')");
}

void check_variant(const GemmProblem& p, const MatmulParams& params) {
  const MatmulVariant variant = params.variant;
  if (variant == MatmulVariant::gemv) {
    if (p.m != 1 && p.n != 1) refuse(variant, p, "neither factor is a vector");
    return;
  }
  const bool simt = variant <= MatmulVariant::simt_128x128;
  if (!simt && p.dtype == DType::float32 && !on_tensor_cores(p, params))
    refuse(variant, p,
           "it rounds float32 to tf32, which weft.set_matmul_precision('tf32') has to allow");
  if ((simt && is_half(p.dtype)) || (!simt && p.dtype == DType::float64) ||
      (variant == MatmulVariant::simt_128x128 && p.dtype == DType::float64))
    refuse(variant, p, "it has no kernel for this dtype");
  if (variant >= MatmulVariant::wgmma_128x128)
    if (const char* why = why_not_wgmma(p)) refuse(variant, p, why);
}

Plan plan_for(const GemmProblem& p, MatmulParams params) {
  const MatmulVariant variant = params.variant;
  if (variant != MatmulVariant::automatic) check_variant(p, params);
  if (variant == MatmulVariant::gemv ||
      (variant == MatmulVariant::automatic && (p.m == 1 || p.n == 1)))
    return {MatmulVariant::gemv, {}};
  // Who asks for ordinary units gets them, even where float32 might be rounded.
  if (variant != MatmulVariant::automatic && variant <= MatmulVariant::simt_128x128)
    params.precision = MatmulPrecision::float32;
  std::vector<Candidate> candidates = candidates_for(p, params);
  if (variant != MatmulVariant::automatic)
    std::erase_if(candidates, [&](const Candidate& c) { return c.variant != variant; });
  return cheapest(p, candidates);
}

// ---- entry
// ---------------------------------------------------------------------------------------

constexpr int64_t kMaxRows = int64_t{1} << 30;  // kernels of tiles count rows in 32 bits

void multiply(const MatmulParams& params, const GemmProblem& p) {
  if (p.m > kMaxRows || p.n > kMaxRows) {
    GemmProblem first = p, second = p;
    const auto size = static_cast<int64_t>(itemsize(p.dtype));
    const auto c_size = static_cast<int64_t>(itemsize(p.c_dtype));
    const bool rows = p.m > kMaxRows;
    (rows ? first.m : first.n) = kMaxRows;
    (rows ? second.m : second.n) -= kMaxRows;
    GemmMatrix& moved = rows ? second.a : second.b;
    moved.data = static_cast<const char*>(moved.data) + kMaxRows * moved.outer_stride * size;
    second.c =
        static_cast<char*>(p.c) + kMaxRows * (rows ? p.c_row_stride : p.c_column_stride) * c_size;
    if (!rows && p.bias != nullptr)
      second.bias = static_cast<const char*>(p.bias) + kMaxRows * c_size;
    multiply(params, first);
    return multiply(params, second);
  }
  const Plan plan = plan_for(p, params);
  if (plan.variant != MatmulVariant::gemv)
    check(p.k <= kMaxRows, "matmul: sums of ", p.k, " products are too long for a GPU; multiply ",
          "pieces of at most ", kMaxRows, " and add them");
  switch (plan.variant) {
    case MatmulVariant::gemv: return matmul_vector(p);
    case MatmulVariant::mma_64x64:
    case MatmulVariant::mma_128x128: return matmul_mma(p, plan.variant, plan.split);
    case MatmulVariant::wgmma_128x128:
    case MatmulVariant::wgmma_128x256: return matmul_wgmma(p, plan.variant, plan.split);
    default: return matmul_simt(p, plan.variant, plan.split);
  }
}

void matmul(const MatmulParams& params, const Operand* operands) {
  multiply(params, problem_of(params, operands));
}

void matmul_integers(const MatmulParams& params, const Operand* operands) {
  const GemmProblem p = problem_of(params, operands);
  if (params.variant != MatmulVariant::automatic && params.variant != MatmulVariant::simt_32x32)
    refuse(params.variant, p, "it has no kernel for this dtype");
  check(std::max({p.m, p.n, p.k}) <= kMaxRows, "matmul: integer matrices of more than ", kMaxRows,
        " rows or columns are too large for a GPU; multiply pieces of them");
  matmul_simt_integers(p);
}

}  // namespace
}  // namespace weft::WEFT_GPU

#define FLOATS(T) kernel_entry<&matmul>(kernels::matmul, dtype_of<T>)
#define INTEGERS(T) kernel_entry<&matmul_integers>(kernels::matmul, dtype_of<T>)
WEFT_GPU_KERNELS(matmul, FLOATS(Float16), FLOATS(BFloat16), FLOATS(float), FLOATS(double),
                 INTEGERS(bool), INTEGERS(uint8_t), INTEGERS(uint16_t), INTEGERS(uint32_t),
                 INTEGERS(uint64_t), INTEGERS(int8_t), INTEGERS(int16_t), INTEGERS(int32_t),
                 INTEGERS(int64_t))
