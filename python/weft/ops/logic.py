"""Elementwise logic and bits. None of them has a gradient."""

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
    "invert",
    "left_shift",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "right_shift",
]


class LogicalAnd(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_and


def logical_and(x1: Any, x2: Any) -> Tensor:
    """Whether both elements are true (not 0).

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
        >>> weft.ops.logical_and([True, True], [True, False]).tolist()
        [True, False]

    Follows numpy.logical_and.
    """
    return LogicalAnd.of(x1, x2)


class LogicalOr(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_or


def logical_or(x1: Any, x2: Any) -> Tensor:
    """Whether one of the elements is true (not 0).

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
        >>> weft.ops.logical_or([True, False], [False, False]).tolist()
        [True, False]

    Follows numpy.logical_or.
    """
    return LogicalOr.of(x1, x2)


class LogicalXor(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_xor


def logical_xor(x1: Any, x2: Any) -> Tensor:
    """Whether exactly one of the elements is true (not 0).

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
        >>> weft.ops.logical_xor([True, True], [True, False]).tolist()
        [False, True]

    Follows numpy.logical_xor.
    """
    return LogicalXor.of(x1, x2)


class LogicalNot(Function):
    not_differentiable = "a truth value has no slope"

    kernel = _C.logical_not


def logical_not(x: Any) -> Tensor:
    """Whether the element is false (0).

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of bools, of the shape of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.logical_not([True, False]).tolist()
        [False, True]

    Follows numpy.logical_not.
    """
    return LogicalNot.of(x)


class BitwiseAnd(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_and


def bitwise_and(x1: Any, x2: Any) -> Tensor:
    """Bits set in both integers (logical and of bools).

    Args:
        x1: Tensor (...) of integers or bools, or an integer, which does not widen the other dtype.
        x2: Tensor or integer likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand holds floats.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_and([6], [3]).tolist()
        [2]

    Follows numpy.bitwise_and.
    """
    return BitwiseAnd.of(x1, x2)


class BitwiseOr(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_or


def bitwise_or(x1: Any, x2: Any) -> Tensor:
    """Bits set in one of the integers (logical or of bools).

    Args:
        x1: Tensor (...) of integers or bools, or an integer, which does not widen the other dtype.
        x2: Tensor or integer likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand holds floats.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_or([6], [3]).tolist()
        [7]

    Follows numpy.bitwise_or.
    """
    return BitwiseOr.of(x1, x2)


class BitwiseXor(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_xor


def bitwise_xor(x1: Any, x2: Any) -> Tensor:
    """Bits set in exactly one of the integers (logical xor of bools).

    Args:
        x1: Tensor (...) of integers or bools, or an integer, which does not widen the other dtype.
        x2: Tensor or integer likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand holds floats.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_xor([6], [3]).tolist()
        [5]

    Follows numpy.bitwise_xor.
    """
    return BitwiseXor.of(x1, x2)


class BitwiseLeftShift(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_left_shift


def bitwise_left_shift(x1: Any, x2: Any) -> Tensor:
    """`x1` times 2 ** `x2`; bits beyond the dtype are lost.

    Args:
        x1: Tensor (...) of integers or bools, or an integer, which does not widen the other dtype.
        x2: Tensor or integer likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand holds floats.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_left_shift([1, 3], 4).tolist()
        [16, 48]

    Follows numpy.left_shift.
    """
    return BitwiseLeftShift.of(x1, x2)


class BitwiseRightShift(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_right_shift


def bitwise_right_shift(x1: Any, x2: Any) -> Tensor:
    """`x1` divided by 2 ** `x2`, rounded down.

    Args:
        x1: Tensor (...) of integers or bools, or an integer, which does not widen the other dtype.
        x2: Tensor or integer likewise; the shapes are broadcast against each other.

    Returns:
        Tensor (...) of the broadcast shape and the common dtype.

    Raises:
        TypeError: If an operand holds floats.
        ValueError: If the shapes do not broadcast.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_right_shift([16, -1], 4).tolist()
        [1, -1]

    Follows numpy.right_shift.
    """
    return BitwiseRightShift.of(x1, x2)


class BitwiseInvert(Function):
    not_differentiable = "integers have no slope"

    kernel = _C.bitwise_invert


def bitwise_invert(x: Any) -> Tensor:
    """Every bit flipped (not, for bools).

    Args:
        x: Tensor (...) of integers or bools.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` holds floats.

    Example:
        >>> import weft
        >>> weft.ops.bitwise_invert([0, 5]).tolist()
        [-1, -6]

    Follows numpy.invert.
    """
    return BitwiseInvert.of(x)


# Other names of the same functions: NumPy's and the Array API's.
invert = bitwise_invert
bitwise_not = bitwise_invert
left_shift = bitwise_left_shift
right_shift = bitwise_right_shift
