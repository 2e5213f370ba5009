"""Elementwise choice between operands: extremes, limits, conditions."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.ops.operands import first_tensor, fit, pair
from weft.tensor import Tensor, as_tensor

__all__ = [
    "clip",
    "maximum",
    "minimum",
    "where",
]


class Maximum(Function):
    kernel = _C.maximum
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, where(x1 >= x2, dy, 0.0)) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, where(x1 >= x2, 0.0, dy)) if ctx.needs_grad[1] else None
        return first, second


def maximum(x1: Any, x2: Any) -> Tensor:
    """The larger of two elements; NaN if one is NaN. Where equal, the gradient goes to `x1`.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.maximum([1.0, 5.0], [4.0, 2.0]).tolist()
        [4.0, 5.0]

    Follows numpy.maximum.
    """
    return Maximum.of(x1, x2)


class Minimum(Function):
    kernel = _C.minimum
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, where(x1 <= x2, dy, 0.0)) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, where(x1 <= x2, 0.0, dy)) if ctx.needs_grad[1] else None
        return first, second


def minimum(x1: Any, x2: Any) -> Tensor:
    """The smaller of two elements; NaN if one is NaN. Where equal, the gradient goes to `x1`.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.minimum([1.0, 5.0], [4.0, 2.0]).tolist()
        [1.0, 2.0]

    Follows numpy.minimum.
    """
    return Minimum.of(x1, x2)


class Where(Function):
    """Saves the condition."""

    kernel = _C.where

    @staticmethod
    def forward(ctx: Any, condition: Any, x1: Any, x2: Any) -> Any:
        ctx.save(condition)
        return _C.where(condition, x1, x2)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (condition,) = ctx.saved
        first = fit(ctx, 1, where(condition, dy, 0.0)) if ctx.needs_grad[1] else None
        second = fit(ctx, 2, where(condition, 0.0, dy)) if ctx.needs_grad[2] else None
        return None, first, second


def where(condition: Any, x1: Any, x2: Any) -> Tensor:
    """Elements of `x1` where `condition` is true (not 0), else of `x2`.

    Args:
        condition: Tensor (...) of any dtype.
        x1: Tensor (...), or a number, which does not widen the dtype of `x2`.
        x2: Tensor or number likewise; the three shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype of `x1` and `x2`.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.where([True, False], [1.0, 2.0], 0.0).tolist()
        [1.0, 0.0]

    Follows numpy.where.
    """
    if type(x1) in (float, int, bool) and type(x2) in (float, int, bool):
        x1 = as_tensor(x1, near=condition)
    home = first_tensor((x1, x2, condition))
    if not isinstance(x1, (Tensor, float, int, bool)):
        x1 = as_tensor(x1, near=home)
    return Where.apply(as_tensor(condition, near=home), *pair(x1, x2))


class Clip(Function):
    """Saves its argument; the bounds are numbers. Within the bounds, ends included, it is x."""

    kernel = _C.clip

    @staticmethod
    def forward(ctx: Any, x: Any, low: Any, high: Any) -> Any:
        ctx.save(x)
        ctx.bounds = (low, high)
        return _C.clip(x, low, high)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        low, high = ctx.bounds
        inside = ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))
        return where(inside, dy, 0.0), None, None


def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """`x` limited to the range from `min` to `max`; None leaves that side open.

    Where `min` is above `max` the result is `max`, as in NumPy.

    Args:
        x: Tensor (...) of any shape.
        min: Lower bound: a number, or a tensor that broadcasts with `x`.
        max: Upper bound, likewise.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.clip([-1.0, 0.5, 2.0], 0.0, 1.0).tolist()
        [0.0, 0.5, 1.0]

    Follows numpy.clip.
    """
    x = as_tensor(x)
    numbers = (float, int, bool)
    if type(min) in numbers and type(max) in numbers:
        return Clip.apply(x, min, max)
    if min is not None:
        x = maximum(x, min)
    if max is not None:
        x = minimum(x, max)
    return x
