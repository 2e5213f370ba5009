"""Running sums and products along an axis."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.tensor import Tensor, as_tensor

__all__ = ["cumprod", "cumsum"]


class Cumsum(Function):
    """Saves nothing; the gradient is summed from the other end."""

    @staticmethod
    def forward(ctx: Any, x: Any, axis: int, reverse: bool) -> Any:
        ctx.axis, ctx.reverse = axis, reverse
        return _C.cumsum(x, axis, reverse)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Cumsum.apply(dy, ctx.axis, not ctx.reverse), None, None


def cumsum(x: Any, axis: int | None = None) -> Tensor:
    """Running sum along an axis: ``y[i] = x[0] + ... + x[i]``; without `axis` of `x` flattened.

    Args:
        x: Tensor (...) of any shape. Integers and bools are summed in 64 bits.
        axis: The axis to run along; None flattens `x`.

    Returns:
        Tensor (...) of the shape of `x`, or (size,) without `axis`.

    Raises:
        IndexError: If the axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.cumsum([1, 2, 3]).tolist()
        [1, 3, 6]

    Follows numpy.cumsum.
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = ops.reshape(x, (-1,)), 0
    return Cumsum.apply(x, axis, False)


class Cumprod(Function):
    """Saves x. The gradient needs no division: zeros are exact."""

    @staticmethod
    def forward(ctx: Any, x: Any, axis: int) -> Any:
        ctx.axis = axis
        ctx.save(x)
        return _C.cumprod(x, axis)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        moved, dy = ops.moveaxis(x, ctx.axis, -1), ops.moveaxis(dy, ctx.axis, -1)
        if moved.size == 0:
            return dy * 0, None
        rows = ops.reshape(moved, (-1, moved.shape[-1]))
        # What y[i], y[i+1], ... give back to x[i], over the product of those before it:
        # r[i] = dy[i] + x[i+1] r[i+1], solved by doubling the distance that a step spans.
        r, factor = ops.reshape(dy, rows.shape), _shifted_left(rows, 1)
        step = 1
        while step < rows.shape[1]:
            r = r + factor * _shifted_left(r, step)
            factor = factor * _shifted_left(factor, step)
            step *= 2
        dx = ops.reshape(products_before(rows) * r, moved.shape)
        return ops.moveaxis(dx, -1, ctx.axis), None


def _shifted_left(rows: Tensor, steps: int) -> Tensor:
    zeros = ops.zeros((rows.shape[0], steps), dtype=rows.dtype, device=rows.device)
    return ops.concat([rows[:, steps:], zeros], axis=1)


def cumprod(x: Any, axis: int | None = None) -> Tensor:
    """Running product along an axis: ``y[i] = x[0] * ... * x[i]``; without `axis` of `x` flattened.

    Args:
        x: Tensor (...) of any shape. Integers and bools are multiplied in 64 bits.
        axis: The axis to run along; None flattens `x`.

    Returns:
        Tensor (...) of the shape of `x`, or (size,) without `axis`.

    Raises:
        IndexError: If the axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.cumprod([1, 2, 3, 4]).tolist()
        [1, 2, 6, 24]

    Follows numpy.cumprod.
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = ops.reshape(x, (-1,)), 0
    return Cumprod.apply(x, axis)


def products_before(rows: Tensor) -> Tensor:
    """Of each element of a row, the product of those before it."""
    if rows.shape[1] == 0:
        return rows
    return cumprod(_shifted_right(rows), axis=1)


def _shifted_right(rows: Tensor) -> Tensor:
    one = ops.ones((rows.shape[0], 1), dtype=rows.dtype, device=rows.device)
    return ops.concat([one, rows[:, :-1]], axis=1)
