"""Pooling: the maximum or average of every window of an image."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from weft import _C
from weft.autograd.recording import Function
from weft.ops.window import (
    is_channels_first,
    padding_of,
    pair,
    to_channels_first,
    to_channels_last,
)
from weft.tensor import Tensor, as_tensor

__all__ = [
    "average_pool",
    "average_pool2d",
    "global_average_pool2d",
    "global_max_pool2d",
    "max_pool",
    "max_pool2d",
]


class _Geometry(NamedTuple):
    """How the windows lie: the last arguments of the pooling kernels."""

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[int, int, int, int]  # top, bottom, left, right


class MaxPool2D(Function):
    """Saves where in its window each maximum was, and nothing when no gradient is needed."""

    name = "max_pool2d"

    @staticmethod
    def forward(ctx: Any, x: Any, geometry: _Geometry) -> Any:
        if not ctx.needs_grad[0]:
            return _C.max_pool2d(x, *geometry)
        y, indices = _C.max_pool2d_with_indices(x, *geometry)
        ctx.geometry, ctx.shape = geometry, x.shape
        ctx.save(indices)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (indices,) = ctx.saved
        return MaxPool2DBackward.apply(dy, indices, ctx.shape, ctx.geometry), None


class MaxPool2DBackward(Function):
    """Puts every dy where its maximum was. Saves the places."""

    name = "max_pool2d_backward"

    @staticmethod
    def forward(ctx: Any, dy: Any, indices: Any, shape: Any, geometry: _Geometry) -> Any:
        ctx.geometry = geometry
        ctx.save(indices)
        return _C.max_pool2d_backward(dy, indices, shape, *geometry)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        (indices,) = ctx.saved
        return MaxPool2DGather.apply(ddx, indices, ctx.geometry), None, None, None


class MaxPool2DGather(Function):
    """Takes the elements where the maxima were. Saves the places."""

    name = "max_pool2d_gather"

    @staticmethod
    def forward(ctx: Any, x: Any, indices: Any, geometry: _Geometry) -> Any:
        ctx.geometry, ctx.shape = geometry, x.shape
        ctx.save(indices)
        return _C.max_pool2d_gather(x, indices, *geometry)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        (indices,) = ctx.saved
        return MaxPool2DBackward.apply(dy, indices, ctx.shape, ctx.geometry), None, None


class AveragePool2D(Function):
    """Saves nothing."""

    name = "average_pool2d"

    @staticmethod
    def forward(ctx: Any, x: Any, geometry: _Geometry) -> Any:
        ctx.geometry, ctx.shape = geometry, x.shape
        return _C.average_pool2d(x, *geometry)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        return AveragePool2DBackward.apply(dy, ctx.shape, ctx.geometry), None


class AveragePool2DBackward(Function):
    """Spreads every dy evenly over its window. Saves nothing."""

    name = "average_pool2d_backward"

    @staticmethod
    def forward(ctx: Any, dy: Any, shape: Any, geometry: _Geometry) -> Any:
        ctx.geometry = geometry
        return _C.average_pool2d_backward(dy, shape, *geometry)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> Any:
        return AveragePool2D.apply(ddx, ctx.geometry), None, None


@functools.lru_cache(1024, typed=True)  # a model asks for the same few again and again
def _geometry(
    op: str, size: tuple[int, int], pool_size: Any, strides: Any, padding: Any
) -> _Geometry:
    window = pair(op, "pool_size", pool_size)
    step = window if strides is None else pair(op, "strides", strides)
    return _Geometry(window, step, padding_of(op, padding, size, window, step))


def _pool(
    op: str,
    function: type[Function],
    x: Any,
    pool_size: Any,
    strides: Any,
    padding: Any,
    data_format: str | None,
) -> Tensor:
    x = as_tensor(x)
    channels_first = is_channels_first(op, data_format)
    if channels_first:
        x = to_channels_last(op, x)
    if x.ndim != 4:
        raise ValueError(f"{op}: x must be (batch, height, width, channels), got shape {x.shape}")
    asked = op, x.shape[1:3], pool_size, strides, padding
    try:
        geometry = _geometry(*asked)
    except TypeError:  # lists cannot be looked up
        geometry = _geometry.__wrapped__(*asked)
    y: Tensor = function.apply(x, geometry)
    return to_channels_first(y) if channels_first else y


def max_pool2d(
    x: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = "channels_last",
) -> Tensor:
    """The largest value of every window, for each channel.

    Padding never wins. Of equal maxima the first, row by row, gets the gradient; NaN counts as
    larger than everything.

    Args:
        x: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        pool_size: Size of the window, an integer or (height, width).
        strides: Step of the window; None is `pool_size`.
        padding: ``"valid"``, ``"same"``, an integer, (height, width) or ((top, bottom),
            (left, right)); less than the window.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        Tensor (N, P, Q, C), or (N, C, P, Q) with ``"channels_first"``.

    Raises:
        ValueError: If the window is larger than the padded image, or an argument is malformed.
        TypeError: If `x` is not floating-point.

    Example:
        >>> import weft
        >>> x = weft.tensor([[[[1.0], [4.0]], [[3.0], [2.0]]]])
        >>> weft.ops.max_pool2d(x, 2).tolist()
        [[[[4.0]]]]

    Follows keras.ops.max_pool.
    """
    return _pool("max_pool2d", MaxPool2D, x, pool_size, strides, padding, data_format)


def average_pool2d(
    x: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = "channels_last",
) -> Tensor:
    """The mean of every window, for each channel, over the pixels that lie inside the image.

    Args:
        x: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        pool_size: Size of the window, an integer or (height, width).
        strides: Step of the window; None is `pool_size`.
        padding: As in `max_pool2d`; padding is not counted.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Returns:
        Tensor (N, P, Q, C), or (N, C, P, Q) with ``"channels_first"``.

    Raises:
        ValueError: If the window is larger than the padded image, or an argument is malformed.
        TypeError: If `x` is not floating-point.

    Example:
        >>> import weft
        >>> x = weft.tensor([[[[1.0], [4.0]], [[3.0], [2.0]]]])
        >>> weft.ops.average_pool2d(x, 2).tolist()
        [[[[2.5]]]]

    Follows keras.ops.average_pool.
    """
    return _pool("average_pool2d", AveragePool2D, x, pool_size, strides, padding, data_format)


def max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = None,
) -> Tensor:
    """Max pooling with the arguments of Keras; see `max_pool2d`.

    Args:
        inputs: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        pool_size: Size of the window, an integer or (height, width).
        strides: Step of the window; None is `pool_size`.
        padding: As in `max_pool2d`.
        data_format: ``"channels_last"`` (None) or ``"channels_first"``.

    Returns:
        Tensor (N, P, Q, C), or (N, C, P, Q) with ``"channels_first"``.

    Raises:
        ValueError: As `max_pool2d`.
        TypeError: As `max_pool2d`.

    Example:
        >>> import weft
        >>> weft.ops.max_pool(weft.ones((1, 5, 5, 3)), 2, padding="same").shape
        (1, 3, 3, 3)

    Follows keras.ops.max_pool.
    """
    return _pool("max_pool", MaxPool2D, inputs, pool_size, strides, padding, data_format)


def average_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = None,
) -> Tensor:
    """Average pooling with the arguments of Keras; see `average_pool2d`.

    Args:
        inputs: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        pool_size: Size of the window, an integer or (height, width).
        strides: Step of the window; None is `pool_size`.
        padding: As in `max_pool2d`; padding is not counted.
        data_format: ``"channels_last"`` (None) or ``"channels_first"``.

    Returns:
        Tensor (N, P, Q, C), or (N, C, P, Q) with ``"channels_first"``.

    Raises:
        ValueError: As `average_pool2d`.
        TypeError: As `average_pool2d`.

    Example:
        >>> import weft
        >>> weft.ops.average_pool(weft.ones((1, 5, 5, 3)), 2, strides=1).shape
        (1, 4, 4, 3)

    Follows keras.ops.average_pool.
    """
    return _pool("average_pool", AveragePool2D, inputs, pool_size, strides, padding, data_format)


def _global_pool(
    op: str, function: type[Function], x: Any, data_format: str | None, keepdims: bool
) -> Tensor:
    x = as_tensor(x)
    channels_first = is_channels_first(op, data_format)
    if channels_first:
        x = to_channels_last(op, x)
    if x.ndim != 4:
        raise ValueError(f"{op}: x must be (batch, height, width, channels), got shape {x.shape}")
    n, height, width, channels = x.shape
    if height * width == 0:
        raise ValueError(f"{op}: the images of shape {x.shape} have no pixels")
    y: Tensor = function.apply(x, _Geometry((height, width), (height, width), (0, 0, 0, 0)))
    if not keepdims:
        return y.reshape((n, channels))
    return to_channels_first(y) if channels_first else y


def global_average_pool2d(
    x: Any, data_format: str | None = "channels_last", keepdims: bool = False
) -> Tensor:
    """The mean of every channel over the whole image.

    Args:
        x: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Whether height and width stay as axes of length 1.

    Returns:
        Tensor (N, C); with `keepdims` (N, 1, 1, C) or (N, C, 1, 1).

    Raises:
        ValueError: If `x` has no height and width, or no pixels.
        TypeError: If `x` is not floating-point.

    Example:
        >>> import weft
        >>> weft.ops.global_average_pool2d([[[[1.0], [4.0]], [[3.0], [2.0]]]]).tolist()
        [[2.5]]

    Follows keras.layers.GlobalAveragePooling2D.
    """
    return _global_pool("global_average_pool2d", AveragePool2D, x, data_format, keepdims)


def global_max_pool2d(
    x: Any, data_format: str | None = "channels_last", keepdims: bool = False
) -> Tensor:
    """The largest value of every channel over the whole image.

    Args:
        x: Images (N, H, W, C), or (N, C, H, W) with ``data_format="channels_first"``.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        keepdims: Whether height and width stay as axes of length 1.

    Returns:
        Tensor (N, C); with `keepdims` (N, 1, 1, C) or (N, C, 1, 1).

    Raises:
        ValueError: If `x` has no height and width, or no pixels.
        TypeError: If `x` is not floating-point.

    Example:
        >>> import weft
        >>> weft.ops.global_max_pool2d([[[[1.0], [4.0]], [[3.0], [2.0]]]]).tolist()
        [[4.0]]

    Follows keras.layers.GlobalMaxPooling2D.
    """
    return _global_pool("global_max_pool2d", MaxPool2D, x, data_format, keepdims)
