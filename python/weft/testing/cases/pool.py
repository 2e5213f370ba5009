"""Cases of weft.ops.pool."""

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.ops.window import padding_of, pair
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, distinct, normal, sample


def pool(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """The definition of pooling: `reduce` over the part of each window inside the image."""

    def pooled(
        x: Any,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
    ) -> Any:
        if data_format == "channels_first":
            x = x.transpose(0, 2, 3, 1)
        r, s = pair("", "", pool_size)
        sh, sw = (r, s) if strides is None else pair("", "", strides)
        n, height, width, channels = x.shape
        pads = padding_of("", padding, (height, width), (r, s), (sh, sw))
        rows = (height + pads[0] + pads[1] - r) // sh + 1
        columns = (width + pads[2] + pads[3] - s) // sw + 1
        y = np.zeros((n, rows, columns, channels))
        for p in range(rows):
            for q in range(columns):
                top, left = p * sh - pads[0], q * sw - pads[2]
                inside = x[:, max(top, 0) : top + r, max(left, 0) : left + s]
                y[:, p, q] = reduce(inside, axis=(1, 2))
        return y.transpose(0, 3, 1, 2) if data_format == "channels_first" else y

    return pooled


def global_pool(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """`reduce` over height and width."""

    def pooled(x: Any, data_format: str | None = None, keepdims: bool = False) -> Any:
        axes = (2, 3) if data_format == "channels_first" else (1, 2)
        return reduce(x, axis=axes, keepdims=keepdims)

    return pooled


def window_size(x: Any, pool_size: Any = 2, *_: Any, **__: Any) -> int:
    """How many pixels make one output."""
    r, s = pair("", "", pool_size)
    return r * s


def image_size(x: Any, data_format: str | None = None, **_: Any) -> int:
    """How many pixels an image has."""
    axes = (2, 3) if data_format == "channels_first" else (1, 2)
    return int(x.shape[axes[0]] * x.shape[axes[1]])


def torch_pool(name: str, **fixed: Any) -> Callable[..., Any]:
    """Pooling through PyTorch, for paddings that it knows."""

    def pooled(x: Any, pool_size: Any = 2, strides: Any = None, padding: Any = 0) -> Any:
        import torch

        padding = 0 if padding == "valid" else padding
        function = getattr(torch.nn.functional, name)
        y = function(x.permute(0, 3, 1, 2), pool_size, strides, padding, **fixed)
        return y.permute(0, 2, 3, 1)

    return pooled


def _samples(values: Callable[..., Any]) -> list[Any]:
    return [
        sample(values(1, 4, 4, 2)),
        sample(values(1, 5, 4, 2), 3, 2, 1),
        sample(values(1, 4, 4, 1), (2, 3), (1, 2)),
        sample(values(2, 5, 3, 3), 2, 3),
        sample(values(2, 7, 9, 70), 2),
        sample(values(2, 8, 6, 67), 2),
        sample(values(1, 9, 8, 37), (3, 2), 1, 1),
        sample(values(1, 20, 19, 5), (20, 19)),
        sample(values(1, 12, 12, 18), 7, 5, 3),
        sample(values(0, 4, 4, 3), 2),
    ]


def _same_samples(values: Callable[..., Any]) -> list[Any]:
    return [
        sample(values(1, 5, 4, 2), 2, padding="same"),
        sample(values(1, 5, 5, 2), 3, strides=(2, 1), padding="same"),
        sample(values(1, 3, 6, 5), 3, strides=2, padding=((2, 0), (0, 1))),
        sample(values(2, 3, 5, 5), 2, 2, "same", "channels_first"),
        sample(values(2, 4, 4, 0), 2),
    ]


def _global_samples(values: Callable[..., Any]) -> list[Any]:
    return [
        sample(values(2, 3, 4, 2)),
        sample(values(2, 7, 9, 70), keepdims=True),
        sample(values(1, 24, 20, 3)),
        sample(values(2, 3, 4, 2), data_format="channels_first"),
        sample(values(2, 3, 4, 2), data_format="channels_first", keepdims=True),
        sample(values(0, 3, 4, 2)),
    ]


_ones = np.ones((1, 4, 5, 2))
_BAD = [
    Bad(sample(np.ones((4, 4, 2))), ValueError, "batch, height, width, channels"),
    Bad(sample(_ones, 6), ValueError, "6 x 6.*larger than.*4 x 5"),
    Bad(sample(_ones, 0), ValueError, "window size.*at least 1"),
    Bad(sample(_ones, 2, 0), ValueError, "strides.*at least 1"),
    Bad(sample(_ones, 2, padding=2), ValueError, "smaller than the window"),
    Bad(sample(_ones, 2, padding="some"), ValueError, "padding must be"),
    Bad(sample(_ones, "2x2"), ValueError, "pool_size must be an integer or two"),
    Bad(sample(_ones, 2, data_format="NCHW"), ValueError, "data_format.*NCHW"),
    Bad(sample(np.ones((1, 4, 4, 2), "int32")), TypeError, "floating-point"),
]
_GLOBAL_BAD = [
    Bad(sample(np.ones((4, 4))), ValueError, "batch, height, width, channels"),
    Bad(sample(np.ones((2, 0, 4, 3))), ValueError, "no pixels"),
]
_BENCH = [sample(normal(32, 56, 56, 64), 2), sample(normal(8, 112, 112, 64), 3, 2, 1)]

CASES = [
    OpCase(
        ops.max_pool2d,
        _samples(distinct),
        pool(np.max),
        dtypes=FLOATS + HALVES,
        oracle=torch_pool("max_pool2d"),
        ulps=0,
        bad=_BAD,
        bench=_BENCH,
    ),
    OpCase(
        ops.average_pool2d,
        _samples(normal),
        pool(np.mean),
        dtypes=FLOATS + HALVES,
        oracle=torch_pool("avg_pool2d", count_include_pad=False),
        reduction=window_size,
        bad=_BAD,
        bench=_BENCH,
    ),
    OpCase(ops.max_pool, _same_samples(distinct), pool(np.max), ulps=0),
    OpCase(ops.average_pool, _same_samples(normal), pool(np.mean), reduction=window_size),
    OpCase(
        ops.global_average_pool2d,
        _global_samples(normal),
        global_pool(np.mean),
        dtypes=FLOATS + HALVES,
        reduction=image_size,
        bad=_GLOBAL_BAD,
        bench=[sample(normal(32, 7, 7, 512))],
    ),
    OpCase(
        ops.global_max_pool2d,
        _global_samples(distinct),
        global_pool(np.max),
        dtypes=FLOATS + HALVES,
        ulps=0,
        bad=_GLOBAL_BAD,
    ),
]
