"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import integer
from weft.tensor import Tensor, as_tensor

__all__ = ["diag", "diagonal", "trace", "tril", "triu"]


class Diagonal(Function):
    """Saves the shape."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, offset: int, axis1: int, axis2: int) -> Any:
        ctx.shape, ctx.place = x.shape, (offset, axis1, axis2)
        return _C.diagonal(x, offset, axis1, axis2)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return PlaceDiagonal.apply(dy, ctx.shape, *ctx.place), None, None, None


class PlaceDiagonal(Function):
    """Zeros of a shape with `x` on a diagonal: the gradient of `Diagonal`."""

    @staticmethod
    def forward(ctx: Any, x: Any, shape: Any, offset: int, axis1: int, axis2: int) -> Any:
        ctx.place = (offset, axis1, axis2)
        y = _C.full(shape, 0, x.dtype, x.device)
        _C.copy_into(x, _C.diagonal(y, offset, axis1, axis2))
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Diagonal.apply(dy, *ctx.place), None, None, None, None


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """A view of the diagonal of two axes, as the last axis of the result.

    Args:
        x: Tensor with at least 2 axes.
        offset: How far above (positive) or below the main diagonal.
        axis1: The axis of the rows.
        axis2: The axis of the columns.

    Returns:
        Tensor (..., length) that shares the memory of `x`.

    Raises:
        ValueError: If `x` has fewer axes, or both axes are the same.
        IndexError: If an axis is out of range.
        TypeError: If an axis or the offset is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.diagonal([[1, 2], [3, 4]]).tolist()
        [1, 4]

    Follows numpy.diagonal.
    """
    return Diagonal.apply(as_tensor(x), offset, axis1, axis2)


def diag(x: Any, k: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a given diagonal.

    Args:
        x: (M, N): its k-th diagonal is returned. (N,): a square matrix is returned.
        k: How far above (positive) or below the main diagonal.

    Returns:
        Tensor (length,) or (N + abs(k), N + abs(k)).

    Raises:
        ValueError: If `x` has neither one nor two axes.
        TypeError: If `k` is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.diag([1, 2]).tolist(), weft.diag([[1, 2], [3, 4]]).tolist()
        ([[1, 0], [0, 2]], [1, 4])

    Follows numpy.diag.
    """
    x, k = as_tensor(x), integer("diag", "k", k)
    if x.ndim == 2:
        return ops.copy(diagonal(x, k))
    if x.ndim != 1:
        raise ValueError(f"diag: x must have 1 or 2 axes, got shape {x.shape}")
    n = x.size + abs(k)
    return PlaceDiagonal.apply(x, (n, n), k, 0, 1)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of a diagonal.

    Args:
        x: Tensor with at least 2 axes.
        offset: How far above (positive) or below the main diagonal.
        axis1: The axis of the rows.
        axis2: The axis of the columns.

    Returns:
        Tensor (...) without the two axes.

    Raises:
        ValueError: If `x` has fewer axes, or both axes are the same.
        IndexError: If an axis is out of range.
        TypeError: If an axis or the offset is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.trace([[1.0, 2.0], [3.0, 4.0]]).item()
        5.0

    Follows numpy.trace.
    """
    return ops.sum(diagonal(x, offset, axis1, axis2), axis=-1)


class Triangle(Function):
    """Saves nothing; the gradient is cut to the same triangle."""

    @staticmethod
    def forward(ctx: Any, x: Any, k: int, upper: bool) -> Any:
        ctx.k, ctx.upper = k, upper
        return _C.triangle(x, k, upper)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Triangle.apply(dy, ctx.k, ctx.upper), None, None


def tril(x: Any, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, with zeros above the k-th diagonal.

    Args:
        x: Tensor (..., M, N).
        k: The last diagonal that is kept: how far above (positive) or below the main one.

    Returns:
        Tensor (..., M, N).

    Raises:
        ValueError: If `x` has fewer than 2 axes.
        TypeError: If `k` is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.tril([[1, 2], [3, 4]]).tolist()
        [[1, 0], [3, 4]]

    Follows numpy.tril.
    """
    return Triangle.apply(as_tensor(x), integer("tril", "k", k), False)


def triu(x: Any, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, with zeros below the k-th diagonal.

    Args:
        x: Tensor (..., M, N).
        k: The first diagonal that is kept: how far above (positive) or below the main one.

    Returns:
        Tensor (..., M, N).

    Raises:
        ValueError: If `x` has fewer than 2 axes.
        TypeError: If `k` is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.triu([[1, 2], [3, 4]]).tolist()
        [[1, 2], [0, 4]]

    Follows numpy.triu.
    """
    return Triangle.apply(as_tensor(x), integer("triu", "k", k), True)
