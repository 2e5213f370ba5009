"""Cases of weft.ops.softmax."""

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, normal, sample

# Short rows are held in 1 to 4 registers of 4 to 16 lanes; longer ones go by blocks of 1024.
_SAMPLES = [
    sample(normal(7)),
    sample(normal(1)),
    sample(normal(3, 5)),
    sample(normal(3, 5), axis=0),
    sample(normal(2, 3, 4), axis=1),
    sample(normal(2, 3, 4), axis=-3),
    sample(normal(2, 3, 4), axis=(0, 2)),
    sample(normal(2, 3), axis=None),
    sample(normal(3, 5), temperature=2.5),
    sample(normal(0, 5)),
    sample(normal(5, 0)),
    *[sample(normal(9, n)) for n in (10, 16, 20, 33, 48, 64, 65, 300)],
    sample(normal(2, 2500)),
    sample(normal(300, 70), axis=0),
    sample(np.array([[1e4, 1e4 - 1, 0.0], [-1e4, -1e4, -1e4]])),
    # Repeated to more elements than finite differences are tried on.
    *[
        sample(
            np.tile([[0.0, -np.inf, 1.0], [np.nan, 0.0, 1.0], [-np.inf] * 3], (many, 100 // many))
        )
        for many in (1, 30)
    ],
]
_BAD = [
    Bad(sample(np.ones((2, 3)), axis=2), IndexError, "axis 2"),
    Bad(sample(np.ones((2, 3)), temperature=0.0), ValueError, "temperature must be positive"),
    Bad(sample(np.array(1.0)), ValueError, "0-d"),
]
_BENCH = [
    sample(normal(128, 10)),
    sample(normal(512, 64)),
    sample(normal(4096, 1000)),
    sample(normal(128, 1000), axis=0),
]


def _log_softmax(x: Any, axis: Any = -1, temperature: float = 1.0) -> Any:
    x = x / temperature
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return x - top - np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True))


def _softmax(x: Any, axis: Any = -1, temperature: float = 1.0) -> Any:
    x = x / temperature
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis=axis, keepdims=True)


def _length(x: Any, axis: Any = -1, temperature: float = 1.0) -> int:
    if axis is None or isinstance(axis, tuple):
        return x.size
    return x.shape[axis]


def _oracle(name: str) -> Callable[..., Any]:
    def oracle(x: Any, axis: Any = -1, temperature: float = 1.0) -> Any:
        import torch

        if axis is None:
            return getattr(torch, name)(x.reshape(-1), 0).reshape(x.shape)
        if isinstance(axis, tuple):
            y = x.permute(1, 0, 2).reshape(x.shape[1], -1)
            return getattr(torch, name)(y, 1).reshape(3, 2, 4).permute(1, 0, 2)
        return getattr(torch, name)(x / temperature, axis)

    return oracle


CASES = [
    OpCase(
        ops.softmax,
        _SAMPLES,
        _softmax,
        dtypes=FLOATS + HALVES,
        integer_dtypes=("int32",),
        oracle=_oracle("softmax"),
        reduction=_length,
        bad=_BAD,
        bench=_BENCH,
    ),
    OpCase(
        ops.log_softmax,
        _SAMPLES,
        _log_softmax,
        dtypes=FLOATS + HALVES,
        integer_dtypes=("int32",),
        oracle=_oracle("log_softmax"),
        reduction=_length,
        bad=_BAD,
        bench=_BENCH,
    ),
]
