"""Making tensors from shapes and ranges."""

from __future__ import annotations

import math
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.device import check_device, current_device
from weft.dtypes import DType, as_dtype, limits
from weft.errors import integer, integers, number, shown
from weft.tensor import Tensor, as_tensor

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "identity",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "tri",
    "zeros",
    "zeros_like",
]


def _shape(op: str, shape: Any, *others: Any) -> tuple[int, ...]:
    """`shape` as a tuple; `others` are the arguments after it, which may be sizes by mistake."""
    misplaced = [n for n in others if isinstance(n, int) and not isinstance(n, bool)]
    if misplaced and others[0] is misplaced[0]:
        sizes = (shape, *misplaced)
        raise TypeError(f"{op}: the shape is one argument: write {op}({sizes}), with a tuple")
    return integers(op, "shape", shape)


def _place(device: str | None) -> str:
    """Where a new tensor goes."""
    return current_device() if device is None else check_device(device)


def _filled(op: str, shape: Any, value: float, dtype: Any, device: str | None) -> Tensor:
    sizes = _shape(op, shape, dtype, device)
    return Tensor(_C.full(sizes, value, as_dtype(dtype or "float32"), _place(device)))


def zeros(shape: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of zeros.

    Args:
        shape: Sizes of the axes, or one number for one axis.
        dtype: Type of the elements, float32 by default.
        device: Where to place it; the current device by default.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If a size is negative.
        TypeError: If the sizes are not given as one tuple, or the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.zeros((2, 3)).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]

    Follows numpy.zeros.
    """
    return _filled("zeros", shape, 0, dtype, device)


def ones(shape: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor of ones.

    Args:
        shape: Sizes of the axes, or one number for one axis.
        dtype: Type of the elements, float32 by default.
        device: Where to place it; the current device by default.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If a size is negative.
        TypeError: If the sizes are not given as one tuple, or the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.ones((4, 1)).shape
        (4, 1)

    Follows numpy.ones.
    """
    return _filled("ones", shape, 1, dtype, device)


