"""Elementwise comparisons, logic and bits. None of them has a gradient."""

from __future__ import annotations

from typing import Any

from weft import _C
from weft.autograd.recording import Function
from weft.tensor import Tensor

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "left_shift",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "right_shift",
]


class Equal(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.equal


def equal(x1: Any, x2: Any) -> Tensor:
    """x1 == x2, elementwise. The result is a bool tensor.

    Example:
        >>> import weft
        >>> weft.ops.equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [True, False]
    """
    return Equal.of(x1, x2)


class NotEqual(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.not_equal


def not_equal(x1: Any, x2: Any) -> Tensor:
    """x1 != x2, elementwise. The result is a bool tensor.

    Example:
        >>> import weft
        >>> weft.ops.not_equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [False, True]
    """
    return NotEqual.of(x1, x2)


class Less(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.less


def less(x1: Any, x2: Any) -> Tensor:
    """x1 < x2, elementwise. The result is a bool tensor.

    Example:
        >>> import weft
        >>> weft.ops.less([1.0, 2.0], [1.0, 3.0]).tolist()
        [False, True]
    """
    return Less.of(x1, x2)


class LessEqual(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.less_equal


def less_equal(x1: Any, x2: Any) -> Tensor:
    """x1 <= x2, elementwise. The result is a bool tensor.

    Example:
        >>> import weft
        >>> weft.ops.less_equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [True, True]
    """
    return LessEqual.of(x1, x2)


class Greater(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.greater


def greater(x1: Any, x2: Any) -> Tensor:
    """x1 > x2, elementwise. The result is a bool tensor.

    Example:
        >>> import weft
        >>> weft.ops.greater([1.0, 2.0], [1.0, 3.0]).tolist()
        [False, False]
    """
    return Greater.of(x1, x2)


class GreaterEqual(Function):
    not_differentiable = "a comparison has no slope"

    kernel = _C.greater_equal


def greater_equal(x1: Any, x2: Any) -> Tensor:
    """x1 >= x2, elementwise. The result is a bool tensor.

    Example:
        >>> import weft
        >>> weft.ops.greater_equal([1.0, 2.0], [1.0, 3.0]).tolist()
        [True, False]
    """
    return GreaterEqual.of(x1, x2)


class LogicalAnd(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_and


def logical_and(x1: Any, x2: Any) -> Tensor:
    """Whether both elements are true (not 0).

    Example:
        >>> import weft
        >>> weft.ops.logical_and([True, True], [True, False]).tolist()
        [True, False]
    """
    return LogicalAnd.of(x1, x2)


class LogicalOr(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_or


def logical_or(x1: Any, x2: Any) -> Tensor:
    """Whether one of the elements is true (not 0).

    Example:
        >>> import weft
        >>> weft.ops.logical_or([True, False], [False, False]).tolist()
        [True, False]
    """
    return LogicalOr.of(x1, x2)


class LogicalXor(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_xor


def logical_xor(x1: Any, x2: Any) -> Tensor:
    """Whether exactly one of the elements is true (not 0).

    Example:
        >>> import weft
        >>> weft.ops.logical_xor([True, True], [True, False]).tolist()
        [False, True]
    """
    return LogicalXor.of(x1, x2)


class LogicalNot(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_not


def logical_not(x: Any) -> Tensor:
    """Whether the element is false (0).

    Example:
        >>> import weft
        >>> weft.ops.logical_not([True, False]).tolist()
        [False, True]
    """
    return LogicalNot.of(x)


class Isnan(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.isnan


def isnan(x: Any) -> Tensor:
    """Whether the element is not a number.

    Example:
        >>> import weft
        >>> weft.ops.isnan([1.0, float("inf"), float("nan")]).tolist()
        [False, False, True]
    """
    return Isnan.of(x)


class Isinf(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.isinf


def isinf(x: Any) -> Tensor:
    """Whether the element is infinite.

    Example:
        >>> import weft
        >>> weft.ops.isinf([1.0, float("inf"), float("nan")]).tolist()
        [False, True, False]
    """
    return Isinf.of(x)


class Isfinite(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.isfinite


def isfinite(x: Any) -> Tensor:
    """Whether the element is neither infinite nor NaN.

    Example:
        >>> import weft
        >>> weft.ops.isfinite([1.0, float("inf"), float("nan")]).tolist()
        [True, False, False]
    """
    return Isfinite.of(x)


class BitwiseAnd(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_and


def bitwise_and(x1: Any, x2: Any) -> Tensor:
    """Bits set in both integers (logical and of bools). Raises TypeError for floats.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_and([6], [3]).tolist()
        [2]
    """
    return BitwiseAnd.of(x1, x2)


class BitwiseOr(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_or


def bitwise_or(x1: Any, x2: Any) -> Tensor:
    """Bits set in one of the integers (logical or of bools). Raises TypeError for floats.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_or([6], [3]).tolist()
        [7]
    """
    return BitwiseOr.of(x1, x2)


class BitwiseXor(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_xor


def bitwise_xor(x1: Any, x2: Any) -> Tensor:
    """Bits set in exactly one of the integers. Raises TypeError for floats.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_xor([6], [3]).tolist()
        [5]
    """
    return BitwiseXor.of(x1, x2)


class BitwiseLeftShift(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_left_shift


def bitwise_left_shift(x1: Any, x2: Any) -> Tensor:
    """`x1` times 2 ** `x2`; bits beyond the dtype are lost. Raises TypeError for floats.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_left_shift([1, 3], 4).tolist()
        [16, 48]
    """
    return BitwiseLeftShift.of(x1, x2)


class BitwiseRightShift(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_right_shift


def bitwise_right_shift(x1: Any, x2: Any) -> Tensor:
    """`x1` divided by 2 ** `x2`, rounded down. Raises TypeError for floats.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_right_shift([16, -1], 4).tolist()
        [1, -1]
    """
    return BitwiseRightShift.of(x1, x2)


class BitwiseInvert(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_invert


def bitwise_invert(x: Any) -> Tensor:
    """Every bit flipped (not, for bools). Raises TypeError for floats.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_invert([0, 5]).tolist()
        [-1, -6]
    """
    return BitwiseInvert.of(x)


# Other names of the same functions: NumPy's and the Array API's.
invert = bitwise_invert
bitwise_not = bitwise_invert
left_shift = bitwise_left_shift
right_shift = bitwise_right_shift
