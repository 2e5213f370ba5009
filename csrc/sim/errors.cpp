#include "sim/errors.h"

#include "sim/runtime.h"

namespace weft::simulator::cuda {
namespace {

struct ErrorText {
  cudaError error;
  const char* name;
  const char* text;
};

#define WEFT_SIM_ERROR(error, text) {error, #error, text}
constexpr ErrorText kErrors[] = {
    WEFT_SIM_ERROR(cudaSuccess, "no error"),
    WEFT_SIM_ERROR(cudaErrorInvalidValue, "invalid argument"),
    WEFT_SIM_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    WEFT_SIM_ERROR(cudaErrorInitializationError, "initialization error"),
    WEFT_SIM_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    WEFT_SIM_ERROR(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    WEFT_SIM_ERROR(cudaErrorInvalidSymbol, "invalid device symbol"),
    WEFT_SIM_ERROR(cudaErrorInvalidDevicePointer, "invalid device pointer"),
    WEFT_SIM_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    WEFT_SIM_ERROR(cudaErrorInsufficientDriver,
                   "CUDA driver version is insufficient for CUDA runtime version"),
    WEFT_SIM_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    WEFT_SIM_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    WEFT_SIM_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    WEFT_SIM_ERROR(cudaErrorPeerAccessUnsupported,
                   "peer access is not supported between these two devices"),
    WEFT_SIM_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    WEFT_SIM_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    WEFT_SIM_ERROR(cudaErrorSymbolNotFound, "named symbol not found"),
    WEFT_SIM_ERROR(cudaErrorNotReady, "device not ready"),
    WEFT_SIM_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    WEFT_SIM_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    WEFT_SIM_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    WEFT_SIM_ERROR(cudaErrorPeerAccessAlreadyEnabled, "peer access is already enabled"),
    WEFT_SIM_ERROR(cudaErrorPeerAccessNotEnabled, "peer access has not been enabled"),
    WEFT_SIM_ERROR(cudaErrorAssert, "device-side assert triggered"),
    WEFT_SIM_ERROR(cudaErrorHostMemoryAlreadyRegistered,
                   "part or all of the requested memory range is already mapped"),
    WEFT_SIM_ERROR(cudaErrorHostMemoryNotRegistered,
                   "pointer does not correspond to a registered memory region"),
    WEFT_SIM_ERROR(cudaErrorHardwareStackError, "hardware stack error"),
    WEFT_SIM_ERROR(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    WEFT_SIM_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    WEFT_SIM_ERROR(cudaErrorInvalidAddressSpace,
                   "operation not supported on global/shared address space"),
    WEFT_SIM_ERROR(cudaErrorInvalidPc, "invalid program counter"),
    WEFT_SIM_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    WEFT_SIM_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    WEFT_SIM_ERROR(cudaErrorNotSupported, "operation not supported"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureUnsupported,
                   "operation not permitted when stream is capturing"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureInvalidated,
                   "operation failed due to a previous error during capture"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureMerge,
                   "operation would result in a merge of separate capture sequences"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureUnmatched,
                   "capture was not ended in the same stream as "
                   "it began"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureIsolation,
                   "dependency created on uncaptured work in another stream"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureImplicit,
                   "operation would make the legacy stream depend on a capturing blocking stream"),
    WEFT_SIM_ERROR(cudaErrorCapturedEvent,
                   "operation not permitted on an event last recorded in a capturing stream"),
    WEFT_SIM_ERROR(cudaErrorStreamCaptureWrongThread,
                   "attempt to terminate a thread-local capture sequence from another thread"),
    WEFT_SIM_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef WEFT_SIM_ERROR

const ErrorText* find(cudaError_t error) {
  for (const ErrorText& entry : kErrors)
    if (entry.error == error) return &entry;
  return nullptr;
}

}  // namespace

const char* cudaGetErrorString(cudaError_t error) {
  const ErrorText* entry = find(error);
  return entry != nullptr ? entry->text : "unrecognized error code";
}

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* entry = find(error);
  return entry != nullptr ? entry->name : "unrecognized error code";
}

}  // namespace weft::simulator::cuda
