"""Searching, counting and comparing sets of values."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import number, shown
from weft.tensor import Tensor, as_tensor

__all__ = ["bincount", "corrcoef", "digitize", "histogram", "isin", "searchsorted", "unique"]


class SearchSorted(Function):
    not_differentiable = "positions do not change with the values"

    @staticmethod
    def forward(ctx: Any, sorted_sequence: Any, values: Any, right: bool) -> Any:
        return _C.searchsorted(sorted_sequence, values, right)


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Tensor:
    """Where `values` would be inserted so that the list stays sorted, as int64.

    Args:
        sorted_sequence: (N,), in ascending order.
        values: Tensor of any shape.
        side: "left" inserts before equal elements, "right" after them.

    Returns:
        Tensor (...) of the shape of `values`.

    Raises:
        ValueError: If the list has not one axis, or for another side.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.searchsorted([1, 3, 3, 5], [3, 9]).tolist()
        [1, 4]

    Follows numpy.searchsorted.
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    return SearchSorted.apply(
        as_tensor(sorted_sequence, near=values),
        as_tensor(values, near=sorted_sequence),
        side == "right",
    )


def digitize(x: Any, bins: Any) -> Tensor:
    """The number of the bin each element falls in; bin i ends before ``bins[i]``.

    Args:
        x: Tensor (...) of any shape.
        bins: (N,), in ascending order.

    Returns:
        Tensor (...) of int64 from 0 to N, of the shape of `x`.

    Raises:
        ValueError: If `bins` has not one axis.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.digitize([0.5, 1.0, 9.0], [0.0, 1.0, 2.0]).tolist()
        [1, 2, 3]

    Follows numpy.digitize.
    """
    return searchsorted(bins, x, side="right")


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each integer from 0 occurs, or the sum of the weights where it does.

    Args:
        x: (N,) integers, none negative.
        weights: (N,); differentiable.
        minlength: The least number of counts.

    Returns:
        (max(x) + 1 or minlength,): int64, or the dtype of the weights.

    Raises:
        ValueError: If `x` has not one axis or holds a negative number.
        TypeError: If `x` is not integers.

    Example:
        >>> import weft
        >>> weft.bincount([0, 2, 2]).tolist()
        [1, 0, 2]

    Follows numpy.bincount.
    """
    x = as_tensor(x)
    if x.ndim != 1:
        raise ValueError(f"bincount: x must have one axis, got shape {x.shape}")
    if not x.dtype.is_integer:
        raise TypeError(f"bincount: x must be integers, got {x.dtype}")
    if x.size and ops.min(x).item() < 0:
        raise ValueError(f"bincount: x holds the negative number {ops.min(x).item()}")
    length = max(minlength, ops.max(x).item() + 1 if x.size else 0)
    values = ops.ones(x.shape, "int64") if weights is None else as_tensor(weights, near=x)
    return ops.index_add(ops.zeros((length,), values.dtype), x, values)


class Histogram(Function):
    not_differentiable = "counts do not change with the values"

    @staticmethod
    def forward(ctx: Any, x: Any, bins: Any, ends: Any) -> Any:
        x = ops.reshape(Tensor(x), (-1,))
        if not x.dtype.is_floating:
            x = ops.cast(x, "float64" if x.dtype.itemsize > 2 else "float32")
        edges = _uniform_edges(x, bins, ends) if isinstance(bins, int) else Tensor(bins)
        count = edges.shape[0] - 1
        if count < 1:
            raise ValueError(f"histogram: at least one bin is needed, got {bins}")
        inside = x[ops.logical_and(x >= edges[0], x <= edges[-1])]
        numbers = ops.minimum(searchsorted(edges, inside, "right") - 1, count - 1)
        return bincount(numbers, minlength=count)._data, edges._data


def histogram(
    x: Any, bins: Any = 10, range: tuple[float, float] | None = None
) -> tuple[Tensor, Tensor]:
    """How many elements fall in each of equally wide bins.

    Args:
        x: Tensor of any shape.
        bins: The number of bins, or their edges in ascending order.
        range: Lower and upper end; by default the smallest and largest element.

    Returns:
        Counts (bins,) as int64, and edges (bins + 1,). A bin includes its lower edge; the last
        one includes both.

    Raises:
        ValueError: If there is no bin, or the range is not finite and ascending.
        TypeError: If `x` does not hold numbers, or the range is not two of them.

    Example:
        >>> import weft
        >>> counts, edges = weft.histogram([1.0, 2.0, 1.0, 4.0], bins=3)
        >>> counts.tolist(), edges.tolist()
        ([2, 1, 1], [1.0, 2.0, 3.0, 4.0])

    Follows numpy.histogram.
    """
    x = as_tensor(x, near=bins)
    bins = bins if isinstance(bins, int) else as_tensor(bins, near=x)
    if isinstance(bins, Tensor) and bins.ndim != 1:
        raise ValueError(f"histogram: the edges must have one axis, got shape {bins.shape}")
    return Histogram.apply(x, bins, None if range is None else _two_numbers(range))


def _two_numbers(ends: Any) -> tuple[float, float]:
    try:
        low, high = ends
    except (TypeError, ValueError):
        raise TypeError(f"histogram: range must be two numbers, got {shown(ends)}") from None
    return number("histogram", "range", low), number("histogram", "range", high)


def _uniform_edges(x: Tensor, bins: int, ends: tuple[float, float] | None) -> Tensor:
    if ends is None:
        ends = (ops.min(x).item(), ops.max(x).item()) if x.size else (0.0, 1.0)
    low, high = ends
    if not (low <= high and high - low < float("inf")):
        raise ValueError(f"histogram: the range {(low, high)} must be finite and ascending")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return ops.linspace(low, high, max(bins, 0) + 1, dtype=x.dtype)


class Unique(Function):
    not_differentiable = "which values occur changes abruptly; index x by positions instead"

    @staticmethod
    def forward(ctx: Any, x: Any, return_inverse: bool, return_counts: bool) -> Any:
        x = Tensor(x)
        in_order = ops.sort(ops.reshape(x, (-1,)))
        if in_order.size:
            before, after = in_order[:-1], in_order[1:]
            different = before != after
            if x.dtype.is_floating:  # NaN differs from itself, but stands for one value
                different = ops.logical_and(different, before == before)
            in_order = in_order[ops.concatenate([ops.ones((1,), "bool"), different])]
        if not return_inverse and not return_counts:
            return in_order._data
        inverse = searchsorted(in_order, x)
        result = [in_order._data]
        if return_inverse:
            result.append(inverse._data)
        if return_counts:
            flat = ops.reshape(inverse, (-1,))
            result.append(bincount(flat, minlength=in_order.size)._data)
        return tuple(result)


def unique(
    x: Any, return_inverse: bool = False, return_counts: bool = False
) -> Tensor | tuple[Tensor, ...]:
    """The different values of `x` in ascending order.

    Args:
        x: Tensor of any shape.
        return_inverse: Also give the position in the result of each element of `x`.
        return_counts: Also give how often each value occurs.

    Returns:
        Tensor (count,); with further results a tuple: the inverse has the shape of `x`, the counts
        (count,), both int64.

    Raises:
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> values, counts = weft.unique([3, 1, 3], return_counts=True)
        >>> values.tolist(), counts.tolist()
        ([1, 3], [1, 2])

    Follows numpy.unique.
    """
    return Unique.apply(as_tensor(x), return_inverse, return_counts)


class IsIn(Function):
    not_differentiable = "the result is true or false"

    @staticmethod
    def forward(ctx: Any, x: Any, known: Any) -> Any:
        values, in_order = Tensor(x), ops.sort(ops.reshape(Tensor(known), (-1,)))
        if in_order.size == 0:
            return _C.full(x.shape, 0, "bool", x.device)
        at = ops.minimum(searchsorted(in_order, values), in_order.size - 1)
        return (ops.take(in_order, at) == values)._data


def isin(x: Any, test_elements: Any) -> Tensor:
    """Whether each element of `x` is among the test elements.

    Args:
        x: Tensor (...) of any shape.
        test_elements: Tensor (...) of any shape.

    Returns:
        Tensor (...) of bools, of the shape of `x`.

    Raises:
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.isin([1, 2, 3], [3, 1]).tolist()
        [True, False, True]

    Follows numpy.isin.
    """
    return IsIn.apply(as_tensor(x, near=test_elements), as_tensor(test_elements, near=x))


def corrcoef(x: Any) -> Tensor:
    """Pearson's correlation between variables.

    Args:
        x: (variables, observations).

    Returns:
        (variables, variables), each from -1 to 1.

    Raises:
        ValueError: If `x` has not one or two axes.
        TypeError: If `x` does not hold numbers.

    Example:
        >>> import weft
        >>> r = weft.corrcoef([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> weft.round(r).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]

    Follows numpy.corrcoef.
    """
    x = as_tensor(x)
    if x.ndim not in (1, 2):
        raise ValueError(f"corrcoef: x must be (variables, observations), got shape {x.shape}")
    rows = ops.reshape(x, (1, -1)) if x.ndim == 1 else x
    centred = rows - ops.mean(rows, axis=1, keepdims=True)
    length = ops.sqrt(ops.sum(centred * centred, axis=1, keepdims=True))
    scaled = centred / length
    result = ops.clip(scaled @ ops.transpose(scaled), -1.0, 1.0)
    return ops.reshape(result, ()) if x.ndim == 1 else result
