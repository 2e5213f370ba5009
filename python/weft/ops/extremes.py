"""Largest and smallest elements over axes; `axis` as in `weft.ops.reduction`."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.ops.reduction import note_reduction, reduced_axes, restore_axes
from weft.tensor import Tensor, as_tensor

__all__ = [
    "amax",
    "amin",
    "max",
    "min",
    "ptp",
]


class _Extreme(Function):
    """Saves x and the result; equal largest elements share the gradient equally."""

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, y = ctx.saved
        where = ops.equal(x.detach(), restore_axes(ctx, y.detach())).astype(x.dtype)
        share = where / ops.sum(where, ctx.axes, keepdims=True)
        return share * restore_axes(ctx, dy), None, None


class Max(_Extreme):
    """Saves x and the result; equal largest elements share the gradient equally."""

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        y = _C.max(x, axes, keepdims)
        ctx.save(x, y)
        return y


class Min(_Extreme):
    """Saves x and the result; equal smallest elements share the gradient equally."""

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        y = _C.min(x, axes, keepdims)
        ctx.save(x, y)
        return y


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Largest element over axes; NaN if there is one. Ties share the gradient equally.

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice, or there are no elements along the axes.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.max([[1.0, 5.0], [3.0, 2.0]], axis=1).tolist()
        [5.0, 3.0]

    Follows numpy.max.
    """
    return Max.apply(as_tensor(x), reduced_axes(axis), bool(keepdims))


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Smallest element over axes; NaN if there is one. Ties share the gradient equally.

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice, or there are no elements along the axes.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.min([[1.0, 5.0], [3.0, 2.0]], axis=0).tolist()
        [1.0, 2.0]

    Follows numpy.min.
    """
    return Min.apply(as_tensor(x), reduced_axes(axis), bool(keepdims))


def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Largest minus smallest element over axes ("peak to peak").

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice, or there are no elements along the axes.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ptp([3.0, -1.0, 2.0]).item()
        4.0

    Follows numpy.ptp.
    """
    x = as_tensor(x)
    return max(x, axis, keepdims) - min(x, axis, keepdims)


# Other names of the same functions: NumPy's and the Array API's.
amax = max
amin = min
