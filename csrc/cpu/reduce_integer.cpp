// Sums, products and extremes of integers and bools.
#include "cpu/additive.h"

// A bool is a uint8 that is 0 or 1: any is its maximum, all its minimum.
// 64 bits add and multiply to the same bits with and without a sign.
WEFT_CPU_KERNELS(reduce_integer, WEFT_REDUCE_SUMS(uint8_t, DType::boolean),
                 WEFT_REDUCE_EXTREMES(uint8_t, DType::boolean),
                 kernel_entry<&reduce_kernel<Extreme<uint8_t, true>>>(kernels::any, DType::boolean),
                 kernel_entry<&reduce_kernel<Extreme<uint8_t, false>>>(kernels::all,
                                                                       DType::boolean),
                 WEFT_REDUCE_ALL(uint8_t), WEFT_REDUCE_ALL(uint16_t), WEFT_REDUCE_ALL(uint32_t),
                 WEFT_REDUCE_ALL(uint64_t), WEFT_REDUCE_ALL(int8_t), WEFT_REDUCE_ALL(int16_t),
                 WEFT_REDUCE_ALL(int32_t), WEFT_REDUCE_EXTREMES(int64_t, DType::int64),
                 kernel_entry<&reduce_kernel<Sum<uint64_t>>>(kernels::sum, DType::int64),
                 kernel_entry<&reduce_kernel<Mean<int64_t>>>(kernels::mean, DType::int64),
                 kernel_entry<&reduce_kernel<Product<uint64_t>>>(kernels::prod, DType::int64))
