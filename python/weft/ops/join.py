"""Joining tensors, taking them apart, and putting borders around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import _C, ops
from weft.autograd.recording import Function
from weft.errors import integer, number, shown
from weft.ops.operands import first_tensor
from weft.ops.shape import normalize_axis
from weft.tensor import Tensor, as_tensor

__all__ = [
    "append",
    "array_split",
    "concat",
    "concatenate",
    "hstack",
    "pad",
    "split",
    "stack",
    "unstack",
    "vstack",
]


def _tensors(op: str, arrays: Any) -> list[Tensor]:
    if isinstance(arrays, Tensor) and arrays.ndim == 0:
        raise ValueError(f"{op}: give a list of tensors, got a single number")
    try:
        arrays = list(arrays)
    except TypeError:
        raise TypeError(f"{op}: give a list of tensors, got {shown(arrays)}") from None
    for array in arrays:
        if type(array) is not Tensor:
            home = first_tensor(arrays)
            return [as_tensor(a, near=home) for a in arrays]
    return arrays


class Concatenate(Function):
    """Saves the sizes along the axis."""

    kernel = _C.concatenate

    @staticmethod
    def forward(ctx: Any, axis: int, *tensors: Any) -> Any:
        y = _C.concatenate(axis, *tensors)
        ctx.axis, ctx.parts = axis, [(t.shape[axis], t.dtype) for t in tensors]
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        ends = np.cumsum([size for size, _ in ctx.parts])[:-1].tolist()
        pieces = split(dy, ends, ctx.axis)
        return None, *(ops.cast(p, t) for p, (_, t) in zip(pieces, ctx.parts, strict=True))


def concatenate(arrays: Any, axis: int | None = 0) -> Tensor:
    """The tensors one after the other along an axis.

    Args:
        arrays: Tensors whose sizes agree but for those along `axis`.
        axis: The axis to join along; with None all are flattened first.

    Returns:
        Tensor (...) of the dtype that holds all of theirs.

    Raises:
        ValueError: If there is none, or the shapes do not fit.
        IndexError: If the axis is out of range.
        TypeError: If `axis` is no integer, or `arrays` is not a list of tensors.

    Example:
        >>> import weft
        >>> weft.concatenate([[[1, 2]], [[3, 4]]], axis=1).tolist()
        [[1, 2, 3, 4]]

    Follows numpy.concatenate.
    """
    tensors = _tensors("concatenate", arrays)
    if axis is None:
        tensors, axis = [ops.ravel(t) for t in tensors], 0
    return Concatenate.apply(axis, *tensors)


concat = concatenate


def append(x1: Any, x2: Any, axis: int | None = None) -> Tensor:
    """`concatenate` of two tensors, which are flattened by default.

    Args:
        x1: Tensor (...) of any shape.
        x2: Tensor whose sizes agree with those of `x1` but for that of `axis`.
        axis: The axis to join along; None flattens both.

    Returns:
        Tensor (...) of the dtype that holds both.

    Raises:
        ValueError: If the shapes do not fit.
        IndexError: If the axis is out of range.
        TypeError: If `axis` is no integer, or an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.append([1, 2], [[3], [4]]).tolist()
        [1, 2, 3, 4]

    Follows numpy.append.
    """
    return concatenate([x1, x2], axis)


class Stack(Function):
    """Saves the dtypes."""

    kernel = _C.stack

    @staticmethod
    def forward(ctx: Any, axis: int, *tensors: Any) -> Any:
        ctx.axis, ctx.dtypes = axis, [t.dtype for t in tensors]
        return _C.stack(axis, *tensors)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        pieces = unstack(dy, axis=ctx.axis)
        return None, *(ops.cast(p, t) for p, t in zip(pieces, ctx.dtypes, strict=True))


def stack(arrays: Any, axis: int = 0) -> Tensor:
    """The tensors one after the other along a new axis.

    Args:
        arrays: Tensors of one shape.
        axis: Where the new axis stands in the result.

    Returns:
        Tensor (...) with one axis more, of the dtype that holds all of theirs.

    Raises:
        ValueError: If there is none, or the shapes differ.
        IndexError: If the axis is out of range.
        TypeError: If `axis` is no integer, or `arrays` is not a list of tensors.

    Example:
        >>> import weft
        >>> weft.stack([[1, 2], [3, 4]], axis=1).tolist()
        [[1, 3], [2, 4]]

    Follows numpy.stack.
    """
    return Stack.apply(axis, *_tensors("stack", arrays))


def vstack(arrays: Any) -> Tensor:
    """`concatenate` along axis 0 of tensors that are made to have at least 2 axes.

    Args:
        arrays: Tensors (..., N) whose sizes agree but for the first; vectors (N,) count as (1, N).

    Returns:
        Tensor (M, ..., N) of the dtype that holds all of theirs.

    Raises:
        ValueError: If there is none, or the shapes do not fit.
        TypeError: If `arrays` is not a list of tensors.

    Example:
        >>> import weft
        >>> weft.vstack([[1, 2], [3, 4]]).tolist()
        [[1, 2], [3, 4]]

    Follows numpy.vstack.
    """
    tensors = _tensors("vstack", arrays)
    return concatenate([ops.reshape(t, (1, -1)) if t.ndim < 2 else t for t in tensors], 0)


def hstack(arrays: Any) -> Tensor:
    """`concatenate` along axis 1, or along axis 0 if the tensors have one axis.

    Args:
        arrays: Tensors (M, N, ...) whose sizes agree but for the second, or vectors (N,).

    Returns:
        Tensor (M, N, ...) or (N,), of the dtype that holds all of theirs.

    Raises:
        ValueError: If there is none, or the shapes do not fit.
        TypeError: If `arrays` is not a list of tensors.

    Example:
        >>> import weft
        >>> weft.hstack([[1, 2], [3]]).tolist()
        [1, 2, 3]

    Follows numpy.hstack.
    """
    tensors = [ops.reshape(t, (1,)) if t.ndim == 0 else t for t in _tensors("hstack", arrays)]
    return concatenate(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


# --- taking apart --------------------------------------------------------------------------------


class Split(Function):
    """Views between boundaries along an axis. Saves the sizes."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, bounds: list[tuple[int, int]], axis: int) -> Any:
        ctx.shape, ctx.axis, ctx.bounds, ctx.dtype = x.shape, axis, bounds, x.dtype
        ctx.device = x.device
        lead = (slice(None),) * axis
        return tuple(_C.getitem(x, (*lead, slice(*b))) for b in bounds)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        size = ctx.shape[ctx.axis]
        starts = [min(start, size) for start, _ in ctx.bounds]
        lengths = [
            max(0, min(stop, size) - a) for a, (_, stop) in zip(starts, ctx.bounds, strict=True)
        ]
        if sum(lengths) == size and all(
            a + n == b for a, n, b in zip(starts, lengths, [*starts[1:], size], strict=True)
        ):
            whole = [
                g if g is not None else _zeros(ctx, n) for g, n in zip(grads, lengths, strict=True)
            ]
            return concatenate(whole, ctx.axis), None, None
        # Boundaries out of order: pieces overlap or leave gaps.
        total = _zeros(ctx, size)
        lead = (slice(None),) * ctx.axis
        for g, a, n in zip(grads, starts, lengths, strict=True):
            if g is not None:
                key = _C.IndexKey((*lead, slice(a, a + n)))
                total = ops.indexing.UpdateItems.apply(total, key, g, True)
        return total, None, None


