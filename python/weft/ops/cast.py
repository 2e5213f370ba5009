"""Conversion between dtypes, and copies."""

from __future__ import annotations

from typing import Any

from weft import _C
from weft.autograd.recording import Function
from weft.dtypes import as_dtype
from weft.tensor import Tensor, as_tensor

__all__ = ["cast", "copy"]


class Cast(Function):
    """Saves nothing; the gradient is converted back to the dtype of the input."""

    @staticmethod
    def forward(ctx: Any, x: Any, dtype: Any) -> Any:
        ctx.dtype = x.dtype
        return _C.cast(x, dtype)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return cast(dy, ctx.dtype), None


class Copy(Function):
    """Saves nothing."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return _C.copy(x)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return dy


def cast(x: Any, dtype: Any) -> Tensor:
    """`x` with its elements converted to `dtype`.

    Floats are rounded to the nearest value (ties to even), and cut towards zero when they become
    integers; anything but 0 becomes True.

    Args:
        x: Tensor of any shape.
        dtype: The new dtype.

    Returns:
        Tensor of the shape of `x`; `x` itself if it has the dtype already.

    Raises:
        TypeError: If `dtype` is unknown, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> weft.ops.cast([1.7, -1.7, 0.0], "int32").tolist()
        [1, -1, 0]

    Follows keras.ops.cast.
    """
    x, dtype = as_tensor(x), as_dtype(dtype)
    return x if x.dtype == dtype else Cast.apply(x, dtype)


def copy(x: Any) -> Tensor:
    """A copy of `x` in new, row-major memory.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Tensor (...) of the same shape and dtype that shares no memory with `x`.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> x = weft.tensor([1.0, 2.0])
        >>> weft.ops.copy(x).shares_memory(x)
        False

    Follows numpy.copy.
    """
    return Copy.apply(as_tensor(x))
