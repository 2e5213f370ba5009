// Several launches as one: an optional first kernel, and elementwise ones behind it that run part
// by part, so that what one of them writes is still in the cache when the next one reads it.
#pragma once

#include <vector>

#include "core/kernel.h"

namespace weft {

struct Fused {
  // An operand of one of the kernels, with the shape that it has in a part.
  struct View {
    Operand operand;
    int32_t from;           // which operand of the launch; -1 is scratch memory, or absent
    int64_t bytes_per_row;  // how far it moves from row to row
    bool shrinks;           // its first axis is the rows of the part
    bool narrows;           // its last axis is the columns of the part
    int64_t scratch;        // where in the scratch memory
  };
  struct Step {
    KernelFunction kernel;
    std::vector<char> params;
    size_t first;  // in `views`
    int operands;
  };

  std::vector<Step> steps;
  std::vector<View> views;
  bool has_first = false;       // the first step runs as a whole, and calls the others as its tail
  int64_t rows = 0, inner = 0;  // the results have rows x inner elements
  int64_t part = 0;             // rows of a part
  int64_t scratch_bytes = 0;
};

// The parameters are a pointer to the Fused.
void run_fused(const void* params, const Operand* operands);

}  // namespace weft
