// Running sums and products. The chain of additions is the limit along a contiguous axis; along
// other axes a tile of neighbours runs side by side.
#include "ops/scan.h"

#include <type_traits>

#include "core/parallel.h"
#include "cpu/extreme.h"
#include "cpu/simd.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t kTile = 256;
constexpr int64_t kGrain = 16 * 1024;

// Sums of integers are 64 bits wide, as NumPy's, and wrap; floats are accumulated in float64.
template <class T>
struct Running {
  using Out = std::conditional_t<kIsFloatingType<T>, T,
                                 std::conditional_t<kIsUnsigned<T>, uint64_t, int64_t>>;
  using Acc = std::conditional_t<kIsFloatingType<T>, double, uint64_t>;
};

// Along a contiguous axis each step waits for the one before: rows run side by side.
template <class T, bool kProduct, int kRows>
void scan_rows(const T* x, typename Running<T>::Out* y, int64_t n, bool reverse) {
  typename Running<T>::Acc acc[kRows];
  for (auto& a : acc) a = kProduct;
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = reverse ? n - 1 - i : i;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; r++) {
      const auto v = static_cast<typename Running<T>::Acc>(x[r * n + at]);
      acc[r] = kProduct ? acc[r] * v : acc[r] + v;
      y[r * n + at] = static_cast<typename Running<T>::Out>(acc[r]);
    }
  }
}

template <class T, bool kProduct>
void scan(const ScanParams& p, const Operand* operands) {
  using Out = typename Running<T>::Out;
  using Acc = typename Running<T>::Acc;
  const T* x = operands[0].as<T>();
  Out* y = operands[1].as<Out>();
  if (p.inner == 1) {
    parallel_for(p.outer, kGrain / p.n, [&](int64_t begin, int64_t end) {
      for (; begin + 8 <= end; begin += 8)
        scan_rows<T, kProduct, 8>(x + begin * p.n, y + begin * p.n, p.n, p.reverse);
      for (; begin < end; begin++)
        scan_rows<T, kProduct, 1>(x + begin * p.n, y + begin * p.n, p.n, p.reverse);
    });
    return;
  }
  const int64_t tiles = (p.inner + kTile - 1) / kTile, last = p.n - 1;
  const int64_t tile = p.inner < kTile ? p.inner : kTile;
  parallel_for(p.outer * tiles, kGrain / (p.n * tile), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t column = task % tiles * kTile;
      const int64_t width = p.inner - column < kTile ? p.inner - column : kTile;
      const int64_t base = task / tiles * p.n * p.inner + column;
      Acc acc[kTile];
      for (int64_t c = 0; c < width; c++) acc[c] = kProduct;
      for (int64_t i = 0; i < p.n; i++) {
        const int64_t at = base + (p.reverse ? last - i : i) * p.inner;
        for (int64_t c = 0; c < width; c++) {
          const Acc v = static_cast<Acc>(x[at + c]);
          acc[c] = kProduct ? acc[c] * v : acc[c] + v;
          y[at + c] = static_cast<Out>(acc[c]);
        }
      }
    }
  });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA

#define SCANS(T)                                               \
  kernel_entry<&scan<T, false>>(kernels::cumsum, dtype_of<T>), \
      kernel_entry<&scan<T, true>>(kernels::cumprod, dtype_of<T>)
WEFT_CPU_KERNELS(scan, SCANS(bool), SCANS(uint8_t), SCANS(uint16_t), SCANS(uint32_t),
                 SCANS(uint64_t), SCANS(int8_t), SCANS(int16_t), SCANS(int32_t), SCANS(int64_t),
                 SCANS(float), SCANS(double))
