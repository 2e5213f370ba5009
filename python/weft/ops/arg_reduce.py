"""Where the largest and smallest elements are."""

from __future__ import annotations

from typing import Any

from weft import _C
from weft.autograd.recording import Function
from weft.tensor import Tensor, as_tensor

__all__ = ["argmax", "argmin"]


class Argmax(Function):
    """The place of the largest element."""

    not_differentiable = "the place of the largest element is an integer"

    @staticmethod
    def forward(ctx: Any, x: Any, axis: Any, keepdims: bool) -> Any:
        return _C.argmax(x, axis, keepdims)


class Argmin(Function):
    """The place of the smallest element."""

    not_differentiable = "the place of the smallest element is an integer"

    @staticmethod
    def forward(ctx: Any, x: Any, axis: Any, keepdims: bool) -> Any:
        return _C.argmin(x, axis, keepdims)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the largest element is along an axis; the first of equal ones.

    Without `axis` the place is that in `x` flattened. A NaN counts as largest.

    Args:
        x: Tensor (...) of any shape and dtype.
        axis: The axis to search; all elements by default.
        keepdims: Keep the axis with length 1 (all axes without `axis`).

    Returns:
        Tensor (...) of int64, without the axis.

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If there are no elements along it.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.argmax([[1.0, 5.0], [3.0, 2.0]], axis=1).tolist()
        [1, 0]

    Follows numpy.argmax.
    """
    return Argmax.apply(as_tensor(x), axis, bool(keepdims))


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the smallest element is along an axis; the first of equal ones.

    Without `axis` the place is that in `x` flattened. A NaN counts as smallest.

    Args:
        x: Tensor (...) of any shape and dtype.
        axis: The axis to search; all elements by default.
        keepdims: Keep the axis with length 1 (all axes without `axis`).

    Returns:
        Tensor (...) of int64, without the axis.

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If there are no elements along it.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.argmin([[1.0, 5.0], [3.0, 2.0]], axis=1).tolist()
        [0, 1]

    Follows numpy.argmin.
    """
    return Argmin.apply(as_tensor(x), axis, bool(keepdims))
