"""Changing shapes: views wherever the memory allows it."""

from __future__ import annotations

from typing import Any

from weft import _C
from weft.autograd.recording import Function
from weft.errors import integer, shown
from weft.tensor import Tensor, as_tensor

__all__ = [
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
        TypeError: If `shape` does not hold integers, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.reshape([1, 2, 3, 4, 5, 6], (2, -1)).tolist()
        [[1, 2, 3], [4, 5, 6]]

    Follows numpy.reshape.
    """
    if type(x) is not Tensor:
        x = as_tensor(x)
    if not x._requires_grad and x._severed is None:  # half the cost of `apply`
        return Tensor(_C.reshape(x._data, shape))
    return Reshape.apply(x, shape)


def ravel(x: Any) -> Tensor:
    """The elements of `x` along one axis, in row-major order: a view where possible.

    Args:
        x: Tensor (...) of any shape.

    Returns:
        Tensor (size,).

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ravel([[1, 2], [3, 4]]).tolist()
        [1, 2, 3, 4]

    Follows numpy.ravel.
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

    Returns:
        Tensor (...) without these axes, that shares the memory of `x`.

    Raises:
        ValueError: If an axis to remove has another size.
        IndexError: If an axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.squeeze(weft.zeros((1, 3, 1)), axis=0).shape
        (3, 1)

    Follows numpy.squeeze.
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

    Returns:
        Tensor (...) with these axes, that shares the memory of `x`.

    Raises:
        IndexError: If a position is out of range.
        ValueError: If a position is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.expand_dims([1, 2, 3], -1).shape
        (3, 1)

    Follows numpy.expand_dims.
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

    Returns:
        Tensor (...) that shares the memory of `x`.

    Raises:
        ValueError: If `axes` does not name every axis once.
        IndexError: If an axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.transpose(weft.zeros((2, 3, 4)), (2, 0, 1)).shape
        (4, 2, 3)

    Follows numpy.transpose.
    """
    if type(x) is not Tensor:
        x = as_tensor(x)
    order = _REVERSED[x.ndim] if axes is None else axes_of(axes)
    if not x._requires_grad and x._severed is None:  # half the cost of `apply`
        return Tensor(_C.transpose(x._data, order))
    return Transpose.apply(x, order)


def permute_dims(x: Any, axes: Any) -> Tensor:
    """A view with the axes in another order: `transpose` with the order required.

    Args:
        x: Tensor (...) of any shape.
        axes: For each axis of the result, the axis of `x` it is.

    Returns:
        Tensor (...) that shares the memory of `x`.

    Raises:
        ValueError: If `axes` does not name every axis once.
        IndexError: If an axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.permute_dims(weft.zeros((2, 3)), (1, 0)).shape
        (3, 2)

    Follows the Python Array API's ``permute_dims``.
    """
    return transpose(x, axes)


def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """A view with two axes exchanged.

    Args:
        x: Tensor (...) with at least one axis.
        axis1: One of the axes.
        axis2: The other axis.

    Returns:
        Tensor (...) that shares the memory of `x`.

    Raises:
        IndexError: If an axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.swapaxes(weft.zeros((2, 3, 4)), 0, -1).shape
        (4, 3, 2)

    Follows numpy.swapaxes.
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

    Returns:
        Tensor (...) that shares the memory of `x`.

    Raises:
        ValueError: If the numbers differ or an axis is named twice.
        IndexError: If an axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.moveaxis(weft.zeros((2, 3, 4)), 0, -1).shape
        (3, 4, 2)

    Follows numpy.moveaxis.
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

    Args:
        x: Tensor (...) of any shape.
        axis: The axis, or axes, to reverse; all by default.

    Returns:
        Tensor (...) of the shape of `x` that shares its memory.

    Raises:
        IndexError: If an axis is out of range.
        ValueError: If an axis is given twice.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.flip([[1, 2], [3, 4]], axis=1).tolist()
        [[2, 1], [4, 3]]

    Follows numpy.flip.
    """
    x = as_tensor(x)
    return Flip.apply(x, tuple(range(x.ndim)) if axis is None else axes_of(axis))


def fliplr(x: Any) -> Tensor:
    """`flip` along axis 1.

    Args:
        x: Tensor (M, N, ...).

    Returns:
        Tensor (M, N, ...) that shares the memory of `x`.

    Raises:
        IndexError: If `x` has fewer than 2 axes.
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.fliplr([[1, 2]]).tolist()
        [[2, 1]]

    Follows numpy.fliplr.
    """
    return flip(x, 1)


def flipud(x: Any) -> Tensor:
    """`flip` along axis 0.

    Args:
        x: Tensor (M, ...).

    Returns:
        Tensor (M, ...) that shares the memory of `x`.

    Raises:
        IndexError: If `x` has no axes.
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.flipud([[1], [2]]).tolist()
        [[2], [1]]

    Follows numpy.flipud.
    """
    return flip(x, 0)


def rot90(x: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """A view turned by `k` quarter turns from the first of `axes` towards the second.

    Args:
        x: Tensor (...) with at least 2 axes.
        k: How many quarter turns.
        axes: The plane to turn in.

    Returns:
        Tensor (...) that shares the memory of `x`.

    Raises:
        ValueError: If both axes are the same.
        TypeError: If `axes` is not two integers, or `k` no integer.
        IndexError: If an axis is out of range.

    Example:
        >>> import weft
        >>> weft.rot90([[1, 2], [3, 4]]).tolist()
        [[2, 4], [1, 3]]

    Follows numpy.rot90.
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
