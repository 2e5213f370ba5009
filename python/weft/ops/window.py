"""Arguments that convolution and pooling share, turned into numbers for the kernels."""

from __future__ import annotations

from typing import Any

from weft.tensor import Tensor

__all__: list[str] = []


def pair(op: str, name: str, value: Any) -> tuple[int, int]:
    """`value` for (height, width): an integer for both, or two of them."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    try:
        height, width = value
        return height.__index__(), width.__index__()
    except (TypeError, ValueError, AttributeError):
        try:
            both = value.__index__()
        except (TypeError, AttributeError):
            raise ValueError(
                f"{op}: {name} must be an integer or two integers, got {value!r}"
            ) from None
        return both, both


def same_padding(size: int, extent: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis such that ceil(size / stride) windows fit (as TensorFlow)."""
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def padding_of(
    op: str,
    padding: Any,
    size: tuple[int, int],
    extent: tuple[int, int],
    strides: tuple[int, int],
) -> tuple[int, int, int, int]:
    """Zeros at (top, bottom, left, right) of an image of `size` for ``padding``."""
    if isinstance(padding, str):
        if padding.lower() == "valid":
            return 0, 0, 0, 0
        if padding.lower() != "same":
            raise ValueError(
                f'{op}: padding must be "valid", "same", an integer, (height, width) or '
                f"((top, bottom), (left, right)), got {padding!r}"
            )
        if min(strides) < 1:
            raise ValueError(f"{op}: strides must be at least 1, got {strides}")
        return (
            *same_padding(size[0], extent[0], strides[0]),
            *same_padding(size[1], extent[1], strides[1]),
        )
    if isinstance(padding, (tuple, list)) and any(isinstance(p, (tuple, list)) for p in padding):
        if len(padding) != 2:
            raise ValueError(
                f"{op}: padding must be ((top, bottom), (left, right)), got {padding!r}"
            )
        return (*pair(op, "padding", padding[0]), *pair(op, "padding", padding[1]))
    height, width = pair(op, "padding", padding)
    return height, height, width, width


def is_channels_first(op: str, data_format: str | None) -> bool:
    """Whether images come as (batch, channels, height, width)."""
    if data_format in (None, "channels_last"):
        return False
    if data_format != "channels_first":
        raise ValueError(
            f'{op}: data_format must be "channels_last" or "channels_first", got {data_format!r}'
        )
    return True


def to_channels_last(op: str, x: Tensor) -> Tensor:
    """A view of (N, C, H, W) as (N, H, W, C)."""
    if x.ndim != 4:
        raise ValueError(f"{op}: x must be (batch, channels, height, width), got shape {x.shape}")
    return x.transpose((0, 2, 3, 1))


def to_channels_first(x: Tensor) -> Tensor:
    """A view of (N, H, W, C) as (N, C, H, W)."""
    return x.transpose((0, 3, 1, 2))
