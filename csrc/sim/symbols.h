// Names for addresses: kernels and source lines in messages.
#pragma once

#include <string>
#include <vector>

namespace weft::simulator {

// "softmax<8>": the kernel's name without return type, parameters and weft's namespaces.
std::string kernel_name(const void* function);

// Where kernels stand: "softmax.cu" and "softmax_kernel<8>", in full. Runs addr2line, once for all.
struct KernelPlace {
  std::string file, name;
};
std::vector<KernelPlace> kernel_places(const std::vector<const void*>& functions);

// "softmax.cu:41" for a return address, or "library.so+0x1234" where there is no line table.
// Wrappers of the simulator and of cuda/ptx.h and gpu.h are left out: the line is the kernel's.
// Runs addr2line: for reports only.
std::string describe_address(const void* pc);

}  // namespace weft::simulator
