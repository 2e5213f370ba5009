"""Cases of weft.ops.conv_transpose."""

from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, normal, sample

_SAMPLES = [
    sample(normal(1, 3, 2), normal(2, 2, 2, seed=1)),
    sample(normal(1, 2, 2, 1), normal(3, 2, 2, 1, seed=1), strides=2),
    sample(normal(2, 4, 5, 3), normal(3, 3, 4, 3, seed=1)),
    sample(normal(2, 4, 5, 3), normal(3, 3, 4, 3, seed=1), strides=2, padding="same"),
    sample(normal(2, 4, 3, 3), normal(4, 4, 2, 3, seed=1), strides=2, padding="same"),
    sample(normal(2, 3, 3, 2), normal(2, 2, 2, 2, seed=1), strides=3),
    sample(normal(2, 3, 3, 2), normal(1, 1, 2, 2, seed=1), strides=(2, 3), padding="same"),
    sample(normal(2, 4, 3, 3), normal(3, 3, 2, 3, seed=1), strides=(3, 2), output_padding=(2, 1)),
    sample(
        normal(2, 4, 3, 3), normal(3, 3, 2, 3, seed=1), 2, padding="same", output_padding=(1, 0)
    ),
    sample(normal(2, 4, 5, 3), normal(3, 2, 2, 3, seed=1), dilation_rate=2),
    sample(normal(2, 3, 4, 5), normal(3, 3, 2, 3, seed=1), 2, data_format="channels_first"),
    sample(normal(2, 7, 3), normal(4, 2, 3, seed=1), strides=3, padding="same"),
    sample(normal(2, 3, 7), normal(4, 2, 3, seed=1), data_format="channels_first"),
    sample(normal(0, 4, 5, 3), normal(3, 3, 4, 3, seed=1)),
]
_X, _W = np.ones((2, 4, 5, 3)), np.ones((3, 3, 4, 3))
_BAD = [
    Bad(sample(_X, np.ones((3, 4, 3))), ValueError, "filters, channels"),
    Bad(sample(_X, np.ones((3, 3, 3, 4))), ValueError, "3 channels but .* made for 4"),
    Bad(sample(_X, _W, padding="causal"), ValueError, "valid.*same"),
    Bad(sample(_X, _W, strides=2, output_padding=2), ValueError, "less than the strides"),
]


def _extent(size: int, window: int, stride: int, padding: str, more: Any) -> tuple[int, int]:
    """The size of the output and where what is painted begins, as Keras documents them."""
    if padding == "valid":
        more = max(window, stride) - window if more is None else more
        return (size - 1) * stride + window + more, 0
    length = size * stride if more is None else (size - 1) * stride + window % 2 + more
    total = stride + window - 2 if more is None else window + window % 2 - 2 + more
    return length, window - 1 - min(-(-total // 2), window - 1)


def _all(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """An index of every image."""
    return (slice(None), *index)


def _conv_transpose(
    x: Any,
    w: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: Any = None,
    dilation_rate: int = 1,
) -> Any:
    first = data_format == "channels_first"
    x = np.moveaxis(x, 1, -1) if first else x
    rank = x.ndim - 2
    steps = strides if isinstance(strides, tuple) else (strides,) * rank
    mores = (None,) * rank if output_padding is None else output_padding
    windows = [(n - 1) * dilation_rate + 1 for n in w.shape[:rank]]
    found = [
        _extent(n, window, step, padding, more)
        for n, window, step, more in zip(x.shape[1:], windows, steps, mores, strict=False)
    ]
    size = [
        (n - 1) * step + window
        for n, window, step in zip(x.shape[1:], windows, steps, strict=False)
    ]
    painted = np.zeros((x.shape[0], *size, w.shape[-2]))
    for at in np.ndindex(*x.shape[1:-1]):
        for tap in np.ndindex(*w.shape[:rank]):
            to = tuple(a * s + t * dilation_rate for a, s, t in zip(at, steps, tap, strict=False))
            painted[_all(to)] += x[_all(at)] @ w[tap].T
    y = np.zeros((x.shape[0], *(n for n, _ in found), w.shape[-2]))
    here = tuple(slice(0, min(n, p - b)) for (n, b), p in zip(found, size, strict=True))
    there = tuple(slice(b, b + min(n, p - b)) for (n, b), p in zip(found, size, strict=True))
    y[_all(here)] = painted[_all(there)]
    return np.moveaxis(y, -1, 1) if first else y


CASES = [
    OpCase(
        ops.conv_transpose,
        _SAMPLES,
        _conv_transpose,
        dtypes=FLOATS + HALVES,
        reduction=lambda x, w, *_, **__: w.size,
        bad=_BAD,
    )
]
