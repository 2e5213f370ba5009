"""Pooling of volumes, by pooling images and then what is left of the depth."""

from __future__ import annotations

from weft import ops
from weft.layers.convolutional import channels_first, channels_last
from weft.layers.core import as_float
from weft.layers.pooling import _GlobalPooling, _Pooling
from weft.tensor import Tensor


class _Pooling3D(_Pooling):
    """A window of three axes is one of two, and one of the axis that is left.

    So it is with maxima, and with means over what lies inside: the number of elements inside is
    the product of those along the axes.
    """

    rank = 3

    def call(self, inputs: Tensor) -> Tensor:
        first = self.data_format == "channels_first"
        x = channels_last(inputs) if first else inputs
        n, depth, h, w, c = x.shape
        y = ops.reshape(x, (n * depth, h, w, c))
        y = self._pool(y, self.pool_size[1:], self.strides[1:])
        p, q = y.shape[1:3]
        y = ops.reshape(y, (n, depth, p * q, c))
        y = self._pool(y, (self.pool_size[0], 1), (self.strides[0], 1))
        y = ops.reshape(y, (n, y.shape[1], p, q, c))
        return channels_first(y) if first else y


class MaxPooling3D(_Pooling3D):
    """The maximum of each window of a volume.

    Args:
        pool_size: Sizes of the window, or one number for all.
        strides: Steps of the window; its size by default.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Shapes:
        ``(N, D, H, W, C)`` to ``(N, O, P, Q, C)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 5 axes or the
            window does not fit.

    Example:
        >>> import weft
        >>> weft.layers.MaxPooling3D(2)(weft.ones((1, 4, 6, 8, 3))).shape
        (1, 2, 3, 4, 3)

    Follows keras.layers.MaxPooling3D.
    """

    def _pool(self, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        return ops.max_pool(x, window, strides=strides, padding=self.padding)


class AveragePooling3D(_Pooling3D):
    """The mean of each window of a volume, of what lies inside of it.

    Args:
        pool_size: Sizes of the window, or one number for all.
        strides: Steps of the window; its size by default.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Shapes:
        ``(N, D, H, W, C)`` to ``(N, O, P, Q, C)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 5 axes or the
            window does not fit.

    Example:
        >>> import weft
        >>> weft.layers.AveragePooling3D(2)(weft.ones((1, 4, 6, 8, 3))).shape
        (1, 2, 3, 4, 3)

    Follows keras.layers.AveragePooling3D.
    """

    def _pool(self, x: Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
        return ops.average_pool(as_float(self, x), window, strides=strides, padding=self.padding)


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean over all positions of a volume.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Keep the axes of the positions, with size 1.

    Raises:
        ValueError: If `data_format` is unknown; when called, if the input has not 5 axes.

    Example:
        >>> import weft
        >>> weft.layers.GlobalAveragePooling3D()(weft.ones((1, 2, 2, 2, 3))).shape
        (1, 3)

    Follows keras.layers.GlobalAveragePooling3D.
    """

    rank = 3

    def call(self, inputs: Tensor) -> Tensor:
        return ops.mean(as_float(self, inputs), axis=self._axes, keepdims=self.keepdims)


class GlobalMaxPooling3D(_GlobalPooling):
    """The maximum over all positions of a volume.

    Args:
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Keep the axes of the positions, with size 1.

    Raises:
        ValueError: If `data_format` is unknown; when called, if the input has not 5 axes.

    Example:
        >>> import weft
        >>> weft.layers.GlobalMaxPooling3D()(weft.ones((1, 2, 2, 2, 3))).shape
        (1, 3)

    Follows keras.layers.GlobalMaxPooling3D.
    """

    rank = 3

    def call(self, inputs: Tensor) -> Tensor:
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)


AvgPool3D, MaxPool3D = AveragePooling3D, MaxPooling3D
GlobalAvgPool3D, GlobalMaxPool3D = GlobalAveragePooling3D, GlobalMaxPooling3D
