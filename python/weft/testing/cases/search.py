"""Cases of weft.ops.search."""

from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import INTEGERS, Bad, OpCase, normal, sample, uniform

_SORTED = np.array([-1.0, 0.0, 0.5, 0.5, 2.0])
_NAN = np.array([0.5, np.nan, -np.inf, np.inf])


def _unique(x: Any, return_inverse: bool = False, return_counts: bool = False) -> Any:
    unique: Any = np.unique  # its overloads want literal flags
    result = unique(x, return_inverse=return_inverse, return_counts=return_counts)
    return list(result) if isinstance(result, tuple) else result


CASES = [
    OpCase(
        ops.searchsorted,
        [
            sample(_SORTED, normal(3, 4)),
            sample(_SORTED, np.array([0.5, 2.0, -1.0]), side="right"),
            sample(_SORTED, np.array([0.5, 2.0, -1.0])),
            sample(_SORTED, _NAN),
            sample(_SORTED, _NAN, side="right"),
            sample(np.array([1, 3, 3, 5]), np.array([3, 9, -4])),
            sample(np.zeros(0), normal(2)),
            sample(np.linspace(-2, 2, 129), normal(5000)),
        ],
        np.searchsorted,
        differentiable=False,
        bad=[
            Bad(sample(np.ones((2, 2)), np.ones(2)), ValueError, r"1 axis.*\(2, 2\)"),
            Bad(sample(np.ones(2), np.ones(2), "middle"), ValueError, "side.*middle"),
        ],
    ),
    OpCase(
        ops.digitize,
        [sample(normal(7), np.array([-1.0, 0.0, 1.0]))],
        np.digitize,
        differentiable=False,
    ),
    OpCase(
        ops.bincount,
        [
            sample(np.array([0, 2, 2, 5])),
            sample(np.array([1, 1], "uint8"), minlength=4),
            sample(np.zeros(0, "int64"), minlength=2),
            sample(np.array([0, 2, 2]), weights=normal(3)),
            sample(np.array([0, 2, 2]), normal(3), 5),
        ],
        np.bincount,
        reduction=lambda x, *rest, **options: x.size,
        bad=[
            Bad(sample(np.array([1, -2])), ValueError, "negative.*-2"),
            Bad(sample(np.ones(2)), TypeError, "integers.*float32"),
            Bad(sample(np.array([[1]])), ValueError, r"\(1, 1\)"),
        ],
    ),
    OpCase(
        ops.histogram,
        [
            sample(uniform(50), 6),
            sample(uniform(5, 7), 4, range=(0.25, 0.75)),
            sample(np.array([2.0, 2.0]), 3),
            sample(uniform(20), bins=np.array([0.0, 0.25, 1.0])),
            sample(np.array([1.0, 2.0, 1.0, 4.0]), 3),
        ],
        lambda x, bins=10, range=None: list(np.histogram(x, bins, range)),
        differentiable=False,
        bad=[
            Bad(sample(np.ones(2), 0), ValueError, "bin"),
            Bad(sample(np.ones(2), 3, (1.0, 0.0)), ValueError, r"range \(1.0, 0.0\)"),
            Bad(sample(np.array([1.0, np.inf]), 3), ValueError, "finite"),
            Bad(sample(np.ones(2), np.array(0.5)), ValueError, "edges"),
        ],
    ),
    OpCase(
        ops.unique,
        [
            sample(np.array([[3, 1], [3, 2]])),
            sample(np.array([3, 1, 3]), return_counts=True),
            sample(np.array([3, 1, 3]), return_inverse=True, return_counts=True),
            sample(np.array([0.5, np.nan, 0.5, np.nan])),
            sample(np.zeros(0)),
        ],
        _unique,
        differentiable=False,
    ),
    OpCase(
        ops.isin,
        [
            sample(np.array([[1, 2], [3, 4]]), np.array([3, 1, 9])),
            sample(normal(5), np.zeros(0)),
            sample(np.array([1.0, 0.5]), np.array([0.5])),
        ],
        np.isin,
        integer_dtypes=INTEGERS,
        differentiable=False,
    ),
    OpCase(
        ops.corrcoef,
        [sample(normal(3, 9)), sample(normal(2, 5))],
        np.corrcoef,
        reduction=lambda x: 4 * x.shape[-1],
        bad=[Bad(sample(np.ones((2, 2, 2))), ValueError, r"\(2, 2, 2\)")],
    ),
]
