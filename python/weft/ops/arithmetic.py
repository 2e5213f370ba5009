"""Elementwise operations on two or three operands: arithmetic, extremes, selection."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.ops.operands import first_tensor, fit, pair
from weft.tensor import Tensor, as_tensor

__all__ = [
    "add",
    "arctan2",
    "atan2",
    "clip",
    "divide",
    "floor_divide",
    "fmod",
    "hypot",
    "logaddexp",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "pow",
    "power",
    "remainder",
    "subtract",
    "true_divide",
    "where",
]


class Add(Function):
    kernel = _C.add
    saves = "nothing"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        first = fit(ctx, 0, dy) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, dy) if ctx.needs_grad[1] else None
        return first, second


def add(x1: Any, x2: Any) -> Tensor:
    """Elementwise sum. The shapes are broadcast against each other.

    Example:
        >>> import weft
        >>> weft.ops.add([1.0, 2.0], 3).tolist()
        [4.0, 5.0]
    """
    return Add.of(x1, x2)


class Subtract(Function):
    kernel = _C.subtract
    saves = "nothing"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        first = fit(ctx, 0, dy) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, -dy) if ctx.needs_grad[1] else None
        return first, second


def subtract(x1: Any, x2: Any) -> Tensor:
    """Elementwise difference. Raises TypeError for bool tensors, as NumPy does.

    Example:
        >>> import weft
        >>> weft.ops.subtract([1.0, 2.0], [1.0, 1.0]).tolist()
        [0.0, 1.0]
    """
    return Subtract.of(x1, x2)


class Multiply(Function):
    """Saves each argument if the other one needs a gradient: not `x` for ``x * 3.0``."""

    kernel = _C.multiply

    @staticmethod
    def forward(ctx: Any, x1: Any, x2: Any) -> Any:
        ctx.save(x1 if ctx.needs_grad[1] else None, x2 if ctx.needs_grad[0] else None)
        return _C.multiply(x1, x2)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, dy * x2) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, dy * x1) if ctx.needs_grad[1] else None
        return first, second


def multiply(x1: Any, x2: Any) -> Tensor:
    """Elementwise product.

    Example:
        >>> import weft
        >>> weft.ops.multiply([1.0, 2.0], [[3.0], [4.0]]).tolist()
        [[3.0, 6.0], [4.0, 8.0]]
    """
    return Multiply.of(x1, x2)


class Divide(Function):
    """Saves the divisor, and the dividend if the divisor needs a gradient."""

    kernel = _C.divide

    @staticmethod
    def forward(ctx: Any, x1: Any, x2: Any) -> Any:
        ctx.save(x1 if ctx.needs_grad[1] else None, x2)
        return _C.divide(x1, x2)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, dy / x2) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, -dy * x1 / (x2 * x2)) if ctx.needs_grad[1] else None
        return first, second


def divide(x1: Any, x2: Any) -> Tensor:
    """Elementwise quotient; integers are divided as float32, and x / 0 is infinite or NaN.

    Example:
        >>> import weft
        >>> weft.ops.divide([1, 2], 4).tolist()
        [0.25, 0.5]
    """
    return Divide.of(x1, x2)


class FloorDivide(Function):
    not_differentiable = "floor_divide is constant between its jumps"

    kernel = _C.floor_divide


def floor_divide(x1: Any, x2: Any) -> Tensor:
    """The quotient rounded down. Integers: x // 0 is 0, as in NumPy.

    Example:
        >>> import weft
        >>> weft.ops.floor_divide([7, -7], 2).tolist()
        [3, -4]
    """
    return FloorDivide.of(x1, x2)


class Remainder(Function):
    kernel = _C.remainder
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, dy) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, -dy * floor_divide(x1, x2)) if ctx.needs_grad[1] else None
        return first, second


def remainder(x1: Any, x2: Any) -> Tensor:
    """The remainder with the sign of the divisor, as Python's %. Integers: x % 0 is 0.

    Example:
        >>> import weft
        >>> weft.ops.remainder([7, -7], 3).tolist()
        [1, 2]
    """
    return Remainder.of(x1, x2)


class Fmod(Function):
    kernel = _C.fmod
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, dy) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, -dy * ops.trunc(x1 / x2)) if ctx.needs_grad[1] else None
        return first, second


def fmod(x1: Any, x2: Any) -> Tensor:
    """The remainder with the sign of the dividend, as in C. Integers: fmod(x, 0) is 0.

    Example:
        >>> import weft
        >>> weft.ops.fmod([7.0, -7.0], 3.0).tolist()
        [1.0, -1.0]
    """
    return Fmod.of(x1, x2)


class Power(Function):
    """Saves both arguments and the result."""

    kernel = _C.power
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = second = None
        if ctx.needs_grad[0]:
            # x ** 0 is flat everywhere, also at 0 where x ** -1 is infinite.
            if isinstance(x2, Tensor):
                slope = x2 * x1 ** (x2 - 1)
                first = fit(ctx, 0, dy * where(ops.equal(x2, 0), 0.0, slope))
            else:
                first = fit(ctx, 0, dy * (x2 * x1 ** (x2 - 1)) if x2 != 0 else dy * 0.0)
        if ctx.needs_grad[1]:
            # 0 ** x is flat for x > 0 although log(0) is not finite.
            base = as_tensor(x1)
            safe = where(ops.equal(base, 0), 1.0, base)
            second = fit(ctx, 1, dy * power(x1, x2) * ops.log(safe))
        return first, second


def power(x1: Any, x2: Any) -> Tensor:
    """`x1` to the power of `x2`.

    Raises:
        ValueError: If integers are raised to negative integer powers.

    Example:
        >>> import weft
        >>> weft.ops.power([1.0, 2.0, 3.0], 2).tolist()
        [1.0, 4.0, 9.0]
    """
    return Power.of(x1, x2)


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

    Example:
        >>> import weft
        >>> weft.ops.maximum([1.0, 5.0], [4.0, 2.0]).tolist()
        [4.0, 5.0]
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

    Example:
        >>> import weft
        >>> weft.ops.minimum([1.0, 5.0], [4.0, 2.0]).tolist()
        [1.0, 2.0]
    """
    return Minimum.of(x1, x2)


