"""Rounding to whole numbers."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import integer
from weft.tensor import Tensor, as_tensor

__all__ = ["ceil", "floor", "round", "trunc"]


class Floor(Function):
    not_differentiable = "floor is constant between its jumps"

    kernel = _C.floor


def floor(x: Any) -> Tensor:
    """The next whole number below. Integers stay as they are.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.floor([1.7, -1.7]).tolist()
        [1.0, -2.0]

    Follows numpy.floor.
    """
    x = as_tensor(x)
    return Floor.apply(x) if x.dtype.is_floating else ops.copy(x)


class Ceil(Function):
    not_differentiable = "ceil is constant between its jumps"

    kernel = _C.ceil


def ceil(x: Any) -> Tensor:
    """The next whole number above. Integers stay as they are.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.ceil([1.7, -1.7]).tolist()
        [2.0, -1.0]

    Follows numpy.ceil.
    """
    x = as_tensor(x)
    return Ceil.apply(x) if x.dtype.is_floating else ops.copy(x)


class Trunc(Function):
    not_differentiable = "trunc is constant between its jumps"

    kernel = _C.trunc


def trunc(x: Any) -> Tensor:
    """The next whole number towards 0. Integers stay as they are.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.trunc([1.7, -1.7]).tolist()
        [1.0, -1.0]

    Follows numpy.trunc.
    """
    x = as_tensor(x)
    return Trunc.apply(x) if x.dtype.is_floating else ops.copy(x)


class Round(Function):
    not_differentiable = "round is constant between its jumps"

    kernel = _C.round


def round(x: Any, decimals: int = 0) -> Tensor:
    """The nearest whole number, or multiple of 10 ** -decimals; ties go to the even one.

    Args:
        x: Tensor (...) of any shape and dtype.
        decimals: Digits after the point that are kept; negative ones count before it.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        TypeError: If `decimals` is no integer, or `x` does not hold numbers.
        ValueError: If `decimals` is beyond the digits of float64, 308.

    Example:
        >>> import weft
        >>> weft.ops.round([0.5, 1.5, 2.4]).tolist()
        [0.0, 2.0, 2.0]

    Follows numpy.round.
    """
    x, decimals = as_tensor(x), integer("round", "decimals", decimals)
    if not -308 <= decimals <= 308:
        raise ValueError(f"round: decimals must lie between -308 and 308, got {decimals}")
    if not x.dtype.is_floating and decimals >= 0:
        return ops.copy(x)
    if decimals == 0:
        return Round.apply(x)
    if not x.dtype.is_floating:
        scale = 10**-decimals
        return ops.cast(Round.apply(ops.cast(x, "float64") / scale) * scale, x.dtype)
    scale = 10.0 ** abs(decimals)
    return Round.apply(x * scale) / scale if decimals > 0 else Round.apply(x / scale) * scale
