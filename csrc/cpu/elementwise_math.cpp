#include "cpu/elementwise.h"
#include "ops/functors_math.h"

WEFT_CPU_FUNCTORS(math, functors::Mathematics)
WEFT_CPU_FUNCTORS(trigonometry, functors::Trigonometry)
