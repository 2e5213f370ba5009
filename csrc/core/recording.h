// What the rest of the code tells a recorder (core/recorder.h) about; each is one test of a pointer
// when nothing is being recorded.
#pragma once

#include <functional>
#include <utility>

namespace weft {

class Recorder;
class Storage;
class Tensor;

extern constinit thread_local Recorder* current_recorder;
inline bool is_recording() { return current_recorder != nullptr; }

void record_check(std::function<void()> check);

// Runs `check`, which looks at the result of a launch and raises, now and again at each replay.
template <class Check>
void check_result(Check check) {
  check();
  if (is_recording()) record_check(std::move(check));
}

// The host reads values, on which what it does next may depend: no recording can know that.
void record_host_read(const Tensor& t, const char* what);
// The host wrote into a new storage, without a launch.
void record_host_write(const Tensor& t);

}  // namespace weft
