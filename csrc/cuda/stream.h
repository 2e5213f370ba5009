// The queue that launchers put their kernels on, and the note that kernels leave when they meet
// bad values.
#pragma once

#include "cuda/gpu.h"

namespace weft::WEFT_GPU {

// The compute stream of the device that `launch` chose for this thread.
cudaStream_t stream();
int current_device();

// What went wrong first, in memory that device and host share. Read when values are read.
struct ErrorNote {
  enum Kind : int { none, index, label };
  int kind;
  int axis;  // -1: not known
  int64_t value, limit;
};
ErrorNote* error_note();  // as the current device sees it

// Only the first note is kept.
__device__ inline void leave_note(ErrorNote* note, ErrorNote::Kind kind, int64_t value,
                                  int64_t limit, int axis = -1) {
  if (atomicCAS(&note->kind, ErrorNote::none, kind) != ErrorNote::none) return;
  note->axis = axis;
  note->value = value;
  note->limit = limit;
}

}  // namespace weft::WEFT_GPU
