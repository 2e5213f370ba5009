"""Cases of weft.ops.comparison and weft.ops.logic: comparisons, logic, bits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.testing.cases.arithmetic import pairs, with_number
from weft.testing.cases.elementwise import samples, torch_function
from weft.testing.opcase import FLOATS, HALVES, INTEGERS, Bad, OpCase, rng, sample

COMPARISONS = [
    ops.equal,
    ops.not_equal,
    ops.less,
    ops.less_equal,
    ops.greater,
    ops.greater_equal,
]
LOGIC = [ops.logical_and, ops.logical_or, ops.logical_xor]
PREDICATES = [ops.logical_not, ops.isnan, ops.isinf, ops.isfinite]
BITS = [ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor]


def integers(dtype: str, *shape: int, low: int = -100, high: int = 100, seed: int = 0) -> Any:
    if dtype == "bool":
        return np.asarray(rng(seed).random(shape) < 0.5)
    return np.asarray(rng(seed).integers(max(low, np.iinfo(dtype).min), high, shape), dtype)


def bit_pairs(dtypes: tuple[str, ...]) -> list[Any]:
    shapes = [((), ()), ((0,), (1,)), ((7,), (7,)), ((3, 1), (1, 5)), ((9, 600), (600,))]
    return [
        sample(integers(t, *a, seed=1), integers(t, *b, seed=2)) for t in dtypes for a, b in shapes
    ]


def shifts() -> list[Any]:
    return [
        sample(integers(t, 3, 50), integers(t, 50, low=0, high=np.iinfo(t).bits + 9))
        for t in INTEGERS
    ] + [sample(integers("int32", 7), 3), sample(1, integers("int32", 7, low=0, high=30))]


def flat(op: Callable[..., Any], calls: list[Any], reference: Any = None, **facts: Any) -> OpCase:
    return OpCase(
        op, calls, reference or getattr(np, op.__name__), differentiable=False, ulps=0, **facts
    )


FLOAT_BITS = [Bad(sample(np.ones(3), np.ones(3)), TypeError, "integers.*float32.*astype")]

CASES = [
    *[
        flat(
            op,
            pairs() + with_number() + bit_pairs(("bool", "uint8", "int64")),
            dtypes=FLOATS + HALVES,
            integer_dtypes=INTEGERS,
            bad=[Bad(sample(np.ones(3), np.ones(4)), ValueError, r"\(3,\).*\(4,\)")],
        )
        for op in COMPARISONS
    ],
    *[
        flat(
            op,
            pairs() + bit_pairs(("bool", "uint8")),
            dtypes=FLOATS + HALVES,
            integer_dtypes=INTEGERS,
            oracle=torch_function(op.__name__),
        )
        for op in LOGIC
    ],
    *[
        flat(
            op,
            [*samples(), sample(integers("bool", 3, 7))],
            dtypes=FLOATS + HALVES,
            integer_dtypes=INTEGERS,
            oracle=torch_function(op.__name__),
        )
        for op in PREDICATES
    ],
    *[flat(op, bit_pairs(("bool", *INTEGERS)), bad=FLOAT_BITS) for op in BITS],
    flat(
        ops.bitwise_invert,
        [sample(integers(t, 3, 7)) for t in ("bool", *INTEGERS)],
        np.invert,
        bad=[Bad(sample(np.ones(3)), TypeError, "integers.*float32")],
    ),
    flat(ops.bitwise_left_shift, shifts(), np.left_shift, bad=FLOAT_BITS),
    flat(ops.bitwise_right_shift, shifts(), np.right_shift, bad=FLOAT_BITS),
]
