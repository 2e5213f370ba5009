// How one kernel of a GPU runs a chain of elementwise launches: each thread loads what the chain
// reads, interprets the steps, and stores what others read.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/kernel.h"

namespace weft {

// How an operand of an elementwise launch lies against the result, which is rows x columns.
enum class Spread : uint8_t { whole, number, per_column, per_row, other };

// Operands: those that are read, then those that are written; all float32.
struct ChainParams {
  static constexpr int kMostSteps = 8, kMostOperands = 16;

  struct Step {
    uint8_t code;  // of the kernel, see Interprets
    uint8_t to;    // values are numbered: first what is read, then what steps give
    uint8_t from[3];
  };
  int64_t size, columns;
  int32_t read, written, steps;
  Spread spread[kMostOperands];
  uint8_t result[kMostOperands];  // number of the value for each operand that is written
  Step step[kMostSteps];
};

// Says which kernel interprets which others; their codes are their places in the list.
class Interprets {
 public:
  Interprets(const Kernel<ChainParams>& interpreter,
             std::initializer_list<const KernelSlot*> kernels);
};
const Kernel<ChainParams>* chain_interpreter();
int chain_code(const KernelSlot& slot);  // -1 when it is not interpreted

}  // namespace weft
