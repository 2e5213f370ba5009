#include "cuda/elementwise.h"
#include "ops/functors_math.h"

WEFT_GPU_FUNCTORS(math, functors::Mathematics)
WEFT_GPU_FUNCTORS(trigonometry, functors::Trigonometry)
