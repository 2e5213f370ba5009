"""Elementwise arithmetic on two operands."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.ops.operands import fit
from weft.tensor import Tensor, as_tensor

__all__ = [
    "add",
    "arctan2",
    "atan2",
    "divide",
    "floor_divide",
    "fmod",
    "hypot",
    "logaddexp",
    "mod",
    "multiply",
    "pow",
    "power",
    "remainder",
    "subtract",
    "true_divide",
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
    """Elementwise sum; of bools the logical or.

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
        >>> weft.ops.add([1.0, 2.0], 3).tolist()
        [4.0, 5.0]

    Follows numpy.add.
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
    """Elementwise difference.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If both operands are bool, as in NumPy, or one does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.subtract([1.0, 2.0], [1.0, 1.0]).tolist()
        [0.0, 1.0]

    Follows numpy.subtract.
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
    """Elementwise product; of bools the logical and.

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
        >>> weft.ops.multiply([1.0, 2.0], [[3.0], [4.0]]).tolist()
        [[3.0, 6.0], [4.0, 8.0]]

    Follows numpy.multiply.
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

    Args:
        x1: Tensor (...), or a number; integers and bools become float32.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common floating dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.divide([1, 2], 4).tolist()
        [0.25, 0.5]

    Follows numpy.divide.
    """
    return Divide.of(x1, x2)


class FloorDivide(Function):
    not_differentiable = "floor_divide is constant between its jumps"

    kernel = _C.floor_divide


def floor_divide(x1: Any, x2: Any) -> Tensor:
    """The quotient rounded down. Integers: x // 0 is 0.

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
        >>> weft.ops.floor_divide([7, -7], 2).tolist()
        [3, -4]

    Follows numpy.floor_divide.
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
        >>> weft.ops.remainder([7, -7], 3).tolist()
        [1, 2]

    Follows numpy.remainder.
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
        >>> weft.ops.fmod([7.0, -7.0], 3.0).tolist()
        [1.0, -1.0]

    Follows numpy.fmod.
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
                first = fit(ctx, 0, dy * ops.where(ops.equal(x2, 0), 0.0, slope))
            else:
                first = fit(ctx, 0, dy * (x2 * x1 ** (x2 - 1)) if x2 != 0 else dy * 0.0)
        if ctx.needs_grad[1]:
            # 0 ** x is flat for x > 0 although log(0) is not finite.
            base = as_tensor(x1)
            safe = ops.where(ops.equal(base, 0), 1.0, base)
            second = fit(ctx, 1, dy * power(x1, x2) * ops.log(safe))
        return first, second


def power(x1: Any, x2: Any) -> Tensor:
    """`x1` to the power of `x2`.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast, or integers are raised to negative integers.

    Example:
        >>> import weft
        >>> weft.ops.power([1.0, 2.0, 3.0], 2).tolist()
        [1.0, 4.0, 9.0]

    Follows numpy.power.
    """
    return Power.of(x1, x2)


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
    """The angle of the point (x2, x1) in radians, in (-pi, pi].

    Args:
        x1: Tensor (...), or a number; integers and bools become float32.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common floating dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.arctan2([0.0, 1.0], [1.0, 0.0]).tolist()
        [0.0, 1.5707963705062866]

    Follows numpy.arctan2.
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

    Args:
        x1: Tensor (...), or a number; integers and bools become float32.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common floating dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.hypot([3.0], [4.0]).tolist()
        [5.0]

    Follows numpy.hypot.
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

    Args:
        x1: Tensor (...), or a number; integers and bools become float32.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common floating dtype.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.logaddexp([1000.0], [-1000.0]).tolist()
        [1000.0]

    Follows numpy.logaddexp.
    """
    return Logaddexp.of(x1, x2)


# Other names of the same functions: NumPy's and the Array API's.
true_divide = divide
mod = remainder
pow = power
atan2 = arctan2
