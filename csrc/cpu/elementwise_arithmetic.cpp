#include "cpu/elementwise.h"
#include "ops/functors_arithmetic.h"

WEFT_CPU_FUNCTORS(arithmetic, functors::Arithmetic)
