// Typed kernel slots: the table that says which function runs an op on a device, ISA and dtype.
//
// An op declares its slots (`extern Kernel<Conv2dParams> conv2d_forward;`), a device's source file
// fills them. Nothing else connects the two, so no list of kernels is kept by hand.
#pragma once

#include <cstdint>

#include "core/device.h"
#include "core/dims.h"
#include "core/dtype.h"

namespace weft {

// A tensor as a kernel sees it: plain data, no ownership. Strides count elements.
// An absent optional operand has `data == nullptr` and `present == false`.
struct Operand {
  void* data = nullptr;
  Shape shape;
  Strides strides;
  DType dtype = DType::float32;
  bool present = false;

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
};

// What every kernel looks like once its parameter type is forgotten.
using KernelFunction = void (*)(const void* params, const Operand* operands);

// CPU instruction sets, worst first. A kernel missing for one is taken from the next lower.
enum class Isa : uint8_t { baseline, avx2, avx512 };
inline constexpr int kNumIsas = 3;
Isa current_isa();      // best of the machine, or what WEFT_ISA asked for
Isa best_isa();         // best of the machine
void set_isa(Isa isa);  // ValueError when the machine lacks it
const char* name(Isa isa);
Isa parse_isa(const char* name);

class KernelSlot {
 public:
  explicit constexpr KernelSlot(const char* name) : name_(name) {}
  const char* name() const { return name_; }

  void set(DeviceType device, Isa isa, DType dtype, KernelFunction function) {
    table_[static_cast<int>(device)][static_cast<int>(isa)][static_cast<int>(dtype)] = function;
  }
  // The best kernel for the device and the current ISA, or null.
  KernelFunction find(DeviceType device, DType dtype) const {
    for (int isa = static_cast<int>(current_isa()); isa >= 0; isa--)
      if (auto f = table_[static_cast<int>(device)][isa][static_cast<int>(dtype)]) return f;
    return nullptr;
  }

 private:
  const char* name_;
  KernelFunction table_[kNumDeviceTypes][kNumIsas][kNumDTypes] = {};
};

// `Params` is a trivially copyable struct: a recorded launch keeps a copy of its bytes.
template <class Params>
class Kernel : public KernelSlot {
 public:
  using KernelSlot::KernelSlot;
};

struct NoParams {};

// One row of a device file's table of kernels. Plain constants, so that the tables of the ISA
// builds need no start-up code: the baseline build of the file registers all of them.
struct KernelEntry {
  KernelSlot* slot;
  DType dtype;
  KernelFunction function;
};

// Turns `void f(const Params&, const Operand*)` into a table row of the slot of these Params.
template <auto kFunction, class Params>
constexpr KernelEntry kernel_entry(Kernel<Params>& slot, DType dtype) {
  return {&slot, dtype, [](const void* params, const Operand* operands) {
            kFunction(*static_cast<const Params*>(params), operands);
          }};
}

template <int kCount>
void register_kernels(DeviceType device, Isa isa, const KernelEntry (&entries)[kCount]) {
  for (const KernelEntry& e : entries) e.slot->set(device, isa, e.dtype, e.function);
}

}  // namespace weft
