"""Cases of weft.ops.attention."""

import math
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, normal, rng, sample


def _qkv(n: int, t: int, s: int, h: int, g: int, d: int, e: int) -> tuple[Any, Any, Any]:
    return normal(n, t, h, d), normal(n, s, g, d, seed=1), normal(n, s, g, e, seed=2)


def _mask(*shape: int) -> Any:
    """Two thirds seen, and a query that sees nothing where the mask has one for each."""
    mask = rng(sum(shape)).random(shape) < 0.66
    if mask.ndim >= 2 and shape[-2] > 2:
        mask[..., 1, :] = False
    return mask


# Tiles on the CPU have 6 or 14 queries, blocks 256 (128 backward) keys and 64 queries; on a GPU all
# tiles are 64.
_SAMPLES = [
    sample(*_qkv(1, 2, 3, 2, 2, 2, 3)),
    sample(*_qkv(1, 3, 3, 2, 1, 2, 1), is_causal=True),
    sample(*_qkv(1, 2, 4, 1, 1, 3, 2), mask=_mask(2, 4)),
    sample(*_qkv(1, 3, 2, 2, 2, 2, 2), normal(1, 2, 3, 2, seed=3), mask=_mask(1, 1, 3, 2)),
    sample(*_qkv(2, 2, 2, 1, 1, 2, 2), bias=normal(2, 1, seed=3), scale=-0.5),
    sample(*_qkv(1, 2, 2, 1, 1, 2, 2), scale=0.0),
    sample(*_qkv(1, 1, 1, 1, 1, 1, 1)),
    sample(*_qkv(2, 0, 3, 2, 2, 4, 4)),
    sample(*_qkv(2, 3, 0, 2, 2, 4, 4)),
    sample(*_qkv(0, 3, 3, 2, 2, 4, 4)),
    sample(*_qkv(2, 17, 40, 4, 2, 33, 20)),
    sample(*_qkv(1, 64, 64, 2, 2, 32, 32)),
    sample(*_qkv(1, 70, 129, 2, 1, 16, 64), is_causal=True),
    sample(*_qkv(1, 130, 20, 1, 1, 8, 8), is_causal=True),
    sample(*_qkv(1, 9, 300, 2, 1, 8, 5), mask=_mask(1, 1, 9, 300)),
    sample(*_qkv(2, 9, 30, 2, 2, 8, 5), is_causal=True, mask=_mask(2, 1, 1, 30)),
    sample(*_qkv(2, 9, 7, 2, 2, 8, 5), bias=normal(2, 9, 1, seed=4), mask=_mask(9, 1)),
    sample(*_qkv(1, 5, 7, 1, 1, 256, 130)),
    sample(*_qkv(1, 9, 20, 2, 1, 8, 4), flash_attention=False, mask=_mask(9, 20)),
    sample(*_qkv(1, 3, 2, 2, 1, 2, 2), attn_logits_soft_cap=1.5, is_causal=True),
]
_X = np.ones((2, 3, 4, 5))
_BAD = [
    Bad(sample(np.ones((3, 4, 5)), _X, _X), ValueError, "steps, heads, size"),
    Bad(sample(_X, np.ones((1, 3, 4, 5)), _X), ValueError, "differ in the batch"),
    Bad(sample(_X, np.ones((2, 6, 4, 5)), _X), ValueError, "as many steps"),
    Bad(sample(_X, np.ones((2, 3, 2, 5)), _X), ValueError, "as many heads"),
    Bad(sample(_X, _X[:, :, :3], _X[:, :, :3]), ValueError, "multiple of those of the key, 3"),
    Bad(sample(_X, np.ones((2, 3, 4, 6)), _X), ValueError, "5 in the query .* 6 in the key"),
    Bad(sample(_X, _X, _X, mask=_X[0, 0] > 0), ValueError, "the mask of shape .* broadcast"),
    Bad(sample(_X, _X, _X, mask=np.ones((3, 3))), TypeError, "mask must be bool"),
    Bad(sample(_X, _X, _X, bias=np.ones((5, 3, 3))), ValueError, "the bias of shape"),
    Bad(sample(_X, _X, _X, dropout=1.0), ValueError, r"dropout must lie in \[0, 1\)"),
    Bad(sample(_X, _X, _X, flash_attention=True, attn_logits_soft_cap=2.0), ValueError, "soft_cap"),
    Bad(sample(np.ones((2, 3, 4, 5), int), _X, _X), TypeError, "one floating dtype"),
]
_BENCH = [
    sample(*_qkv(32, 64, 64, 4, 4, 32, 32)),
    sample(*_qkv(1, 512, 512, 12, 12, 64, 64), is_causal=True),
]


def _attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    group = query.shape[2] // key.shape[2]
    k, v = (np.repeat(x, group, 2) for x in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = np.einsum("nthd,nshd->nhts", query, k) * scale
    if attn_logits_soft_cap is not None:
        scores = attn_logits_soft_cap * np.tanh(scores / attn_logits_soft_cap)
    scores = scores if bias is None else scores + bias
    seen = np.ones(scores.shape, bool) if mask is None else np.broadcast_to(mask, scores.shape)
    if is_causal:
        seen = seen & np.tril(np.ones(scores.shape[-2:], bool))
    scores = np.where(seen, scores, -np.inf)
    top = np.max(scores, -1, keepdims=True, initial=-1e30)
    weights = np.exp(scores - top)
    total = weights.sum(-1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    return np.einsum("nhts,nshe->nthe", weights, v)


def _torch_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    import torch

    if attn_logits_soft_cap is not None:  # which PyTorch lacks
        q, k, v = (x.numpy() for x in (query, key, value))
        y = _attention(q, k, v, is_causal=is_causal, attn_logits_soft_cap=attn_logits_soft_cap)
        return torch.tensor(y)
    t, s = query.shape[1], key.shape[1]
    added = None
    if mask is not None or bias is not None:
        added = torch.zeros(t, s, dtype=query.dtype) if bias is None else bias
        seen = torch.ones(t, s, dtype=torch.bool) if mask is None else mask
        if is_causal:
            seen, is_causal = seen & torch.tril(torch.ones(t, s, dtype=torch.bool)), False
        added = torch.where(seen, added, -math.inf).broadcast_to(
            query.shape[0], query.shape[2], t, s
        )
    y = torch.nn.functional.scaled_dot_product_attention(
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        added,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=True,
    )
    return y.transpose(1, 2)


CASES = [
    OpCase(
        ops.dot_product_attention,
        _SAMPLES,
        _attention,
        dtypes=FLOATS + HALVES,
        oracle=_torch_attention,
        reduction=lambda q, k, v, *_, **__: q.shape[-1] + k.shape[1],
        bad=_BAD,
        bench=_BENCH,
    )
]
