"""Elementwise functions of one tensor: signs, roots, exponentials, logarithms."""

from __future__ import annotations

import math
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "negative",
    "positive",
    "reciprocal",
    "rsqrt",
    "sign",
    "sqrt",
    "square",
]

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_ERF_SLOPE = 2.0 / math.sqrt(math.pi)  # erf'(0)


class Negative(Function):
    kernel = _C.negative
    saves = "nothing"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return -dy


def negative(x: Any) -> Tensor:
    """The element with its sign changed. Raises TypeError for bools, as NumPy does.

    Example:
        >>> import weft
        >>> weft.ops.negative([1.0, -2.0]).tolist()
        [-1.0, 2.0]
    """
    return Negative.of(x)


def positive(x: Any) -> Tensor:
    """A copy of `x`.

    Example:
        >>> import weft
        >>> weft.ops.positive([1.0, -2.0]).tolist()
        [1.0, -2.0]
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

    Example:
        >>> import weft
        >>> weft.ops.abs([1.0, -2.0]).tolist()
        [1.0, 2.0]
    """
    return Absolute.of(x)


class Sign(Function):
    not_differentiable = "sign is constant between its jumps"

    kernel = _C.sign


def sign(x: Any) -> Tensor:
    """-1, 0 or 1: the sign of the element.

    Example:
        >>> import weft
        >>> weft.ops.sign([3.0, 0.0, -2.0]).tolist()
        [1.0, 0.0, -1.0]
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

    Example:
        >>> import weft
        >>> weft.ops.square([3.0, -2.0]).tolist()
        [9.0, 4.0]
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

    Example:
        >>> import weft
        >>> weft.ops.sqrt([9.0, 4.0]).tolist()
        [3.0, 2.0]
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

    Example:
        >>> import weft
        >>> weft.ops.rsqrt([4.0, 16.0]).tolist()
        [0.5, 0.25]
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

    Example:
        >>> import weft
        >>> weft.ops.reciprocal([4, 2]).tolist()
        [0.25, 0.5]
    """
    return Reciprocal.of(x)


class Exp(Function):
    kernel = _C.exp
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return dy * y


def exp(x: Any) -> Tensor:
    """e ** x.

    Example:
        >>> import weft
        >>> weft.ops.exp([0.0, 1.0]).tolist()
        [1.0, 2.7182817459106445]
    """
    return Exp.of(x)


class Exp2(Function):
    kernel = _C.exp2
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return dy * y * _LN2


def exp2(x: Any) -> Tensor:
    """2 ** x.

    Example:
        >>> import weft
        >>> weft.ops.exp2([3.0, -1.0]).tolist()
        [8.0, 0.5]
    """
    return Exp2.of(x)


class Expm1(Function):
    kernel = _C.expm1
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return dy * (y + 1.0)


def expm1(x: Any) -> Tensor:
    """e ** x - 1, accurate near 0.

    Example:
        >>> import weft
        >>> weft.ops.expm1([0.0, 1e-10]).tolist()
        [0.0, 1.000000013351432e-10]
    """
    return Expm1.of(x)


class Log(Function):
    kernel = _C.log
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / x


def log(x: Any) -> Tensor:
    """The natural logarithm; -inf at 0, NaN below.

    Example:
        >>> import weft
        >>> weft.ops.log([1.0, 0.0]).tolist()
        [0.0, -inf]
    """
    return Log.of(x)


class Log2(Function):
    kernel = _C.log2
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / (x * _LN2)


def log2(x: Any) -> Tensor:
    """The logarithm to base 2.

    Example:
        >>> import weft
        >>> weft.ops.log2([8.0, 0.5]).tolist()
        [3.0, -1.0]
    """
    return Log2.of(x)


class Log10(Function):
    kernel = _C.log10
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / (x * _LN10)


def log10(x: Any) -> Tensor:
    """The logarithm to base 10.

    Example:
        >>> import weft
        >>> weft.ops.log10([1.0, 0.0]).tolist()
        [0.0, -inf]
    """
    return Log10.of(x)


class Log1p(Function):
    kernel = _C.log1p
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / (x + 1.0)


def log1p(x: Any) -> Tensor:
    """log(1 + x), accurate near 0.

    Example:
        >>> import weft
        >>> weft.ops.log1p([0.0, 1e-10]).tolist()
        [0.0, 1.000000013351432e-10]
    """
    return Log1p.of(x)


class Erf(Function):
    kernel = _C.erf
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy * exp(-(x * x)) * _ERF_SLOPE


def erf(x: Any) -> Tensor:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t ** 2) from 0 to x.

    Example:
        >>> import weft
        >>> weft.ops.erf([0.0]).tolist()
        [0.0]
    """
    return Erf.of(x)


# Other names of the same functions: NumPy's and the Array API's.
absolute = abs
