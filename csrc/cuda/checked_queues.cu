// In the checked build alone, in place of backend.cu: its kernels use the queues, and the notes of
// errors, of the plain build. The device exists once.
#include "cuda/stream.h"

namespace weft::sim {
cudaStream_t stream();
int current_device();
struct ErrorNote;
ErrorNote* error_note();
}  // namespace weft::sim

namespace weft::WEFT_GPU {

cudaStream_t stream() { return sim::stream(); }
int current_device() { return sim::current_device(); }
// The same structure in another namespace.
ErrorNote* error_note() { return reinterpret_cast<ErrorNote*>(sim::error_note()); }

}  // namespace weft::WEFT_GPU
