#include "cuda/elementwise.h"
#include "ops/functors_arithmetic.h"

WEFT_GPU_FUNCTORS(arithmetic, functors::Arithmetic)
