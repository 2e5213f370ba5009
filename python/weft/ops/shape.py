"""Changing shapes: views wherever the memory allows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import integer, integers, shown
from weft.ops.operands import first_tensor
from weft.tensor import Tensor, as_tensor

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "moveaxis",
    "permute_dims",
    "ravel",
    "reshape",
    "rot90",
    "squeeze",
    "sum_to_shape",
    "swapaxes",
    "transpose",
]


def axes_of(axis: Any) -> tuple[int, ...]:
    """An axis argument (an integer or several) as a tuple."""
    return tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)


def normalize_axis(op: str, axis: int, ndim: int) -> int:
    """`axis` counted from the front.

    Raises:
        IndexError: If it is out of range.
        TypeError: If it is no integer.
    """
    if type(axis) is not int:
        axis = integer(op, "axis", axis)
    if not -ndim <= axis < ndim:
        raise IndexError(f"{op}: axis {axis} is out of range for a tensor with {ndim} axes")
    return axis % ndim


# --- the same elements in another shape ----------------------------------------------------------


class Reshape(Function):
    """Saves the shape."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, shape: Any) -> Any:
        ctx.shape = x.shape
        return _C.reshape(x, shape)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Reshape.apply(dy, ctx.shape), None


def reshape(x: Any, shape: Any) -> Tensor:
    """The elements of `x`, in row-major order, in another shape.

    Args:
        x: Tensor of any shape.
        shape: The new sizes; one of them may be -1 and is computed.

    Returns:
        A view of `x` where its strides allow it, else a copy.

    Raises:
        ValueError: If the number of elements differs.

    Example:
        >>> import weft
        >>> weft.reshape([1, 2, 3, 4, 5, 6], (2, -1)).tolist()
        [[1, 2, 3], [4, 5, 6]]
    """
    if type(x) is not Tensor:
        x = as_tensor(x)
    if not x._requires_grad and x._severed is None:  # half the cost of `apply`
        return Tensor(_C.reshape(x._data, shape))
    return Reshape.apply(x, shape)


def ravel(x: Any) -> Tensor:
    """The elements of `x` along one axis, in row-major order: a view where possible.

    Example:
        >>> import weft
        >>> weft.ravel([[1, 2], [3, 4]]).tolist()
        [1, 2, 3, 4]
    """
    return Reshape.apply(as_tensor(x), (-1,) if as_tensor(x).size else (0,))


flatten = ravel


class Squeeze(Function):
    """Saves the shape."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any) -> Any:
        ctx.shape = x.shape
        return _C.squeeze_all(x) if axes is None else _C.squeeze(x, axes)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Reshape.apply(dy, ctx.shape), None


def squeeze(x: Any, axis: Any = None) -> Tensor:
    """A view without axes of size 1.

    Args:
        x: Tensor of any shape.
        axis: The axis, or axes, to remove; by default all of size 1.

    Raises:
        ValueError: If an axis to remove has another size.
        IndexError: If an axis is out of range.

    Example:
        >>> import weft
        >>> weft.squeeze(weft.zeros((1, 3, 1)), axis=0).shape
        (3, 1)
    """
    return Squeeze.apply(as_tensor(x), None if axis is None else axes_of(axis))


class ExpandDims(Function):
    """Saves the shape."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, axes: Any) -> Any:
        ctx.shape = x.shape
        return _C.expand_dims(x, axes)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Reshape.apply(dy, ctx.shape), None


def expand_dims(x: Any, axis: Any = 0) -> Tensor:
    """A view with new axes of size 1.

    Args:
        x: Tensor of any shape.
        axis: Where the new axis, or axes, stand in the result.

    Raises:
        IndexError: If a position is out of range.

    Example:
        >>> import weft
        >>> weft.expand_dims([1, 2, 3], -1).shape
        (3, 1)
    """
    return ExpandDims.apply(as_tensor(x), axes_of(axis))


# --- the axes in another order -------------------------------------------------------------------


_REVERSED = [tuple(range(ndim))[::-1] for ndim in range(17)]  # a tensor has at most 16 axes


