// The same kernel with x and y exchanged: a warp's lanes now stand side by side in c. They read the
// same element of a, which is one sector for all of them, and 32 neighbours in a row of b, which
// are four full sectors: nothing is moved that is not used. Not a single operation was saved.
#include "ladder.h"

namespace weft::WEFT_GPU {
namespace {

constexpr int kTile = 32;

__global__ void multiply_coalesced(const float* a, const float* b, float* c, int n, int k) {
  const int row = static_cast<int>(blockIdx.y * kTile + threadIdx.y);
  const int column = static_cast<int>(blockIdx.x * kTile + threadIdx.x);  // lanes run along columns
  float sum = 0;
  for (int i = 0; i < k; i++) sum += a[row * k + i] * b[i * n + column];
  c[row * n + column] = sum;
}

void launch(const MatmulProblem& p) {
  wants(p.m % kTile == 0 && p.n % kTile == 0, "m and n in multiples of 32");
  gpu::launch(multiply_coalesced, dim3(p.n / kTile, p.m / kTile), dim3(kTile, kTile), 0, stream(),
              p.a, p.b, p.c, p.n, p.k);
}

}  // namespace
}  // namespace weft::WEFT_GPU

LADDER_RUNG(matmul, 2, launch)
