"""Indexing: NumPy's brackets, `take`, and writing at indices."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function, is_grad_enabled, note_in_place
from weft.dtypes import as_dtype
from weft.errors import integer, shown
from weft.tensor import Tensor, as_tensor

__all__ = [
    "getitem",
    "nonzero",
    "one_hot",
    "setitem",
]

# --- x[key] --------------------------------------------------------------------------------------


class GetItem(Function):
    """A basic key: a view. Saves the parsed key and the shape."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, key: Any) -> Any:
        ctx.key, ctx.shape = key, x.shape
        return _C.getitem(x, key)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return PlaceItems.apply(dy, ctx.key, ctx.shape), None


class GatherItems(GetItem):
    """A key with index tensors or masks: a copy."""

    name = "getitem"
    returns_view = False


class PlaceItems(Function):
    """The gradient of `GetItem`: zeros with `dy` added at the key."""

    @staticmethod
    def forward(ctx: Any, dy: Any, key: Any, shape: Any) -> Any:
        ctx.key = key
        dx = _C.full(shape, 0, dy.dtype, dy.device)
        # A basic key names no element twice, so it may be assigned, which is one pass less.
        (_C.setitem if key.is_basic else _C.additem)(dx, key, dy)
        return dx

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        return getitem(ddx, ctx.key), None, None


def getitem(x: Any, key: Any) -> Tensor:
    """``x[key]`` with NumPy's rules.

    Integers, slices with any step, ``...``, None, integer arrays and boolean masks may be mixed.
    A key without arrays and masks gives a view that shares memory; others give a copy. Indices
    may be negative and are always checked.

    Args:
        x: Tensor of any shape.
        key: What stands between the brackets.

    Returns:
        Tensor (...): the axes of `x` that are left, with those of index arrays in place of the axes
        they index.

    Raises:
        IndexError: If an index is out of range (the message names index, axis and size), if there
            are more indices than axes, or if a mask does not fit.
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> x = weft.tensor([[1, 2, 3], [4, 5, 6]])
        >>> x[:, ::-1].tolist()
        [[3, 2, 1], [6, 5, 4]]
        >>> x[x > 2].tolist(), x[[0, 1], [2, 0]].tolist()
        ([3, 4, 5, 6], [3, 4])

    Follows numpy.ndarray.__getitem__.
    """
    if type(x) is not Tensor:
        x = as_tensor(x)
    if not x._requires_grad and x._severed is None:
        return Tensor(_C.getitem(x._data, key))
    if type(key) is not _C.IndexKey:
        key = _C.IndexKey(key)
    return (GetItem if key.is_basic else GatherItems).apply(x, key)


# --- x[key] = value ------------------------------------------------------------------------------


class SetItem(Function):
    """In place: x itself is the result. Saves the parsed key."""

    @staticmethod
    def forward(ctx: Any, x: Any, key: Any, value: Any) -> Any:
        ctx.key, ctx.value_shape, ctx.value_dtype = key, value.shape, value.dtype
        _C.setitem(x, key, value)
        return x

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx = ClearItems.apply(dy, ctx.key) if ctx.needs_grad[0] else None
        return dx, None, _value_gradient(ctx, dy) if ctx.needs_grad[2] else None


class ClearItems(Function):
    """A copy of x with zeros at the key: the gradient of what an assignment kept."""

    @staticmethod
    def forward(ctx: Any, x: Any, key: Any) -> Any:
        ctx.key = key
        y = _C.copy(x)
        _C.setitem(y, key, 0)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return ClearItems.apply(dy, ctx.key), None


class UpdateItems(Function):
    """A copy of x with `value` assigned or added at the key."""

    @staticmethod
    def forward(ctx: Any, x: Any, key: Any, value: Any, accumulate: bool) -> Any:
        ctx.key, ctx.value_shape, ctx.value_dtype = key, value.shape, value.dtype
        ctx.accumulate = accumulate
        y = _C.copy(x)
        (_C.additem if accumulate else _C.setitem)(y, key, value)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        dx = None
        if ctx.needs_grad[0]:
            dx = dy if ctx.accumulate else ClearItems.apply(dy, ctx.key)
        return dx, None, _value_gradient(ctx, dy) if ctx.needs_grad[2] else None, None


