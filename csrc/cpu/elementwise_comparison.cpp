#include "cpu/elementwise.h"
#include "ops/functors_comparison.h"

WEFT_CPU_FUNCTORS(comparison, functors::Comparison)