def empty(shape: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor whose values are not set.

    Args:
        shape: Sizes of the axes, or one number for one axis.
        dtype: Type of the elements, float32 by default.
        device: Where to place it; the current device by default.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If a size is negative.
        TypeError: If the sizes are not given as one tuple, or the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.empty(3).shape
        (3,)

    Follows numpy.empty.
    """
    sizes = _shape("empty", shape, dtype, device)
    return Tensor(_C.empty(sizes, as_dtype(dtype or "float32"), _place(device)))


def full(shape: Any, fill_value: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor in which every element is `fill_value`.

    Args:
        shape: Sizes of the axes, or one number for one axis.
        fill_value: A number, or a tensor that broadcasts to the shape.
        dtype: Type of the elements; by default float32, int64 or bool after the value.
        device: Where to place it; the current device by default.

    Returns:
        Tensor of that shape.

    Raises:
        ValueError: If a size is negative, or the value does not fit the dtype.
        TypeError: If `shape` does not hold integers, or the value is no number.

    Example:
        >>> import weft
        >>> weft.full((2, 2), 7).tolist()
        [[7, 7], [7, 7]]

    Follows numpy.full.
    """
    sizes = _shape("full", shape, dtype, device)
    if not isinstance(fill_value, (bool, int, float)):
        value = ops.broadcast_to(as_tensor(fill_value, dtype), sizes)
        return ops.copy(value).to(_place(device))
    if dtype is None:
        dtype = "bool" if isinstance(fill_value, bool) else type(fill_value)
    result = empty(sizes, dtype, device)
    _C.setitem(result._data, ..., fill_value)
    return result


class FilledLike(Function):
    not_differentiable = "only the shape of x matters, not its values"

    @staticmethod
    def forward(ctx: Any, x: Any, value: Any, dtype: Any) -> Any:
        y = _C.empty(x.shape, dtype or x.dtype, x.device)
        if value is not None:
            _C.setitem(y, ..., value)
        return y


def _like(x: Any, value: Any, dtype: Any) -> Tensor:
    return FilledLike.apply(as_tensor(x), value, None if dtype is None else as_dtype(dtype))


def zeros_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros with the shape, dtype and device of `x`.

    Args:
        x: Tensor (...) of any shape.
        dtype: Type of the elements; that of `x` by default.

    Returns:
        Tensor (...) of the shape of `x`, on its device.

    Raises:
        TypeError: If the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.zeros_like([1, 2]).tolist()
        [0, 0]

    Follows numpy.zeros_like.
    """
    return _like(x, 0, dtype)


def ones_like(x: Any, dtype: Any = None) -> Tensor:
    """Ones with the shape, dtype and device of `x`.

    Args:
        x: Tensor (...) of any shape.
        dtype: Type of the elements; that of `x` by default.

    Returns:
        Tensor (...) of the shape of `x`, on its device.

    Raises:
        TypeError: If the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.ones_like([1.5, 2.5]).tolist()
        [1.0, 1.0]

    Follows numpy.ones_like.
    """
    return _like(x, 1, dtype)


def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """`full` with the shape, dtype and device of `x`.

    Args:
        x: Tensor (...) of any shape.
        fill_value: A number, or a tensor that broadcasts to the shape of `x`.
        dtype: Type of the elements; that of `x` by default.

    Returns:
        Tensor (...) of the shape of `x`, on its device.

    Raises:
        TypeError: If the dtype is unknown.
        ValueError: If the value does not fit the dtype or the shape.

    Example:
        >>> import weft
        >>> weft.full_like([1.0, 2.0], 3).tolist()
        [3.0, 3.0]

    Follows numpy.full_like.
    """
    if isinstance(fill_value, (bool, int, float)):
        return _like(x, fill_value, dtype)
    x = as_tensor(x)
    return full(x.shape, fill_value, dtype or x.dtype, x.device)


def empty_like(x: Any, dtype: Any = None) -> Tensor:
    """`empty` with the shape, dtype and device of `x`.

    Args:
        x: Tensor (...) of any shape.
        dtype: Type of the elements; that of `x` by default.

    Returns:
        Tensor (...) of the shape of `x`, on its device.

    Raises:
        TypeError: If the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.empty_like([[1, 2]]).shape
        (1, 2)

    Follows numpy.empty_like.
    """
    return _like(x, None, dtype)


def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, device: str | None = None
) -> Tensor:
    """Evenly spaced numbers from `start` (0 if only one number is given) up to, without, `stop`.

    Args:
        start: First number.
        stop: End of the range, which is not part of it.
        step: Distance; may be negative.
        dtype: Type of the elements; by default int64 for integers, float32 otherwise.
        device: Where to place it; the current device by default.

    Returns:
        Tensor (n,) with n = ceil((stop - start) / step), or none if that is negative.

    Raises:
        ValueError: If the step is 0, or the numbers do not fit the dtype.
        TypeError: If `start`, `stop` or `step` is no finite number.

    Example:
        >>> import weft
        >>> weft.arange(5).tolist(), weft.arange(1.0, 2.0, 0.25).tolist()
        ([0, 1, 2, 3, 4], [1.0, 1.25, 1.5, 1.75])

    Follows numpy.arange.
    """
    if stop is None:
        start, stop = 0, start
    start, stop, step = (v.item() if hasattr(v, "item") else v for v in (start, stop, step))
    for name, value in (("start", start), ("stop", stop), ("step", step)):
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise TypeError(f"arange: {name} must be a finite number, got {shown(value)}")
    if step == 0:
        raise ValueError("arange: the step must not be 0")
    integers = all(isinstance(v, int) for v in (start, stop, step))
    kind = as_dtype(dtype or ("int64" if integers else "float32"))
    device = _place(device)
    count = max(0, -((start - stop) // step) if integers else math.ceil((stop - start) / step))
    if count >= 2**63:
        raise ValueError(f"arange: {count:.3g} numbers are more than any memory holds")
    last = start + (count - 1) * step
    if (
        kind.is_integer
        and count
        and not limits(kind)[0] <= min(start, last) <= max(start, last) <= limits(kind)[1]
    ):
        raise ValueError(
            f"arange: the numbers from {start} to {last} do not fit {kind}, which holds those from "
            f"{limits(kind)[0]} to {limits(kind)[1]}"
        )
    if integers:
        return Tensor(_C.arange_integers(start, step, count, kind, device))
    return Tensor(_C.arange_floats(start, step, count, kind, device))


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    device: str | None = None,
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`.

    Args:
        start: First number.
        stop: Last number; with ``endpoint=False`` the first one that is left out.
        num: How many.
        endpoint: Whether `stop` is part of the result.
        dtype: Type of the elements, float32 by default.
        device: Where to place it; the current device by default.

    Returns:
        Tensor (num,).

    Raises:
        ValueError: If `num` is negative.
        TypeError: If `start` or `stop` is no number, or `num` no integer.

    Example:
        >>> import weft
        >>> weft.linspace(0.0, 1.0, 5).tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]

    Follows numpy.linspace.
    """
    num = integer("linspace", "num", num)
    if num < 0:
        raise ValueError(f"linspace: num must not be negative, got {num}")
    start, stop = number("linspace", "start", start), number("linspace", "stop", stop)
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps > 0 else 0.0
    kind: DType = as_dtype(dtype or "float32")
    array = _C.arange_floats(start, step, num, kind, _place(device))
    if endpoint and num > 1:
        _C.setitem(array, -1, _C.full((), stop, kind, array.device))  # free of rounding
    return Tensor(array)


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10, dtype: Any = None
) -> Tensor:
    """Powers of `base` whose exponents are `linspace`.

    Args:
        start: Exponent of the first number.
        stop: Exponent of the last number.
        num: How many.
        endpoint: Whether the power of `stop` is part of the result.
        base: What is raised to the exponents.
        dtype: Type of the elements, float32 by default.

    Returns:
        Tensor (num,).

    Raises:
        ValueError: If `num` is negative.
        TypeError: If `start` or `stop` is no number, or `num` no integer.

    Example:
        >>> import weft
        >>> weft.logspace(0, 2, 3).tolist()
        [1.0, 10.0, 100.0]

    Follows numpy.logspace.
    """
    exponents = linspace(start, stop, num, endpoint, "float64")
    return ops.cast(ops.power(base, exponents), dtype or "float32")


