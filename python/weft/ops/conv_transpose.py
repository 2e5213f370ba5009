"""Transposed convolution of images and sequences."""

from __future__ import annotations

from typing import Any

from weft import _C, ops
from weft.ops.conv import Conv2DBackwardInput, _Geometry
from weft.ops.window import is_channels_first, pair, to_channels_first, to_channels_last
from weft.tensor import Tensor, as_tensor

__all__ = ["conv_transpose"]


def _extent(
    size: int, window: int, stride: int, dilation: int, padding: str, more: int | None
) -> tuple[int, tuple[int, int]]:
    """The size of the output, and the padding of the convolution whose gradient this is."""
    window = (window - 1) * dilation + 1
    if padding == "valid":
        more = max(window, stride) - window if more is None else more
        before, after = window - 1, window - 1 + more
    else:
        total = window + (stride - 2 if more is None else window % 2 - 2 + more)
        before = min((total + 1) // 2, window - 1)
        after = total - before
    length = (size - 1) * stride + before + after - window + 2
    # Rows that no window reaches, where the stride is larger than the window, are zeros.
    return length, (window - 1 - before, max(window - 1 - after, 0))


def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """The gradient of a convolution as an operation: every input paints the kernel, scaled by it.

    Args:
        inputs: Images (N, H, W, C) or sequences (N, T, C), or with the channels at axis 1.
        kernel: Filters (R, S, K, C), or (R, K, C) for sequences.
        strides: Distance of neighbouring inputs in the output.
        padding: ``"valid"`` (all that is painted) or ``"same"`` (size times stride).
        output_padding: Zeros at the end, less than the stride; None chooses them so that a
            convolution of the output has the size of the input.
        data_format: ``"channels_last"`` (None) or ``"channels_first"``.
        dilation_rate: Distance of neighbouring kernel elements.

    Returns:
        Tensor (N, P, Q, K) or (N, U, K), or with the channels at axis 1.

    Raises:
        ValueError: If shapes or arguments do not fit.
        TypeError: If the operands are not floating-point.

    Example:
        >>> import weft
        >>> x = weft.tensor([[[1.0], [2.0]]])  # a sequence of two steps
        >>> weft.ops.conv_transpose(x, [[[1.0]], [[10.0]]], strides=2).tolist()
        [[[1.0], [10.0], [2.0], [20.0]]]

    Follows keras.ops.conv_transpose.
    """
    op = "conv_transpose"
    x, kernel = as_tensor(inputs, near=kernel), as_tensor(kernel, near=inputs)
    if x.ndim not in (3, 4) or kernel.ndim != x.ndim:
        raise ValueError(
            f"{op}: inputs must be (batch, height, width, channels) and the kernel (height, width, "
            f"filters, channels), or both without the width, got shapes {x.shape} and "
            f"{kernel.shape}"
        )
    if padding not in ("valid", "same"):
        raise ValueError(f'{op}: padding must be "valid" or "same", got {padding!r}')
    sequences = x.ndim == 3
    if sequences:
        first = is_channels_first(op, data_format)
        x = ops.expand_dims(ops.swapaxes(x, 1, 2) if first else x, 1)
        kernel = ops.expand_dims(kernel, 0)
        strides, dilation_rate = (1, _one(strides)), (1, _one(dilation_rate))
        if output_padding is not None:
            output_padding = (0, _one(output_padding))
        y = conv_transpose(x, kernel, strides, padding, output_padding, None, dilation_rate)
        y = ops.squeeze(y, 1)
        return ops.swapaxes(y, 1, 2) if first else y
    first = is_channels_first(op, data_format)
    if first:
        x = to_channels_last(op, x)
    if x.shape[3] != kernel.shape[3]:
        raise ValueError(
            f"{op}: the inputs have {x.shape[3]} channels but the kernel of shape {kernel.shape} "
            f"was made for {kernel.shape[3]}"
        )
    step, dilation = pair(op, "strides", strides), pair(op, "dilation_rate", dilation_rate)
    more = (None, None) if output_padding is None else _amounts(op, output_padding, step)
    (height, rows), (width, columns) = (
        _extent(x.shape[1 + a], kernel.shape[a], step[a], dilation[a], padding, more[a])
        for a in range(2)
    )
    if x.dtype != kernel.dtype:
        dtype = _C.promote(x.dtype, kernel.dtype)
        x, kernel = x.astype(dtype, copy=False), kernel.astype(dtype, copy=False)
    shape = (x.shape[0], max(height, 0), max(width, 0), kernel.shape[2])
    geometry = _Geometry(step, (*rows, *columns), dilation, 1)
    y = Conv2DBackwardInput.apply(x, kernel, shape, geometry)
    return to_channels_first(y) if first else y


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _amounts(op: str, value: Any, strides: tuple[int, int]) -> tuple[int, int]:
    amounts = tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    if len(amounts) != 2 or any(
        not isinstance(a, int) or not 0 <= a < max(s, 1)
        for a, s in zip(amounts, strides, strict=False)
    ):
        raise ValueError(
            f"{op}: output_padding must be at least 0 and less than the strides {strides}, got "
            f"{value!r}"
        )
    return amounts[0], amounts[1]
