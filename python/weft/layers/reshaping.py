"""Layers that change shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from weft import ops
from weft.config import check_data_format
from weft.layers.arguments import check_positive_int
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.tensor import Tensor


class Flatten(Layer):
    """All axes but the batch as one.

    Args:
        data_format: ``"channels_first"`` moves the channels to the end first, so that models of
            both formats have the same order of weights.

    Shapes:
        ``(N, ...)`` to ``(N, product of the others)``; ``(N,)`` to ``(N, 1)``.

    Raises:
        ValueError: If `data_format` is unknown; when called, if the input has no axes.

    Example:
        >>> import weft
        >>> weft.layers.Flatten()(weft.zeros((2, 28, 28))).shape
        (2, 784)

    Follows keras.layers.Flatten.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        x, rank = inputs, inputs.ndim
        if self.data_format == "channels_first" and rank > 2:
            x = ops.transpose(x, (0, *range(2, rank), 1))
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


class Reshape(Layer):
    """The elements of each sample in another shape.

    Args:
        target_shape: Shape of a sample, without the batch; one size may be -1.

    Raises:
        ValueError: If the number of elements differs.

    Example:
        >>> import weft
        >>> weft.layers.Reshape((4, 6))(weft.zeros((2, 24))).shape
        (2, 4, 6)

    Follows keras.layers.Reshape.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        shape = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if sum(size == -1 for size in shape) > 1 or any(size < -1 for size in shape):
            raise ValueError(
                f"Reshape: target_shape must hold sizes and at most one -1, got {target_shape!r}"
            )
        self.target_shape = shape

    def call(self, inputs: Tensor) -> Tensor:
        have, known = (
            math.prod(inputs.shape[1:]),
            math.prod(s for s in self.target_shape if s != -1),
        )
        fits = have == known if -1 not in self.target_shape else known and have % known == 0
        if not fits:
            raise ValueError(
                f"a sample of shape {inputs.shape[1:]} has {have} elements, target_shape "
                f"{self.target_shape} needs {known}{' or a multiple' * (-1 in self.target_shape)}"
            )
        shape = tuple(have // known if size == -1 else size for size in self.target_shape)
        return ops.reshape(inputs, (inputs.shape[0], *shape))


class Permute(Layer):
    """The axes of each sample in another order.

    Args:
        dims: The old axes in their new order, counted from 1; the batch is axis 0 and stays.

    Raises:
        ValueError: If `dims` does not name every axis but the batch once; when called, if the input
            has other axes.

    Example:
        >>> import weft
        >>> weft.layers.Permute((2, 1))(weft.zeros((3, 4, 5))).shape
        (3, 5, 4)

    Follows keras.layers.Permute.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"Permute: dims must be the numbers 1 to {len(self.dims)} in some order (the batch "
                f"axis is not counted), got {dims!r}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """Each row `n` times along a new axis.

    Args:
        n: How often.

    Shapes:
        ``(N, C)`` to ``(N, n, C)``.

    Raises:
        ValueError: If `n` is not positive; when called, if the input has not 2 axes.

    Example:
        >>> import weft
        >>> weft.layers.RepeatVector(3)(weft.zeros((2, 5))).shape
        (2, 3, 5)

    Follows keras.layers.RepeatVector.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = check_positive_int("RepeatVector", "n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Tensor) -> Tensor:
        rows, columns = inputs.shape
        return ops.broadcast_to(ops.reshape(inputs, (rows, 1, columns)), (rows, self.n, columns))


class _Borders(Layer):
    """What padding and cropping of images share: numbers of rows and columns at each border."""

    data_format: str
    input_spec = InputSpec(ndim=4)

    def _borders(self, amounts: Any) -> tuple[tuple[int, int], ...]:
        rows, columns = amounts
        if self.data_format == "channels_first":
            return (0, 0), (0, 0), rows, columns
        return (0, 0), rows, columns, (0, 0)


def _pairs(layer: str, name: str, value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """``1``, ``(1, 2)`` or ``((1, 1), (2, 2))`` as the last."""
    if isinstance(value, int):
        value = (value, value)
    try:
        pairs = tuple((v, v) if isinstance(v, int) else (int(v[0]), int(v[1])) for v in value)
    except (TypeError, IndexError):
        pairs = ()
    if len(pairs) != 2 or any(amount < 0 for pair in pairs for amount in pair):
        raise ValueError(
            f"{layer}: {name} must be an integer, two integers, or two pairs of integers of at "
            f"least 0 (top, bottom), (left, right), got {value!r}"
        )
    return pairs[0], pairs[1]


class ZeroPadding2D(_Borders):
    """Rows and columns of zeros around images.

    Args:
        padding: One number for all borders, (rows, columns), or ((top, bottom), (left, right)).
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
        ValueError: If `padding` or `data_format` is malformed; when called, if the input has not 4
            axes.

    Example:
        >>> import weft
        >>> weft.layers.ZeroPadding2D(1)(weft.zeros((1, 4, 4, 3))).shape
        (1, 6, 6, 3)

    Follows keras.layers.ZeroPadding2D.
    """

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.padding = _pairs("ZeroPadding2D", "padding", padding)
        self.data_format = check_data_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.pad(inputs, self._borders(self.padding))


class Cropping2D(_Borders):
    """Images without some rows and columns at their borders.

    Args:
        cropping: One number for all borders, (rows, columns), or ((top, bottom), (left, right)).
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
        ValueError: If `cropping` is malformed; when called, if the input has not 4 axes.

    Example:
        >>> import weft
        >>> weft.layers.Cropping2D(1)(weft.zeros((1, 6, 6, 3))).shape
        (1, 4, 4, 3)

    Follows keras.layers.Cropping2D.
    """

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.cropping = _pairs("Cropping2D", "cropping", cropping)
        self.data_format = check_data_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        window = []
        for size, (before, after) in zip(inputs.shape, self._borders(self.cropping), strict=True):
            if before + after >= size > 0 and before + after:
                raise ValueError(
                    f"cropping {before} + {after} of an axis of size {size} leaves nothing of the "
                    f"input of shape {inputs.shape}"
                )
            window.append(slice(before, size - after))
        return inputs[tuple(window)]
