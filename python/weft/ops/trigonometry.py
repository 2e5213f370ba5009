"""Elementwise trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.tensor import Tensor

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
]


class Sin(Function):
    kernel = _C.sin
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy * cos(x)


def sin(x: Any) -> Tensor:
    """The sine of an angle in radians.

    Example:
        >>> import weft
        >>> weft.ops.sin([0.0]).tolist()
        [0.0]
    """
    return Sin.of(x)


class Cos(Function):
    kernel = _C.cos
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return -dy * sin(x)


def cos(x: Any) -> Tensor:
    """The cosine of an angle in radians.

    Example:
        >>> import weft
        >>> weft.ops.cos([0.0]).tolist()
        [1.0]
    """
    return Cos.of(x)


class Tan(Function):
    kernel = _C.tan
    saves = "result"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved
        return dy * (y * y + 1.0)


def tan(x: Any) -> Tensor:
    """The tangent of an angle in radians.

    Example:
        >>> import weft
        >>> weft.ops.tan([0.0]).tolist()
        [0.0]
    """
    return Tan.of(x)


class Arcsin(Function):
    kernel = _C.arcsin
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / ops.sqrt(1.0 - x * x)


def arcsin(x: Any) -> Tensor:
    """The angle in [-pi/2, pi/2] with this sine.

    Example:
        >>> import weft
        >>> weft.ops.arcsin([0.0]).tolist()
        [0.0]
    """
    return Arcsin.of(x)


class Arccos(Function):
    kernel = _C.arccos
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return -dy / ops.sqrt(1.0 - x * x)


def arccos(x: Any) -> Tensor:
    """The angle in [0, pi] with this cosine.

    Example:
        >>> import weft
        >>> weft.ops.arccos([1.0]).tolist()
        [0.0]
    """
    return Arccos.of(x)


class Arctan(Function):
    kernel = _C.arctan
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / (x * x + 1.0)


def arctan(x: Any) -> Tensor:
    """The angle in [-pi/2, pi/2] with this tangent.

    Example:
        >>> import weft
        >>> weft.ops.arctan([0.0]).tolist()
        [0.0]
    """
    return Arctan.of(x)


class Sinh(Function):
    kernel = _C.sinh
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy * cosh(x)


def sinh(x: Any) -> Tensor:
    """The hyperbolic sine.

    Example:
        >>> import weft
        >>> weft.ops.sinh([0.0]).tolist()
        [0.0]
    """
    return Sinh.of(x)


class Cosh(Function):
    kernel = _C.cosh
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy * sinh(x)


def cosh(x: Any) -> Tensor:
    """The hyperbolic cosine.

    Example:
        >>> import weft
        >>> weft.ops.cosh([0.0]).tolist()
        [1.0]
    """
    return Cosh.of(x)


class Arcsinh(Function):
    kernel = _C.arcsinh
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / ops.sqrt(x * x + 1.0)


def arcsinh(x: Any) -> Tensor:
    """The inverse hyperbolic sine.

    Example:
        >>> import weft
        >>> weft.ops.arcsinh([0.0]).tolist()
        [0.0]
    """
    return Arcsinh.of(x)


class Arccosh(Function):
    kernel = _C.arccosh
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / ops.sqrt(x * x - 1.0)


def arccosh(x: Any) -> Tensor:
    """The inverse hyperbolic cosine; NaN below 1.

    Example:
        >>> import weft
        >>> weft.ops.arccosh([1.0]).tolist()
        [0.0]
    """
    return Arccosh.of(x)


class Arctanh(Function):
    kernel = _C.arctanh
    saves = "arguments"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        return dy / (1.0 - x * x)


def arctanh(x: Any) -> Tensor:
    """The inverse hyperbolic tangent; NaN outside [-1, 1].

    Example:
        >>> import weft
        >>> weft.ops.arctanh([0.0]).tolist()
        [0.0]
    """
    return Arctanh.of(x)


# Other names of the same functions: NumPy's and the Array API's.
asin = arcsin
acos = arccos
atan = arctan
asinh = arcsinh
acosh = arccosh
atanh = arctanh
