"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft import activations, constraints, initializers, ops, regularizers
from weft.config import check_data_format
from weft.layers.arguments import check_choice, check_positive_int
from weft.layers.core import as_float, known_size
from weft.layers.input_spec import InputSpec
from weft.layers.layer import Layer
from weft.tensor import Tensor


def sizes(layer: str, name: str, value: Any, rank: int) -> tuple[int, ...]:
    """`value` as `rank` positive integers.

    Raises:
        ValueError: Naming the layer, the argument and the value.
    """
    if isinstance(value, (tuple, list)):
        if len(value) != rank:
            raise ValueError(
                f"{layer}: {name} must be one integer or {rank}, got {len(value)}: {value!r}"
            )
        return tuple(check_positive_int(layer, name, item) for item in value)
    return (check_positive_int(layer, name, value),) * rank


def channels_last(x: Tensor) -> Tensor:
    """``(N, C, ...)`` as ``(N, ..., C)``."""
    return ops.transpose(x, (0, *range(2, x.ndim), 1))


def channels_first(x: Tensor) -> Tensor:
    """``(N, ..., C)`` as ``(N, C, ...)``."""
    return ops.transpose(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))


class _Convolution(Layer):
    """What all convolutions share; subclasses keep their arguments under the same names."""

    rank = 2
    paddings: tuple[str, ...] = ("valid", "same")
    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: str
    data_format: str
    activation: Callable[[Tensor], Tensor]
    use_bias: bool
    kernel: Tensor
    bias: Tensor | None = None

    def _set_window(
        self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any
    ) -> None:
        kind = type(self).__name__
        self.kernel_size = sizes(kind, "kernel_size", kernel_size, self.rank)
        self.strides = sizes(kind, "strides", strides, self.rank)
        self.dilation_rate = sizes(kind, "dilation_rate", dilation_rate, self.rank)
        self.padding = check_choice(kind, "padding", padding, self.paddings)
        self.data_format = check_data_format(data_format)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{kind}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot "
                "both be above 1"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _set_weights(
        self, activation: Any, use_bias: bool, bias_initializer: Any, bias_regularizer: Any,
        bias_constraint: Any,
    ) -> None:  # fmt: skip
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias_constraint = constraints.get(bias_constraint)

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def _channels(self, input_shape: tuple[int | None, ...]) -> int:
        """The number of channels; later inputs must have as many."""
        if len(input_shape) != self.rank + 2:
            raise ValueError(InputSpec(ndim=self.rank + 2).explain(tuple(input_shape)))
        channels = known_size(self, input_shape, self._channel_axis)
        axes = {self._channel_axis: channels}
        self.input_spec = InputSpec(ndim=self.rank + 2, axes=axes, what="channels")
        return channels

    def _add_bias(self, outputs: int) -> None:
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (outputs,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def _convolve(self, x: Tensor, activation: str | None) -> Tensor:
        """Convolution and bias of channels-last images, and `activation` in the same kernel."""
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        x = as_float(self, inputs)
        first = self.data_format == "channels_first"
        fused = self.activation is activations.relu
        y = self._convolve(channels_last(x) if first else x, "relu" if fused else None)
        if not fused and self.activation is not activations.linear:
            y = self.activation(y)
        return channels_first(y) if first else y


class Conv2D(_Convolution):
    """Convolution of images: ``activation(conv(x, kernel) + bias)``.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel, or one number for both.
        strides: Steps of the window.
        padding: ``"valid"`` (none) or ``"same"`` (output size ``ceil(size / stride)``).
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Gaps between the taps of the kernel.
        groups: Number of groups that the channels are split into.
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
        ``(N, H, W, C)`` to ``(N, P, Q, filters)``; kernel ``(R, S, C / groups, filters)``.

    Raises:
        ValueError: If an argument is impossible, the input has no channel axis or another number
            of channels than the layer was built for, or the kernel is larger than the image.

    Example:
        >>> import weft
        >>> layer = weft.layers.Conv2D(8, 3, padding="same", activation="relu")
        >>> layer(weft.ones((2, 10, 10, 3))).shape, layer.count_params()
        ((2, 10, 10, 8), 224)

    Follows keras.layers.Conv2D.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
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
        self.groups = check_positive_int(kind, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"{kind}: filters ({filters}) must be divisible by groups ({groups})")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self._set_weights(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"the {channels} channels of input shape {tuple(input_shape)} cannot be split into "
                f"groups={self.groups}"
            )
        self.kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self._add_bias(self.filters)

    def _convolve(self, x: Tensor, activation: str | None) -> Tensor:
        return ops.conv2d(
            x,
            self.kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            groups=self.groups,
            activation=activation,
        )


class Conv1D(Conv2D):
    """Convolution of sequences, the one-dimensional `Conv2D`.

    Args:
        filters: Number of output channels.
        kernel_size: Length of the kernel.
        strides: Step of the window.
        padding: ``"valid"``, ``"same"``, or ``"causal"`` (no output sees later inputs).
        data_format: ``"channels_last"`` or ``"channels_first"``.
        dilation_rate: Gaps between the taps of the kernel.
        groups: Number of groups that the channels are split into.
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
        ``(N, T, C)`` to ``(N, U, filters)``; kernel ``(R, C / groups, filters)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 3 axes, other
            channels than the first one, or is smaller than the kernel.

    Example:
        >>> import weft
        >>> weft.layers.Conv1D(4, 3)(weft.ones((2, 10, 5))).shape
        (2, 8, 4)

    Follows keras.layers.Conv1D.
    """

    rank = 1
    paddings = ("valid", "same", "causal")

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

    def _convolve(self, x: Tensor, activation: str | None) -> Tensor:
        """The kernel as one of height 1, on sequences as images of height 1."""
        padding = self.padding
        if padding == "causal":
            before = (self.kernel_size[0] - 1) * self.dilation_rate[0]
            x, padding = ops.pad(x, ((0, 0), (before, 0), (0, 0))), "valid"
        y = ops.conv2d(
            ops.expand_dims(x, 1),
            ops.expand_dims(self.kernel, 0),
            self.bias,
            strides=(1, *self.strides),
            padding=padding,
            dilation_rate=(1, *self.dilation_rate),
            groups=self.groups,
            activation=activation,
        )
        return ops.squeeze(y, 1)


class DepthwiseConv2D(_Convolution):
    """Convolution of each channel with kernels of its own.

    Args:
        kernel_size: Height and width of the kernels, or one number for both.
        strides: Steps of the window.
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
        ``(N, H, W, C)`` to ``(N, P, Q, C * depth_multiplier)``; kernel ``(R, S, C, multiplier)``.

    Raises:
        ValueError: If an argument is malformed; when called, if the input has not 4 axes, other
            channels than the first one, or is smaller than the kernel.

    Example:
        >>> import weft
        >>> weft.layers.DepthwiseConv2D(3)(weft.ones((2, 10, 10, 4))).shape
        (2, 8, 8, 4)

    Follows keras.layers.DepthwiseConv2D.
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = check_positive_int(
            "DepthwiseConv2D", "depth_multiplier", depth_multiplier
        )
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self._set_weights(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = self._channels(input_shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            name="kernel",
        )
        self._add_bias(channels * self.depth_multiplier)

    def _convolve(self, x: Tensor, activation: str | None) -> Tensor:
        return ops.depthwise_conv2d(
            x,
            self.kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            activation=activation,
        )


Convolution1D, Convolution2D = Conv1D, Conv2D
DepthwiseConvolution2D = DepthwiseConv2D
