// Sums, products and extremes of floating-point numbers; integers are in cpu/reduce_integer.cpp.
#include "ops/reduce.h"

#include "cpu/additive.h"

WEFT_CPU_KERNELS(reduce, WEFT_REDUCE_ALL(float), WEFT_REDUCE_ALL(double),
                 kernel_entry<&reduce_kernel<SumSquares<float>>>(kernels::sum_squares,
                                                                 DType::float32),
                 kernel_entry<&reduce_kernel<SumSquares<double>>>(kernels::sum_squares,
                                                                  DType::float64))
