"""Cases of weft.ops.join."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, INTEGERS, Bad, OpCase, Sample, normal, sample

_ALL = FLOATS + HALVES


def _case(
    op: Callable[..., Any],
    samples: Sequence[Sample] | Callable[[], Sequence[Sample]],
    reference: Callable[..., Any] | None,
    bad: Sequence[Bad] = (),
    **options: Any,
) -> OpCase:
    """A case that moves elements: exact in every dtype."""
    options = {"dtypes": _ALL, "integer_dtypes": INTEGERS, "ulps": 0, **options}
    return OpCase(op, samples, reference, bad=bad, **options)


def _unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    return [np.take(x, i, axis) for i in range(x.shape[axis])]


_PAIRS = ((1, 2), (2, 0))

CASES = [
    _case(
        ops.concatenate,
        [
            sample([normal(2, 3), normal(2, 1)], axis=1),
            sample([normal(2, 3), normal(4, 3), normal(0, 3)]),
            sample([normal(2, 3), normal(3)], axis=None),
            sample([normal(5)]),
            sample([normal(2, 2, 3), normal(2, 2, 1), normal(2, 2, 2)], axis=-1),
            sample([normal(65, 33), normal(65, 70)], axis=1),
            sample([normal(5, 300), normal(5, 1)], axis=1),
            sample([np.broadcast_to(normal(4, 1), (4, 90)), normal(4, 2)], axis=1),
        ],
        np.concatenate,
        covers=("concat",),
        oracle=None,
        bad=[
            Bad(sample([]), ValueError, "at least one"),
            Bad(sample([np.ones((2, 3)), np.ones((3, 4))]), ValueError, r"\(2, 3\).*\(3, 4\)"),
            Bad(sample([np.ones((2, 3)), np.ones(3)]), ValueError, r"\(2, 3\).*\(3,\)"),
            Bad(sample([np.ones(3)], axis=1), IndexError, "axis 1"),
            Bad(sample([np.ones(())]), ValueError, "0-d"),
        ],
        bench=[sample([normal(128, 256), normal(128, 256)], axis=1)],
    ),
    _case(
        ops.append, [sample(normal(2, 3), normal(2)), sample(normal(2), normal(3), 0)], np.append
    ),
    _case(
        ops.stack,
        [
            sample([normal(2, 3), normal(2, 3, seed=1)], axis=1),
            sample([normal(2, 3), normal(2, 3, seed=1)], axis=-1),
            sample([normal(), normal(seed=1)]),
            sample([normal(0, 2), normal(0, 2)]),
        ],
        np.stack,
        bad=[
            Bad(sample([]), ValueError, "at least one"),
            Bad(sample([np.ones(2), np.ones(3)]), ValueError, r"\(2,\).*\(3,\)"),
        ],
    ),
    _case(
        ops.vstack,
        [sample([normal(3), normal(3, seed=1)]), sample([normal(2, 3), normal(1, 3)])],
        np.vstack,
    ),
    _case(
        ops.hstack,
        [sample([normal(3), normal(2)]), sample([normal(2, 3), normal(2, 1)])],
        np.hstack,
    ),
    _case(
        ops.split,
        [
            sample(normal(6, 2), 3),
            sample(normal(7, 2), [2, 3], axis=0),
            sample(normal(2, 6), 2, axis=-1),
            sample(normal(5), [3, 1]),
            sample(normal(5), [2, 9]),
            sample(normal(5), 1),
        ],
        lambda *args, **axis: list(np.split(*args, **axis)),
        bad=[
            Bad(sample(np.ones((5, 2)), 2), ValueError, r"axis 0 of shape \(5, 2\).*size 5.*2"),
            Bad(sample(np.ones(5), 0), ValueError, "positive"),
            Bad(sample(np.ones(5), 1, axis=1), IndexError, "axis 1"),
        ],
    ),
    _case(
        ops.array_split,
        [sample(normal(7), 3), sample(normal(2, 3), 4, axis=1)],
        lambda *args, **axis: list(np.array_split(*args, **axis)),
        bad=[Bad(sample(np.ones(5), -1), ValueError, "positive")],
    ),
    _case(
        ops.unstack,
        [sample(normal(3, 2)), sample(normal(3, 2), axis=-1), sample(normal(0, 2))],
        _unstack,
        bad=[Bad(sample(np.ones((3, 2)), 2), ValueError, "3 slices.*2")],
    ),
    _case(
        ops.pad,
        [
            sample(normal(2, 3), ((1, 0), (2, 3)), constant_values=7.0),
            sample(normal(3, 4), _PAIRS),
            sample(normal(3), 2),
            sample(normal(2, 3), (1, 2)),
            sample(normal(2, 2, 3), ((0, 0), (1, 1), (0, 0))),
            sample(normal(0, 2), 1),
            sample(normal(4, 5), _PAIRS, mode="reflect"),
            sample(normal(3), (7, 9), mode="reflect"),
            sample(normal(1, 3), 2, mode="reflect"),
            sample(normal(4, 5), _PAIRS, mode="symmetric"),
            sample(normal(3), (7, 8), mode="symmetric"),
            sample(normal(4, 5), _PAIRS, mode="edge"),
            sample(normal(3), (7, 8), mode="wrap"),
        ],
        np.pad,
        bad=[
            Bad(sample(np.ones(3), -1), ValueError, "negative"),
            Bad(sample(np.ones(3), ((1, 1), (1, 1))), ValueError, "1 axes"),
            Bad(sample(np.ones(3), 1, mode="mirror"), ValueError, "mode.*mirror"),
            Bad(sample(np.ones(3), 1.5), TypeError, "integers"),
            Bad(sample(np.ones(0), 1, mode="edge"), ValueError, "empty"),
            Bad(sample(np.ones(3), 1, mode="edge", constant_values=1.0), ValueError, "constant"),
        ],
    ),
]
