"""Softmax and its logarithm."""

from __future__ import annotations

import math
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import number
from weft.ops.shape import normalize_axis
from weft.tensor import Tensor, as_tensor

__all__ = ["log_softmax", "softmax"]


class Softmax(Function):
    """Saves the result."""

    @staticmethod
    def forward(ctx: Any, x: Any, axis: int) -> Any:
        y = _C.softmax(x, axis)
        ctx.save(y)
        ctx.axis = axis
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return SoftmaxBackward.apply(dy, y, ctx.axis), None


class SoftmaxBackward(Function):
    """dx = y (dy - sum(dy y)); saves both."""

    @staticmethod
    def forward(ctx: Any, dy: Any, y: Any, axis: int) -> Any:
        ctx.save(dy, y)
        ctx.axis = axis
        return _C.softmax_backward(dy, y, axis)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        dy, y = ctx.saved
        ddy = SoftmaxBackward.apply(g, y, ctx.axis) if ctx.needs_grad[0] else None
        if not ctx.needs_grad[1]:
            return ddy, None, None
        along = ops.sum(dy * y, ctx.axis, keepdims=True)
        return ddy, g * (dy - along) - dy * ops.sum(g * y, ctx.axis, keepdims=True), None


class LogSoftmax(Function):
    """Saves the result."""

    @staticmethod
    def forward(ctx: Any, x: Any, axis: int) -> Any:
        y = _C.log_softmax(x, axis)
        ctx.save(y)
        ctx.axis = axis
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return LogSoftmaxBackward.apply(dy, y, ctx.axis), None


class LogSoftmaxBackward(Function):
    """dx = dy - exp(y) sum(dy); saves both."""

    @staticmethod
    def forward(ctx: Any, dy: Any, y: Any, axis: int) -> Any:
        ctx.save(dy, y)
        ctx.axis = axis
        return _C.log_softmax_backward(dy, y, axis)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        dy, y = ctx.saved
        weighted = g * ops.exp(y)
        ddy = g - ops.sum(weighted, ctx.axis, keepdims=True) if ctx.needs_grad[0] else None
        dy_sum = ops.sum(dy, ctx.axis, keepdims=True)
        return ddy, -weighted * dy_sum if ctx.needs_grad[1] else None, None


def _along(function: Any, op: str, x: Any, axis: Any, temperature: float) -> Tensor:
    """Apply `function` over one axis, or over several as if they were one."""
    x = as_tensor(x)
    if not x.dtype.is_floating:
        x = ops.cast(x, "float32")
    temperature = number(op, "temperature", temperature)
    if not temperature > 0:
        raise ValueError(f"{op}: temperature must be positive, got {temperature}")
    if temperature != 1:
        x = x * (1.0 / temperature)
    if axis is not None and not isinstance(axis, (tuple, list)):
        return function.apply(x, axis)
    axes = range(x.ndim) if axis is None else [normalize_axis(op, a, x.ndim) for a in axis]
    order = [a for a in range(x.ndim) if a not in axes] + list(axes)
    moved = ops.permute_dims(x, tuple(order))
    kept = moved.shape[: x.ndim - len(axes)]
    rows = ops.reshape(moved, (*kept, math.prod(moved.shape[len(kept) :])))
    y = ops.reshape(function.apply(rows, len(kept)), moved.shape)
    return ops.permute_dims(y, tuple(order.index(a) for a in range(x.ndim)))


def softmax(x: Any, axis: Any = -1, temperature: float = 1.0) -> Tensor:
    """``exp(x / temperature)`` over its sum along `axis`, without overflow.

    Args:
        x: Tensor (...) of any shape; integers become float32.
        axis: The axis whose elements sum to 1; several count as one, None as all.
        temperature: Above 1 the result is more even, below 1 more decided.

    Returns:
        Tensor (...) of the shape of `x`.

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If the temperature is not positive.
        TypeError: If an axis is no integer, the temperature no number, or `x` does not hold
            numbers.

    Example:
        >>> import weft
        >>> weft.softmax([0.0, 0.0]).tolist()
        [0.5, 0.5]

    Follows keras.ops.softmax.
    """
    return _along(Softmax, "softmax", x, axis, temperature)


def log_softmax(x: Any, axis: Any = -1, temperature: float = 1.0) -> Tensor:
    """The logarithm of `softmax`, accurate where softmax itself vanishes.

    Args:
        x: Tensor (...) of any shape; integers become float32.
        axis: The axis whose exponentials sum to 1; several count as one, None as all.
        temperature: As in `softmax`.

    Returns:
        Tensor (...) of the shape of `x`.

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If the temperature is not positive.
        TypeError: If an axis is no integer, the temperature no number, or `x` does not hold
            numbers.

    Example:
        >>> import weft
        >>> weft.log_softmax([0.0, 200.0]).tolist()
        [-200.0, 0.0]

    Follows keras.ops.log_softmax.
    """
    return _along(LogSoftmax, "log_softmax", x, axis, temperature)
