// What the runtime's error codes mean for somebody who uses weft.
#pragma once

#include <string>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "sim/fault.h"
#include "sim/runtime.h"
#endif

namespace weft::gpu {
inline namespace WEFT_GPU {

#ifndef __CUDACC__
using namespace ::weft::simulator::cuda;
#endif

// Errors after which a real device answers nothing but the same error.
inline bool context_is_lost(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorAssert:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout: return true;
    default: return false;
  }
}

// What a kernel's failure means, empty for other errors. It is forgotten where the device allows
// it: the simulated one goes on.
inline std::string explain_lost(cudaError_t error) {
  if (!context_is_lost(error)) return "";
#ifdef __CUDACC__
  return "; a kernel of this process failed, and the GPU answers nothing else from now on: save "
         "what "
         "is on the CPU and start again, with CUDA_LAUNCH_BLOCKING=1 to see which kernel it is, or "
         "on the device 'sim', which names the line";
#else
  const std::string fault = ::weft::simulator::last_fault();
  ::weft::simulator::clear_fault();
  cudaGetLastError();
  return "; an earlier kernel failed: " + fault +
         "; what it and later kernels wrote is not valid, the device itself goes on";
#endif
}

// The error in words, after which it counts as reported.
inline std::string explain(cudaError_t error) {
  std::string text = std::string(cudaGetErrorString(error)) + explain_lost(error);
  if (error == cudaErrorInsufficientDriver) text += "; install NVIDIA driver 580 or later";
  if (error == cudaErrorMemoryAllocation)
    text += "; delete tensors you no longer need, or use a smaller batch";
  cudaGetLastError();
  return text;
}

}  // namespace WEFT_GPU
}  // namespace weft::gpu
