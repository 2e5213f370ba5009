"""Elementwise functions of one tensor: signs, squares, roots."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "negative",
    "positive",
    "reciprocal",
    "rsqrt",
    "sign",
    "sqrt",
    "square",
]


class Negative(Function):
    kernel = _C.negative
    saves = "nothing"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return -dy


def negative(x: Any) -> Tensor:
    """The element with its sign changed.

    Args:
        x: Tensor (...) of any shape, not of bools.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` holds bools, as in NumPy, or no numbers.

    Example:
        >>> import weft
        >>> weft.ops.negative([1.0, -2.0]).tolist()
        [-1.0, 2.0]

    Follows numpy.negative.
    """
    return Negative.of(x)


def positive(x: Any) -> Tensor:
    """A copy of `x`.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.positive([1.0, -2.0]).tolist()
        [1.0, -2.0]

    Follows numpy.positive.
    """
    return ops.copy(x)


class Absolute(Function):
    kernel = _C.absolute
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy * sign(x)


def abs(x: Any) -> Tensor:
    """The absolute value; its gradient at 0 is 0.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.abs([1.0, -2.0]).tolist()
        [1.0, 2.0]

    Follows numpy.abs.
    """
    return Absolute.of(x)


class Sign(Function):
    not_differentiable = "sign is constant between its jumps"

    kernel = _C.sign


def sign(x: Any) -> Tensor:
    """-1, 0 or 1: the sign of the element.

    Args:
        x: Tensor (...) of any shape, not of bools.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` holds bools, as in NumPy, or no numbers.

    Example:
        >>> import weft
        >>> weft.ops.sign([3.0, 0.0, -2.0]).tolist()
        [1.0, 0.0, -1.0]

    Follows numpy.sign.
    """
    return Sign.of(x)


class Square(Function):
    kernel = _C.square
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy * (x + x)


def square(x: Any) -> Tensor:
    """x * x.

    Args:
        x: Tensor (...) of any shape; bools become int8.

    Returns:
        Tensor (...) of the shape of `x` and its dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.square([3.0, -2.0]).tolist()
        [9.0, 4.0]

    Follows numpy.square.
    """
    return Square.of(x)


class Sqrt(Function):
    kernel = _C.sqrt
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return dy * 0.5 / y


def sqrt(x: Any) -> Tensor:
    """The square root; NaN for negative numbers.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.sqrt([9.0, 4.0]).tolist()
        [3.0, 2.0]

    Follows numpy.sqrt.
    """
    return Sqrt.of(x)


class Rsqrt(Function):
    kernel = _C.rsqrt
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return dy * -0.5 * (y * y * y)


def rsqrt(x: Any) -> Tensor:
    """1 / sqrt(x).

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.rsqrt([4.0, 16.0]).tolist()
        [0.5, 0.25]

    Follows keras.ops.rsqrt.
    """
    return Rsqrt.of(x)


class Reciprocal(Function):
    kernel = _C.reciprocal
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return -dy * (y * y)


def reciprocal(x: Any) -> Tensor:
    """1 / x, in floating point.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.reciprocal([4, 2]).tolist()
        [0.25, 0.5]

    Follows keras.ops.reciprocal.
    """
    return Reciprocal.of(x)


# Other names of the same functions: NumPy's and the Array API's.
absolute = abs
