"""Operators and methods of `Tensor`: each names an operation of `weft.ops` and adds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import weft

if TYPE_CHECKING:
    from weft.tensor import Tensor


class TensorMethods:
    """What ``x + y``, ``x.sum()`` and the like mean."""

    # --- operators -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return weft.ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return weft.ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return weft.ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return weft.ops.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return weft.ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return weft.ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return weft.ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return weft.ops.divide(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return weft.ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return weft.ops.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return weft.ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return weft.ops.remainder(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return weft.ops.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return weft.ops.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return weft.ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return weft.ops.matmul(other, self)

    def __and__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_and(other, self)

    def __or__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_xor(other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_left_shift(other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return weft.ops.bitwise_right_shift(other, self)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise
        return weft.ops.equal(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise
        return weft.ops.not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return weft.ops.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return weft.ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return weft.ops.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return weft.ops.greater_equal(self, other)

    def __neg__(self) -> Tensor:
        return weft.ops.negative(self)

    def __pos__(self) -> Tensor:
        return weft.ops.positive(self)

    def __abs__(self) -> Tensor:
        return weft.ops.abs(self)

    def __invert__(self) -> Tensor:
        return weft.ops.bitwise_invert(self)

    # --- the most used functions, as methods -----------------------------------------------------

    @property
    def T(self) -> Tensor:
        """The tensor with its axes in reverse order."""
        return weft.ops.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes swapped."""
        return weft.ops.swapaxes(self, -1, -2)

    def reshape(self, *shape: Any) -> Tensor:
        """See `weft.reshape`; the sizes may be given one by one."""
        return weft.ops.reshape(self, _one_or_many(shape))

    view = reshape

    def transpose(self, *axes: Any) -> Tensor:
        """See `weft.transpose`; the axes may be given one by one."""
        return weft.ops.transpose(self, _one_or_many(axes) if axes else None)

    permute = transpose

    def flatten(self) -> Tensor:
        """All elements along one axis."""
        return weft.ops.reshape(self, (-1,))

    ravel = flatten

    def squeeze(self, axis: Any = None) -> Tensor:
        """See `weft.squeeze`."""
        return weft.ops.squeeze(self, axis)

    def unsqueeze(self, axis: int) -> Tensor:
        """See `weft.expand_dims`."""
        return weft.ops.expand_dims(self, axis)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """See `weft.swapaxes`."""
        return weft.ops.swapaxes(self, axis1, axis2)

    def expand(self, *shape: Any) -> Tensor:
        """See `weft.broadcast_to`; the sizes may be given one by one."""
        return weft.ops.broadcast_to(self, _one_or_many(shape))

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """See `weft.clip`."""
        return weft.ops.clip(self, min, max)

    clamp = clip

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        """See `weft.take`."""
        return weft.ops.take(self, indices, axis)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `weft.sum`."""
        return weft.ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `weft.mean`."""
        return weft.ops.mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `weft.prod`."""
        return weft.ops.prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `weft.max`."""
        return weft.ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `weft.min`."""
        return weft.ops.min(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `weft.any`."""
        return weft.ops.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `weft.all`."""
        return weft.ops.all(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """See `weft.var`."""
        return weft.ops.var(self, axis=axis, correction=ddof, keepdims=keepdims)

    def std(self, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """See `weft.std`."""
        return weft.ops.std(self, axis=axis, correction=ddof, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """See `weft.argmax`."""
        return weft.ops.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """See `weft.argmin`."""
        return weft.ops.argmin(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """See `weft.cumsum`."""
        return weft.ops.cumsum(self, axis=axis)

    def argsort(self, axis: int = -1) -> Tensor:
        """See `weft.argsort`."""
        return weft.ops.argsort(self, axis=axis)

    def sort(self, axis: int = -1) -> Tensor:
        """See `weft.sort`; gives a new tensor."""
        return weft.ops.sort(self, axis=axis)

    def dot(self, other: Any) -> Tensor:
        """See `weft.dot`."""
        return weft.ops.dot(self, other)

    def matmul(self, other: Any) -> Tensor:
        """See `weft.matmul`."""
        return weft.ops.matmul(self, other)

    def exp(self) -> Tensor:
        """See `weft.exp`."""
        return weft.ops.exp(self)

    def log(self) -> Tensor:
        """See `weft.log`."""
        return weft.ops.log(self)

    def sqrt(self) -> Tensor:
        """See `weft.sqrt`."""
        return weft.ops.sqrt(self)

    def abs(self) -> Tensor:
        """See `weft.abs`."""
        return weft.ops.abs(self)

    def sin(self) -> Tensor:
        """See `weft.sin`."""
        return weft.ops.sin(self)

    def cos(self) -> Tensor:
        """See `weft.cos`."""
        return weft.ops.cos(self)

    def tanh(self) -> Tensor:
        """See `weft.tanh`."""
        return weft.ops.tanh(self)

    def sigmoid(self) -> Tensor:
        """See `weft.sigmoid`."""
        return weft.ops.sigmoid(self)

    def relu(self) -> Tensor:
        """See `weft.relu`."""
        return weft.ops.relu(self)

    def round(self) -> Tensor:
        """See `weft.round`."""
        return weft.ops.round(self)

    def square(self) -> Tensor:
        """See `weft.square`."""
        return weft.ops.square(self)


def _one_or_many(values: tuple[Any, ...]) -> Any:
    """The arguments of ``x.reshape(2, 3)``, or the one of ``x.reshape((2, 3))``."""
    return values[0] if len(values) == 1 and isinstance(values[0], (tuple, list)) else values
