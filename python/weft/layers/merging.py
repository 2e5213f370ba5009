"""Layers that make one tensor of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from weft import ops
from weft.layers.calls import flatten, shown
from weft.layers.core import as_float
from weft.layers.layer import Layer
from weft.tensor import Tensor


class _Merge(Layer):
    """What merging layers share: a list of inputs, checked before they meet."""

    supports_masking = True

    at_least = 1

    def _inputs(self, inputs: Any) -> list[Tensor]:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < self.at_least:
            count = len(inputs) if isinstance(inputs, (list, tuple)) else "one tensor"
            raise ValueError(f"expects a list of at least {self.at_least} inputs, got {count}")
        return list(inputs)

    def _check(self, shapes: list[tuple[int, ...]]) -> None:
        """Sizes must be equal or 1, axis by axis."""
        rank = max(len(shape) for shape in shapes)
        for axis in range(1, rank + 1):
            found = {shape[-axis] for shape in shapes if len(shape) >= axis} - {1}
            if len(found) > 1:
                raise ValueError(
                    "the inputs must have equal shapes (or sizes of 1), got "
                    f"{' and '.join(str(shown(shape)) for shape in shapes)}, which differ on axis "
                    f"-{axis}; bring them to one width first, for instance with a Dense layer"
                )

    def _combine(self, a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: Any) -> Tensor:
        tensors = self._inputs(inputs)
        self._check([t.shape for t in tensors])
        result = tensors[0]
        for other in tensors[1:]:
            result = self._combine(result, other)
        return result

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Steps that count in any of the inputs, if all have a mask."""
        masks = list(previous_mask) if isinstance(previous_mask, (list, tuple)) else [previous_mask]
        if any(mask is None for mask in masks):
            return None
        result = masks[0]
        for other in masks[1:]:
            result = ops.logical_or(result, other)
        return result


