// Scaled dot-product attention: y = softmax(scale q k^T + bias, where mask) v for every head, in
// one pass over the keys with a running maximum and sum (Milakov and Gimelshein, arXiv 1805.02867;
// Dao et al., arXiv 2205.14135). The T x S matrix of scores is never in memory.
//
// Saves: query, key, value, mask, bias, y, lse and where dropout began to draw; no weights.
// Cost: 2 D + 2 E + 16 FLOPs for each score, N heads T S of them (half when causal), 6 D + 4 E + 18
// in the backward pass; query, key, value, y and lse cross memory once, in the backward pass twice.
// Error: see below, at the kernel.
#pragma once

#include <optional>
#include <tuple>

#include "core/kernel.h"
#include "core/tensor.h"
#include "ops/matmul_variant.h"

namespace weft {

// N batch, T queries, S keys, D size of a query and key, E size of a value. Query head h reads the
// keys of head h / (heads / kv_heads).
struct AttentionParams {
  int64_t N, T, S, heads, kv_heads, D, E;
  double scale;
  bool causal;              // query t sees keys 0 ... t
  uint64_t keep_threshold;  // dropout of weights: kept when their 32 random bits are below it
  double keep_scale;        // 1 / (1 - rate)
  MatmulPrecision precision;
};

namespace kernels {
// Operands: query (N, T, heads, D), key (N, S, kv_heads, D), value (N, S, kv_heads, E), each with
// stride 1 along its last axis; mask (bool) and bias (N, heads, T, S), both optional and of any
// strides, the last being 0 or 1; state {seed, counter} (see ops/random.h) with dropout only;
// y (N, T, heads, E); lse (N, heads, T): the logarithm of the sum of exp(score), +inf where no key
// is seen; drawn (2): seed and counter before this launch, and state, with dropout only.
// A row that sees no key (masked, or with a bias of -inf) gives zeros, and gradients of zero.
// |error| of a weight <= w ((D / 2 + 4) eps max|score| + 4 eps); y adds S / 2 eps of max|v|. The
// tensor cores of a GPU multiply halves, or floats as tf32 where the precision lets them: weights,
// and slopes of scores, are rounded to that type before they are multiplied.
extern Kernel<AttentionParams> attention;
// Operands: dy, query, key, value, y, lse, mask, bias, drawn; dquery, dkey, dvalue (contiguous) and
// dbias (N, heads, T, S) or absent. Computes the weights anew.
extern Kernel<AttentionParams> attention_backward;
}  // namespace kernels

struct AttentionResult {
  Tensor y, lse, drawn;
};
AttentionResult attention(const Tensor& query, const Tensor& key, const Tensor& value,
                          const std::optional<Tensor>& mask, const std::optional<Tensor>& bias,
                          const std::optional<Tensor>& state, double scale, bool causal,
                          double dropout);
// (dquery, dkey, dvalue, dbias); the last is undefined unless asked for.
std::tuple<Tensor, Tensor, Tensor, Tensor> attention_backward(
    const Tensor& dy, const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& y,
    const Tensor& lse, const std::optional<Tensor>& mask, const std::optional<Tensor>& bias,
    const std::optional<Tensor>& drawn, double scale, bool causal, double dropout, bool needs_bias);

}  // namespace weft
