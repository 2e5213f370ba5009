"""Cases of weft.ops.reduction and weft.ops.extremes."""

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import (
    FLOATS,
    HALVES,
    INTEGERS,
    Bad,
    OpCase,
    distinct,
    normal,
    sample,
    uniform,
)

_ALL = FLOATS + HALVES
# Repeated to more elements than finite differences are tried on.
_NAN = np.tile(
    [[1.0, np.nan, -2.0, 0.0], [np.inf, 3.0, -np.inf, 2.0], [5.0, 7.0, -1.0, 2.0]], (1, 21)
)


def _axes(make: Callable[..., Any]) -> list[Any]:
    """Every way to name axes: none, one, negative, several, all, kept or not."""
    return [
        sample(np.asarray(make())),
        sample(make(1)),
        sample(make(7)),
        sample(make(3, 5)),
        sample(make(3, 5), axis=0),
        sample(make(3, 5), axis=-1, keepdims=True),
        sample(make(2, 3, 4), axis=(0, 2)),
        sample(make(2, 3, 4), axis=[1], keepdims=True),
        sample(make(2, 3, 4), axis=()),
        sample(make(2, 3, 4, 2), axis=(-1, 1)),
        sample(make(2, 3, 4, 2), axis=(1, 2, 3)),
    ]


def _long(make: Callable[..., Any]) -> list[Any]:
    """Every way through the kernels: blocks, tails, columns, folded columns, parts."""
    return [
        sample(make(1000), axis=0),
        sample(make(37, 70), axis=0),
        sample(make(37, 70), axis=1),
        sample(make(700, 3), axis=0),
        sample(make(6, 33, 17), axis=1),
        sample(make(5, 3, 4, 30), axis=(0, 2)),
        sample(np.broadcast_to(make(40), (9, 40)), axis=0),
        sample(np.broadcast_to(make(40), (9, 40)), axis=1),
    ]


def _nan_in_each_place(rows: int, length: int) -> Any:
    """Rows with NaN at places of all lanes and blocks; every third row has none, some two."""
    x = normal(rows, length)
    for i in range(rows):
        if i % 3:
            x[i, i * 37 % length] = np.nan
        if i % 5 == 1:
            x[i, i * 11 % length] = np.nan
    return x


def _ties(*shape: int) -> Any:
    return np.floor(normal(*shape) * 1.5)


# Around the borders of vectors, of rows in registers, of blocks and of tiles of columns.
_BORDERS = [(90, 10), (50, 16), (50, 17), (70, 33), (40, 64), (40, 65), (60, 129)]
_BORDERS += [(40, 1023), (40, 1024), (40, 1025), (20, 2065)]
_EDGES = [
    sample(x, axis=axis)
    for shape in _BORDERS
    for make in (_nan_in_each_place, _ties)
    for x in (make(*shape),)
    for axis in (0, 1)
]
_EDGES += [
    sample(np.full((30, 20), -np.inf), axis=1),
    sample(np.full((30, 20), np.inf), axis=0),
    sample(_nan_in_each_place(700, 64), axis=0),
    sample(_nan_in_each_place(300, 33)[:, ::-1], axis=1),
]
# Narrow rows without gaps, and wide ones: five to eight vectors, tiles of columns.
_COLUMNS = [
    sample(normal(*shape), axis=0)
    for shape in [(700, 10), (300, 16), (261, 24), (300, 64), (133, 40), (130, 128), (41, 1030)]
]
_HUGE = [  # cut into parts that threads share
    sample(normal(70_000) * 0.5 + 1),
    sample(normal(2, 66_000), axis=1),
    sample(normal(20_000, 5), axis=0),
    sample(normal(300, 600), axis=0),
]
_EMPTY = [
    sample(normal(0)),
    sample(normal(0, 3), axis=0),
    sample(normal(3, 0), axis=1),
    sample(normal(0, 3), axis=1),
]
_BAD_AXES = [
    Bad(sample(np.ones((2, 3)), axis=2), IndexError, "axis 2 is out of range.*2 axes"),
    Bad(sample(np.ones((2, 3)), axis=-3), IndexError, "axis -3"),
    Bad(sample(np.ones((2, 3)), axis=(0, -2)), ValueError, "axis -2 is given twice"),
]
_BENCH = [
    sample(normal(32, 10), axis=1),
    sample(normal(1024, 1024)),
    sample(normal(1024, 1024), axis=0),
    sample(normal(1024, 1024), axis=1),
    sample(normal(32, 28, 28, 64), axis=(0, 1, 2)),
]


