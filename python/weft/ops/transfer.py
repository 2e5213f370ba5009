"""Copies between devices, and to and from what is no tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import _C
from weft.autograd.recording import Function
from weft.device import check_device
from weft.tensor import Tensor, as_tensor

__all__ = ["convert_to_numpy", "convert_to_tensor", "to_device"]


class ToDevice(Function):
    """Saves nothing; the gradient travels back to where the input is."""

    @staticmethod
    def forward(ctx: Any, x: Any, device: str) -> Any:
        ctx.device = x.device
        return _C.to_device(x, device)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return to_device(dy, ctx.device)


def to_device(x: Any, device: str) -> Tensor:
    """`x` on another device; `x` itself if it is there already. Differentiable.

    To and from a GPU the values are copied behind all work queued so far; a copy to the CPU waits
    for it. What goes to ``"meta"`` keeps its shape and dtype only, and no history.

    Args:
        x: Any shape and dtype.
        device: ``"cpu"``, ``"sim"``, ``"cuda"``, ``"cuda:1"``, ... or ``"meta"``.

    Returns:
        Tensor (...) of the shape and dtype of `x`.

    Raises:
        ValueError: If the device does not exist or cannot be used in this process.
        TypeError: If `x` is on ``"meta"``, where it has no values.

    Example:
        >>> import weft
        >>> x = weft.ops.to_device([1.0, 2.0], "sim")
        >>> x.device, x.tolist()
        ('sim', [1.0, 2.0])

    Follows the Python Array API's ``to_device``.
    """
    x, name = as_tensor(x), check_device(device)
    if x.device == name:
        return x
    if name == "meta":
        return Tensor(_C.to_device(x._data, name))
    return ToDevice.apply(x, name)


def convert_to_tensor(x: Any, dtype: Any = None) -> Tensor:
    """`x` as a tensor, with its history if it is one.

    Args:
        x: A tensor, an array, a number, or nested lists of numbers: any shape (...).
        dtype: Dtype of the result; that of `x` if None.

    Returns:
        Tensor (...).

    Raises:
        TypeError: If `x` does not hold numbers, or the dtype is unknown.
        ValueError: If nested lists have unequal lengths, or a number does not fit the dtype.

    Example:
        >>> import weft
        >>> weft.ops.convert_to_tensor([1, 2], dtype="float32").tolist()
        [1.0, 2.0]

    Follows keras.ops.convert_to_tensor.
    """
    return as_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """The values of `x` as a NumPy array.

    Args:
        x: Tensor (...) of any shape and dtype.

    Returns:
        Array (...).

    Raises:
        TypeError: If `x` is on ``"meta"``, where it has no values.

    Example:
        >>> import weft
        >>> weft.ops.convert_to_numpy(weft.ones(2)).tolist()
        [1.0, 1.0]

    Follows keras.ops.convert_to_numpy.
    """
    return as_tensor(x).detach().numpy()
