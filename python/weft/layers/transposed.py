"""Transposed convolutions."""

from __future__ import annotations

from typing import Any

from weft import activations, constraints, initializers, ops, regularizers
from weft.layers.arguments import check_positive_int
from weft.layers.convolutional import _Convolution
from weft.layers.core import as_float
from weft.tensor import Tensor


class Conv2DTranspose(_Convolution):
    """Transposed convolution of images: what is learned is the way from small images to large ones.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel, or one number for both.
        strides: Distance of neighbouring inputs in the output.
        padding: ``"valid"`` or ``"same"`` (output size ``size * stride``).
        output_padding: Zeros at the end of the output, less than the strides; None chooses them.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Gaps between the taps of the kernel.
        activation: Name or function applied to the result.
        use_bias: Whether to add a bias per output channel.
        kernel_initializer: First values of the kernel.
        bias_initializer: First values of the bias.
        kernel_regularizer: Loss on the kernel.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        kernel_constraint: Applied to the kernel after each update.
        bias_constraint: Applied to the bias after each update.

    Shapes:
        ``(N, H, W, C)`` to ``(N, P, Q, filters)``; kernel ``(R, S, filters, C)``.

    Raises:
        ValueError: If an argument is impossible, or the input has another number of channels than
            the layer was built for.

    Example:
        >>> import weft
        >>> layer = weft.layers.Conv2DTranspose(4, 3, strides=2, padding="same")
        >>> layer(weft.ones((1, 5, 5, 2))).shape
        (1, 10, 10, 4)

    Follows keras.layers.Conv2DTranspose.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        kind = type(self).__name__
        self.filters = check_positive_int(kind, "filters", filters)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        if isinstance(output_padding, int):
            output_padding = (output_padding,) * self.rank
        if output_padding is not None:
            output_padding = tuple(output_padding)
            fits = len(output_padding) == self.rank and all(
                isinstance(n, int) and 0 <= n < s
                for n, s in zip(output_padding, self.strides, strict=False)
            )
            if not fits:
                raise ValueError(
                    f"{kind}: output_padding must be at least 0 and less than strides "
                    f"{self.strides}, got {output_padding}"
                )
        self.output_padding = output_padding
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self._set_weights(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, self.filters, channels),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self._add_bias(self.filters)

    def call(self, inputs: Tensor) -> Tensor:
        y = ops.conv_transpose(
            as_float(self, inputs),
            self.kernel,
            self.strides,
            self.padding,
            self.output_padding,
            self.data_format,
            self.dilation_rate,
        )
        if self.bias is not None:
            first = self.data_format == "channels_first"
            y = y + (ops.reshape(self.bias, (-1,) + (1,) * self.rank) if first else self.bias)
        return y if self.activation is activations.linear else self.activation(y)


class Conv1DTranspose(Conv2DTranspose):
    """Transposed convolution of sequences, the one-dimensional `Conv2DTranspose`.

    Args:
        filters: Number of output channels.
        kernel_size: Length of the kernel.
        strides: Distance of neighbouring inputs in the output.
        padding: ``"valid"`` or ``"same"``.
        output_padding: Zeros at the end of the output, less than the stride; None chooses them.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Gaps between the taps of the kernel.
        activation: Name or function applied to the result.
        use_bias: Whether to add a bias per output channel.
        kernel_initializer: First values of the kernel.
        bias_initializer: First values of the bias.
        kernel_regularizer: Loss on the kernel.
        bias_regularizer: Loss on the bias.
        activity_regularizer: Loss on the output.
        kernel_constraint: Applied to the kernel after each update.
        bias_constraint: Applied to the bias after each update.

    Shapes:
        ``(N, T, C)`` to ``(N, U, filters)``; kernel ``(R, filters, C)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 3 axes or
            other channels than the first one.

    Example:
        >>> import weft
        >>> weft.layers.Conv1DTranspose(4, 3, strides=2)(weft.ones((1, 5, 2))).shape
        (1, 11, 4)

    Follows keras.layers.Conv1DTranspose.
    """

    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            output_padding=output_padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            **kwargs,
        )
