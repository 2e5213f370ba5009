"""Keras's functions that read and write at coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import _C
from weft.errors import integers
from weft.ops.along_axis import integer_indices
from weft.ops.indexing import UpdateItems, getitem
from weft.tensor import Tensor, as_tensor

__all__ = ["scatter", "scatter_update", "slice", "slice_update"]


def _coordinate_key(op: str, indices: Any, ndim: int, near: Any) -> Any:
    """The key that rows of coordinates stand for."""
    indices = integer_indices(op, indices, near)
    depth = indices.shape[-1] if indices.ndim else 0
    if not 1 <= depth <= ndim:
        raise ValueError(
            f"{op}: indices must be (..., depth) with a depth from 1 to {ndim}, the number of "
            f"axes, got shape {indices.shape}"
        )
    return _C.IndexKey(tuple(indices[..., i] for i in range(depth)))


def scatter(indices: Any, values: Any, shape: Any) -> Tensor:
    """Zeros of `shape` with `values` added at rows of coordinates.

    Args:
        indices: Integers (..., depth): each row names an element, or a slice when depth is less
            than the number of axes.
        values: ``indices.shape[:-1] + shape[depth:]``.
        shape: Shape of the result.

    Returns:
        Tensor of that shape, with the dtype of `values`.

    Raises:
        IndexError: If a coordinate is out of range.
        TypeError: If the indices are not integers.
        ValueError: If the depth or the shape of the values does not fit.

    Example:
        >>> import weft
        >>> weft.scatter([[0], [2], [2]], [1.0, 2.0, 3.0], (4,)).tolist()
        [1.0, 0.0, 5.0, 0.0]

    Follows keras.ops.scatter.
    """
    values, shape = as_tensor(values, near=indices), integers("scatter", "shape", shape)
    key = _coordinate_key("scatter", indices, len(shape), values)
    start = Tensor(_C.full(shape, 0, values.dtype, values.device))
    return UpdateItems.apply(start, key, values, True)


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Tensor:
    """A copy of `inputs` with `updates` at rows of coordinates.

    Args:
        inputs: Tensor of any shape.
        indices: Integers (..., depth), as for `scatter`.
        updates: ``indices.shape[:-1] + inputs.shape[depth:]``.
        reduction: None assigns (of equal rows the last stays), "add" adds.

    Returns:
        Tensor (...) of the shape and dtype of `inputs`.

    Raises:
        IndexError: If a coordinate is out of range.
        TypeError: If the indices are not integers.
        ValueError: If the depth, the shape of the updates or `reduction` does not fit.

    Example:
        >>> import weft
        >>> weft.scatter_update([1.0, 2.0, 3.0], [[1]], [9.0]).tolist()
        [1.0, 9.0, 3.0]

    Follows keras.ops.scatter_update.
    """
    if reduction not in (None, "add"):
        raise ValueError(f"scatter_update: reduction must be None or 'add', got {reduction!r}")
    inputs = as_tensor(inputs, near=updates)
    key = _coordinate_key("scatter_update", indices, inputs.ndim, inputs)
    updates = as_tensor(updates, inputs.dtype, inputs)
    return UpdateItems.apply(inputs, key, updates, reduction == "add")


def _box(op: str, x: Tensor, start_indices: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    starts = integers(op, "start_indices", start_indices)
    if len(starts) != x.ndim or len(shape) != x.ndim:
        raise ValueError(
            f"{op}: give one start and one size for each of the {x.ndim} axes, got starts "
            f"{starts} and sizes {shape}"
        )
    # As in Keras, a box that would stick out is moved inside.
    inside = [max(0, min(i, d - n)) for i, n, d in zip(starts, shape, x.shape, strict=True)]
    if any(n > d for n, d in zip(shape, x.shape, strict=True)):
        raise ValueError(f"{op}: a box of shape {shape} does not fit into shape {x.shape}")
    return tuple(np.s_[i : i + n] for i, n in zip(inside, shape, strict=True))


def slice(inputs: Any, start_indices: Any, shape: Any) -> Tensor:
    """The box of `shape` that starts at `start_indices`.

    Args:
        inputs: Tensor (...) of any shape.
        start_indices: One integer for each axis; a box that would stick out is moved inside.
        shape: Sizes of the box, one for each axis.

    Returns:
        Tensor of that shape, a view.

    Raises:
        ValueError: If there are not as many starts and sizes as axes, or the box is too large.
        TypeError: If one of them is no integer.

    Example:
        >>> import weft
        >>> weft.ops.slice([[1, 2, 3], [4, 5, 6]], (0, 1), (2, 2)).tolist()
        [[2, 3], [5, 6]]

    Follows keras.ops.slice.
    """
    x = as_tensor(inputs)
    return getitem(x, _box("slice", x, start_indices, integers("slice", "shape", shape)))


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Tensor:
    """A copy of `inputs` with the box at `start_indices` replaced by `updates`.

    Args:
        inputs: Tensor (...) of any shape.
        start_indices: One integer for each axis; a box that would stick out is moved inside.
        updates: Tensor (...) with as many axes, none longer; becomes the dtype of `inputs`.

    Returns:
        Tensor (...) of the shape and dtype of `inputs`.

    Raises:
        ValueError: If there are not as many starts and sizes as axes, or the box is too large.
        TypeError: If a start is no integer.

    Example:
        >>> import weft
        >>> weft.ops.slice_update([1, 2, 3, 4], (1,), [8, 9]).tolist()
        [1, 8, 9, 4]

    Follows keras.ops.slice_update.
    """
    x = as_tensor(inputs, near=updates)
    updates = as_tensor(updates, x.dtype, x)
    key = _C.IndexKey(_box("slice_update", x, start_indices, updates.shape))
    return UpdateItems.apply(x, key, updates, False)
