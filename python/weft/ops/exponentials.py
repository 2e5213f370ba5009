"""Exponentials, logarithms and the error function, element by element."""

from __future__ import annotations

import math
from typing import Any

from weft import _C
from weft.autograd.recording import Function
from weft.tensor import Tensor

__all__ = [
    "erf",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
]

_LN2 = math.log(2.0)
_LN10 = math.log(10.0)
_ERF_SLOPE = 2.0 / math.sqrt(math.pi)  # erf'(0)


class Exp(Function):
    kernel = _C.exp
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return dy * y


def exp(x: Any) -> Tensor:
    """e ** x.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.exp([0.0, 1.0]).tolist()
        [1.0, 2.7182817459106445]

    Follows numpy.exp.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.exp2([3.0, -1.0]).tolist()
        [8.0, 0.5]

    Follows numpy.exp2.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.expm1([0.0, 1e-10]).tolist()
        [0.0, 1.000000013351432e-10]

    Follows numpy.expm1.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.log([1.0, 0.0]).tolist()
        [0.0, -inf]

    Follows numpy.log.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.log2([8.0, 0.5]).tolist()
        [3.0, -1.0]

    Follows numpy.log2.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.log10([1.0, 0.0]).tolist()
        [0.0, -inf]

    Follows numpy.log10.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.log1p([0.0, 1e-10]).tolist()
        [0.0, 1.000000013351432e-10]

    Follows numpy.log1p.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.erf([0.0]).tolist()
        [0.0]

    Follows scipy.special.erf.
    """
    return Erf.of(x)
