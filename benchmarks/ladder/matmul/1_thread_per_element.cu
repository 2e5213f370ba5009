// One thread computes one element of c. Simple and right, but a warp's 32 lanes stand below each
// other in c: they read 32 rows of a and write 32 rows of c, and every such access of 4 bytes moves
// a sector of 32 bytes of its own.
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTile = 32;

__global__ void multiply_per_element(const float* a, const float* b, float* c, int n, int k) {
  const int row = static_cast<int>(blockIdx.y * kTile + threadIdx.x);  // lanes run along rows
  const int column = static_cast<int>(blockIdx.x * kTile + threadIdx.y);
  float sum = 0;
  for (int i = 0; i < k; i++) sum += a[row * k + i] * b[i * n + column];
  c[row * n + column] = sum;
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0, "m and n in multiples of 32");
  gpu::launch(multiply_per_element, dim3(p.n / kTile, p.m / kTile), dim3(kTile, kTile), 0, stream(),
              p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 1, launch)
