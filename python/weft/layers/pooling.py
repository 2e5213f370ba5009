"""Pooling: the maximum or mean of windows, or of whole images."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.config import check_data_format
from weft.layers.arguments import check_choice
from weft.layers.convolutional import channels_first, channels_last, sizes
from weft.layers.core import as_float
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.tensor import Tensor


class _Pooling(Layer):
    """Pooling over windows of images, or of sequences as images of height 1."""

    rank = 2

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.pool_size = sizes(kind, "pool_size", pool_size, self.rank)
        self.strides = sizes(kind, "strides", pool_size if strides is None else strides, self.rank)
        self.padding = check_choice(kind, "padding", padding, ("valid", "same"))
        self.data_format = check_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _pool(self, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        first = self.data_format == "channels_first"
        x = channels_last(inputs) if first else inputs
        if self.rank == 1:
            y = self._pool(ops.expand_dims(x, 1), (1, *self.pool_size), (1, *self.strides))
            y = ops.squeeze(y, 1)
        else:
            y = self._pool(x, self.pool_size, self.strides)
        return channels_first(y) if first else y


class MaxPooling2D(_Pooling):
    """The maximum of each window.

    Args:
        pool_size: Height and width of the window, or one number for both.
        strides: Steps of the window; its size by default.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Shapes:
        ``(N, H, W, C)`` to ``(N, P, Q, C)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 4 axes or the
            window does not fit.

    Example:
        >>> import weft
        >>> weft.layers.MaxPooling2D()(weft.ones((2, 8, 8, 3))).shape
        (2, 4, 4, 3)

    Follows keras.layers.MaxPooling2D.
    """

    def _pool(self, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        return ops.max_pool(x, window, strides=strides, padding=self.padding)


class AveragePooling2D(_Pooling):
    """The mean of each window, of what lies inside of the image.

    Args:
        pool_size: Height and width of the window, or one number for both.
        strides: Steps of the window; its size by default.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Shapes:
        ``(N, H, W, C)`` to ``(N, P, Q, C)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 4 axes or the
            window does not fit.

    Example:
        >>> import weft
        >>> weft.layers.AveragePooling2D(2)(weft.ones((2, 8, 8, 3))).shape
        (2, 4, 4, 3)

    Follows keras.layers.AveragePooling2D.
    """

    def _pool(self, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        return ops.average_pool(as_float(self, x), window, strides=strides, padding=self.padding)


class MaxPooling1D(MaxPooling2D):
    """The maximum of each window of a sequence.

    Args:
        pool_size: Length of the window.
        strides: Step of the window; its length by default.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Shapes:
        ``(N, T, C)`` to ``(N, U, C)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 3 axes or the
            window does not fit.

    Example:
        >>> import weft
        >>> weft.layers.MaxPooling1D(2)(weft.ones((2, 8, 3))).shape
        (2, 4, 3)

    Follows keras.layers.MaxPooling1D.
    """

    rank = 1


class AveragePooling1D(AveragePooling2D):
    """The mean of each window of a sequence.

    Args:
        pool_size: Length of the window.
        strides: Step of the window; its length by default.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Shapes:
        ``(N, T, C)`` to ``(N, U, C)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 3 axes or the
            window does not fit.

    Example:
        >>> import weft
        >>> weft.layers.AveragePooling1D(2)(weft.ones((2, 8, 3))).shape
        (2, 4, 3)

    Follows keras.layers.AveragePooling1D.
    """

    rank = 1


class _GlobalPooling(Layer):
    """Pooling over all positions."""

    rank = 2

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)
        self.keepdims = bool(keepdims)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel over the image.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Keep the axes of height and width with size 1.

    Shapes:
        ``(N, H, W, C)`` to ``(N, C)``.

    Raises:
        ValueError: If `data_format` is unknown; when called, if the input has not 4 axes.

    Example:
        >>> import weft
        >>> weft.layers.GlobalAveragePooling2D()(weft.ones((2, 8, 8, 3))).shape
        (2, 3)

    Follows keras.layers.GlobalAveragePooling2D.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return ops.mean(as_float(self, inputs), axis=self._axes, keepdims=self.keepdims)


class GlobalMaxPooling2D(_GlobalPooling):
    """The maximum of each channel over the image.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Keep the axes of height and width with size 1.

    Shapes:
        ``(N, H, W, C)`` to ``(N, C)``.

    Raises:
        ValueError: If `data_format` is unknown; when called, if the input has not 4 axes.

    Example:
        >>> import weft
        >>> weft.layers.GlobalMaxPooling2D()(weft.ones((2, 8, 8, 3))).shape
        (2, 3)

    Follows keras.layers.GlobalMaxPooling2D.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)


class GlobalAveragePooling1D(GlobalAveragePooling2D):
    """The mean of each channel over the sequence; a mask says which steps count.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Keep the axis of steps with size 1.

    Shapes:
        ``(N, T, C)`` to ``(N, C)``.

    Raises:
        ValueError: If `data_format` is unknown; when called, if the input has not 3 axes.

    Example:
        >>> import weft
        >>> weft.layers.GlobalAveragePooling1D()(weft.ones((2, 8, 3))).shape
        (2, 3)

    Follows keras.layers.GlobalAveragePooling1D.
    """

    rank = 1
    supports_masking = True

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        if mask is None:
            return super().call(inputs)
        x = as_float(self, inputs)
        (axis,) = self._axes
        kept = ops.expand_dims(mask, 2 if axis == 1 else 1)
        total = ops.sum(ops.where(kept, x, 0.0), axis=axis, keepdims=self.keepdims)
        return total / ops.sum(ops.cast(kept, x.dtype), axis=axis, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """None: there are no steps any more."""
        return None


class GlobalMaxPooling1D(GlobalMaxPooling2D):
    """The maximum of each channel over the sequence.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Keep the axis of steps with size 1.

    Shapes:
        ``(N, T, C)`` to ``(N, C)``.

    Raises:
        ValueError: If `data_format` is unknown; when called, if the input has not 3 axes.

    Example:
        >>> import weft
        >>> weft.layers.GlobalMaxPooling1D()(weft.ones((2, 8, 3))).shape
        (2, 3)

    Follows keras.layers.GlobalMaxPooling1D.
    """

    rank = 1


MaxPool1D, MaxPool2D = MaxPooling1D, MaxPooling2D
AvgPool1D, AvgPool2D = AveragePooling1D, AveragePooling2D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
