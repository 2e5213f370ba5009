// Watches what one thread does, so that it can be done again without asking: see core/program.h.
//
// While a thread has a recorder, everything runs as always, and the recorder notes each launch,
// each check of a result, and each storage with where it came from. What it cannot repeat makes it
// give up and say why; the thread does not notice.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "core/launch.h"
#include "core/program.h"

namespace weft {

class Recorder {
 public:
  // `label` says where in the model a launch belongs, `where` which line of Python is running.
  Recorder(std::function<std::string()> label, std::function<std::string()> where);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // The calling thread's recorder, if it has one that is not paused.
  static Recorder* current() { return current_recorder; }

  void start();
  void stop();  // also pauses: `start` goes on

  // A view of the same memory, which the program replaces by another array at each replay.
  Tensor input(const Tensor& given);
  // Python's turn: `Program::run` returns there. Gives its number. With a number on the CPU it is
  // Python's turn only if that is not finite.
  int64_t host_entry(const Tensor& unless_finite = {});
  void check_entry(std::function<void()> check);
  // Its values come from the host, not from a launch: they stay as they are now.
  void host_made(const Storage* storage);
  void host_reads(const Tensor& t, const char* what);
  void give_up(const std::string& reason);
  const std::string& failure() const { return failure_; }

  // Whether the memory is an argument's or came to be during the recording.
  bool is_new(const Tensor& t) const;

  void created(Storage* storage, bool foreign);
  void before_launch(Device device, const KernelSlot& slot, KernelFunction kernel, DType dtype,
                     const void* params, size_t params_bytes, const Cost& cost, Operands inputs,
                     Operands outputs, const Operand* operands);

  // Ends the recording. Null when it gave up.
  std::unique_ptr<Program> finish();

 private:
  int32_t find(const Tensor& t);
  void note_use(int32_t at, int64_t launch, bool written);

  std::unique_ptr<Program> program_;
  std::unordered_map<const Storage*, int32_t> known_;
  std::function<std::string()> label_, where_;
  std::string failure_;
};

}  // namespace weft
