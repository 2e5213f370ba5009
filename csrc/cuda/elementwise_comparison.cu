#include "cuda/elementwise.h"
#include "ops/functors_comparison.h"

WEFT_GPU_FUNCTORS(comparison, functors::Comparison)