class Add(_Merge):
    """The sum of the inputs.

    Raises:
        ValueError: When called, if the input is no list of tensors that broadcast.

    Example:
        >>> import weft
        >>> weft.layers.Add()([weft.ones(2), weft.ones(2)]).tolist()
        [2.0, 2.0]

    Follows keras.layers.Add.
    """

    def _combine(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class Subtract(_Merge):
    """The first input minus the second.

    Raises:
        ValueError: When called, if the input is no list of two tensors that broadcast.

    Example:
        >>> import weft
        >>> weft.layers.Subtract()([weft.ones(2), weft.ones(2)]).tolist()
        [0.0, 0.0]

    Follows keras.layers.Subtract.
    """

    at_least = 2

    def _inputs(self, inputs: Any) -> list[Tensor]:
        tensors = super()._inputs(inputs)
        if len(tensors) != 2:
            raise ValueError(f"expects exactly 2 inputs, got {len(tensors)}")
        return tensors

    def _combine(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b


class Multiply(_Merge):
    """The product of the inputs, element by element.

    Raises:
        ValueError: When called, if the input is no list of tensors that broadcast.

    Example:
        >>> import weft
        >>> weft.layers.Multiply()([weft.ones(2), weft.ones(2)]).tolist()
        [1.0, 1.0]

    Follows keras.layers.Multiply.
    """

    def _combine(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b


class Average(_Merge):
    """The mean of the inputs, element by element.

    Raises:
        ValueError: When called, if the input is no list of tensors that broadcast.

    Example:
        >>> import weft
        >>> weft.layers.Average()([weft.ones(2), weft.zeros(2)]).tolist()
        [0.5, 0.5]

    Follows keras.layers.Average.
    """

    def _combine(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def call(self, inputs: Any) -> Tensor:
        return as_float(self, super().call(inputs)) / len(inputs)


class Maximum(_Merge):
    """The largest of the inputs, element by element.

    Raises:
        ValueError: When called, if the input is no list of tensors that broadcast.

    Example:
        >>> import weft
        >>> weft.layers.Maximum()([weft.ones(2), weft.zeros(2)]).tolist()
        [1.0, 1.0]

    Follows keras.layers.Maximum.
    """

    def _combine(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.maximum(a, b)


class Minimum(_Merge):
    """The smallest of the inputs, element by element.

    Raises:
        ValueError: When called, if the input is no list of tensors that broadcast.

    Example:
        >>> import weft
        >>> weft.layers.Minimum()([weft.ones(2), weft.zeros(2)]).tolist()
        [0.0, 0.0]

    Follows keras.layers.Minimum.
    """

    def _combine(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.minimum(a, b)


class Concatenate(_Merge):
    """The inputs side by side along an axis.

    Args:
        axis: The axis along which sizes may differ.

    Raises:
        ValueError: When called, if the input is no list of tensors or their shapes differ on
            another axis.

    Example:
        >>> import weft
        >>> weft.layers.Concatenate()([weft.ones((1, 2)), weft.ones((1, 3))]).shape
        (1, 5)

    Follows keras.layers.Concatenate.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The masks side by side; along other axes steps that count in any of the inputs."""
        if all(mask is None for mask in flatten(previous_mask)):
            return None
        masks = []
        for x, mask in zip(inputs, previous_mask, strict=True):
            if mask is None:
                masks.append(ops.ones(x.shape, dtype="bool", device=x.device))
            else:
                wide = ops.reshape(mask, (*mask.shape, *[1] * (x.ndim - mask.ndim)))
                masks.append(ops.broadcast_to(wide, x.shape))
        return ops.any(ops.concatenate(masks, axis=self.axis), axis=-1)

    def call(self, inputs: Any) -> Tensor:
        tensors = self._inputs(inputs)
        rank = tensors[0].ndim
        others = [
            {t.shape[a] for t in tensors if t.ndim == rank}
            for a in range(rank)
            if a != self.axis % rank
        ]
        if any(t.ndim != rank for t in tensors) or any(len(found) > 1 for found in others):
            raise ValueError(
                f"inputs concatenated along axis {self.axis} must agree on all other axes, got "
                f"{' and '.join(str(shown(t.shape)) for t in tensors)}"
            )
        return ops.concatenate(tensors, axis=self.axis)


class Dot(_Merge):
    """The inner product of two inputs along an axis of each.

    Args:
        axes: The axis of both, or one of each.
        normalize: Divide by the lengths, which gives the cosine.

    Shapes:
        ``(N, C)`` and ``(N, C)`` to ``(N, 1)``; ``(N, T, C)`` and ``(N, U, C)`` to ``(N, T, U)``.

    Raises:
        ValueError: If `axes` is malformed; when called, if the input is no list of two tensors or
            the axes differ in size.

    Example:
        >>> import weft
        >>> weft.layers.Dot(axes=1)([weft.ones((1, 3)), weft.ones((1, 3))]).tolist()
        [[3.0]]

    Follows keras.layers.Dot.
    """

    at_least = 2

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(pair) != 2 or 0 in pair:
            raise ValueError(
                f"Dot: axes must be one axis or one for each input, and not the batch, got {axes!r}"
            )
        self.axes, self.normalize = axes if isinstance(axes, int) else list(pair), bool(normalize)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """None: steps are summed over."""
        return None

    def call(self, inputs: Any) -> Tensor:
        tensors = self._inputs(inputs)
        if len(tensors) != 2:
            raise ValueError(f"expects exactly 2 inputs, got {len(tensors)}")
        a, b = tensors
        first, second = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        first, second = first % a.ndim, second % b.ndim
        if a.shape[first] != b.shape[second]:
            raise ValueError(
                f"axis {first} of {shown(a.shape)} and axis {second} of {shown(b.shape)} have "
                "different sizes"
            )
        if self.normalize:
            a, b = _unit(a, first), _unit(b, second)
        rows, left, right = a.shape[0], _without(a, first), _without(b, second)
        y = ops.matmul(
            ops.reshape(_last(a, first), (rows, math.prod(left), a.shape[first])),
            ops.swapaxes(
                ops.reshape(_last(b, second), (rows, math.prod(right), b.shape[second])), 1, 2
            ),
        )
        return ops.reshape(y, (rows, *((*left, *right) or (1,))))


def _without(x: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(size for a, size in enumerate(x.shape) if a not in (0, axis))


def _last(x: Tensor, axis: int) -> Tensor:
    return ops.transpose(x, (*(a for a in range(x.ndim) if a != axis), axis))


def _unit(x: Tensor, axis: int) -> Tensor:
    return x * ops.rsqrt(ops.maximum(ops.sum(x * x, axis=axis, keepdims=True), 1e-12))


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Add` as a function.

    Args:
        inputs: A list of tensors (N, ...).
        kwargs: Arguments of the layer.

    Returns:
        The result (N, ...).

    Raises:
        ValueError: If it is no list of tensors, or their shapes do not broadcast.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.add([a, b]).tolist()
        [[4.0, 6.0]]

    Follows keras.layers.add.
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Subtract` as a function.

    Args:
        inputs: A list of two tensors (N, ...).
        kwargs: Arguments of the layer.

    Returns:
        The difference (N, ...).

    Raises:
        ValueError: If it is no list of two tensors, or their shapes do not broadcast.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.subtract([a, b]).tolist()
        [[-2.0, -2.0]]

    Follows keras.layers.subtract.
    """
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Multiply` as a function.

    Args:
        inputs: A list of tensors (N, ...).
        kwargs: Arguments of the layer.

    Returns:
        The result (N, ...).

    Raises:
        ValueError: If it is no list of tensors, or their shapes do not broadcast.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.multiply([a, b]).tolist()
        [[3.0, 8.0]]

    Follows keras.layers.multiply.
    """
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Average` as a function.

    Args:
        inputs: A list of tensors (N, ...).
        kwargs: Arguments of the layer.

    Returns:
        The result (N, ...).

    Raises:
        ValueError: If it is no list of tensors, or their shapes do not broadcast.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.average([a, b]).tolist()
        [[2.0, 3.0]]

    Follows keras.layers.average.
    """
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Maximum` as a function.

    Args:
        inputs: A list of tensors (N, ...).
        kwargs: Arguments of the layer.

    Returns:
        The result (N, ...).

    Raises:
        ValueError: If it is no list of tensors, or their shapes do not broadcast.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.maximum([a, b]).tolist()
        [[3.0, 4.0]]

    Follows keras.layers.maximum.
    """
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """`Minimum` as a function.

    Args:
        inputs: A list of tensors (N, ...).
        kwargs: Arguments of the layer.

    Returns:
        The result (N, ...).

    Raises:
        ValueError: If it is no list of tensors, or their shapes do not broadcast.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.minimum([a, b]).tolist()
        [[1.0, 2.0]]

    Follows keras.layers.minimum.
    """
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate` as a function.

    Args:
        inputs: A list of tensors (N, ...).
        axis: The axis to join along.
        kwargs: Arguments of the layer.

    Returns:
        The result (N, ...).

    Raises:
        ValueError: If it is no list of tensors, or their shapes differ on another axis.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.concatenate([a, b]).tolist()
        [[1.0, 2.0, 3.0, 4.0]]

    Follows keras.layers.concatenate.
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: Any = -1, **kwargs: Any) -> Any:
    """`Dot` as a function.

    Args:
        inputs: A list of two tensors (N, ...).
        axes: The axis that is summed over, or one for each tensor; not the batch.
        kwargs: Arguments of the layer.

    Returns:
        The product (N, ...).

    Raises:
        ValueError: If `axes` is malformed, it is no list of two tensors, or the axes differ in
            size.

    Example:
        >>> import weft
        >>> a, b = weft.tensor([[1.0, 2.0]]), weft.tensor([[3.0, 4.0]])
        >>> weft.layers.dot([a, b]).tolist()
        [[11.0]]

    Follows keras.layers.dot.
    """
    return Dot(axes=axes, **kwargs)(inputs)
