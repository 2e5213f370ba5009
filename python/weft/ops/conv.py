"""Convolution of images: NHWC inputs, HWIO kernels."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from weft import _C
from weft.autograd.recording import Function
from weft.ops.rectifier import ReluGradient
from weft.ops.window import (
    is_channels_first,
    padding_of,
    pair,
    to_channels_first,
    to_channels_last,
)
from weft.tensor import Tensor, as_tensor

__all__ = ["conv", "conv2d", "depthwise_conv", "depthwise_conv2d"]


class _Geometry(NamedTuple):
    """How the windows lie: the last arguments of the three kernels."""

    strides: tuple[int, int]
    padding: tuple[int, int, int, int]  # top, bottom, left, right
    dilation: tuple[int, int]
    groups: int


class Conv2D(Function):
    """Saves x and the kernel, and y when a ReLU is fused (its gradient is dy where y > 0)."""

    name = "conv2d"

    @staticmethod
    def forward(ctx: Any, x: Any, kernel: Any, bias: Any, geometry: _Geometry, relu: bool) -> Any:
        y = _C.conv2d(x, kernel, bias, *geometry, relu)
        ctx.geometry = geometry
        ctx.save(x, kernel, y if relu else None)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, kernel, y = ctx.saved
        if y is not None:
            dy = ReluGradient.apply(dy, y)
        dx = dkernel = dbias = None
        if ctx.needs_grad[0]:
            dx = Conv2DBackwardInput.apply(dy, kernel, x.shape, ctx.geometry)
        if ctx.needs_grad[1]:
            dkernel = Conv2DBackwardWeight.apply(x, dy, kernel.shape, ctx.geometry)
        if ctx.needs_grad[2]:
            dbias = dy.sum(axis=(0, 1, 2))
        return dx, dkernel, dbias, None, None


class Conv2DBackwardInput(Function):
    """The gradient of the image, linear in dy and in the kernel. Saves both."""

    name = "conv2d_backward_input"

    @staticmethod
    def forward(ctx: Any, dy: Any, kernel: Any, shape: Any, geometry: _Geometry) -> Any:
        ctx.geometry = geometry
        ctx.save(dy, kernel)
        return _C.conv2d_backward_input(dy, kernel, shape, *geometry)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        dy, kernel = ctx.saved
        ddy = dkernel = None
        if ctx.needs_grad[0]:
            ddy = Conv2D.apply(ddx, kernel, None, ctx.geometry, False)
        if ctx.needs_grad[1]:
            dkernel = Conv2DBackwardWeight.apply(ddx, dy, kernel.shape, ctx.geometry)
        return ddy, dkernel, None, None


class Conv2DBackwardWeight(Function):
    """The gradient of the kernel, linear in x and in dy. Saves both."""

    name = "conv2d_backward_weight"

    @staticmethod
    def forward(ctx: Any, x: Any, dy: Any, shape: Any, geometry: _Geometry) -> Any:
        ctx.geometry = geometry
        ctx.save(x, dy)
        return _C.conv2d_backward_weight(x, dy, shape, *geometry)

    @staticmethod
    def backward(ctx: Any, ddw: Tensor) -> Any:
        x, dy = ctx.saved
        dx = ddy = None
        if ctx.needs_grad[0]:
            dx = Conv2DBackwardInput.apply(dy, ddw, x.shape, ctx.geometry)
        if ctx.needs_grad[1]:
            ddy = Conv2D.apply(x, ddw, None, ctx.geometry, False)
        return dx, ddy, None, None


def conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
    activation: str | None = None,
) -> Tensor:
    """Slides the filters of `kernel` over the images `x`: every output is a weighted sum.

    ``y[n, p, q, k] = sum over r, s, c of x[n, p * stride + r * dilation - pad, ..., c] *
    kernel[r, s, c, k] + bias[k]``

    Args:
        x: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        kernel: Filters (R, S, C / groups, K).
        bias: One value per filter (K,), or None.
        strides: Step of the window, an integer or (height, width).
        padding: ``"valid"`` (none), ``"same"`` (ceil(size / stride) outputs, the odd zero at the
            end), an integer, (height, width) or ((top, bottom), (left, right)).
        dilation_rate: Distance of neighbouring kernel elements in x, an integer or two.
        groups: Parts into which channels and filters are cut; part g of the filters sees part g of
            the channels alone.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        activation: None or ``"relu"``, applied while the result is written.

    Returns:
        Tensor (N, P, Q, K), or (N, K, P, Q) with ``"channels_first"``. Half precision is computed
        in float32.

    Raises:
        ValueError: If shapes, strides, dilation or groups do not fit together, or the kernel is
            larger than the padded image.
        TypeError: If the operands are not floating-point.

    Example:
        >>> import weft
        >>> x = weft.tensor([[[[1.0], [2.0], [3.0]]]])  # one image, 1 x 3, one channel
        >>> weft.ops.conv2d(x, [[[[1.0]], [[-1.0]]]]).tolist()
        [[[[-1.0], [-1.0]]]]

    Follows keras.ops.conv, with groups, a bias and a ReLU besides.
    """
    return _conv2d(
        "conv2d", x, kernel, bias, strides, padding, dilation_rate, groups, data_format, activation
    )


def _conv2d(
    op: str,
    x: Any,
    kernel: Any,
    bias: Any,
    strides: Any,
    padding: Any,
    dilation_rate: Any,
    groups: int,
    data_format: str | None,
    activation: str | None,
) -> Tensor:
    x, kernel = as_tensor(x, near=kernel), as_tensor(kernel, near=x)
    channels_first = is_channels_first(op, data_format)
    if channels_first:
        x = to_channels_last(op, x)
    if activation not in (None, "linear", "relu"):
        raise ValueError(
            f'{op}: activation must be None or "relu", got {activation!r}; apply others to the '
            "result"
        )
    if x.ndim != 4 or kernel.ndim != 4:
        raise ValueError(
            f"{op}: x must be (batch, height, width, channels) and the kernel (height, width, "
            f"channels / groups, filters), got shapes {x.shape} and {kernel.shape}"
        )
    asked = op, x.shape[1:3], kernel.shape[:2], strides, padding, dilation_rate, groups
    try:
        geometry = _geometry(*asked)
    except TypeError:  # lists cannot be looked up
        geometry = _geometry.__wrapped__(*asked)
    if x.dtype != kernel.dtype:
        dtype = _C.promote(x.dtype, kernel.dtype)
        x, kernel = x.astype(dtype, copy=False), kernel.astype(dtype, copy=False)
    if bias is not None:
        bias = as_tensor(bias, kernel.dtype, kernel)
    y: Tensor = Conv2D.apply(x, kernel, bias, geometry, activation == "relu")
    return to_channels_first(y) if channels_first else y


@functools.lru_cache(1024, typed=True)  # a model asks for the same few again and again
def _geometry(
    op: str,
    size: tuple[int, int],
    window: tuple[int, int],
    strides: Any,
    padding: Any,
    dilation_rate: Any,
    groups: int,
) -> _Geometry:
    step, dilation = pair(op, "strides", strides), pair(op, "dilation_rate", dilation_rate)
    extent = (window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1
    return _Geometry(step, padding_of(op, padding, size, extent, step), dilation, groups)


def depthwise_conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    data_format: str | None = "channels_last",
    activation: str | None = None,
) -> Tensor:
    """Convolves every channel with filters of its own: output c * M + m is filter m of channel c.

    Args:
        x: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        kernel: Filters (R, S, C, M).
        bias: One value per output channel (C * M,), or None.
        strides: As in `conv2d`.
        padding: As in `conv2d`.
        dilation_rate: As in `conv2d`.
        data_format: As in `conv2d`.
        activation: As in `conv2d`.

    Returns:
        Tensor (N, P, Q, C * M), or (N, C * M, P, Q) with ``"channels_first"``.

    Raises:
        ValueError: As `conv2d`.
        TypeError: As `conv2d`.

    Example:
        >>> import weft
        >>> x = weft.tensor([[[[1.0, 10.0], [2.0, 20.0]]]])
        >>> kernel = weft.tensor([[[[1.0], [0.1]], [[1.0], [0.1]]]])  # (1, 2, 2, 1)
        >>> weft.ops.depthwise_conv2d(x, kernel).tolist()
        [[[[3.0, 3.0]]]]

    Follows keras.ops.depthwise_conv, with a bias and a ReLU besides.
    """
    op = "depthwise_conv2d"
    x, kernel = as_tensor(x, near=kernel), as_tensor(kernel, near=x)
    if kernel.ndim != 4:
        raise ValueError(
            f"{op}: the kernel must be (height, width, channels, multiplier), got shape "
            f"{kernel.shape}"
        )
    r, s, channels, multiplier = kernel.shape
    axis = 1 if is_channels_first(op, data_format) else 3
    if x.ndim == 4 and x.shape[axis] != channels:
        raise ValueError(
            f"{op}: x has {x.shape[axis]} channels but the kernel was built for {channels}; x has "
            f"shape {x.shape} and the kernel {kernel.shape}"
        )
    kernel = kernel.reshape((r, s, 1, channels * multiplier))
    return _conv2d(
        op, x, kernel, bias, strides, padding, dilation_rate, channels, data_format, activation
    )


def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Convolution of images with the arguments of Keras; see `conv2d`.

    The number of groups is the channels of `inputs` divided by those of `kernel`.

    Args:
        inputs: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        kernel: Filters (R, S, C / groups, K).
        strides: As in `conv2d`.
        padding: As in `conv2d`.
        data_format: As in `conv2d`; None is ``"channels_last"``.
        dilation_rate: As in `conv2d`.

    Returns:
        Tensor (N, P, Q, K), or (N, K, P, Q) with ``"channels_first"``.

    Raises:
        ValueError: As `conv2d`.
        TypeError: As `conv2d`.

    Example:
        >>> import weft
        >>> weft.ops.conv(weft.ones((1, 4, 4, 2)), weft.ones((3, 3, 2, 1)), padding="same").shape
        (1, 4, 4, 1)

    Follows keras.ops.conv.
    """
    inputs, kernel = as_tensor(inputs, near=kernel), as_tensor(kernel, near=inputs)
    groups = 1
    if inputs.ndim == 4 and kernel.ndim == 4 and kernel.shape[2] > 0:
        channels = inputs.shape[1 if is_channels_first("conv", data_format) else 3]
        if channels % kernel.shape[2] == 0:
            groups = max(channels // kernel.shape[2], 1)
    return _conv2d(
        "conv", inputs, kernel, None, strides, padding, dilation_rate, groups, data_format, None
    )


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Depthwise convolution with the arguments of Keras; see `depthwise_conv2d`.

    See `depthwise_conv2d`.

    Args:
        inputs: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        kernel: Filters (R, S, C, M).
        strides: As in `conv2d`.
        padding: As in `conv2d`.
        data_format: As in `conv2d`; None is ``"channels_last"``.
        dilation_rate: As in `conv2d`.

    Returns:
        Tensor (N, P, Q, C * M), or (N, C * M, P, Q) with ``"channels_first"``.

    Raises:
        ValueError: As `conv2d`.
        TypeError: As `conv2d`.

    Example:
        >>> import weft
        >>> weft.ops.depthwise_conv(weft.ones((1, 4, 4, 2)), weft.ones((3, 3, 2, 3))).shape
        (1, 2, 2, 6)

    Follows keras.ops.depthwise_conv.
    """
    return depthwise_conv2d(
        inputs,
        kernel,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        data_format=data_format,
    )
