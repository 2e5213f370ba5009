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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.sin([0.0]).tolist()
        [0.0]

    Follows numpy.sin.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.cos([0.0]).tolist()
        [1.0]

    Follows numpy.cos.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.tan([0.0]).tolist()
        [0.0]

    Follows numpy.tan.
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
    """The angle in [-pi/2, pi/2], in radians, with this sine; NaN outside [-1, 1].

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.arcsin([0.0]).tolist()
        [0.0]

    Follows numpy.arcsin.
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
    """The angle in [0, pi], in radians, with this cosine; NaN outside [-1, 1].

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.arccos([1.0]).tolist()
        [0.0]

    Follows numpy.arccos.
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
    """The angle in [-pi/2, pi/2], in radians, with this tangent.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.arctan([0.0]).tolist()
        [0.0]

    Follows numpy.arctan.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.sinh([0.0]).tolist()
        [0.0]

    Follows numpy.sinh.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.cosh([0.0]).tolist()
        [1.0]

    Follows numpy.cosh.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.arcsinh([0.0]).tolist()
        [0.0]

    Follows numpy.arcsinh.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.arccosh([1.0]).tolist()
        [0.0]

    Follows numpy.arccosh.
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

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.

    Returns:
        Tensor (...) of the shape of `x` and its floating dtype.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.arctanh([0.0]).tolist()
        [0.0]

    Follows numpy.arctanh.
    """
    return Arctanh.of(x)


# Other names of the same functions: NumPy's and the Array API's.
asin = arcsin
acos = arccos
atan = arctan
asinh = arcsinh
acosh = arccosh
atanh = arctanh
