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
// An absent optional operand has `data == nullptr` and `present == false`. A number from Python
// reaches the kernels of a GPU as a 0-d operand in host memory, which the launcher reads.
struct Operand {
  void* data = nullptr;
  Shape shape;
  Strides strides;
  DType dtype = DType::float32;
  bool present = false;
  bool on_host = false;

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

// Builds of a GPU's kernels. `checked` reports every memory access to the checker of the simulated
// device; a kernel missing there is taken from `plain`.
enum class GpuVariant : uint8_t { plain, checked };
GpuVariant current_gpu_variant();
void set_gpu_variant(GpuVariant variant);

// Where the 0-d operands of a kernel on a GPU may lie.
enum class Numbers : uint8_t { on_device, on_host_too };

class KernelSlot {
 public:
  explicit constexpr KernelSlot(const char* name, Numbers numbers = Numbers::on_device)
      : name_(name), numbers_(numbers) {}
  const char* name() const { return name_; }
  Numbers numbers() const { return numbers_; }

  // `variant` is an Isa on the CPU and a GpuVariant elsewhere.
  template <class Variant>
  void set(DeviceType device, Variant variant, DType dtype, KernelFunction function) {
    table_[static_cast<int>(device)][static_cast<int>(variant)][static_cast<int>(dtype)] = function;
  }
  // The best kernel for the device and the current variant, or null.
  KernelFunction find(DeviceType device, DType dtype) const {
    int variant = device == DeviceType::cpu ? static_cast<int>(current_isa())
                                            : static_cast<int>(current_gpu_variant());
    for (; variant >= 0; variant--)
      if (auto f = table_[static_cast<int>(device)][variant][static_cast<int>(dtype)]) return f;
    return nullptr;
  }

 private:
  const char* name_;
  Numbers numbers_;
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

template <class Variant, int kCount>
void register_kernels(DeviceType device, Variant variant, const KernelEntry (&entries)[kCount]) {
  for (const KernelEntry& e : entries) e.slot->set(device, variant, e.dtype, e.function);
}

}  // namespace weft
