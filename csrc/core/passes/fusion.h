// What passes know of the kernels of the CPU. An op says it of its kernels in its own file.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/kernel.h"

namespace weft {

enum class Fusion : uint8_t {
  none,
  // An element of the last operand comes from the same element of the others, broadcast to it: on
  // parts of its operands the kernel gives that part of the result.
  elementwise,
  // The kernel calls its tail (core/tail.h) on each part of its first output when that is complete,
  // and neither reads that part again nor needs what was there before.
  calls_tail,
};
Fusion fusion_of(const KernelSlot& slot);

// A constant of namespace scope, beside the slots: `const Fuses fused(Fusion::elementwise,
// {&cast});`
class Fuses {
 public:
  Fuses(Fusion fusion, std::initializer_list<const KernelSlot*> slots);
};

}  // namespace weft
