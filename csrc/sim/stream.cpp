#include "sim/stream.h"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "sim/fault.h"
#include "sim/launch.h"
#include "sim/symbols.h"

namespace weft::simulator {
namespace {

std::mutex capture_mutex;
std::vector<std::shared_ptr<Capture>> captures;  // that are open

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Work on the legacy default stream would wait for every blocking stream, a capturing one too.
bool legacy_stream_conflicts() {
  std::lock_guard lock(capture_mutex);
  bool conflict = false;
  for (const std::shared_ptr<Capture>& capture : captures) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    if (capture->mode == cudaStreamCaptureModeThreadLocal &&
        capture->thread != std::this_thread::get_id())
      continue;
    if ((capture->origin->flags & cudaStreamNonBlocking) != 0) continue;
    capture->invalidated = true;
    conflict = true;
  }
  return conflict;
}

void close(const std::shared_ptr<Capture>& capture) {
  std::lock_guard lock(capture_mutex);
  std::erase(captures, capture);
  for (Stream* stream : capture->streams) {
    stream->capture.reset();
    stream->joined = true;
  }
}

}  // namespace

cudaError_t forbid_while_capturing() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  std::lock_guard lock(capture_mutex);
  cudaError_t error = cudaSuccess;
  for (const std::shared_ptr<Capture>& capture : captures) {
    const bool own = capture->thread == std::this_thread::get_id();
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    if (capture->mode == cudaStreamCaptureModeThreadLocal && !own) continue;
    capture->invalidated = true;
    error = cudaErrorStreamCaptureUnsupported;
  }
  return error;
}

cudaError_t enqueue(Stream* stream, Operation operation) {
  if (const int fault = fault_code()) return static_cast<cudaError_t>(fault);
  if (stream == nullptr) {
    if (legacy_stream_conflicts()) return cudaErrorStreamCaptureImplicit;
    operation();
    return cudaSuccess;
  }
  if (stream->capture == nullptr) {
    operation();
    return cudaSuccess;
  }
  if (stream->capture->invalidated) return cudaErrorStreamCaptureInvalidated;
  stream->capture->operations.push_back(std::move(operation));
  if (stream != stream->capture->origin) stream->joined = false;
  return cudaSuccess;
}

namespace cuda {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  *stream = new Stream;
  (*stream)->device = current_device();
  (*stream)->flags = flags;
  return report(cudaSuccess);
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return report(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) {
    stream->capture->invalidated = true;
    close(std::shared_ptr<Capture>(stream->capture));
  }
  delete stream;
  return report(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream == nullptr && legacy_stream_conflicts()) return report(cudaErrorStreamCaptureImplicit);
  if (stream != nullptr && stream->capture != nullptr) {
    stream->capture->invalidated = true;
    return report(cudaErrorStreamCaptureUnsupported);
  }
  return report(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* user_data) {
  return report(enqueue(stream, [=] { function(user_data); }));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new Event;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  return report(cudaSuccess);
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return report(cudaErrorInvalidResourceHandle);
  delete event;
  return report(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (event == nullptr) return report(cudaErrorInvalidResourceHandle);
  if (stream != nullptr && stream->capture != nullptr) {
    event->capture = stream->capture;
    event->stream = stream;
    return report(stream->capture->invalidated ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
  }
  return report(enqueue(stream, [=] {
    event->capture.reset();
    event->recorded = true;
    event->nanoseconds = now_ns();
  }));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event == nullptr) return report(cudaErrorInvalidResourceHandle);
  if (const std::shared_ptr<Capture> capture = event->capture.lock()) {
    capture->invalidated = true;
    return report(cudaErrorCapturedEvent);
  }
  return report(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (begin == nullptr || end == nullptr || !begin->recorded || !end->recorded || !begin->timed ||
      !end->timed)
    return report(cudaErrorInvalidResourceHandle);
  *milliseconds = static_cast<float>(end->nanoseconds - begin->nanoseconds) * 1e-6f;
  return report(cudaSuccess);
}

// A stream that waits for an event of a capture joins that capture; the origin that waits for an
// event of a joined stream joins it back.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event == nullptr) return report(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<Capture> capture = event->capture.lock();
  if (capture == nullptr) {
    if (stream != nullptr && stream->capture != nullptr && event->recorded) {
      stream->capture->invalidated = true;
      return report(cudaErrorStreamCaptureIsolation);
    }
    return report(cudaSuccess);
  }
  if (stream == nullptr) return report(cudaErrorStreamCaptureImplicit);
  if (stream->capture == nullptr) {
    stream->capture = capture;
    stream->joined = false;
    capture->streams.push_back(stream);
  } else if (stream->capture != capture) {
    stream->capture->invalidated = capture->invalidated = true;
    return report(cudaErrorStreamCaptureMerge);
  } else if (event->stream != nullptr) {
    event->stream->joined = true;
  }
  return report(cudaSuccess);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (stream == nullptr) return report(cudaErrorStreamCaptureUnsupported);
  if (stream->capture != nullptr) return report(cudaErrorIllegalState);
  auto capture = std::make_shared<Capture>();
  capture->origin = stream;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->streams.push_back(stream);
  stream->capture = capture;
  std::lock_guard lock(capture_mutex);
  captures.push_back(std::move(capture));
  return report(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (stream == nullptr || stream->capture == nullptr) return report(cudaErrorIllegalState);
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture->origin != stream) return report(cudaErrorStreamCaptureUnmatched);
  if (capture->mode != cudaStreamCaptureModeRelaxed &&
      capture->thread != std::this_thread::get_id())
    return report(cudaErrorStreamCaptureWrongThread);
  const bool unjoined =
      std::any_of(capture->streams.begin(), capture->streams.end(),
                  [&](const Stream* s) { return s != capture->origin && !s->joined; });
  close(capture);
  if (capture->invalidated) return report(cudaErrorStreamCaptureInvalidated);
  if (unjoined) return report(cudaErrorStreamCaptureUnjoined);
  *graph = new Graph{std::move(capture->operations)};
  return report(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream == nullptr || stream->capture == nullptr ? cudaStreamCaptureStatusNone
            : stream->capture->invalidated                  ? cudaStreamCaptureStatusInvalidated
                                                            : cudaStreamCaptureStatusActive;
  return report(cudaSuccess);
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_mode);
  return report(cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  if (graph == nullptr) return report(cudaErrorInvalidValue);
  *executable = new Graph(*graph);
  return report(cudaSuccess);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  return report(executable == nullptr ? cudaErrorInvalidValue : cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (executable == nullptr) return report(cudaErrorInvalidValue);
  if (stream != nullptr && stream->capture != nullptr) {
    for (const Operation& operation : executable->operations)
      if (const cudaError_t error = enqueue(stream, operation)) return report(error);
    return report(cudaSuccess);
  }
  return report(enqueue(stream, [=] {
    for (const Operation& operation : executable->operations)
      if (fault_code() == 0) operation();
  }));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return report(cudaSuccess);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return report(cudaSuccess);
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void**, size_t* count) {
  if (graph == nullptr || count == nullptr) return report(cudaErrorInvalidValue);
  *count = graph->operations.size();
  return report(cudaSuccess);
}

}  // namespace cuda
}  // namespace weft::simulator
