"""Borders and sizes of sequences and volumes, and enlarged images."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import ops
from weft.config import check_data_format
from weft.layers.arguments import check_choice
from weft.layers.convolutional import sizes
from weft.layers.core import as_float
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.tensor import Tensor, as_tensor


def _pairs(layer: str, name: str, value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """One number, one for each axis, or a pair for each axis, as the last."""
    given = value
    if isinstance(value, int):
        value = (value,) * rank
    elif rank == 1 and isinstance(value, (list, tuple)) and len(value) == 2:
        value = (tuple(value),)
    try:
        pairs = tuple((v, v) if isinstance(v, int) else (int(v[0]), int(v[1])) for v in value)
    except (TypeError, IndexError):
        pairs = ()
    if len(pairs) != rank or any(amount < 0 for pair in pairs for amount in pair):
        raise ValueError(
            f"{layer}: {name} must be an integer, {rank} of them, or {rank} pairs (before, after), "
            f"all of at least 0, got {given!r}"
        )
    return pairs


class _Spatial(Layer):
    """What these layers share: where the axes lie that they change."""

    rank = 1
    data_format: str

    def _set_format(self, data_format: Any) -> None:
        self.data_format = check_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> range:
        first = 2 if self.data_format == "channels_first" else 1
        return range(first, first + self.rank)


class _ZeroPadding(_Spatial):
    padding: Any

    def _pad(self, x: Tensor, pairs: Any) -> Tensor:
        borders = [(0, 0)] * x.ndim
        for axis, pair in zip(self._axes, pairs, strict=True):
            borders[axis] = pair
        return ops.pad(x, tuple(borders))


class _Cropping(_Spatial):
    def _crop(self, x: Tensor, pairs: Any) -> Tensor:
        window = [slice(None)] * x.ndim
        for axis, (before, after) in zip(self._axes, pairs, strict=True):
            size = x.shape[axis]
            if before + after >= size > 0 and before + after:
                raise ValueError(
                    f"cropping {before} + {after} of axis {axis} leaves nothing of the input of "
                    f"shape {x.shape}"
                )
            window[axis] = slice(before, size - after)
        return x[tuple(window)]


class _UpSampling(_Spatial):
    size: Any

    def _repeat(self, x: Tensor, factors: Any) -> Tensor:
        for axis, factor in zip(self._axes, factors, strict=True):
            x = x if factor == 1 else ops.repeat(x, factor, axis=axis)
        return x


class ZeroPadding1D(_ZeroPadding):
    """Steps of zeros before and after sequences.

    Args:
        padding: One number for both ends, or (before, after).
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
        ValueError: If `padding` or `data_format` is malformed; when called, if the input has not 3
            axes.

    Example:
        >>> import weft
        >>> weft.layers.ZeroPadding1D(2)(weft.zeros((1, 4, 3))).shape
        (1, 8, 3)

    Follows keras.layers.ZeroPadding1D.
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding = _pairs("ZeroPadding1D", "padding", padding, 1)[0]
        self._set_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        return self._pad(inputs, [self.padding])


