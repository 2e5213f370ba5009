"""Elementwise comparisons and tests of a number. None of them has a gradient."""

from __future__ import annotations

from typing import Any

from weft import _C
from weft.autograd.recording import Function
from weft.tensor import Tensor

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "not_equal",
]


class Equal(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.equal


def equal(x1: Any, x2: Any) -> Tensor:
    """x1 == x2, elementwise.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of bools, of the broadcast shape.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [True, False]

    Follows numpy.equal.
    """
    return Equal.of(x1, x2)


class NotEqual(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.not_equal


def not_equal(x1: Any, x2: Any) -> Tensor:
    """x1 != x2, elementwise.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of bools, of the broadcast shape.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.not_equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [False, True]

    Follows numpy.not_equal.
    """
    return NotEqual.of(x1, x2)


class Less(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.less


def less(x1: Any, x2: Any) -> Tensor:
    """x1 < x2, elementwise.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of bools, of the broadcast shape.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.less([1.0, 2.0], [1.0, 3.0]).tolist()
        [False, True]

    Follows numpy.less.
    """
    return Less.of(x1, x2)


class LessEqual(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.less_equal


def less_equal(x1: Any, x2: Any) -> Tensor:
    """x1 <= x2, elementwise.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of bools, of the broadcast shape.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.less_equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [True, True]

    Follows numpy.less_equal.
    """
    return LessEqual.of(x1, x2)


class Greater(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.greater


def greater(x1: Any, x2: Any) -> Tensor:
    """x1 > x2, elementwise.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of bools, of the broadcast shape.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.greater([1.0, 2.0], [1.0, 3.0]).tolist()
        [False, False]

    Follows numpy.greater.
    """
    return Greater.of(x1, x2)


class GreaterEqual(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.greater_equal


def greater_equal(x1: Any, x2: Any) -> Tensor:
    """x1 >= x2, elementwise.

    Args:
        x1: Tensor (...), or a number, which does not widen the dtype of the other operand.
        x2: Tensor or number likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of bools, of the broadcast shape.

    Raises:
        TypeError: If an operand does not hold numbers.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.greater_equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [True, False]

    Follows numpy.greater_equal.
    """
    return GreaterEqual.of(x1, x2)


class Isnan(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.isnan


def isnan(x: Any) -> Tensor:
    """Whether the element is not a number.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of bools, of the shape of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.isnan([1.0, float("inf"), float("nan")]).tolist()
        [False, False, True]

    Follows numpy.isnan.
    """
    return Isnan.of(x)


class Isinf(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.isinf


def isinf(x: Any) -> Tensor:
    """Whether the element is infinite.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of bools, of the shape of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.isinf([1.0, float("inf"), float("nan")]).tolist()
        [False, True, False]

    Follows numpy.isinf.
    """
    return Isinf.of(x)


class Isfinite(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.isfinite


def isfinite(x: Any) -> Tensor:
    """Whether the element is neither infinite nor NaN.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of bools, of the shape of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.isfinite([1.0, float("inf"), float("nan")]).tolist()
        [True, False, False]

    Follows numpy.isfinite.
    """
    return Isfinite.of(x)
