"""Cases of weft.ops.arithmetic and weft.ops.selection: operations on two or three operands."""

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.testing.cases.elementwise import EDGES, in_float64, torch_function
from weft.testing.opcase import (
    FLOATS,
    HALVES,
    INTEGERS,
    Bad,
    OpCase,
    Sample,
    normal,
    sample,
    uniform,
)

Make = Callable[..., Any]

SHAPES = [
    ((), ()),
    ((4,), ()),
    ((7,), (7,)),
    ((0,), (1,)),
    ((2, 0, 3), (3,)),
    ((3, 5), (5,)),
    ((3, 1), (1, 5)),
    ((5,), (2, 3, 5)),
    ((33, 65), (33, 1)),
    ((9, 600), (9, 600)),
]


def pairs(left: Make = normal, right: Make = normal, edges: bool = True) -> list[Sample]:
    """Operands of shapes that broadcast, and all pairs of special values."""
    found = [sample(left(*a, seed=1), right(*b, seed=2)) for a, b in SHAPES]
    if edges:
        special = np.unique(EDGES[:11])
        found.append(sample(np.repeat(special, 30), np.tile(special, 30)))
    return found


def with_number(make: Make = normal, left: float = 3, right: float = 2) -> list[Sample]:
    """A Python number on either side."""
    return [sample(make(3, 5), right), sample(left, make(3, 5))]


def positive(*shape: int, seed: int = 0) -> Any:
    """Values away from 0."""
    return uniform(*shape, low=0.25, high=2.0, seed=seed)


def binary(
    op: Callable[..., Any],
    calls: list[Sample],
    reference: Callable[..., Any] | None = None,
    integers: tuple[str, ...] = INTEGERS,
    **facts: Any,
) -> OpCase:
    """A case with the reference of the same name in NumPy."""
    return OpCase(
        op,
        calls,
        reference or getattr(np, op.__name__),
        dtypes=FLOATS + HALVES,
        integer_dtypes=integers,
        bench=[sample(normal(256, 256), normal(256, 256))],
        bad=[Bad(sample(np.ones(3), np.ones(4)), ValueError, r"\(3,\).*\(4,\)")],
        **facts,
    )


def bounds(*shape: int) -> list[Sample]:
    x, low, high = (normal(*shape, seed=s) for s in (0, 3, 4))
    return [
        sample(x, -0.5, 0.75),
        sample(x, min=-0.5),
        sample(x, max=0.5),
        sample(x, np.subtract(low, 1.0, out=low), np.add(high, 1.0, out=high)),
    ]


CASES = [
    binary(ops.add, pairs() + with_number(), ulps=1, oracle=torch_function("add")),
    binary(ops.subtract, pairs() + with_number(), ulps=1),
    binary(ops.multiply, pairs() + with_number(), ulps=1, oracle=torch_function("multiply")),
    binary(
        ops.divide, pairs(normal, positive) + with_number(positive), in_float64(np.divide), ulps=1
    ),
    binary(
        ops.floor_divide,
        pairs(normal, positive) + with_number(positive),
        differentiable=False,
        ulps=1,  # beyond 2^24 the quotient itself is rounded
    ),
    binary(ops.remainder, pairs(normal, positive) + with_number(positive), ulps=1),
    binary(ops.fmod, pairs(normal, positive) + with_number(positive), ulps=1),
    binary(
        ops.power,
        pairs(positive, positive) + with_number(positive) + [sample(normal(3, 5), 3)],
        integers=(),
    ),
    OpCase(
        ops.power,
        [sample(np.arange(-3, 4).astype(t), np.arange(7).astype(t)[:, None]) for t in INTEGERS]
        + [sample(np.arange(-3, 4), 3), sample(2, np.arange(7))],
        np.power,
        differentiable=False,
        bad=[
            Bad(sample(np.array([2, 3]), -1), ValueError, "negative integer powers"),
            Bad(sample(np.array([2, 3]), np.array([1, -1])), ValueError, "negative integer powers"),
        ],
        name="integer_power",
    ),
    binary(ops.maximum, pairs() + with_number(), ulps=0, oracle=None),
    binary(ops.minimum, pairs() + with_number(), ulps=0),
    binary(ops.arctan2, pairs(), in_float64(np.arctan2), oracle=torch_function("arctan2")),
    binary(ops.hypot, pairs(), in_float64(np.hypot), oracle=torch_function("hypot")),
    binary(
        ops.logaddexp,
        pairs(positive, positive),
        in_float64(np.logaddexp),
        integers=("int32",),
        oracle=torch_function("logaddexp"),
    ),
    OpCase(
        ops.where,
        [
            sample(normal(3, 5) > 0, normal(3, 5, seed=1), normal(3, 5, seed=2)),
            sample(normal(3, 1) > 0, normal(5), normal(4, 1, 1)),
            sample(normal(7) > 0, normal(7), 0.0),
            sample(normal(7) > 0, 1.0, normal(7)),
            sample(normal(0) > 0, normal(0), normal(1)),
            sample(np.array(True), normal(33, 65), normal(33, 65, seed=1)),
            sample(normal(700) > 0, normal(700), normal(700, seed=1)),
        ],
        np.where,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        bad=[Bad(sample(np.ones(2) > 0, np.ones(3), np.ones(3)), ValueError, "where.*broadcast")],
        bench=[sample(normal(256, 256) > 0, normal(256, 256), 0.0)],
        ulps=0,
    ),
    OpCase(
        ops.clip,
        [s for shape in [(), (0,), (7,), (3, 5), (33, 65)] for s in bounds(*shape)],
        lambda x, low=None, high=None, min=None, max=None: np.clip(
            x, low if min is None else min, high if max is None else max
        ),
        dtypes=FLOATS + HALVES,
        bench=[sample(normal(256, 256), -1.0, 1.0)],
        ulps=0,
    ),
]