def _tuple(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _numpy(function: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    return lambda x, axis=None, keepdims=False: function(
        x, axis=_tuple(axis), keepdims=keepdims, **fixed
    )


def _torch(function: Callable[..., Any]) -> Callable[..., Any]:
    """torch reduces all axes where NumPy's () means none."""

    def oracle(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if axis == ():
            return function(x[..., None], dim=-1)
        axes = tuple(range(x.ndim)) if axis is None else axis
        axes = tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
        return function(x, dim=axes, keepdim=keepdims) if axes else function(x.reshape(1), dim=0)

    return oracle


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """For torch functions of one axis: all axes joined to one."""

    def oracle(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if axis == ():
            return function(x[..., None], dim=-1)
        axes = (
            range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else [axis]
        )
        for a in sorted((a % builtins.max(x.ndim, 1) for a in axes), reverse=True):
            x = function(x, dim=a, keepdim=keepdims)
        return x

    return oracle


def _count(x: Any, axis: Any = None, keepdims: bool = False, **_: Any) -> int:
    size = np.sum(np.zeros(x.shape), axis=_tuple(axis)).size
    return x.size // builtins.max(size, 1)


def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if x.dtype.kind == "f" and x.size > 1000:
        x = x.astype("longdouble")
    return x.sum(axis=_tuple(axis), keepdims=keepdims)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = np.asarray(x, "float64")
    top = np.max(x, axis=_tuple(axis), keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    y = np.log(np.sum(np.exp(x - top), axis=_tuple(axis), keepdims=True)) + top
    return y if keepdims else np.sum(y, axis=_tuple(axis))


def _arg(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return function(x, axis=axis, keepdims=keepdims)

    return reference


_ARG_SAMPLES = [
    sample(distinct(7)),
    sample(distinct(3, 5)),
    sample(distinct(3, 5), axis=0),
    sample(distinct(3, 5), axis=-1, keepdims=True),
    sample(distinct(2, 3, 4), axis=1),
    sample(distinct(2, 3, 4), keepdims=True),
    sample(distinct(40, 70), axis=0),
    sample(distinct(3, 2500), axis=1),
    sample(np.array([0.5, 1.0, 1.0, -1.0, -1.0])),
    sample(np.zeros((4, 3)), axis=0),
    sample(normal(0, 3), axis=1),
    sample(_NAN, axis=0),
    sample(_NAN, axis=1),
    *_EDGES,
]
_ARG_BAD = [
    Bad(sample(np.ones((2, 3)), axis=2), IndexError, "axis 2"),
    Bad(sample(np.ones((0, 3)), axis=0), ValueError, r"shape \(0, 3\).*no elements.*axis 0"),
]
_BOOLEAN = [
    sample(np.zeros((3, 4), bool)),
    sample(np.eye(3, dtype=bool), axis=0),
    sample(np.ones((2, 70), bool), axis=1),
]
_EXTREME_SAMPLES = [
    *_axes(distinct),
    *_long(distinct),
    *_BOOLEAN,
    sample(normal(0, 3), axis=1),
    sample(_NAN),
    sample(_NAN, axis=0),
    sample(_NAN, axis=1),
    sample(np.repeat(_NAN, 40, axis=0), axis=0),
    *_EDGES,
]
_EXTREME_BAD = [
    *_BAD_AXES,
    Bad(sample(np.ones((0, 3)), axis=0), ValueError, r"shape \(0, 3\).*axes \(0,\)"),
]

CASES = [
    OpCase(
        ops.sum,
        [
            *_axes(normal),
            *_long(normal),
            *_COLUMNS,
            *_HUGE,
            *_EMPTY,
            *_BOOLEAN,
            sample(_NAN, axis=1),
        ],
        _sum,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        oracle=_torch(lambda x, **k: x.sum(**k)),
        reduction=_count,
        bad=_BAD_AXES,
        bench=_BENCH,
    ),
    OpCase(
        ops.mean,
        [*_axes(normal), *_long(normal), *_HUGE, *_EMPTY, *_BOOLEAN],
        _numpy(np.mean),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        reduction=_count,
        bad=_BAD_AXES,
        bench=_BENCH,
    ),
    OpCase(
        ops.average,
        [
            sample(normal(3, 4)),
            sample(normal(3, 4), axis=1, weights=uniform(3, 4, low=0.5)),
            sample(normal(3, 4), axis=0, weights=uniform(3, low=0.5)),
            sample(normal(2, 3, 4), axis=-2, weights=uniform(3, low=0.5), keepdims=True),
        ],
        lambda x, axis=None, weights=None, keepdims=False: np.average(
            x, axis, weights, keepdims=keepdims
        ),
        reduction=lambda x, **_: x.size,
        bad=[Bad(sample(np.ones((2, 3)), 0, np.ones(3)), ValueError, r"\(3,\).*\(2, 3\)")],
    ),
    OpCase(
        ops.count_nonzero,
        [*_axes(normal), *_BOOLEAN],
        _numpy(np.count_nonzero),
        integer_dtypes=INTEGERS,
        differentiable=False,
        bad=_BAD_AXES,
    ),
    OpCase(
        ops.prod,
        [
            *_axes(lambda *s: uniform(*s, low=0.5, high=1.5)),
            *_long(lambda *s: uniform(*s, low=0.97, high=1.03)),
            sample(np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0], [1.0, 2.0, 4.0]]), axis=1),
            *_EMPTY,
        ],
        _numpy(np.prod),
        dtypes=FLOATS,
        integer_dtypes=("int64",),
        oracle=_each(lambda x, dim, keepdim=False: x.prod(dim, keepdim)),
        reduction=_count,
        bad=_BAD_AXES,
    ),
    OpCase(
        ops.max,
        _EXTREME_SAMPLES,
        _numpy(np.max),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=_EXTREME_BAD,
        bench=_BENCH,
        covers=("amax",),
    ),
    OpCase(
        ops.min,
        _EXTREME_SAMPLES,
        _numpy(np.min),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=_EXTREME_BAD,
        bench=_BENCH,
        covers=("amin",),
    ),
    OpCase(ops.ptp, _axes(distinct), _numpy(np.ptp), bad=_BAD_AXES),
    OpCase(
        ops.argmax,
        _ARG_SAMPLES,
        _arg(np.argmax),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        differentiable=False,
        bad=_ARG_BAD,
        bench=[sample(normal(1000, 10), axis=1), sample(normal(1000, 1000), axis=1)],
    ),
    OpCase(
        ops.argmin,
        _ARG_SAMPLES,
        _arg(np.argmin),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        differentiable=False,
        bad=_ARG_BAD,
    ),
    OpCase(
        ops.any,
        [*_axes(normal), *_long(lambda *s: normal(*s) > 2), *_EMPTY, *_BOOLEAN, sample(_NAN)],
        _numpy(np.any),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        differentiable=False,
        bad=_BAD_AXES,
    ),
    OpCase(
        ops.all,
        [*_axes(normal), *_long(lambda *s: normal(*s) > -2), *_EMPTY, *_BOOLEAN, sample(_NAN)],
        _numpy(np.all),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        differentiable=False,
        bad=_BAD_AXES,
    ),
    OpCase(
        ops.moments,
        [
            sample(s.args[0], s.kwargs.get("axis"), s.kwargs.get("keepdims", False))
            for s in _axes(normal)
        ],
        lambda x, axis, keepdims: [
            f(x, axis=_tuple(axis), keepdims=keepdims) for f in (np.mean, np.var)
        ],
        dtypes=FLOATS,
        reduction=lambda x, axis, keepdims: _count(x, axis),
    ),
    OpCase(
        ops.var,
        [
            *_axes(normal),
            *_long(normal),
            *_long(lambda *s: normal(*s) + 100),
            *_HUGE,
            sample(normal(0, 3), axis=0),
            sample(normal(5, 6), axis=0, correction=1),
            sample(normal(5, 6), ddof=1.5),
            sample(normal(1, 300), axis=0, correction=1),
            # The first rows far from all others: what a shift by the first value would not survive.
            sample(np.concatenate([np.full((40, 3), 2.0**12), normal(3000, 3)]), axis=0),
        ],
        lambda x, axis=None, keepdims=False, correction=0, ddof=None: np.var(
            x, axis=_tuple(axis), keepdims=keepdims, ddof=correction if ddof is None else ddof
        ),
        dtypes=_ALL,
        integer_dtypes=("int8", "int32", "uint8"),
        reduction=_count,
        bad=_BAD_AXES,
        bench=[sample(normal(1024, 1024), axis=0), sample(normal(1024, 1024), axis=1)],
    ),
    OpCase(
        ops.std,
        [
            sample(distinct(7)),
            sample(distinct(3, 5), axis=0),
            sample(distinct(3, 5), axis=-1, keepdims=True),
            sample(distinct(2, 3, 4), axis=(0, 2)),
            sample(distinct(5, 6), axis=0, correction=1),
        ],
        lambda x, axis=None, keepdims=False, correction=0: np.std(
            x, axis=_tuple(axis), keepdims=keepdims, ddof=correction
        ),
        reduction=_count,
        bad=_BAD_AXES,
    ),
    OpCase(
        ops.norm,
        [
            sample(normal(7)),
            sample(normal(3, 5), axis=0),
            sample(normal(3, 5), 2, -1, True),
            sample(normal(3, 5), "fro"),
            sample(distinct(3, 5) + 0.03125, 1, 1),
            sample(distinct(3, 5) + 0.03125, math.inf, 0),
            sample(distinct(3, 5) + 0.03125, -math.inf),
            sample(distinct(3, 5) + 0.03125, 3, 1),
            sample(normal(50, 1200), axis=1),
        ],
        lambda x, ord=None, axis=None, keepdims=False: _norm(x, ord, axis, keepdims),
        reduction=lambda x, *_, **__: x.size,
        bad=[
            Bad(sample(np.ones(3), 0), ValueError, "ord must be a positive number.*got 0"),
            Bad(sample(np.ones(3), "nuc"), ValueError, "nuc"),
        ],
    ),
    OpCase(
        ops.logsumexp,
        [
            *_axes(normal),
            *_long(normal),
            *_EMPTY,
            sample(np.array([[1e4, 1e4], [-1e4, -1e4 + 0.5]]), axis=1),
            sample(np.tile([[-np.inf, -np.inf], [np.inf, 0.0], [np.nan, 0.0]], (1, 50)), axis=1),
        ],
        _logsumexp,
        dtypes=FLOATS,
        integer_dtypes=("int32",),
        reduction=_count,
        oracle=_torch(lambda x, dim, **k: x.logsumexp(dim, **k)),
        bad=_BAD_AXES,
        bench=[sample(normal(4096, 1000), axis=1)],
    ),
    OpCase(
        ops.cumsum,
        [
            sample(normal(7)),
            sample(normal(3, 5)),
            sample(normal(3, 5), axis=0),
            sample(normal(3, 5), axis=-1),
            sample(normal(2, 3, 4), axis=1),
            sample(normal(20, 30), axis=1),
            sample(normal(4, 30, 300), axis=1),
            sample(normal(0, 3), axis=0),
            sample(normal(2, 5) > 0, axis=1),
        ],
        lambda x, axis=None: np.cumsum(x, axis),
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        oracle=lambda x, axis=None: x.reshape(-1).cumsum(0) if axis is None else x.cumsum(axis),
        reduction=lambda x, **_: x.size,
        bad=[Bad(sample(np.ones(3), axis=1), IndexError, "axis 1")],
        bench=[sample(normal(1000, 1000), axis=0), sample(normal(1000, 1000), axis=1)],
    ),
    OpCase(
        ops.cumprod,
        [
            sample(uniform(7, low=0.5, high=1.5)),
            sample(uniform(3, 5, low=0.5, high=1.5), axis=0),
            sample(uniform(2, 3, 4, low=0.5, high=1.5), axis=1),
            sample(np.array([[2.0, 0.0, 3.0, 4.0], [0.0, 1.0, 0.0, 2.0]]), axis=1),
            sample(normal(3, 0), axis=1),
        ],
        lambda x, axis=None: np.cumprod(x, axis),
        integer_dtypes=("int64",),
        oracle=lambda x, axis=None: x.reshape(-1).cumprod(0) if axis is None else x.cumprod(axis),
        bad=[Bad(sample(np.ones(3), axis=1), IndexError, "axis 1")],
    ),
]


def _norm(x: Any, ord: Any, axis: Any, keepdims: Any) -> Any:
    size, axes = np.abs(x), _tuple(axis)
    if ord in (math.inf, -math.inf):
        return (np.max if ord > 0 else np.min)(size, axis=axes, keepdims=keepdims)
    p = 2 if ord in (None, "fro") else ord
    return np.sum(size**p, axis=axes, keepdims=keepdims) ** (1 / p)