def _zeros(ctx: Any, size: int) -> Tensor:
    shape = (*ctx.shape[: ctx.axis], size, *ctx.shape[ctx.axis + 1 :])
    return Tensor(_C.full(shape, 0, ctx.dtype, ctx.device))


_MOST_PARTS = 65536  # most of them empty: more is a slip that would fill the memory


def _split(x: Tensor, indices_or_sections: Any, axis: int, even: bool) -> list[Tensor]:
    axis = normalize_axis("split", axis, x.ndim)
    size = x.shape[axis]
    if isinstance(indices_or_sections, (tuple, list, np.ndarray, Tensor)):
        cuts = [integer("split", "indices_or_sections", i) for i in indices_or_sections]
    else:
        sections = integer("split", "indices_or_sections", indices_or_sections)
        if not 1 <= sections <= max(size, _MOST_PARTS):
            raise ValueError(
                f"split: the number of parts must be positive, and at most {_MOST_PARTS} where the "
                f"axis has fewer elements (here {size}), got {sections}"
            )
        if even and size % sections:
            raise ValueError(
                f"split: axis {axis} of shape {x.shape} has size {size}, which {sections} equal "
                "parts do not divide; use array_split"
            )
        base, longer = divmod(size, sections)
        cuts = np.cumsum([base + (i < longer) for i in range(sections)])[:-1].tolist()
    cuts = [max(0, c + size) if c < 0 else c for c in cuts]
    bounds = list(zip([0, *cuts], [*cuts, size], strict=True))
    return list(Split.apply(x, bounds, axis))


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """`x` cut along an axis into views.

    Args:
        x: Tensor with at least one axis.
        indices_or_sections: The number of equal parts, or the positions before which to cut.
        axis: The axis to cut.

    Returns:
        Tensors (...) that share the memory of `x`.

    Raises:
        ValueError: If equal parts do not divide the axis.
        IndexError: If the axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> [part.tolist() for part in weft.split([1, 2, 3, 4, 5], [1, 3])]
        [[1], [2, 3], [4, 5]]

    Follows numpy.split.
    """
    return _split(as_tensor(x), indices_or_sections, axis, even=True)


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """`split` that allows a number of parts that does not divide the axis: the first are longer.

    Args:
        x: Tensor with at least one axis.
        indices_or_sections: The number of parts, or the positions before which to cut.
        axis: The axis to cut.

    Returns:
        Tensors (...) that share the memory of `x`.

    Raises:
        ValueError: If the number of parts is below 1.
        IndexError: If the axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> [part.tolist() for part in weft.array_split([1, 2, 3], 2)]
        [[1, 2], [3]]

    Follows numpy.array_split.
    """
    return _split(as_tensor(x), indices_or_sections, axis, even=False)


