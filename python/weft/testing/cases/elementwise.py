"""Cases of functions of one tensor: weft.ops.elementwise, exponentials, trigonometry."""

import functools
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
    Sample,
    as_short,
    normal,
    sample,
    uniform,
)

Array = np.ndarray[Any, Any]

SHAPES = [(), (0,), (1,), (7,), (3, 5), (2, 0, 3), (4, 3, 5), (33, 65)]

# Special values. More than 200 elements: finite differences are not tried on them.
EDGES = np.tile([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38, 100.0, -90.0], 23)


def samples(low: float | None = None, high: float = 1.0, edges: bool = True) -> list[Sample]:
    """Normal values, or uniform ones between `low` and `high`, in all shapes; special values."""
    values = [normal(*s) if low is None else uniform(*s, low=low, high=high) for s in SHAPES]
    return [sample(v) for v in values] + ([sample(EDGES)] if edges else [])


def in_float64(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of arguments in float64; NumPy would compute with int8 in float16."""

    @functools.wraps(function)
    def widened(*args: Any) -> Any:
        return function(*[np.asarray(a, "float64") for a in args])

    return widened


def torch_function(name: str) -> Callable[..., Any]:
    """torch.NAME, looked up when it is called: torch need not be installed."""
    return lambda *args, **kwargs: getattr(__import__("torch"), name)(*args, **kwargs)


def smooth(
    op: Callable[..., Any],
    low: float | None = None,
    high: float = 1.0,
    reference: Callable[..., Any] | None = None,
    oracle: str = "",
    **facts: Any,
) -> OpCase:
    """A differentiable function of floats, named as in NumPy and PyTorch unless said otherwise."""
    name = op.__name__
    shape = (256, 256)
    return OpCase(
        op,
        samples(low, high),
        in_float64(reference or getattr(np, name)),
        dtypes=FLOATS + HALVES,
        integer_dtypes=() if low is not None and (low > 0 or high < 2) else INTEGERS,
        oracle=torch_function(oracle or name),
        bench=[sample(normal(*shape) if low is None else uniform(*shape, low=low, high=high))],
        **facts,
    )


def stepwise(op: Callable[..., Any], **facts: Any) -> OpCase:
    """A function whose gradient is 0 or does not exist."""
    calls = [*samples(), sample(np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e9]))]
    facts.setdefault("oracle", torch_function(op.__name__))
    return OpCase(
        op,
        calls,
        getattr(np, op.__name__),
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        differentiable=False,
        ulps=0,
        **facts,
    )


def decimal_samples() -> list[Sample]:
    return [sample(as_short(normal(3, 4) * 100), 1), sample(as_short(normal(3, 4) * 100), -1)]


CASES = [
    OpCase(
        ops.negative,
        samples(),
        np.negative,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        oracle=torch_function("neg"),
        bad=[Bad(sample(np.array([True])), TypeError, "bool.*logical_not")],
        ulps=0,
    ),
    OpCase(
        ops.positive,
        samples(),
        np.positive,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        ulps=0,
    ),
    OpCase(
        ops.abs,
        samples(),
        np.abs,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        oracle=torch_function("abs"),
        ulps=0,
    ),
    OpCase(
        ops.square,
        samples(),
        np.square,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        oracle=torch_function("square"),
        ulps=1,
    ),
    stepwise(ops.sign, oracle=None),  # PyTorch's sign of NaN is 0
    stepwise(ops.floor),
    stepwise(ops.ceil),
    stepwise(ops.trunc),
    stepwise(ops.round),
    OpCase(
        ops.round,
        decimal_samples(),
        np.round,
        differentiable=False,
        integer_dtypes=("int32",),
        name="round_to_decimals",
    ),
    smooth(ops.sqrt, 0.1, 9.0, ulps=1),
    smooth(ops.rsqrt, 0.1, 9.0, lambda x: 1 / np.sqrt(x), ulps=2),
    smooth(ops.reciprocal, 0.1, 9.0, lambda x: 1 / x, ulps=1),
    smooth(ops.exp),
    smooth(ops.exp2),
    smooth(ops.expm1),
    smooth(ops.log, 0.1, 9.0),
    smooth(ops.log2, 0.1, 9.0),
    smooth(ops.log10, 0.1, 9.0),
    smooth(ops.log1p, -0.9, 9.0),
    smooth(ops.erf, reference=np.vectorize(math.erf, otypes=["float64"])),
    smooth(ops.sin),
    smooth(ops.cos),
    smooth(ops.tan, -1.4, 1.4),
    smooth(ops.arcsin, -0.9, 0.9),
    smooth(ops.arccos, -0.9, 0.9),
    smooth(ops.arctan),
    smooth(ops.sinh),
    smooth(ops.cosh),
    smooth(ops.arcsinh),
    smooth(ops.arccosh, 1.1, 9.0),
    smooth(ops.arctanh, -0.9, 0.9),
]
