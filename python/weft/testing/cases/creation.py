"""Cases of weft.ops.creation."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import INTEGERS, Bad, OpCase, Sample, normal, sample

_SHAPES = [(), (3,), (2, 0), (2, 3)]


def _case(
    op: Callable[..., Any],
    samples: Sequence[Sample] | Callable[[], Sequence[Sample]],
    reference: Callable[..., Any] | None,
    bad: Sequence[Bad] = (),
    differentiable: bool = False,
    **options: Any,
) -> OpCase:
    return OpCase(op, samples, reference, bad=bad, differentiable=differentiable, **options)


def _full(shape: Any, value: Any, dtype: Any = None) -> Any:
    return np.full(shape, value, dtype)


_WRONG_SHAPES = [
    (sample(4, 1), TypeError, r"\(4, 1\)"),
    (sample((-1, 2)), ValueError, "negative"),
    (sample(2.5), TypeError, "integers.*2.5"),
    (sample((2,), "float33"), TypeError, "float33.*float32"),
]


def _bad_shapes() -> list[Bad]:
    return [Bad(*wrong) for wrong in _WRONG_SHAPES]


def _shape_only(op: Callable[..., Any], like: str) -> Callable[..., Any]:
    """`op` with its values overwritten: memory that was not set has no reference."""

    def call(*args: Any) -> Any:
        result = op(*args)
        result[...] = 0
        return result

    call.__name__ = like
    return call


CASES = [
    _case(
        ops.zeros,
        [sample(s) for s in _SHAPES] + [sample(3), sample([2, 1], "int32")],
        np.zeros,
        _bad_shapes(),
    ),
    _case(
        ops.ones,
        [sample(s) for s in _SHAPES] + [sample(3), sample((2,), "bool")],
        np.ones,
        _bad_shapes(),
    ),
    _case(_shape_only(ops.empty, "empty"), [sample(s) for s in _SHAPES], np.zeros, _bad_shapes()),
    _case(
        ops.full,
        [sample((2, 2), 3.5), sample((2,), 7), sample(2, True), sample((2,), 2, "float64")]
        + [sample((2, 3), np.arange(3.0)), sample((2,), 2**53 + 1)],
        _full,
        [Bad(sample((2,), 300, "uint8"), ValueError, "300.*uint8")],
        differentiable=True,
    ),
    _case(
        ops.zeros_like,
        [sample(normal(2, 3)), sample(normal(2), "int8")],
        np.zeros_like,
        integer_dtypes=INTEGERS,
    ),
    _case(
        ops.ones_like,
        [sample(normal(2, 3)), sample(normal(2), "int8")],
        np.ones_like,
        integer_dtypes=INTEGERS,
    ),
    _case(
        ops.full_like,
        [sample(normal(2, 3), 2), sample(normal(2), 2, "int8")],
        np.full_like,
        integer_dtypes=INTEGERS,
    ),
    _case(_shape_only(ops.empty_like, "empty_like"), [sample(normal(2, 3))], np.zeros_like),
    _case(
        ops.arange,
        [
            sample(5),
            sample(0),
            sample(3, 9, 2),
            sample(9, 3, -4),
            sample(3, 3),
            sample(1.0, 2.0, 0.25),
            sample(0.0, 1.0, 0.3, "float64"),
            sample(3, 9, 2, "float32"),
            sample(100000),
        ],
        np.arange,
        [
            Bad(sample(0, 5, 0), ValueError, "step"),
            Bad(sample(5, dtype="float33"), TypeError, "float33"),
        ],
    ),
    _case(
        ops.linspace,
        [
            sample(0.0, 1.0, 7),
            sample(0, 10, 5, endpoint=False),
            sample(0.1, 0.7, 1001),
            sample(2, 3, 1),
            sample(2, 3, 0),
            sample(0, 1, 1, endpoint=False),
        ],
        np.linspace,
        [Bad(sample(0, 1, -1), ValueError, "negative")],
    ),
    _case(ops.logspace, [sample(0.0, 2.0, 4), sample(0, 3, 4, base=2)], np.logspace),
    _case(
        ops.eye,
        [sample(3), sample(3, 4), sample(3, k=1), sample(3, 4, -1), sample(2, 3, 9), sample(0)],
        np.eye,
        [Bad(sample(-1), ValueError, "negative")],
    ),
    _case(ops.identity, [sample(3)], np.identity),
    _case(ops.tri, [sample(3), sample(3, 4, k=1), sample(4, 3, -1)], np.tri),
]
