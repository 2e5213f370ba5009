"""What operations on several operands share: numbers beside tensors, broadcast gradients."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Node
from weft.tensor import Tensor, as_tensor

_NUMBERS = (float, int, bool)


def pair(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Both operands as tensors, but a Python number beside a tensor stays a number.

    So it does not widen the tensor's dtype. What is no tensor yet goes to where the other one is.
    """
    if not isinstance(x1, Tensor):
        x1 = x1 if type(x1) in _NUMBERS and isinstance(x2, Tensor) else _paired(x1, x2)
    if not isinstance(x2, Tensor) and type(x2) not in _NUMBERS:
        x2 = as_tensor(x2, near=x1)
    return x1, x2


def _paired(x1: Any, x2: Any) -> Any:
    """`x1` as a tensor, unless it is the number beside an array."""
    if type(x1) in _NUMBERS and type(x2) not in _NUMBERS:
        return x1
    return as_tensor(x1, near=x2)


def first_tensor(operands: Any) -> Tensor | None:
    """The first tensor among operands: what is no tensor yet goes to where it is."""
    return next((x for x in operands if isinstance(x, Tensor)), None)


def keep_likes(ctx: Any, *operands: Any) -> None:
    """Note shapes and dtypes of raw operands, for `fit`."""
    if type(ctx) is Node:
        likes = [(x.shape, x.dtype) if type(x) is _C.Tensor else None for x in operands]
        ctx.likes = likes  # type: ignore[attr-defined]  # forward may set attributes on its ctx


def keep(ctx: Any, *operands: Any) -> None:
    """Save raw operands, of which some may be numbers, for `kept` and `fit`."""
    if type(ctx) is Node:
        keep_likes(ctx, *operands)
        numbers = [None if type(x) is _C.Tensor else x for x in operands]
        ctx.numbers = numbers  # type: ignore[attr-defined]  # as above
        ctx.save(*[x if type(x) is _C.Tensor else None for x in operands])


def kept(ctx: Any) -> list[Any]:
    """What `keep` saved: tensors and numbers."""
    return [n if s is None else s for s, n in zip(ctx.saved, ctx.numbers, strict=True)]


def fit(ctx: Any, index: int, gradient: Tensor) -> Tensor:
    """`gradient` summed over the axes that were broadcast, in the dtype of operand `index`."""
    shape, dtype = ctx.likes[index]
    if gradient.shape != shape:
        gradient = ops.sum_to_shape(gradient, shape)
    return gradient if gradient.dtype == dtype else ops.cast(gradient, dtype)
