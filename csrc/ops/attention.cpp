#include "ops/attention.h"

#include <cmath>
#include <limits>

#include "bindings/binding.h"
#include "core/launch.h"
#include "ops/cast.h"
#include "ops/kernel_dtype.h"
#include "ops/random.h"

namespace weft {

namespace kernels {
constinit Kernel<AttentionParams> attention("attention");
constinit Kernel<AttentionParams> attention_backward("attention_backward");
}  // namespace kernels

namespace {

constexpr int64_t kFlopsOfExp = 12;
constexpr int64_t kLargestHeadOfGpu = 256;

AttentionParams make_params(const Tensor& query, const Tensor& key, const Tensor& value,
                            double scale, bool causal, double dropout) {
  const char* op = "attention";
  check_type(
      is_floating(query.dtype()) && query.dtype() == key.dtype() && query.dtype() == value.dtype(),
      op, ": query, key and value must have one floating dtype, got ", query.dtype(), ", ",
      key.dtype(), " and ", value.dtype());
  check(query.ndim() == 4 && key.ndim() == 4 && value.ndim() == 4, op,
        ": query, key and value must be (batch, steps, heads, size), got ", query.shape(), ", ",
        key.shape(), " and ", value.shape());
  check(key.dim(0) == query.dim(0) && value.dim(0) == query.dim(0), op, ": query ", query.shape(),
        ", key ", key.shape(), " and value ", value.shape(), " differ in the batch, axis 0");
  check(key.dim(1) == value.dim(1), op, ": key ", key.shape(), " and value ", value.shape(),
        " must have as many steps, axis 1");
  check(key.dim(2) == value.dim(2), op, ": key ", key.shape(), " and value ", value.shape(),
        " must have as many heads, axis 2");
  check(key.dim(2) > 0 && query.dim(2) % key.dim(2) == 0, op, ": the heads of the query, ",
        query.dim(2), ", must be a multiple of those of the key, ", key.dim(2));
  check(key.dim(3) == query.dim(3), op, ": the size of a head is ", query.dim(3),
        " in the query of shape ", query.shape(), " but ", key.dim(3), " in the key of shape ",
        key.shape());
  check(query.dim(3) > 0 && value.dim(3) > 0, op, ": heads must have a size, got query ",
        query.shape(), " and value ", value.shape());
  check(dropout >= 0 && dropout < 1, op, ": dropout must lie in [0, 1), got ", dropout);
  const DeviceType device = query.device().type;
  check(device == DeviceType::cpu || device == DeviceType::meta ||
            (query.dim(3) <= kLargestHeadOfGpu && value.dim(3) <= kLargestHeadOfGpu),
        op, ": heads of at most ", kLargestHeadOfGpu, " numbers fit the kernel of a GPU, got ",
        query.dim(3), " and ", value.dim(3), "; pass flash_attention=False");
  return {query.dim(0),
          query.dim(1),
          key.dim(1),
          query.dim(2),
          key.dim(2),
          query.dim(3),
          value.dim(3),
          scale,
          causal,
          static_cast<uint64_t>(std::llround((1 - dropout) * 0x1p32)),
          1 / (1 - dropout),
          matmul_precision()};
}

// A view of (N, heads, T, S) whose last axis is contiguous or repeated.
Tensor over_scores(const std::optional<Tensor>& t, const AttentionParams& p, const char* name) {
  if (!t || !t->defined()) return Tensor();
  const Shape scores{p.N, p.heads, p.T, p.S};
  bool fits = t->ndim() <= 4;
  for (int axis = 1; fits && axis <= t->ndim(); axis++)
    fits = t->dim(-axis) == 1 || t->dim(-axis) == scores[4 - axis];
  check(fits, "attention: ", name, " of shape ", t->shape(),
        " cannot be broadcast to (batch, heads, queries, keys) = ", scores);
  const bool plain = t->ndim() == 0 || t->dim(-1) == 1 || t->stride(-1) == 1;
  return broadcast_to(plain ? *t : contiguous(*t), scores, "attention");
}

Tensor mask_over_scores(const std::optional<Tensor>& mask, const AttentionParams& p) {
  if (mask && mask->defined())
    check_type(mask->dtype() == DType::boolean, "attention: the mask must be bool, got ",
               mask->dtype(), "; numbers to add to the scores are a bias");
  return over_scores(mask, p, "the mask");
}

Tensor bias_over_scores(const std::optional<Tensor>& bias, const AttentionParams& p, DType dtype) {
  if (!bias || !bias->defined()) return Tensor();
  return over_scores(cast(*bias, dtype), p, "the bias");
}

Tensor with_dense_heads(const Tensor& x, DType dtype) {
  const Tensor y = cast(x, dtype);
  return y.stride(3) == 1 || y.dim(3) == 1 ? y : contiguous(y);
}

int64_t scores_of(const AttentionParams& p) {
  const int64_t all = p.N * p.heads * p.T * p.S;
  return p.causal ? all / 2 : all;
}

}  // namespace

AttentionResult attention(const Tensor& query, const Tensor& key, const Tensor& value,
                          const std::optional<Tensor>& mask, const std::optional<Tensor>& bias,
                          const std::optional<Tensor>& state, double scale, bool causal,
                          double dropout) {
  const AttentionParams p = make_params(query, key, value, scale, causal, dropout);
  const DType dtype = kernel_dtype(kernels::attention, query.device(), query.dtype());
  const Tensor q = with_dense_heads(query, dtype), k = with_dense_heads(key, dtype),
               v = with_dense_heads(value, dtype), seen = mask_over_scores(mask, p),
               added = bias_over_scores(bias, p, dtype);
  const Device device = query.device();
  AttentionResult r;
  r.y = Tensor::empty({p.N, p.T, p.heads, p.E}, dtype, device);
  r.lse = Tensor::empty({p.N, p.heads, p.T}, compute_dtype(dtype), device);
  Tensor random;
  if (dropout > 0) {
    check(state && state->defined(), "attention: dropout needs the state of a generator");
    check_state(*state, "attention");
    random = *state;
    r.drawn = Tensor::empty({2}, DType::uint64, device);
  }
  if (p.S == 0 || r.y.size() == 0) {  // nothing to see, or nobody to see it
    r.y = full(r.y.shape(), 0, dtype, device);
    r.lse = full(r.lse.shape(), std::numeric_limits<double>::infinity(), r.lse.dtype(), device);
    if (dropout > 0) copy_into(random, r.drawn);
  } else {
    launch(kernels::attention, dtype, p,
           {scores_of(p) * (2 * p.D + 2 * p.E + kFlopsOfExp + 4),
            bytes_of(q) + bytes_of(k) + bytes_of(v) + bytes_of(r.y) + bytes_of(r.lse)},
           {&q, &k, &v, &seen, &added, &random}, {&r.y, &r.lse, &r.drawn, &random});
  }
  if (dropout > 0) random.storage()->bump_version();
  r.y = cast(r.y, query.dtype());
  return r;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> attention_backward(
    const Tensor& dy, const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& y,
    const Tensor& lse, const std::optional<Tensor>& mask, const std::optional<Tensor>& bias,
    const std::optional<Tensor>& drawn, double scale, bool causal, double dropout,
    bool needs_bias) {
  const AttentionParams p = make_params(query, key, value, scale, causal, dropout);
  check(dy.shape() == y.shape(), "attention_backward: dy has shape ", dy.shape(), " but y has ",
        y.shape());
  const DType dtype = kernel_dtype(kernels::attention_backward, query.device(), query.dtype());
  const Tensor q = with_dense_heads(query, dtype), k = with_dense_heads(key, dtype),
               v = with_dense_heads(value, dtype), d = with_dense_heads(dy, dtype),
               out = with_dense_heads(y, dtype), seen = mask_over_scores(mask, p),
               added = bias_over_scores(bias, p, dtype), sums = contiguous(lse);
  const Device device = query.device();
  const Tensor random = drawn && drawn->defined() ? *drawn : Tensor();
  check(random.defined() || dropout == 0, "attention_backward: dropout needs what was drawn");
  if (query.size() == 0 || key.size() == 0) {
    Tensor dbias;
    if (needs_bias) dbias = full({p.N, p.heads, p.T, p.S}, 0, query.dtype(), device);
    return {full(query.shape(), 0, query.dtype(), device),
            full(key.shape(), 0, key.dtype(), device),
            full(value.shape(), 0, value.dtype(), device), dbias};
  }
  Tensor dq = Tensor::empty(query.shape(), dtype, device);
  Tensor dk = Tensor::empty(key.shape(), dtype, device);
  Tensor dv = Tensor::empty(value.shape(), dtype, device);
  Tensor dbias;
  if (needs_bias) dbias = Tensor::empty({p.N, p.heads, p.T, p.S}, dtype, device);
  launch(kernels::attention_backward, dtype, p,
         {scores_of(p) * (6 * p.D + 4 * p.E + kFlopsOfExp + 6),
          2 * (bytes_of(q) + bytes_of(k) + bytes_of(v) + bytes_of(d)) + bytes_of(dbias)},
         {&d, &q, &k, &v, &out, &sums, &seen, &added, &random}, {&dq, &dk, &dv, &dbias});
  return {cast(dq, query.dtype()), cast(dk, key.dtype()), cast(dv, value.dtype()),
          needs_bias ? cast(dbias, query.dtype()) : dbias};
}

WEFT_BINDING(attention) {
  namespace py = pybind11;
  m.def(
      "attention",
      [](const Tensor& query, const Tensor& key, const Tensor& value,
         const std::optional<Tensor>& mask, const std::optional<Tensor>& bias,
         const std::optional<Tensor>& state, double scale, bool causal, double dropout) {
        AttentionResult r = attention(query, key, value, mask, bias, state, scale, causal, dropout);
        return std::tuple(r.y, r.lse, r.drawn.defined() ? std::optional(r.drawn) : std::nullopt);
      },
      py::arg("query"), py::arg("key"), py::arg("value"), py::arg("mask"), py::arg("bias"),
      py::arg("state"), py::arg("scale"), py::arg("causal"), py::arg("dropout"));
  m.def(
      "attention_backward",
      [](const Tensor& dy, const Tensor& query, const Tensor& key, const Tensor& value,
         const Tensor& y, const Tensor& lse, const std::optional<Tensor>& mask,
         const std::optional<Tensor>& bias, const std::optional<Tensor>& drawn, double scale,
         bool causal, double dropout, bool needs_bias) {
        auto [dq, dk, dv, dbias] = attention_backward(dy, query, key, value, y, lse, mask, bias,
                                                      drawn, scale, causal, dropout, needs_bias);
        return std::tuple(dq, dk, dv, dbias.defined() ? std::optional(dbias) : std::nullopt);
      },
      py::arg("dy"), py::arg("query"), py::arg("key"), py::arg("value"), py::arg("y"),
      py::arg("lse"), py::arg("mask"), py::arg("bias"), py::arg("drawn"), py::arg("scale"),
      py::arg("causal"), py::arg("dropout"), py::arg("needs_bias"));
}

}  // namespace weft
