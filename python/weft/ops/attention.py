"""Scaled dot-product attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from weft import _C, ops
from weft import random as weft_random
from weft.autograd.recording import Function, is_grad_enabled
from weft.tensor import Tensor, as_tensor

__all__ = ["dot_product_attention"]

_LARGEST_HEAD_OF_GPU = 256


def _raw(x: Tensor | None) -> Any:
    return None if x is None else x._data


class Attention(Function):
    """Saves its operands, the result, a number for each query, and where dropout began to draw.

    The weights are computed anew in the backward pass: nothing of their size is kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Any,
        key: Any,
        value: Any,
        mask: Any,
        bias: Any,
        state: Any,
        scale: float,
        causal: bool,
        dropout: float,
    ) -> Any:
        y, lse, drawn = _C.attention(query, key, value, mask, bias, state, scale, causal, dropout)
        ctx.save(query, key, value, mask, bias, y, lse, drawn)
        ctx.options = scale, causal, dropout
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        query, key, value, mask, bias, y, lse, drawn = ctx.saved
        scale, causal, dropout = ctx.options
        if is_grad_enabled():
            if dropout:
                raise NotImplementedError(
                    "dot_product_attention: no gradient of the gradient with dropout; pass "
                    "flash_attention=False"
                )
            found = _gradients(dy, query, key, value, mask, bias, scale, causal)
            return (*found[:3], None, found[3], None, None, None, None)
        dq, dk, dv, dbias = _C.attention_backward(
            dy._data,
            query._data,
            key._data,
            value._data,
            y._data,
            lse._data,
            _raw(mask),
            _raw(bias),
            _raw(drawn),
            scale,
            causal,
            dropout,
            ctx.needs_grad[4],
        )
        of_bias = None if dbias is None else _reduced(Tensor(dbias), bias)
        return Tensor(dq), Tensor(dk), Tensor(dv), None, of_bias, None, None, None, None


def _reduced(gradient: Tensor, bias: Tensor) -> Tensor:
    """The gradient of a bias that was broadcast to the scores, in its dtype."""
    lead = gradient.ndim - bias.ndim
    axes = [*range(lead), *(lead + a for a, n in enumerate(bias.shape) if n == 1)]
    if axes:
        gradient = ops.sum(gradient, tuple(axes), keepdims=True)
    return ops.cast(ops.reshape(gradient, bias.shape), bias.dtype)


def _heads_first(x: Tensor, heads: int) -> Tensor:
    """(N, S, kv_heads, D) as (N, heads, S, D); each head of keys serves several of queries."""
    x = ops.swapaxes(x, 1, 2)
    return x if x.shape[1] == heads else ops.repeat(x, heads // x.shape[1], axis=1)


def _weights(
    query: Tensor,
    key: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    scale: float,
    causal: bool,
    soft_cap: float | None = None,
) -> Tensor:
    """The weights (N, heads, T, S) of heads-first operands; rows that see no key hold zeros."""
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) * scale
    if soft_cap is not None:
        scores = ops.tanh(scores / soft_cap) * soft_cap
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    if causal:
        lower = ops.tril(ops.ones(scores.shape[-2:], dtype="bool", device=scores.device))
        mask = lower if mask is None else ops.logical_and(mask, lower)
    if mask is not None:
        scores = ops.where(mask, scores, -math.inf)
    if mask is None and bias is None:
        return ops.softmax(scores)
    # Where all are -inf there is nothing to be relative to.
    blind = ops.all(scores == -math.inf, axis=-1, keepdims=True)
    weights = ops.softmax(ops.where(blind, 0.0, scores))
    return ops.where(blind, 0.0, weights)