def eye(
    n: int, m: int | None = None, k: int = 0, dtype: Any = None, device: str | None = None
) -> Tensor:
    """A matrix with ones on a diagonal and zeros elsewhere.

    Args:
        n: Number of rows.
        m: Number of columns, `n` by default.
        k: How far above (positive) or below the main diagonal.
        dtype: Type of the elements, float32 by default.
        device: Where to place it; the current device by default.

    Returns:
        Tensor (n, m).

    Raises:
        ValueError: If a size is negative.
        TypeError: If a size is no integer, or the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.eye(2, 3, k=1).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    Follows numpy.eye.
    """
    result = zeros((n, n if m is None else m), dtype, device)
    _C.setitem(_C.diagonal(result._data, k, 0, 1), ..., 1)
    return result


def identity(n: int, dtype: Any = None) -> Tensor:
    """`eye` of `n` rows and columns.

    Args:
        n: Number of rows and of columns.
        dtype: Type of the elements, float32 by default.

    Returns:
        Tensor (n, n).

    Raises:
        ValueError: If `n` is negative.
        TypeError: If `n` is no integer, or the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.identity(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    Follows numpy.identity.
    """
    return eye(n, dtype=dtype)


def tri(n: int, m: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones at and below the k-th diagonal, zeros above.

    Args:
        n: Number of rows.
        m: Number of columns, `n` by default.
        k: The last diagonal with ones: how far above (positive) or below the main one.
        dtype: Type of the elements, float32 by default.

    Returns:
        Tensor (n, m).

    Raises:
        ValueError: If a size is negative.
        TypeError: If a size is no integer, or the dtype is unknown.

    Example:
        >>> import weft
        >>> weft.tri(2, 3).tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]

    Follows numpy.tri.
    """
    return Tensor(_C.triangle(ones((n, n if m is None else m), dtype)._data, k, False))
