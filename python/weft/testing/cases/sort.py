"""Cases of weft.ops.sort."""

from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, INTEGERS, Bad, OpCase, distinct, normal, sample

_ALL = FLOATS + HALVES
# Too many elements for the gradient checks: neither NaN nor ties have finite differences.
_NAN = np.tile(np.array([[1.0, np.nan, -2.0, -0.0], [np.inf, 0.0, -np.inf, np.nan]]), (1, 30))
_TIES = np.array([1, 1, -2, 1, -2])
_SAMPLES = [
    sample(distinct(7)),
    sample(distinct(3, 5)),
    sample(distinct(3, 5), axis=0),
    sample(distinct(2, 3, 4), axis=1),
    sample(distinct(3, 5), axis=None),
    sample(distinct(3, 5), descending=True),
    sample(_NAN),
    sample(_TIES),
    sample(normal(0, 3)),
    sample(normal(3, 0)),
    sample(normal(2, 700)),
    sample(normal(40, 33), axis=0, descending=True),
]


def _sort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    y = np.sort(x, axis=axis, stable=True)
    return np.flip(y, 0 if axis is None else axis) if descending else y


def _argsort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    axis = 0 if axis is None else axis
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - backwards, axis)


def _topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> list[Any]:
    order = np.take(_argsort(x, axis, largest), range(k), axis)
    return [np.take_along_axis(x, order, axis), order]


CASES = [
    OpCase(
        ops.sort,
        _SAMPLES,
        _sort,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[
            Bad(sample(np.ones((2, 3)), axis=2), IndexError, "axis 2"),
            Bad(sample(np.ones(())), ValueError, "0-d"),
        ],
        bench=[sample(normal(1000, 1000))],
    ),
    OpCase(
        ops.argsort,
        _SAMPLES,
        _argsort,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        differentiable=False,
        bad=[Bad(sample(np.ones((2, 3)), axis=2), IndexError, "axis 2")],
        bench=[sample(normal(1000, 1000))],
    ),
    OpCase(
        ops.topk,
        [
            sample(distinct(7), 3),
            sample(distinct(3, 7), 2, axis=0),
            sample(distinct(3, 7), 4, largest=False),
            sample(_NAN, 2),
            sample(_TIES, 2),
            sample(distinct(3, 7), 0),
            sample(distinct(3, 7), 7),
            sample(normal(2, 700), 40),
        ],
        _topk,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[Bad(sample(np.ones(3), 4), ValueError, "topk.*size 3.*4")],
        bench=[sample(normal(1000, 1000), 5)],
    ),
    OpCase(
        ops.top_k,
        [sample(distinct(3, 7), 3)],
        _topk,
        ulps=0,
        bad=[Bad(sample(np.ones(3), 4), ValueError, "topk.*size 3.*4")],
    ),
]
