"""Sums, extremes and other results of whole axes.

`axis` is an integer, several of them, or None for all axes; negative ones count from the end.
Sums are accurate (blocks are added in float64) and have the same bits for any number of threads.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.ops.scan import products_before
from weft.ops.shape import normalize_axis
from weft.tensor import Tensor, as_tensor

__all__ = [
    "all",
    "any",
    "average",
    "count_nonzero",
    "logsumexp",
    "mean",
    "norm",
    "prod",
    "sum",
]


def reduced_axes(axis: Any) -> tuple[int, ...] | None:
    """An axis argument as the tuple that the kernels take; they check it."""
    if axis is None or isinstance(axis, tuple):
        return axis
    return tuple(axis) if isinstance(axis, list) else (axis,)


def kept_shape(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> tuple[int, ...]:
    """`shape` with 1 for the reduced axes."""
    if axes is None:
        return (1,) * len(shape)
    reduced = {a % len(shape) for a in axes}
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def note_reduction(ctx: Any, x: Any, axes: tuple[int, ...] | None) -> None:
    """Keep what `restore_axes` needs."""
    ctx.shape, ctx.axes = x.shape, axes


def restore_axes(ctx: Any, reduced: Tensor) -> Tensor:
    """A result of the reduction with its axes back, of length 1, so that it broadcasts."""
    if ctx.axes is None:
        return reduced  # a single number broadcasts as it is
    return ops.reshape(reduced, kept_shape(ctx.shape, ctx.axes))


# --- sums ----------------------------------------------------------------------------------------


class Sum(Function):
    """Saves nothing; the gradient is repeated."""

    kernel = _C.sum

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        return _C.sum(x, axes, keepdims)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return ops.broadcast_to(restore_axes(ctx, dy), ctx.shape), None, None


def sum(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """Sum over axes; 0 where there are no elements.

    Args:
        x: Tensor (...) of any shape. Integers and bools are summed in 64 bits.
        axis: The axis, or a tuple of axes, to sum over; all by default.
        keepdims: Keep the summed axes with length 1.
        dtype: Convert `x` to it first.

    Returns:
        Tensor (...) without the summed axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.sum([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist()
        [4.0, 6.0]

    Follows numpy.sum.
    """
    return Sum.apply(as_tensor(x, dtype), reduced_axes(axis), bool(keepdims))


class Mean(Function):
    """Saves nothing."""

    kernel = _C.mean

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        return _C.mean(x, axes, keepdims)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dy = restore_axes(ctx, dy)
        count = math.prod(ctx.shape) // builtins.max(dy.size, 1)
        return ops.broadcast_to(dy * (1.0 / builtins.max(count, 1)), ctx.shape), None, None


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean over axes; NaN where there are no elements. Integers give float32.

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.mean([[1.0, 2.0], [3.0, 4.0]], axis=1).tolist()
        [1.5, 3.5]

    Follows numpy.mean.
    """
    return Mean.apply(as_tensor(x), reduced_axes(axis), bool(keepdims))


def average(x: Any, axis: Any = None, weights: Any = None, keepdims: bool = False) -> Tensor:
    """Mean over axes, weighted if `weights` are given: sum(x * weights) / sum(weights).

    Args:
        x: Tensor (...) of any shape.
        axis: The axes to average over; all by default.
        weights: Of the shape of `x`, or (x.shape[axis],) of its one axis `axis`; None for equal
            ones.
        keepdims: Keep the averaged axes with length 1.

    Returns:
        Tensor (...) without the averaged axes.

    Raises:
        ValueError: If the weights have another shape.
        IndexError: If an axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.average([1.0, 2.0], weights=[3.0, 1.0]).item()
        1.25

    Follows numpy.average.
    """
    x = as_tensor(x)
    if weights is None:
        return mean(x, axis, keepdims)
    weights = as_tensor(weights, near=x)
    if weights.shape != x.shape:
        if not isinstance(axis, int) or weights.shape != (x.shape[axis],):
            raise ValueError(
                f"average: weights of shape {weights.shape} fit neither x of shape {x.shape} nor "
                f"axis {axis}"
            )
        at = normalize_axis("average", axis, x.ndim)
        weights = ops.reshape(weights, (-1,) + (1,) * (x.ndim - 1 - at))
        weights = ops.broadcast_to(weights, x.shape)
    return sum(x * weights, axis, keepdims) / sum(weights, axis, keepdims)


def count_nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements are not 0.

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) of int64, without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.count_nonzero([[0, 1], [2, 3]], axis=0).tolist()
        [1, 2]

    Follows numpy.count_nonzero.
    """
    return sum(ops.not_equal(as_tensor(x), 0), axis, keepdims)


# --- products ------------------------------------------------------------------------------------


class Prod(Function):
    """Saves x. Gradients are products of the other elements, without division: zeros are exact."""

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        ctx.save(x)
        return _C.prod(x, axes, keepdims)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved
        axes = range(x.ndim) if ctx.axes is None else [a % x.ndim for a in ctx.axes]
        order = [a for a in range(x.ndim) if a not in axes] + list(axes)
        moved = ops.permute_dims(x, tuple(order))
        kept = x.ndim - len(axes)
        rows = ops.reshape(moved, (math.prod(moved.shape[:kept]), math.prod(moved.shape[kept:])))
        others = products_before(rows) * ops.flip(products_before(ops.flip(rows, 1)), 1)
        others = ops.reshape(others, moved.shape)
        back = tuple(order.index(a) for a in range(x.ndim))
        return ops.permute_dims(others, back) * restore_axes(ctx, dy), None, None


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """Product over axes; 1 where there are no elements.

    Args:
        x: Tensor (...) of any shape. Integers and bools are multiplied in 64 bits.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.
        dtype: Convert `x` to it first.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.prod([2.0, 3.0, 4.0]).item()
        24.0

    Follows numpy.prod.
    """
    return Prod.apply(as_tensor(x, dtype), reduced_axes(axis), bool(keepdims))


# --- truth ---------------------------------------------------------------------------------------


class Any_(Function):
    """Whether an element is true."""

    name = "any"
    not_differentiable = "truth is not a number"

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        return _C.any(x, axes, keepdims)


class All(Function):
    """Whether every element is true."""

    not_differentiable = "truth is not a number"

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        return _C.all(x, axes, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element is not 0, over axes; False where there are none. NaN is true.

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) of bools, without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.any([[0, 0], [0, 3]], axis=1).tolist()
        [False, True]

    Follows numpy.any.
    """
    return Any_.apply(as_tensor(x), reduced_axes(axis), bool(keepdims))


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are not 0, over axes; True where there are none. NaN is true.

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) of bools, without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.all([[1, 0], [2, 3]], axis=1).tolist()
        [False, True]

    Follows numpy.all.
    """
    return All.apply(as_tensor(x), reduced_axes(axis), bool(keepdims))


# --- lengths --------------------------------------------------------------------------------------


class EuclideanNorm(Function):
    """Saves x and the result; the gradient at 0 is 0."""

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        y = _C.sqrt(_C.sum_squares(x, axes, keepdims))
        ctx.save(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, y = ctx.saved
        safe = ops.where(y > 0, y, ops.ones_like(y.detach()))
        return x * restore_axes(ctx, dy / safe), None, None


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Length of vectors: of `x` flattened, or along axes.

    Args:
        x: Tensor of any shape; integers become float32.
        ord: None, 2 or "fro": square root of the sum of squares; 1: sum of absolute values;
            inf or -inf: largest or smallest absolute value; another positive number p:
            sum(|x|^p)^(1/p).
        axis: The axes that together make a vector; all by default.
        keepdims: Keep these axes with length 1.

    Returns:
        Tensor (...) without these axes.

    Raises:
        ValueError: If `ord` is none of these.
        IndexError: If an axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.norm([3.0, 4.0]).item()
        5.0

    Follows numpy.linalg.norm.
    """
    x = as_tensor(x)
    if not x.dtype.is_floating:
        x = ops.cast(x, "float32")
    if ord is None or ord == 2 or ord == "fro":
        return EuclideanNorm.apply(x, reduced_axes(axis), bool(keepdims))
    known = isinstance(ord, (int, float)) and (ord > 0 or ord == -math.inf)
    if not known:
        raise ValueError(f"norm: ord must be a positive number, inf, -inf or 'fro', got {ord!r}")
    size = ops.abs(x)
    if ord == 1:
        return sum(size, axis, keepdims)
    if math.isinf(ord):
        return (ops.max if ord > 0 else ops.min)(size, axis, keepdims)
    return sum(size**ord, axis, keepdims) ** (1.0 / ord)


class Logsumexp(Function):
    """Saves x and the result."""

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any, keepdims: bool) -> Any:
        note_reduction(ctx, x, axes)
        y = _C.logsumexp(x, axes, keepdims)
        ctx.save(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, y = ctx.saved
        return ops.exp(x - restore_axes(ctx, y)) * restore_axes(ctx, dy), None, None


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over axes, without overflow; -inf where there are no elements.

    Args:
        x: Tensor (...) of any shape; integers and bools become float32.
        axis: The axis, or a tuple of axes, to reduce; all by default.
        keepdims: Keep the reduced axes with length 1.

    Returns:
        Tensor (...) without the reduced axes.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> round(weft.logsumexp([1000.0, 1000.0]).item(), 3)
        1000.693

    Follows scipy.special.logsumexp.
    """
    return Logsumexp.apply(as_tensor(x), reduced_axes(axis), bool(keepdims))