class Transpose(Function):
    """Saves the permutation."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, axes: tuple[int, ...]) -> Any:
        ctx.axes = axes
        return _C.transpose(x, axes)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        inverse = [0] * dy.ndim
        for to, source in enumerate(ctx.axes):
            inverse[source] = to
        return Transpose.apply(dy, tuple(inverse)), None


def transpose(x: Any, axes: Any = None) -> Tensor:
    """A view with the axes in another order.

    Args:
        x: Tensor of any shape.
        axes: For each axis of the result, the axis of `x` it is; by default in reverse.

    Raises:
        ValueError: If `axes` does not name every axis once.
        IndexError: If an axis is out of range.

    Example:
        >>> import weft
        >>> weft.transpose(weft.zeros((2, 3, 4)), (2, 0, 1)).shape
        (4, 2, 3)
    """
    if type(x) is not Tensor:
        x = as_tensor(x)
    order = _REVERSED[x.ndim] if axes is None else axes_of(axes)
    if not x._requires_grad and x._severed is None:  # half the cost of `apply`
        return Tensor(_C.transpose(x._data, order))
    return Transpose.apply(x, order)


def permute_dims(x: Any, axes: Any) -> Tensor:
    """`transpose` with the axes required (the Array API's name).

    Example:
        >>> import weft
        >>> weft.permute_dims(weft.zeros((2, 3)), (1, 0)).shape
        (3, 2)
    """
    return transpose(x, axes)


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """A view with two axes exchanged.

    Raises:
        IndexError: If an axis is out of range.

    Example:
        >>> import weft
        >>> weft.swapaxes(weft.zeros((2, 3, 4)), 0, -1).shape
        (4, 3, 2)
    """
    x = as_tensor(x)
    order = list(range(x.ndim))
    a, b = (normalize_axis("swapaxes", axis, x.ndim) for axis in (axis1, axis2))
    order[a], order[b] = b, a
    return Transpose.apply(x, tuple(order))


def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """A view with axes moved to other positions; the others keep their order.

    Args:
        x: Tensor of any shape.
        source: The axis, or axes, to move.
        destination: Where each of them goes.

    Raises:
        ValueError: If the numbers differ or an axis is named twice.
        IndexError: If an axis is out of range.

    Example:
        >>> import weft
        >>> weft.moveaxis(weft.zeros((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    x = as_tensor(x)
    moved = [normalize_axis("moveaxis", a, x.ndim) for a in axes_of(source)]
    places = [normalize_axis("moveaxis", a, x.ndim) for a in axes_of(destination)]
    if len(moved) != len(places) or len(set(moved)) != len(moved) or len(set(places)) != len(moved):
        raise ValueError(
            f"moveaxis: source {source} and destination {destination} must name equally many "
            "different axes"
        )
    order = [axis for axis in range(x.ndim) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return Transpose.apply(x, tuple(order))


class Flip(Function):
    """Saves the axes."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, axes: tuple[int, ...]) -> Any:
        ctx.axes = axes
        return _C.flip(x, axes)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return Flip.apply(dy, ctx.axes), None


def flip(x: Any, axis: Any = None) -> Tensor:
    """A view with the order along an axis, several, or all axes reversed.

    Raises:
        IndexError: If an axis is out of range.

    Example:
        >>> import weft
        >>> weft.flip([[1, 2], [3, 4]], axis=1).tolist()
        [[2, 1], [4, 3]]
    """
    x = as_tensor(x)
    return Flip.apply(x, tuple(range(x.ndim)) if axis is None else axes_of(axis))


def fliplr(x: Any) -> Tensor:
    """`flip` along axis 1.

    Example:
        >>> import weft
        >>> weft.fliplr([[1, 2]]).tolist()
        [[2, 1]]
    """
    return flip(x, 1)


def flipud(x: Any) -> Tensor:
    """`flip` along axis 0.

    Example:
        >>> import weft
        >>> weft.flipud([[1], [2]]).tolist()
        [[2], [1]]
    """
    return flip(x, 0)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """A view turned by `k` quarter turns from the first of `axes` towards the second.

    Example:
        >>> import weft
        >>> weft.rot90([[1, 2], [3, 4]]).tolist()
        [[2, 4], [1, 3]]
    """
    x, k = as_tensor(x), integer("rot90", "k", k)
    if not isinstance(axes, (tuple, list)) or len(axes) != 2:
        raise TypeError(f"rot90: axes must be two integers, got {shown(axes)}")
    first, second = (normalize_axis("rot90", axis, x.ndim) for axis in axes)
    if first == second:
        raise ValueError(f"rot90: axes {axes} must name two different axes")
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return flip(x, (first, second))
    if k % 4 == 1:
        return swapaxes(flip(x, second), first, second)
    return flip(swapaxes(x, first, second), second)


# --- broadcasting --------------------------------------------------------------------------------


class BroadcastTo(Function):
    """Saves the shape; the gradient is summed over the axes that were repeated."""

    returns_view = True
    kernel = _C.broadcast_to
    saves = "nothing"

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        shape, _ = ctx.like(0)
        return sum_to_shape(dy, shape), None


def broadcast_to(x: Any, shape: Any) -> Tensor:
    """A view of `x` repeated along axes of size 1 and new leading axes.

    Raises:
        ValueError: If `x` does not broadcast to the shape.

    Example:
        >>> import weft
        >>> weft.broadcast_to([[1], [2]], (2, 3)).tolist()
        [[1, 1, 1], [2, 2, 2]]
    """
    return BroadcastTo.apply(as_tensor(x), axes_of(shape))


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """The tensors, each as a view of the shape they broadcast to together.

    Example:
        >>> import weft
        >>> [t.shape for t in weft.broadcast_arrays([[1], [2]], [1, 2, 3])]
        [(2, 3), (2, 3)]
    """
    home = first_tensor(arrays)
    tensors = [as_tensor(a, near=home) for a in arrays]
    shape = _common_shape([t.shape for t in tensors])
    return [broadcast_to(t, shape) for t in tensors]


def _common_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    ndim = max((len(s) for s in shapes), default=0)
    padded = [(1,) * (ndim - len(s)) + s for s in shapes]
    common = []
    for sizes in zip(*padded, strict=True):
        different = sorted({n for n in sizes if n != 1})
        if len(different) > 1:
            raise ValueError(f"broadcast: shapes {', '.join(map(str, shapes))} do not fit together")
        common.append(different[0] if different else 1)
    return tuple(common)


def sum_to_shape(x: Any, shape: tuple[int, ...]) -> Tensor:
    """`x` summed over the axes along which `shape` would be repeated to give that of `x`.

    The reverse of `broadcast_to`.

    Example:
        >>> import weft
        >>> weft.ops.sum_to_shape([[1.0, 2.0], [3.0, 4.0]], (2, 1)).tolist()
        [[3.0], [7.0]]
    """
    x = as_tensor(x)
    if x.shape == shape:
        return x
    shape = integers("sum_to_shape", "shape", shape)
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1
    )
    summed = ops.sum(x, axis=axes) if axes else x
    return summed if summed.shape == shape else reshape(summed, shape)
