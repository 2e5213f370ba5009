"""Sorting, and the largest elements."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import integer
from weft.tensor import Tensor, as_tensor

__all__ = ["argsort", "sort", "top_k", "topk"]


class Argsort(Function):
    not_differentiable = "argsort gives positions; use sort, or take_along_axis at the positions"

    @staticmethod
    def forward(ctx: Any, x: Any, axis: int, descending: bool) -> Any:
        return _C.argsort(x, axis, descending)


class Sort(Function):
    """Without a gradient to compute; with one, `sort` takes along the order instead."""

    @staticmethod
    def forward(ctx: Any, x: Any, axis: int, descending: bool) -> Any:
        return _C.sort(x, axis, descending)


def _flat(x: Tensor, axis: int | None) -> tuple[Tensor, int]:
    return (ops.reshape(x, (-1,)), 0) if axis is None else (x, axis)


def sort(x: Any, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements in order along an axis.

    NaN counts as larger than every number: last in ascending order, first in descending order.

    Args:
        x: Tensor with at least one axis.
        axis: The axis to sort; None sorts all elements.
        descending: Largest first.
        stable: Accepted for the Array API; the sort is always stable.

    Returns:
        Tensor (...) of the shape of `x`, or (size,) if `axis` is None.

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If `x` has no axes.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.sort([3, 1, 2]).tolist(), weft.sort([3, 1, 2], descending=True).tolist()
        ([1, 2, 3], [3, 2, 1])

    Follows numpy.sort.
    """
    x, axis = _flat(as_tensor(x), axis)
    if x.requires_grad:
        return ops.take_along_axis(x, argsort(x.detach(), axis, descending), axis)
    return Sort.apply(x, axis, bool(descending))


def argsort(x: Any, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions that would sort `x` along an axis.

    Equal elements keep their order.

    Args:
        x: Tensor with at least one axis.
        axis: The axis to sort; None sorts all elements.
        descending: Largest first.
        stable: Accepted for the Array API; the sort is always stable.

    Returns:
        Tensor (...) of int64, of the shape of `x`, or (size,) if `axis` is None.

    Raises:
        IndexError: If the axis is out of range.
        ValueError: If `x` has no axes.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.argsort([30, 10, 20]).tolist()
        [1, 2, 0]

    Follows numpy.argsort.
    """
    x, axis = _flat(as_tensor(x), axis)
    return Argsort.apply(x, axis, bool(descending))


class TopkIndices(Function):
    not_differentiable = "positions do not change with the values"

    @staticmethod
    def forward(ctx: Any, x: Any, k: int, axis: int, largest: bool) -> Any:
        return _C.topk_indices(x, k, axis, largest)


def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) elements along an axis, best first, and their positions.

    Of equal elements the first counts; NaN counts as larger than every number.

    Args:
        x: Tensor with at least one axis.
        k: How many.
        axis: The axis to search.
        largest: False for the smallest.

    Returns:
        Values, and int64 positions; both of the shape of `x` with k along the axis.

    Raises:
        ValueError: If k exceeds the size of the axis.
        IndexError: If the axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> values, positions = weft.topk([1, 5, 3], 2)
        >>> values.tolist(), positions.tolist()
        ([5, 3], [1, 2])

    Follows torch.topk.
    """
    x = as_tensor(x)
    positions = TopkIndices.apply(x.detach(), integer("topk", "k", k), axis, bool(largest))
    return ops.take_along_axis(x, positions, axis), positions


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """`topk` along the last axis; always in order, also with ``sorted=False``.

    Args:
        x: Tensor (..., N).
        k: How many.
        sorted: Accepted for Keras; the result is always in order.

    Returns:
        Values (..., k), and int64 positions (..., k).

    Raises:
        ValueError: If k exceeds the size of the axis.
        TypeError: If `k` is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.top_k([1, 5, 3], 1)[0].tolist()
        [5]

    Follows keras.ops.top_k.
    """
    return topk(x, k)
