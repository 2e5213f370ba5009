#include "core/kernel.h"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "core/check.h"
#include "core/suggest.h"

namespace weft {
namespace {

constexpr const char* kNames[kNumIsas] = {"baseline", "avx2", "avx512"};

Isa initial_isa() {
  const char* wanted = std::getenv("WEFT_ISA");
  return wanted && *wanted ? parse_isa(wanted) : best_isa();
}

std::atomic<int>& selected() {
  static std::atomic<int> isa{-1};
  return isa;
}

}  // namespace

const char* name(Isa isa) { return kNames[static_cast<int>(isa)]; }

Isa parse_isa(const char* name) {
  for (int i = 0; i < kNumIsas; i++)
    if (std::string_view(name) == kNames[i]) return static_cast<Isa>(i);
  fail(ErrorKind::value, "WEFT_ISA: unknown instruction set '", name, "'",
       suggest(name, {kNames, kNames + kNumIsas}));
}

Isa best_isa() {
#if defined(__x86_64__) && !defined(WEFT_BASELINE_ONLY)
  // The compiler's check covers CPUID and whether the system saves the wide registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::baseline;
}

Isa current_isa() {
  const int isa = selected().load(std::memory_order_relaxed);
  if (isa >= 0) [[likely]]
    return static_cast<Isa>(isa);
  set_isa(initial_isa());
  return current_isa();
}

namespace {
std::atomic<GpuVariant> gpu_variant{GpuVariant::plain};
}
GpuVariant current_gpu_variant() { return gpu_variant.load(std::memory_order_relaxed); }
void set_gpu_variant(GpuVariant variant) { gpu_variant.store(variant, std::memory_order_relaxed); }

void set_isa(Isa isa) {
  check(isa <= best_isa(), "WEFT_ISA: this machine has no ", name(isa),
        "; its best instruction set is ", name(best_isa()));
  selected().store(static_cast<int>(isa), std::memory_order_relaxed);
}

}  // namespace weft