def _gradients(
    dy: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    scale: float,
    causal: bool,
) -> Sequence[Tensor | None]:
    """dquery, dkey, dvalue and dbias in public operations: differentiable once more."""
    heads, kv_heads = query.shape[2], key.shape[2]
    q, d = ops.swapaxes(query, 1, 2), ops.swapaxes(dy, 1, 2)
    k, v = _heads_first(key, heads), _heads_first(value, heads)
    w = _weights(q, k, mask, bias, scale, causal)
    dw = ops.matmul(d, ops.swapaxes(v, -1, -2))
    ds = w * (dw - ops.sum(w * dw, -1, keepdims=True))
    dq = ops.matmul(ds, k) * scale
    dk = ops.matmul(ops.swapaxes(ds, -1, -2), q) * scale
    dv = ops.matmul(ops.swapaxes(w, -1, -2), d)
    back = [ops.swapaxes(dq, 1, 2)]
    for gradient in (dk, dv):
        if kv_heads != heads:
            n, _, s, size = gradient.shape
            gradient = ops.sum(
                ops.reshape(gradient, (n, kv_heads, heads // kv_heads, s, size)), axis=2
            )
        back.append(ops.swapaxes(gradient, 1, 2))
    return (*back, None if bias is None else _reduced(ds, bias))


def _composed(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    scale: float,
    causal: bool,
    soft_cap: float | None,
    dropout: float,
    seed: Any,
) -> Tensor:
    heads = query.shape[2]
    if key.ndim == 4 and key.shape[2] and heads % key.shape[2]:
        raise ValueError(
            f"dot_product_attention: the heads of the query, {heads}, must be a multiple of those "
            f"of the key, {key.shape[2]}"
        )
    k, v = _heads_first(key, heads), _heads_first(value, heads)
    w = _weights(ops.swapaxes(query, 1, 2), k, mask, bias, scale, causal, soft_cap)
    if dropout:
        w = ops.dropout(w, dropout, seed=seed)
    return ops.swapaxes(ops.matmul(w, v), 1, 2)


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
    *,
    dropout: float = 0.0,
    seed: Any = None,
) -> Tensor:
    """Each query's mean of the values, weighted by how well their keys match it.

    ``softmax(query @ key^T * scale + bias) @ value`` for every head. One kernel passes over the
    keys, so that the T x S matrix of weights is never in memory, in the backward pass neither.

    Args:
        query: Queries (N, T, H, D).
        key: Keys (N, S, G, D); H is a multiple of G, and each head of keys serves H / G heads of
            queries.
        value: Values (N, S, G, E).
        bias: Added to the scores, broadcast to (N, H, T, S). Its gradient takes memory of that
            size.
        mask: bool, broadcast to (N, H, T, S): True where the query sees the key.
        scale: Factor of the scores; ``1 / sqrt(D)`` if None.
        is_causal: Let query t see the keys 0 to t only; together with `mask`, if that is given.
        flash_attention: True for the kernel, False for a product, a softmax and a product that
            hold all weights in memory; None for the kernel wherever it can be used.
        attn_logits_soft_cap: Scores become ``cap * tanh(score / cap)`` before the bias; without
            the kernel.
        dropout: Probability that a weight is set to 0 and the rest scaled up.
        seed: Where the randomness of dropout comes from; see `weft.random`.

    Returns:
        Tensor (N, T, H, E). A query that sees no key gets zeros, and gradients of zero, as in
        PyTorch (Keras gives the mean of all values there).

    Raises:
        TypeError: If the operands are not of one floating dtype, or the mask is not bool.
        ValueError: If shapes do not fit, or `flash_attention` is True where the kernel cannot be
            used: with a cap, or on a GPU with heads of more than 256 numbers.

    Example:
        >>> import weft
        >>> q, v = weft.zeros((1, 1, 1, 4)), weft.reshape([1.0, 2.0, 6.0], (1, 3, 1, 1))
        >>> weft.ops.dot_product_attention(q, weft.zeros((1, 3, 1, 4)), v).item()
        3.0

    Source: Vaswani et al.: Attention is all you need, arXiv 1706.03762; in one pass: Dao et al.,
    arXiv 2205.14135.
    """
    query = as_tensor(query)
    key, value = as_tensor(key, near=query), as_tensor(value, near=query)
    mask = None if mask is None else as_tensor(mask, near=query)
    bias = None if bias is None else as_tensor(bias, near=query)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.ndim and query.shape[-1] else 1.0
    dropout = float(dropout)
    large = query.device not in ("cpu", "meta") and any(
        x.ndim and x.shape[-1] > _LARGEST_HEAD_OF_GPU for x in (query, value)
    )
    if flash_attention and attn_logits_soft_cap is not None:
        raise ValueError(
            "dot_product_attention: the kernel has no attn_logits_soft_cap; leave flash_attention "
            "out"
        )
    if (
        flash_attention is False
        or attn_logits_soft_cap is not None
        or (large and not flash_attention)
    ):
        return _composed(
            query,
            key,
            value,
            mask,
            bias,
            float(scale),
            bool(is_causal),
            attn_logits_soft_cap,
            dropout,
            seed,
        )
    state = weft_random.state_of(seed, query.device) if dropout else None
    return Attention.apply(
        query, key, value, mask, bias, state, float(scale), bool(is_causal), dropout
    )
