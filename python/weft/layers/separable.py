"""Convolutions of each channel alone: of sequences, and followed by a mixture of channels."""

from __future__ import annotations

from typing import Any

from weft import constraints, initializers, ops, regularizers
from weft.layers.arguments import check_positive_int
from weft.layers.convolutional import DepthwiseConv2D, _Convolution
from weft.tensor import Tensor


class DepthwiseConv1D(DepthwiseConv2D):
    """Convolution of each channel of sequences, the one-dimensional `DepthwiseConv2D`.

    Args:
        kernel_size: Length of the kernels.
        strides: Step of the window.
        padding: ``"valid"`` or ``"same"``.
        depth_multiplier: Number of output channels per input channel.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Gaps between the taps of the kernels.
        activation: Name or function applied to the result.
        use_bias: Whether to add a bias per output channel.
        depthwise_initializer: First values of the kernels.
        bias_initializer: First values of the bias.
        depthwise_regularizer: Loss on the kernels.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        depthwise_constraint: Applied to the kernels after each update.
        bias_constraint: Applied to the bias after each update.

    Shapes:
        ``(N, T, C)`` to ``(N, U, C * depth_multiplier)``; kernel ``(R, C, multiplier)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 3 axes, other
            channels than the first one, or is smaller than the kernel.

    Example:
        >>> import weft
        >>> weft.layers.DepthwiseConv1D(3, depth_multiplier=2)(weft.ones((2, 10, 4))).shape
        (2, 8, 8)

    Follows keras.layers.DepthwiseConv1D.
    """

    rank = 1

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            data_format=data_format,
            dilation_rate=dilation_rate,
            **kwargs,
        )

    def _convolve(self, x: Tensor, activation: str | None) -> Tensor:
        y = ops.depthwise_conv2d(
            ops.expand_dims(x, 1),
            ops.expand_dims(self.kernel, 0),
            self.bias,
            strides=(1, *self.strides),
            padding=self.padding,
            dilation_rate=(1, *self.dilation_rate),
            activation=activation,
        )
        return ops.squeeze(y, 1)


class SeparableConv2D(_Convolution):
    """Convolution of each channel alone, then a mixture of the channels at each place.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernels, or one number for both.
        strides: Steps of the window; Keras wants equal ones.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Gaps between the taps of the kernels.
        depth_multiplier: Number of channels in between per input channel.
        activation: Name or function applied to the result.
        use_bias: Whether to add a bias per output channel.
        depthwise_initializer: First values of the kernels of the channels.
        pointwise_initializer: First values of the mixture.
        bias_initializer: First values of the bias.
        depthwise_regularizer: Loss on the kernels of the channels.
        pointwise_regularizer: Loss on the mixture.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        depthwise_constraint: Applied to the kernels of the channels after each update.
        pointwise_constraint: Applied to the mixture after each update.
        bias_constraint: Applied to the bias after each update.

    Shapes:
        ``(N, H, W, C)`` to ``(N, P, Q, filters)``; kernels ``(R, S, C, multiplier)`` and
        ``(1, 1, C * multiplier, filters)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 4 axes, other
            channels than the first one, or is smaller than the kernel.

    Example:
        >>> import weft
        >>> weft.layers.SeparableConv2D(6, 3)(weft.ones((2, 10, 10, 4))).shape
        (2, 8, 8, 6)

    Follows keras.layers.SeparableConv2D.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        kind = type(self).__name__
        self.filters = check_positive_int(kind, "filters", filters)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = check_positive_int(kind, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)
        self._set_weights(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            name="depthwise_kernel",
        )
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
            name="pointwise_kernel",
        )
        self._add_bias(self.filters)

    def _depthwise(self, x: Tensor) -> Tensor:
        return ops.depthwise_conv2d(
            x,
            self.depthwise_kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )

    def _convolve(self, x: Tensor, activation: str | None) -> Tensor:
        matrix = ops.reshape(self.pointwise_kernel, self.pointwise_kernel.shape[-2:])
        return ops.linear(self._depthwise(x), matrix, self.bias, activation)


class SeparableConv1D(SeparableConv2D):
    """Convolution of each channel of sequences alone, then a mixture of the channels.

    Args:
        filters: Number of output channels.
        kernel_size: Length of the kernels.
        strides: Step of the window.
        padding: ``"valid"`` or ``"same"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Gaps between the taps of the kernels.
        depth_multiplier: Number of channels in between per input channel.
        activation: Name or function applied to the result.
        use_bias: Whether to add a bias per output channel.
        depthwise_initializer: First values of the kernels of the channels.
        pointwise_initializer: First values of the mixture.
        bias_initializer: First values of the bias.
        depthwise_regularizer: Loss on the kernels of the channels.
        pointwise_regularizer: Loss on the mixture.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        depthwise_constraint: Applied to the kernels of the channels after each update.
        pointwise_constraint: Applied to the mixture after each update.
        bias_constraint: Applied to the bias after each update.

    Shapes:
        ``(N, T, C)`` to ``(N, U, filters)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 3 axes, other
            channels than the first one, or is smaller than the kernel.

    Example:
        >>> import weft
        >>> weft.layers.SeparableConv1D(6, 3)(weft.ones((2, 10, 4))).shape
        (2, 8, 6)

    Follows keras.layers.SeparableConv1D.
    """

    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            **kwargs,
        )

    def _depthwise(self, x: Tensor) -> Tensor:
        y = ops.depthwise_conv2d(
            ops.expand_dims(x, 1),
            ops.expand_dims(self.depthwise_kernel, 0),
            strides=(1, *self.strides),
            padding=self.padding,
            dilation_rate=(1, *self.dilation_rate),
        )
        return ops.squeeze(y, 1)


SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
