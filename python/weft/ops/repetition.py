"""Repeating and rotating elements."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.errors import integers
from weft.ops.broadcasting import broadcast_arrays, broadcast_to
from weft.ops.shape import axes_of, expand_dims, normalize_axis, ravel, reshape, swapaxes
from weft.tensor import Tensor, as_tensor

__all__ = ["meshgrid", "repeat", "roll", "tile"]


def tile(x: Any, repeats: Any) -> Tensor:
    """`x` repeated as a whole along each axis.

    Args:
        x: Tensor of any shape.
        repeats: How often for each axis; shorter ones belong to the last axes.

    Returns:
        Tensor (...): every axis as long as it was times its repeats.

    Raises:
        ValueError: If a number of repeats is negative.
        TypeError: If one is no integer.

    Example:
        >>> import weft
        >>> weft.tile([1, 2], 3).tolist()
        [1, 2, 1, 2, 1, 2]

    Follows numpy.tile.
    """
    x, repeats = as_tensor(x), integers("tile", "repeats", repeats)
    if any(n < 0 for n in repeats):
        raise ValueError(f"tile: repeats must not be negative, got {repeats}")
    ndim = max(x.ndim, len(repeats))
    repeats = (1,) * (ndim - len(repeats)) + repeats
    shape = (1,) * (ndim - x.ndim) + x.shape
    # (n0, n1) -> (1, n0, 1, n1) -> (r0, n0, r1, n1) -> (r0 n0, r1 n1)
    separate = reshape(x, tuple(n for size in shape for n in (1, size)))
    pairs = tuple(zip(repeats, shape, strict=True))
    repeated = broadcast_to(separate, tuple(n for pair in pairs for n in pair))
    result = reshape(repeated, tuple(r * n for r, n in pairs))
    return ops.copy(result) if result.shares_memory(x) else result


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element, or slice along an axis, repeated.

    Args:
        x: Tensor of any shape; flattened first if `axis` is None.
        repeats: How often: one number, or one for each slice.
        axis: The axis along which slices are repeated.

    Returns:
        Tensor (...): the axis as long as all repeats together.

    Raises:
        ValueError: If there are neither one nor size many repeats, or one is negative.
        TypeError: If one is no integer.
        IndexError: If the axis is out of range.

    Example:
        >>> import weft
        >>> weft.repeat([1, 2], 2).tolist(), weft.repeat([1, 2], [0, 3]).tolist()
        ([1, 1, 2, 2], [2, 2, 2])

    Follows numpy.repeat.
    """
    x = as_tensor(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = normalize_axis("repeat", axis, x.ndim)
    size = x.shape[axis]
    several = as_tensor(repeats).reshape(-1).tolist() if hasattr(repeats, "shape") else repeats
    counts = integers("repeat", "repeats", several)
    if len(counts) not in (1, size) or any(n < 0 for n in counts):
        raise ValueError(
            f"repeat: give one number of repeats, or one for each of the {size} slices along axis "
            f"{axis}, none negative; got {repeats}"
        )
    if len(counts) != 1:
        return ops.take(x, [i for i, n in enumerate(counts) for _ in range(n)], axis)
    # (..., size, ...) -> (..., size, n, ...) -> (..., size * n, ...)
    before, after, n = x.shape[: axis + 1], x.shape[axis + 1 :], counts[0]
    repeated = broadcast_to(expand_dims(x, axis + 1), (*before, n, *after))
    result = reshape(repeated, (*before[:-1], size * n, *after))
    return ops.copy(result) if result.shares_memory(x) else result


def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """`x` with its elements moved along axes; what leaves at one end returns at the other.

    Args:
        x: Tensor of any shape.
        shift: By how much, for each axis.
        axis: The axis or axes; by default `x` is rolled as if it were flat.

    Returns:
        Tensor (...) of the shape of `x`.

    Raises:
        ValueError: If there are not as many shifts as axes.
        TypeError: If a shift is no integer.
        IndexError: If an axis is out of range.

    Example:
        >>> import weft
        >>> weft.roll([1, 2, 3, 4], 1).tolist()
        [4, 1, 2, 3]

    Follows numpy.roll.
    """
    x = as_tensor(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), x.shape)
    axes = axes_of(axis)
    shifts = integers("roll", "shift", shift)
    if not isinstance(shift, (tuple, list)):
        shifts = shifts * len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: {len(shifts)} shifts were given for {len(axes)} axes")
    for one_shift, one_axis in zip(shifts, axes, strict=True):
        at = normalize_axis("roll", one_axis, x.ndim)
        size = x.shape[at]
        if size and one_shift % size:
            head, tail = ops.split(x, [size - one_shift % size], at)
            x = ops.concatenate([tail, head], at)
    return x


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of a grid, from those along each axis.

    Args:
        arrays: Tensors (n0,), (n1,), ...; others are flattened.
        indexing: "xy" lets the first tensor vary along axis 1, "ij" along axis 0.

    Returns:
        One tensor for each, all of shape (n0, n1, ...), or with "xy" (n1, n0, ...).

    Raises:
        ValueError: If `indexing` is something else.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> [g.tolist() for g in weft.meshgrid([1, 2], [3, 4, 5], indexing="ij")]
        [[[1, 1, 1], [2, 2, 2]], [[3, 4, 5], [3, 4, 5]]]

    Follows numpy.meshgrid.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    flat = [ravel(a) for a in arrays]
    n = len(flat)
    grids = [reshape(t, (1,) * i + (t.size,) + (1,) * (n - i - 1)) for i, t in enumerate(flat)]
    if indexing == "xy" and n > 1:
        grids = [swapaxes(g, 0, 1) for g in grids]
    return broadcast_arrays(*grids)
