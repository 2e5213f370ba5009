// Faults of kernels: the first one is kept, and the runtime API returns it until it is cleared.
#pragma once

#include <string>

namespace weft::simulator {

// What went wrong in the last kernel that failed: kernel, block, threads, source lines. Empty when
// nothing did.
std::string last_fault();

// The cudaError value of that fault, 0 when there is none.
int fault_code();

// Makes the device usable again. Memory, streams and earlier results stay, unlike after a real
// sticky error, which only ends with the process.
void clear_fault();

// Keeps the first fault since clear_fault.
void record_fault(int code, const std::string& text);

}  // namespace weft::simulator
