// Streams, events and the graphs that captures record.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "sim/runtime.h"

namespace weft::simulator {

// What a stream can do later: run it, in order.
using Operation = std::function<void()>;

struct Capture {
  Stream* origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  bool invalidated = false;
  std::vector<Stream*> streams;  // the origin and those that joined through events
  std::vector<Operation> operations;
};

struct Graph {
  std::vector<Operation> operations;
};

struct Stream {
  int device = 0;
  unsigned flags = 0;
  std::shared_ptr<Capture> capture;
  // For captures: whether all that this stream did since it joined is waited for by the origin.
  bool joined = true;
};

struct Event {
  bool recorded = false;
  bool timed = true;
  int64_t nanoseconds = 0;
  std::weak_ptr<Capture> capture;  // recorded into this capture
  Stream* stream = nullptr;
};

// Runs the operation now, or records it when the stream captures.
cudaError_t enqueue(Stream* stream, Operation operation);

// For calls that would make a running capture wrong (allocation, synchronisation of the device):
// fails and invalidates it, as CUDA does, unless the capture is relaxed.
cudaError_t forbid_while_capturing();

// Remembers the error for cudaGetLastError; a fault of a kernel overrides it.
cudaError_t report(cudaError_t error);

int current_device();

}  // namespace weft::simulator
