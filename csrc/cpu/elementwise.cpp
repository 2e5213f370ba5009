// The driver of all elementwise kernels; see cpu/elementwise.h.
#include "cpu/elementwise.h"

#include "core/iteration.h"
#include "cpu/copy.h"

namespace weft::cpu::WEFT_ISA {
namespace {

// Bytes of a tile: four of them are 16 KiB, half of the smallest L1.
constexpr int64_t kTileBytes = 4096;

template <class T>
void gather(const void* from, int64_t stride, void* tile, int64_t n) {
  const T* x = static_cast<const T*>(from);
  T* out = static_cast<T*>(tile);
  if (stride == 0) return fill_row(out, *x, n);
  for (int64_t i = 0; i < n; i++) out[i] = x[i * stride];
}
template <class T>
void scatter(const void* tile, void* to, int64_t stride, int64_t n) {
  const T* x = static_cast<const T*>(tile);
  T* out = static_cast<T*>(to);
  for (int64_t i = 0; i < n; i++) out[i * stride] = x[i];
}

template <class Half>
void gather_half(const void* from, int64_t stride, void* tile, int64_t n) {
  const Half* x = static_cast<const Half*>(from);
  float* out = static_cast<float*>(tile);
  int64_t i = 0;
#if defined(__F16C__)
  if constexpr (__is_same(Half, Float16))
    if (stride == 1)
      for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i,
                         _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
#endif
  for (; i < n; i++) out[i] = static_cast<float>(x[i * stride]);
}
template <class Half>
void scatter_half(const void* tile, void* to, int64_t stride, int64_t n) {
  const float* x = static_cast<const float*>(tile);
  Half* out = static_cast<Half*>(to);
  int64_t i = 0;
#if defined(__F16C__)
  if constexpr (__is_same(Half, Float16))
    if (stride == 1)
      for (; i + 8 <= n; i += 8)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; i++) out[i * stride] = Half(x[i]);
}

struct StorageTraits {
  int64_t stored, computed;  // bytes per element
  void (*gather)(const void* from, int64_t stride, void* tile, int64_t n);
  void (*scatter)(const void* tile, void* to, int64_t stride, int64_t n);
  bool direct() const { return stored == computed; }
};
constexpr StorageTraits kTraits[] = {
    {1, 1, &gather<uint8_t>, &scatter<uint8_t>},
    {2, 2, &gather<uint16_t>, &scatter<uint16_t>},
    {4, 4, &gather<uint32_t>, &scatter<uint32_t>},
    {8, 8, &gather<uint64_t>, &scatter<uint64_t>},
    {2, 4, &gather_half<Float16>, &scatter_half<Float16>},
    {2, 4, &gather_half<BFloat16>, &scatter_half<BFloat16>},
};
constexpr const StorageTraits& traits(Storage s) { return kTraits[static_cast<int>(s)]; }

struct Run {
  const char* inputs[kMaxInputs];
  int64_t strides[kMaxInputs];
  char* output;
  int64_t output_stride;
  int64_t n;
};

// Tile by tile: operands that the core can read or write in place are not copied, and those that
// stand still are spread over their tile once.
void run_tiled(const Recipe& recipe, const Run& run) {
  alignas(64) char tiles[kMaxInputs + 1][kTileBytes];
  int64_t widest = traits(recipe.output).computed;
  for (int k = 0; k < recipe.arity; k++)
    if (traits(recipe.inputs[k]).computed > widest) widest = traits(recipe.inputs[k]).computed;
  const int64_t tile = kTileBytes / widest, length = run.n < tile ? run.n : tile;
  for (int k = 0; k < recipe.arity; k++)
    if (run.strides[k] == 0) traits(recipe.inputs[k]).gather(run.inputs[k], 0, tiles[k], length);

  const StorageTraits& out = traits(recipe.output);
  const bool direct_output = run.output_stride == 1 && out.direct();
  for (int64_t at = 0; at < run.n; at += tile) {
    const int64_t n = run.n - at < tile ? run.n - at : tile;
    const void* inputs[kMaxInputs];
    for (int k = 0; k < recipe.arity; k++) {
      const StorageTraits& in = traits(recipe.inputs[k]);
      const char* from = run.inputs[k] + at * run.strides[k] * in.stored;
      if (run.strides[k] == 1 && in.direct()) {
        inputs[k] = from;
        continue;
      }
      if (run.strides[k] != 0) in.gather(from, run.strides[k], tiles[k], n);
      inputs[k] = tiles[k];
    }
    char* to = run.output + at * run.output_stride * out.stored;
    recipe.core(inputs, direct_output ? to : tiles[kMaxInputs], n);
    if (!direct_output) out.scatter(tiles[kMaxInputs], to, run.output_stride, n);
  }
}

// Nothing is computed: the numbers are the same, but stored in another way.
void run_conversion(const Recipe& recipe, const Run& run) {
  const StorageTraits &in = traits(recipe.inputs[0]), &out = traits(recipe.output);
  const int64_t stride = run.strides[0];
  if (out.direct() && run.output_stride == 1)
    return in.gather(run.inputs[0], stride, run.output, run.n);
  if (in.direct() && stride == 1)
    return out.scatter(run.inputs[0], run.output, run.output_stride, run.n);
  alignas(64) char tile[kTileBytes];
  const int64_t length = kTileBytes / in.computed;
  for (int64_t at = 0; at < run.n; at += length) {
    const int64_t n = run.n - at < length ? run.n - at : length;
    in.gather(run.inputs[0] + at * stride * in.stored, stride, tile, n);
    out.scatter(tile, run.output + at * run.output_stride * out.stored, run.output_stride, n);
  }
}

Loop loop_over(int arity, const Operand* o) {
  if (arity == 1) return make_loop({&o[0], &o[1]});
  if (arity == 2) return make_loop({&o[0], &o[1], &o[2]});
  return make_loop({&o[0], &o[1], &o[2], &o[3]});
}

}  // namespace

void run_elementwise(const Recipe& recipe, const Operand* operands) {
  const int arity = recipe.arity;
  const Operand& output = operands[arity];
  const Loop loop = loop_over(arity, operands);
  bool direct = loop.inner_stride(arity) == 1 && traits(recipe.output).direct();
  bool others_move = true, others_stand = arity > 1;
  for (int k = 0; k < arity; k++) {
    direct &= traits(recipe.inputs[k]).direct() && (k > 0 || loop.inner_stride(k) == 1);
    others_move &= k == 0 || loop.inner_stride(k) == 1;
    others_stand &= k == 0 || loop.inner_stride(k) == 0;
  }
  const Core core = !direct        ? nullptr
                    : others_move  ? recipe.core
                    : others_stand ? recipe.core_of_first
                                   : nullptr;

  for_each_run(loop, recipe.grain, [&](const int64_t* at, int64_t n) {
    Run run;
    for (int k = 0; k < arity; k++) {
      run.inputs[k] = operands[k].as<char>() + at[k] * traits(recipe.inputs[k]).stored;
      run.strides[k] = loop.inner_stride(k);
    }
    run.output = output.as<char>() + at[arity] * traits(recipe.output).stored;
    run.output_stride = loop.inner_stride(arity);
    run.n = n;
    if (!recipe.core) {
      run_conversion(recipe, run);
    } else if (core) {
      const void* inputs[kMaxInputs];
      for (int k = 0; k < arity; k++) inputs[k] = run.inputs[k];
      core(inputs, run.output, n);
    } else {
      run_tiled(recipe, run);
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA
