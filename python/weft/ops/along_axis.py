"""Reading and writing at indices along one axis."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.ops.indexing import PlaceItems, UpdateItems
from weft.tensor import Tensor, as_tensor

__all__ = [
    "index_add",
    "put_along_axis",
    "take",
    "take_along_axis",
]


def integer_indices(op: str, indices: Any, x: Any) -> Tensor:
    if type(indices) is not Tensor:
        indices = as_tensor(indices, near=x)
    if not indices._data.dtype.is_integer:
        if indices.size:
            raise TypeError(
                f"{op}: indices must be integers, got {indices.dtype}; convert with "
                ".astype('int64')"
            )
        indices = ops.cast(indices, "int64")
    return indices


def _axis_key(op: str, ndim: int, axis: int, index: Any) -> tuple[Any, ...]:
    return (slice(None),) * ops.shape.normalize_axis(op, axis, ndim) + (index,)


class Take(Function):
    """Saves the indices."""

    kernel = _C.take

    @staticmethod
    def forward(ctx: Any, x: Any, indices: Any, axis: int) -> Any:
        ctx.shape, ctx.axis = x.shape, axis
        ctx.save(indices)
        return _C.take(x, indices, axis)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (indices,) = ctx.saved
        before = (slice(None),) * (ctx.axis % len(ctx.shape))
        key = _C.IndexKey((*before, indices.detach()))
        return PlaceItems.apply(dy, key, ctx.shape), None, None


def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Elements, or slices, of `x` at `indices` along an axis.

    Args:
        x: Tensor of any shape; flattened first if `axis` is None.
        indices: Integers of any shape, from -size to size - 1.
        axis: The axis to index.

    Returns:
        Tensor of shape ``x.shape[:axis] + indices.shape + x.shape[axis + 1:]``.

    Raises:
        IndexError: If an index or the axis is out of range.
        TypeError: If the indices are not integers.

    Example:
        >>> import weft
        >>> weft.take([[1, 2, 3], [4, 5, 6]], [2, 0], axis=1).tolist()
        [[3, 1], [6, 4]]

    Follows numpy.take.
    """
    if type(x) is not Tensor:
        x = as_tensor(x, near=indices)
    indices = integer_indices("take", indices, x)
    if axis is None:
        x, axis = ops.reshape(x, (-1,)), 0
    taken: Tensor = Take.apply(x, indices, axis)
    return taken


class TakeAlongAxis(Function):
    """Saves the indices."""

    kernel = _C.take_along_axis

    @staticmethod
    def forward(ctx: Any, x: Any, indices: Any, axis: int) -> Any:
        ctx.shape, ctx.axis = x.shape, axis
        ctx.save(indices)
        return _C.take_along_axis(x, indices, axis)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (indices,) = ctx.saved
        return AddAlongAxis.apply(dy, indices, ctx.axis, ctx.shape), None, None


class AddAlongAxis(Function):
    """Zeros of a shape with `values` added at the indices: the gradient of `TakeAlongAxis`."""

    @staticmethod
    def forward(ctx: Any, values: Any, indices: Any, axis: int, shape: Any) -> Any:
        ctx.axis = axis
        ctx.save(indices)
        y = _C.full(shape, 0, values.dtype, values.device)
        _C.put_along_axis(y, indices, values, axis, True)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (indices,) = ctx.saved
        return take_along_axis(dy, indices, ctx.axis), None, None, None


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Tensor:
    """Elements of `x` at `indices`, matched along every axis but one.

    ``y[i, j] = x[indices[i, j], j]`` for axis 0. The other axes broadcast. Gives what `argsort`,
    `argmax` and `topk` point at.

    Args:
        x: Tensor of any shape; flattened first if `axis` is None.
        indices: Integers with as many axes as `x`.
        axis: The axis to index.

    Returns:
        Tensor (...) of the shape of `indices`, broadcast with that of `x` but for the axis.

    Raises:
        IndexError: If an index or the axis is out of range.
        TypeError: If the indices are not integers.
        ValueError: If the shapes do not fit.

    Example:
        >>> import weft
        >>> weft.take_along_axis([[3, 1, 2]], [[1, 2, 0]], axis=1).tolist()
        [[1, 2, 3]]

    Follows numpy.take_along_axis.
    """
    x, indices = as_tensor(x, near=indices), integer_indices("take_along_axis", indices, x)
    if axis is None:
        x, axis = ops.reshape(x, (-1,)), 0
    return TakeAlongAxis.apply(x, indices, axis)


class PutAlongAxis(Function):
    """Saves the indices."""

    @staticmethod
    def forward(ctx: Any, x: Any, indices: Any, values: Any, axis: int) -> Any:
        ctx.axis, ctx.shape, ctx.dtype = axis, values.shape, values.dtype
        ctx.save(indices)
        y = _C.copy(x)
        _C.put_along_axis(y, indices, values, axis)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (indices,) = ctx.saved
        dx = dvalues = None
        if ctx.needs_grad[0]:
            zero = as_tensor(0.0, dy.dtype, dy)
            dx = PutAlongAxis.apply(dy, indices, zero, ctx.axis)
        if ctx.needs_grad[2]:
            taken = take_along_axis(dy, indices, ctx.axis)
            dvalues = ops.cast(ops.sum_to_shape(taken, ctx.shape), ctx.dtype)
        return dx, None, dvalues, None


def put_along_axis(x: Any, indices: Any, values: Any, axis: int) -> Tensor:
    """A copy of `x` with `values` where `take_along_axis` would read.

    NumPy's function of this name writes in place; this one returns the result. Of equal indices
    the last value stays.

    Args:
        x: Tensor (...) of any shape.
        indices: Integers with as many axes as `x`.
        values: A number or tensor that broadcasts to the shape of `indices`; becomes the dtype of
            `x`.
        axis: The axis to index.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        IndexError: If an index or the axis is out of range.
        TypeError: If the indices are not integers.
        ValueError: If the shapes do not fit.

    Example:
        >>> import weft
        >>> weft.put_along_axis([[1, 2, 3]], [[0]], 9, axis=1).tolist()
        [[9, 2, 3]]

    Follows numpy.put_along_axis.
    """
    x, indices = as_tensor(x, near=indices), integer_indices("put_along_axis", indices, x)
    return PutAlongAxis.apply(x, indices, as_tensor(values, x.dtype, x), axis)


def index_add(x: Any, indices: Any, updates: Any, axis: int = 0) -> Tensor:
    """A copy of `x` with `updates` added to the slices at `indices`.

    A slice named several times receives every one of its updates, in their order. The gradient of
    `take`.

    Args:
        x: Tensor (...) of any shape.
        indices: Integers (...) of any shape.
        updates: Broadcasts to ``x.shape[:axis] + indices.shape + x.shape[axis + 1:]``.
        axis: The axis to index.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        IndexError: If an index or the axis is out of range.
        TypeError: If the indices are not integers.
        ValueError: If the updates do not broadcast to that shape.

    Example:
        >>> import weft
        >>> weft.index_add([1.0, 1.0, 1.0], [0, 2, 2], [1.0, 2.0, 3.0]).tolist()
        [2.0, 1.0, 6.0]

    Follows torch.index_add.
    """
    x, indices = as_tensor(x, near=indices), integer_indices("index_add", indices, x)
    key = _C.IndexKey(_axis_key("index_add", x.ndim, axis, indices))
    return UpdateItems.apply(x, key, as_tensor(updates, x.dtype, x), True)
