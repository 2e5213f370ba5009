"""What operations on several operands share: numbers beside tensors, broadcast gradients."""

from __future__ import annotations

import sys
from typing import Any

from weft import ops
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


def operands(*values: Any) -> tuple[Any, ...]:
    """Values of any kind as operands of one elementwise operation; see `Function.of`.

    Raises:
        TypeError: If one is no number; the message begins with the operation that asks.
    """
    try:
        return pair(*values) if len(values) == 2 else tuple(map(as_tensor, values))
    except TypeError as error:
        operation = sys._getframe(1).f_code.co_name
        raise TypeError(f"{operation}: {error}") from None


def fit(ctx: Any, index: int, gradient: Tensor) -> Tensor:
    """`gradient` summed over the axes that were broadcast, in the dtype of operand `index`."""
    if ctx.fits(index, gradient):
        return gradient
    shape, dtype = ctx.like(index)
    if gradient.shape != shape:
        gradient = ops.sum_to_shape(gradient, shape)
    return gradient if gradient.dtype == dtype else ops.cast(gradient, dtype)