class ZeroPadding3D(_ZeroPadding):
    """Planes of zeros around volumes.

    Args:
        padding: One number for all borders, one for each axis, or a pair for each axis.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
        ValueError: If `padding` or `data_format` is malformed; when called, if the input has not 5
            axes.

    Example:
        >>> import weft
        >>> weft.layers.ZeroPadding3D((1, 0, 2))(weft.zeros((1, 2, 3, 4, 5))).shape
        (1, 4, 3, 8, 5)

    Follows keras.layers.ZeroPadding3D.
    """

    rank = 3

    def __init__(
        self,
        padding: Any = ((1, 1), (1, 1), (1, 1)),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.padding = _pairs("ZeroPadding3D", "padding", padding, 3)
        self._set_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        return self._pad(inputs, self.padding)


class Cropping1D(_Cropping):
    """Sequences without some steps at their ends.

    Args:
        cropping: One number for both ends, or (before, after).

    Raises:
        ValueError: If `cropping` is malformed; when called, if the input has not 3 axes.

    Example:
        >>> import weft
        >>> weft.layers.Cropping1D((1, 2))(weft.zeros((1, 6, 3))).shape
        (1, 3, 3)

    Follows keras.layers.Cropping1D.
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = _pairs("Cropping1D", "cropping", cropping, 1)[0]
        self._set_format("channels_last")

    def call(self, inputs: Tensor) -> Tensor:
        return self._crop(inputs, [self.cropping])


class Cropping3D(_Cropping):
    """Volumes without some planes at their borders.

    Args:
        cropping: One number for all borders, one for each axis, or a pair for each axis.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
        ValueError: If `cropping` is malformed; when called, if the input has not 5 axes.

    Example:
        >>> import weft
        >>> weft.layers.Cropping3D(1)(weft.zeros((1, 4, 4, 4, 3))).shape
        (1, 2, 2, 2, 3)

    Follows keras.layers.Cropping3D.
    """

    rank = 3

    def __init__(
        self,
        cropping: Any = ((1, 1), (1, 1), (1, 1)),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cropping = _pairs("Cropping3D", "cropping", cropping, 3)
        self._set_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        return self._crop(inputs, self.cropping)


class UpSampling1D(_UpSampling):
    """Sequences with every step repeated.

    Args:
        size: How often.

    Raises:
        ValueError: If `size` is not positive; when called, if the input has not 3 axes.

    Example:
        >>> import weft
        >>> weft.layers.UpSampling1D(2)([[[1.0], [2.0]]]).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]

    Follows keras.layers.UpSampling1D.
    """

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = sizes("UpSampling1D", "size", size, 1)[0]
        self._set_format("channels_last")

    def call(self, inputs: Tensor) -> Tensor:
        return self._repeat(inputs, [self.size])


class UpSampling2D(_UpSampling):
    """Images made larger by whole factors.

    Args:
        size: Factors of height and width, or one number for both.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        interpolation: ``"nearest"`` repeats pixels; ``"bilinear"`` mixes neighbours, the centres of
            the pixels at halves.

    Raises:
        ValueError: If an argument is impossible, or the interpolation is another one.

    Example:
        >>> import weft
        >>> weft.layers.UpSampling2D((2, 1))([[[[1.0], [2.0]]]]).tolist()
        [[[[1.0], [2.0]], [[1.0], [2.0]]]]

    Follows keras.layers.UpSampling2D.
    """

    rank = 2

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = sizes("UpSampling2D", "size", size, 2)
        self.interpolation = check_choice(
            "UpSampling2D", "interpolation", interpolation, ("nearest", "bilinear")
        )
        self._set_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        if self.interpolation == "nearest":
            return self._repeat(inputs, self.size)
        y = as_float(self, inputs)
        for axis, factor in zip(self._axes, self.size, strict=True):
            y = y if factor == 1 else _mixed(y, axis, factor)
        return y


def _mixed(x: Tensor, axis: int, factor: int) -> Tensor:
    """An axis made longer by linear interpolation: a product with a matrix."""
    size = x.shape[axis]
    at = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, max(size - 1, 0))
    low = np.floor(at).astype("int64")
    matrix = np.zeros((size * factor, size))
    if size:
        matrix[np.arange(size * factor), low] += 1 - (at - low)
        matrix[np.arange(size * factor), np.minimum(low + 1, size - 1)] += at - low
    weights = as_tensor(matrix, x.dtype, x)
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    rows = ops.reshape(x, (*lead, size, int(np.prod(rest))))
    return ops.reshape(ops.matmul(weights, rows), (*lead, size * factor, *rest))


class UpSampling3D(_UpSampling):
    """Volumes with every element repeated along each axis.

    Args:
        size: How often, one number or one for each axis.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
        ValueError: If `size` is not positive or `data_format` unknown; when called, if the input
            has not 5 axes.

    Example:
        >>> import weft
        >>> weft.layers.UpSampling3D((1, 2, 3))(weft.zeros((1, 2, 2, 2, 1))).shape
        (1, 2, 4, 6, 1)

    Follows keras.layers.UpSampling3D.
    """

    rank = 3

    def __init__(
        self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size = sizes("UpSampling3D", "size", size, 3)
        self._set_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        return self._repeat(inputs, self.size)
