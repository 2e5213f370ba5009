"""Variance and standard deviation over axes, and the mean that is found on the way."""

from __future__ import annotations

import math
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function, is_grad_enabled
from weft.errors import number
from weft.ops.reduction import kept_shape, note_reduction, reduced_axes, restore_axes
from weft.tensor import Tensor, as_tensor

__all__ = ["moments", "std", "var"]


class Moments(Function):
    """Saves x and the mean. Two results: mean and variance."""

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, correction: float, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        mean, variance = _C.moments(x, axes, correction, keepdims)
        ctx.save(x, mean)
        ctx.correction = correction
        return mean, variance

    @staticmethod
    def backward(ctx: Any, dmean: Tensor | None, dvariance: Tensor | None) -> Any:
        x, center = ctx.saved
        size = max(math.prod(kept_shape(ctx.shape, ctx.axes)), 1)
        count = x.size / size
        dx = None
        if dmean is not None:
            dx = ops.broadcast_to(restore_axes(ctx, dmean) * (1.0 / max(count, 1.0)), ctx.shape)
        if dvariance is not None:
            # The saved mean is a constant; second derivatives need its dependence on x.
            center = ops.mean(x, ctx.axes, True) if is_grad_enabled() else restore_axes(ctx, center)
            freedom = max(count - ctx.correction, 0.0)
            scale = 2.0 / freedom if freedom else math.nan
            spread = (x - center) * (restore_axes(ctx, dvariance) * scale)
            dx = spread if dx is None else dx + spread
        return dx, None, None, None


def moments(x: Any, axes: Any = None, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance over axes, from one reading of `x`.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.
        axes: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Mean and variance, two tensors (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> mean, variance = weft.moments([1.0, 3.0], axes=0)
        >>> mean.item(), variance.item()
        (2.0, 1.0)

    Follows keras.ops.moments.
    """
    mean, variance = Moments.apply(as_tensor(x), reduced_axes(axes), 0.0, bool(keepdims))
    return mean, variance


def var(
    x: Any,
    axis: Any = None,
    keepdims: bool = False,
    correction: float = 0,
    ddof: float | None = None,
) -> Tensor:
    """Variance over axes: sum((x - mean)^2) / (n - correction). Integers give float32.

    Args:
        x: Tensor (...) of any shape.
        axis: The axes to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.
        correction: 0 for the variance of these numbers, 1 to estimate that of their source.
        ddof: NumPy's name for `correction`.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.var([1.0, 3.0]).item(), weft.var([1.0, 3.0], correction=1).item()
        (1.0, 2.0)

    Follows numpy.var.
    """
    correction = number("var", "correction", correction if ddof is None else ddof)
    return Moments.apply(as_tensor(x), reduced_axes(axis), correction, bool(keepdims))[1]


def std(
    x: Any,
    axis: Any = None,
    keepdims: bool = False,
    correction: float = 0,
    ddof: float | None = None,
) -> Tensor:
    """Standard deviation over axes: the square root of `var`.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.
        axis: The axes to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.
        correction: As in `var`.
        ddof: NumPy's name for `correction`.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.std([1.0, 3.0]).item()
        1.0

    Follows numpy.std.
    """
    return ops.sqrt(var(x, axis, keepdims, correction, ddof))