def _value_gradient(ctx: Any, dy: Tensor) -> Tensor:
    """The gradient at the key, summed over the axes along which the value was broadcast."""
    at_key = getitem(dy, ctx.key)
    extra = len(ctx.value_shape) - at_key.ndim  # leading axes of length 1 that the value had
    if extra > 0:
        at_key = ops.reshape(at_key, (1,) * extra + at_key.shape)
    return ops.cast(ops.sum_to_shape(at_key, ctx.value_shape), ctx.value_dtype)


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """``x[key] = value``, in place, with NumPy's rules.

    The value is broadcast and converted to the dtype of `x`. Of elements named twice by an index
    array the last value stays. While gradients are recorded the assignment is recorded, too; it
    is refused for leaves that require a gradient and for recorded views. Assigning a recorded
    value to a view (``x[0][1] = y``) gives history to that view alone, not to `x`: write
    ``x[0, 1] = y``.

    Args:
        x: Tensor (...) of any shape, which is changed.
        key: What stands between the brackets, as for `getitem`.
        value: A number or tensor that broadcasts to the shape of ``x[key]``.

    Returns:
        None.

    Raises:
        IndexError: As `getitem`.
        TypeError: If `x` is no tensor, or a value that requires a gradient goes into integers.
        ValueError: If the value does not broadcast to the place, or the memory is read-only.
        RuntimeError: If recording forbids the change.

    Example:
        >>> import weft
        >>> x = weft.zeros((2, 3))
        >>> weft.ops.setitem(x, (..., 0), 7.0)  # x[..., 0] = 7.0
        >>> x.tolist()
        [[7.0, 0.0, 0.0], [7.0, 0.0, 0.0]]

    Follows numpy.ndarray.__setitem__.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"setitem: x must be a tensor, which is changed in place, got {shown(x)}")
    if not isinstance(value, (bool, int, float)):
        value = as_tensor(value, near=x)
    note_in_place(x, "setitem")
    tracked = x.requires_grad or (isinstance(value, Tensor) and value.requires_grad)
    if not tracked or not is_grad_enabled():
        _C.setitem(x._data, key, value._data if isinstance(value, Tensor) else value)
        return
    value = as_tensor(value, near=x)
    if not x.dtype.is_floating:
        raise TypeError(
            f"setitem: a value that requires a gradient cannot go into a tensor of {x.dtype}; "
            "assign value.detach()"
        )
    if value.shares_memory(x):
        value = ops.copy(value)
    result = SetItem.apply(Tensor(x._data) if x._node is None else x, _C.IndexKey(key), value)
    x._requires_grad, x._node, x._index = True, result._node, result._index


# --- without gradient ----------------------------------------------------------------------------


class NonZero(Function):
    not_differentiable = "nonzero gives positions, which do not change with the values"

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        coordinates = _C.nonzero(x)
        return tuple(_C.getitem(coordinates, i) for i in range(x.ndim))


def nonzero(x: Any) -> tuple[Tensor, ...]:
    """The positions of the elements that are not 0: one int64 tensor for each axis.

    Args:
        x: Tensor (...) with at least one axis.

    Returns:
        As many tensors (count,) as `x` has axes, in row-major order.

    Raises:
        ValueError: If `x` has no axes.
        TypeError: On the meta device: the result's shape depends on the values.

    Example:
        >>> import weft
        >>> rows, columns = weft.nonzero([[0, 5], [7, 0]])
        >>> rows.tolist(), columns.tolist()
        ([0, 1], [1, 0])

    Follows numpy.nonzero.
    """
    x = as_tensor(x)
    if x.ndim == 0:
        raise ValueError("nonzero: a tensor without axes has no positions; use x.reshape(1)")
    return NonZero.apply(x)


class OneHot(Function):
    not_differentiable = "labels are integers"

    @staticmethod
    def forward(ctx: Any, labels: Any, num_classes: int, axis: int, dtype: Any) -> Any:
        return _C.one_hot(labels, num_classes, axis, dtype)


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = "float32") -> Tensor:
    """Ones at the labels along a new axis of `num_classes` entries, zeros elsewhere.

    Args:
        x: Integer labels of any shape, each from 0 to num_classes - 1.
        num_classes: Length of the new axis.
        axis: Where the new axis stands in the result.
        dtype: Type of the result.

    Returns:
        Tensor (..., num_classes), or with the new axis at `axis`.

    Raises:
        ValueError: If a label is outside the classes; the message names it.
        TypeError: If the labels are not integers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> weft.one_hot([0, 2], 3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Follows keras.ops.one_hot.
    """
    num_classes = integer("one_hot", "num_classes", num_classes)
    return OneHot.apply(as_tensor(x), num_classes, axis, as_dtype(dtype))