class Arctan2(Function):
    kernel = _C.arctan2
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, dy * x2 / (x1 * x1 + x2 * x2)) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, -dy * x1 / (x1 * x1 + x2 * x2)) if ctx.needs_grad[1] else None
        return first, second


def arctan2(x1: Any, x2: Any) -> Tensor:
    """The angle of the point (x2, x1), in (-pi, pi].

    Example:
        >>> import weft
        >>> weft.ops.arctan2([0.0, 1.0], [1.0, 0.0]).tolist()
        [0.0, 1.5707963705062866]
    """
    return Arctan2.of(x1, x2)


class Hypot(Function):
    kernel = _C.hypot
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, dy * x1 / hypot(x1, x2)) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, dy * x2 / hypot(x1, x2)) if ctx.needs_grad[1] else None
        return first, second


def hypot(x1: Any, x2: Any) -> Tensor:
    """The length of the vector (x1, x2), without overflow.

    Example:
        >>> import weft
        >>> weft.ops.hypot([3.0], [4.0]).tolist()
        [5.0]
    """
    return Hypot.of(x1, x2)


class Logaddexp(Function):
    kernel = _C.logaddexp
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x1, x2 = ctx.saved
        first = fit(ctx, 0, dy * ops.sigmoid(x1 - x2)) if ctx.needs_grad[0] else None
        second = fit(ctx, 1, dy * ops.sigmoid(x2 - x1)) if ctx.needs_grad[1] else None
        return first, second


def logaddexp(x1: Any, x2: Any) -> Tensor:
    """log(exp(x1) + exp(x2)), without overflow.

    Example:
        >>> import weft
        >>> weft.ops.logaddexp([1000.0], [-1000.0]).tolist()
        [1000.0]
    """
    return Logaddexp.of(x1, x2)


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
    """Elements of `x1` where `condition` is true (not 0), else of `x2`; all three are broadcast.

    Example:
        >>> import weft
        >>> weft.ops.where([True, False], [1.0, 2.0], 0.0).tolist()
        [1.0, 0.0]
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
        x: Tensor of any shape.
        min: Lower bound: a number or a tensor that broadcasts with `x`.
        max: Upper bound, likewise.

    Example:
        >>> import weft
        >>> weft.ops.clip([-1.0, 0.5, 2.0], 0.0, 1.0).tolist()
        [0.0, 0.5, 1.0]
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


# Other names of the same functions: NumPy's and the Array API's.
true_divide = divide
mod = remainder
pow = power
atan2 = arctan2