class Unstack(Function):
    """Saves the shape."""

    returns_view = True

    @staticmethod
    def forward(ctx: Any, x: Any, axis: int) -> Any:
        ctx.axis, ctx.dtype, ctx.device = axis, x.dtype, x.device
        ctx.part = (*x.shape[:axis], *x.shape[axis + 1 :])
        lead = (slice(None),) * axis
        return tuple(_C.getitem(x, (*lead, i)) for i in range(x.shape[axis]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        parts = [
            g if g is not None else Tensor(_C.full(ctx.part, 0, ctx.dtype, ctx.device))
            for g in grads
        ]
        return stack(parts, ctx.axis), None


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """Views of the slices of `x` along an axis, without that axis.

    Args:
        x: Tensor with at least one axis.
        num: How many slices are expected; checked when given.
        axis: The axis to take apart.

    Returns:
        Tensors (...) with one axis less, that share the memory of `x`.

    Raises:
        ValueError: If `num` is not the size of the axis.
        IndexError: If the axis is out of range.
        TypeError: If an axis is no integer, or `x` does not hold numbers.

    Example:
        >>> import weft
        >>> [row.tolist() for row in weft.unstack([[1, 2], [3, 4]])]
        [[1, 2], [3, 4]]

    Follows keras.ops.unstack.
    """
    x = as_tensor(x)
    axis = normalize_axis("unstack", axis, x.ndim)
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"unstack: axis {axis} has {x.shape[axis]} slices, num says {num}")
    return list(Unstack.apply(x, axis)) if x.shape[axis] else []


# --- borders -------------------------------------------------------------------------------------


class Pad(Function):
    """A border of one value. Saves the widths."""

    @staticmethod
    def forward(ctx: Any, x: Any, before: Any, after: Any, value: float) -> Any:
        ctx.inside = tuple(slice(b, b + n) for b, n in zip(before, x.shape, strict=True))
        return _C.pad(x, before, after, value)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return ops.getitem(dy, ctx.inside), None, None, None


def _reflected(n: int, before: int, after: int, mode: str) -> list[int]:
    """For each position along a padded axis, which of its n elements stands there."""
    positions = range(-before, n + after)
    if mode == "edge":
        return [min(max(i, 0), n - 1) for i in positions]
    if mode == "wrap":
        return [i % n for i in positions]
    if mode == "symmetric":  # d c b a | a b c d | d c b a
        return [min(i % (2 * n), 2 * n - 1 - i % (2 * n)) for i in positions]
    period = max(2 * n - 2, 1)  # reflect: d c b | a b c d | c b a
    return [min(i % period, period - i % period) for i in positions]


def _pad_widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2))
    except ValueError:
        raise ValueError(
            f"pad: pad_width must be a number, a pair, or a pair for each of the {ndim} axes, got "
            f"{pad_width}"
        ) from None
    if widths.dtype.kind not in "iu" and widths.size:
        raise TypeError(f"pad: pad_width must hold integers, got {pad_width}")
    if (widths < 0).any():
        raise ValueError(f"pad: widths must not be negative, got {pad_width}")
    return [(int(b), int(a)) for b, a in widths]


def pad(
    x: Any, pad_width: Any, mode: str = "constant", constant_values: float | None = None
) -> Tensor:
    """`x` with a border.

    Args:
        x: Tensor of any shape.
        pad_width: Widths (before, after) for each axis, one pair for all, or one number for all.
        mode: "constant"; or "edge", "reflect" (without the edge), "symmetric" (with it) or "wrap",
            which repeat the elements of `x`.
        constant_values: The value of a constant border, 0 by default.

    Returns:
        Tensor (...) with as many axes as `x`, each longer by its two widths.

    Raises:
        ValueError: For an unknown mode, negative widths, or elements repeated from an empty axis.
        TypeError: If a width is no integer, or a value no number.

    Example:
        >>> import weft
        >>> weft.pad([1, 2, 3], (1, 2)).tolist(), weft.pad([1, 2, 3], 2, "reflect").tolist()
        ([0, 1, 2, 3, 0, 0], [3, 2, 1, 2, 3, 2, 1])

    Follows numpy.pad.
    """
    x = as_tensor(x)
    widths = _pad_widths(pad_width, x.ndim)
    if mode == "constant":
        value = 0.0 if constant_values is None else constant_values
        value = number("pad", "constant_values", value)
        before, after = tuple(b for b, _ in widths), tuple(a for _, a in widths)
        return Pad.apply(x, before, after, value)
    modes = ("edge", "reflect", "symmetric", "wrap")
    if mode not in modes:
        raise ValueError(f"pad: mode must be one of constant, {', '.join(modes)}; got {mode!r}")
    if constant_values is not None:
        raise ValueError(f"pad: constant_values belongs to mode 'constant', not {mode!r}")
    for axis, (before_axis, after_axis) in enumerate(widths):
        if before_axis == after_axis == 0:
            continue
        if x.shape[axis] == 0:
            raise ValueError(f"pad: axis {axis} is empty and has no elements for mode {mode!r}")
        x = ops.take(x, _reflected(x.shape[axis], before_axis, after_axis, mode), axis)
    return x
