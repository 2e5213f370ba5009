// Softmax cross-entropy, fused: the loss of each row of logits, and its gradient, without the
// probabilities ever being stored.
//
//   loss[n] = -sum_c t[n,c] log softmax(x[n,:])[c]
//   dx[n,c] = dloss[n] * (sum(t[n,:]) softmax(x[n,:])[c] - t[n,c])
//
// where the target t = on * y + off (label smoothing s: on = 1 - s, off = s / C) and y is given as
// class numbers (sparse) or as a row of weights (dense). Sums run relative to the row's largest
// logit, so that nothing overflows and a confident row keeps its digits.
//
// The same of probabilities p instead of logits, which are first divided by their sum and cut to
// [epsilon, 1 - epsilon]:
//
//   loss[n] = -sum_c t[n,c] log q[n,c],   q = p[n,c] / sum(p[n,:])
//   dp[n,c] = dloss[n] * (T / sum(p[n,:]) - t[n,c] / p[n,c]),   T = sum_c t[n,c] where q is not cut
//
// Saves: x, y and two numbers for each row.
// Cost: 14 FLOPs for each of the N C logits, in the backward pass again; x and y are read, loss or
// dx written.
// Error: exp is within 1.1 ULP, log within 1.5: |error| <= (C / 2 + 2) eps + 3 eps |loss| for a row
// of C logits, (C / 2 + 2) eps p + 2 eps |dx| for a gradient with probability p. Of dense labels
// the sum over c adds C / 2 eps sum |t| |log softmax|. Means are added in float64.
#pragma once

#include <cstdint>
#include <optional>
#include <tuple>

#include "core/kernel.h"
#include "core/tensor.h"

namespace weft {

struct CrossEntropyParams {
  int64_t N, C;    // x: (N, C)
  double on, off;  // target = on * y + off
  bool ignores;    // rows whose class number is `ignored` have no loss and no gradient
  int64_t ignored;
  double epsilon;          // 0: x are logits; else probabilities, cut to [epsilon, 1 - epsilon]
  double dloss_scale = 1;  // 1 / N when the gradient is that of the mean
};

namespace kernels {
// Operands: x, y (N,) of any integer or floating dtype, loss (N,), statistics (N, 2), mean (0-d,
// optional: that of the losses), bad_row, dx (N, C) (optional: the gradient, for losses whose own
// gradient is dloss_scale).
// The statistics of a row are its largest logit and sum(t) / sum(exp(x - largest)); of a row of
// probabilities 1 / sum(p) and T.
// bad_row (int64): the first row whose class number is no integer in [0, C), else -1.
extern Kernel<CrossEntropyParams> sparse_cross_entropy;
// Operands: x, y (N, C), loss, statistics, mean.
extern Kernel<CrossEntropyParams> dense_cross_entropy;
// Operands: dloss (N,) of any stride, x, y, statistics, dx.
extern Kernel<CrossEntropyParams> sparse_cross_entropy_backward;
extern Kernel<CrossEntropyParams> dense_cross_entropy_backward;
}  // namespace kernels

// x: (..., C). y: class numbers of shape (...), or weights of the shape and dtype of x.
// Gives the losses (...), or with `mean` their mean, and the statistics that the backward pass
// needs. A 0-d dloss of several rows is the gradient of their mean. ValueError for a class number
// outside [0, C), with its row.
// With `gradient` also the gradient of the mean (of class numbers only), for little more than the
// loss alone: the exponentials are there, and backward needs no launch.
std::tuple<Tensor, Tensor, std::optional<Tensor>> softmax_cross_entropy(
    const Tensor& x, const Tensor& y, double label_smoothing, std::optional<int64_t> ignore_class,
    double epsilon, bool mean, bool gradient);
Tensor softmax_cross_entropy_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                                      const Tensor& statistics, double label_smoothing,
                                      std::optional<int64_t> ignore_class, double epsilon);

}  // namespace weft
