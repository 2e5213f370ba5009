"""Cases of weft.ops.shape, broadcasting, repetition and diagonal."""

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


def _diag(x: Any, k: int = 0) -> Any:
    return np.diag(x, k)


def _sum_to_shape(x: Any, shape: tuple[int, ...]) -> Any:
    lead = x.ndim - len(shape)
    axes = tuple(i for i in range(x.ndim) if i < lead or shape[i - lead] == 1)
    return x.sum(axes).reshape(shape)


def _terms(x: Any, shape: tuple[int, ...]) -> int:
    return x.size // max(1, int(np.prod(shape)))


CASES = [
    _case(
        ops.reshape,
        [
            sample(normal(3, 4), (2, -1)),
            sample(normal(3, 4), (12,)),
            sample(normal(3, 4), -1),
            sample(normal(), (1, 1)),
            sample(normal(2, 0, 3), (0, 5)),
            sample(normal(33, 64), (64, 33)),
        ],
        np.reshape,
        covers=("view",),
        bad=[
            Bad(sample(np.ones((2, 3)), (4,)), ValueError, r"\(2, 3\) has 6.*\(4,\) needs 4"),
            Bad(sample(np.ones((2, 3)), (-1, -1)), ValueError, "only one size can be -1"),
            Bad(sample(np.ones((2, 3)), (-1, 4)), ValueError, r"6 elements.*\(-1, 4\)"),
            Bad(sample(np.ones((2, 3)), (-2, -3)), ValueError, "negative"),
        ],
    ),
    _case(
        ops.ravel,
        [sample(normal(3, 4)), sample(normal()), sample(normal(2, 0))],
        np.ravel,
        covers=("flatten",),
    ),
    _case(
        ops.squeeze,
        [
            sample(normal(3, 1, 4, 1)),
            sample(normal(3, 1, 4, 1), axis=1),
            sample(normal(3, 1, 4, 1), axis=(1, -1)),
            sample(normal(1, 1)),
            sample(normal(3, 4)),
        ],
        np.squeeze,
        bad=[
            Bad(sample(np.ones((2, 1)), axis=0), ValueError, "squeeze.*axis 0.*size 2"),
            Bad(sample(np.ones((2, 1)), axis=2), IndexError, "axis 2"),
        ],
    ),
    _case(
        ops.expand_dims,
        [
            sample(normal(3, 4), 0),
            sample(normal(3, 4), -1),
            sample(normal(3, 4), (0, 2, -1)),
            sample(normal(), 0),
        ],
        np.expand_dims,
        bad=[
            Bad(sample(np.ones(2), 2), IndexError, "axis 2"),
            Bad(sample(np.ones(2), (0, 0)), ValueError, "axis 0 twice"),
        ],
    ),
    _case(
        ops.transpose,
        [
            sample(normal(2, 3, 4)),
            sample(normal(2, 3, 4), (2, 0, 1)),
            sample(normal(2, 3, 4), axes=(0, -1, 1)),
            sample(normal(5)),
            sample(normal()),
            sample(normal(70, 65)),
            sample(normal(0, 3)),
        ],
        np.transpose,
        bad=[
            Bad(sample(np.ones((2, 3)), (0, 0)), ValueError, "axis 0 twice"),
            Bad(sample(np.ones((2, 3)), (0,)), ValueError, "transpose"),
            Bad(sample(np.ones((2, 3)), (0, 2)), IndexError, "axis 2"),
        ],
    ),
    _case(ops.permute_dims, [sample(normal(2, 3, 4), (1, 2, 0))], np.transpose),
    _case(
        ops.swapaxes,
        [sample(normal(2, 3, 4), 0, -1), sample(normal(2, 3), 1, 1)],
        np.swapaxes,
        bad=[Bad(sample(np.ones((2, 3)), 0, 2), IndexError, "swapaxes.*axis 2")],
    ),
    _case(
        ops.moveaxis,
        [
            sample(normal(2, 3, 4), 0, -1),
            sample(normal(2, 3, 4, 5), (0, 1), (-1, -2)),
            sample(normal(2, 3, 4), 2, 0),
        ],
        np.moveaxis,
        bad=[Bad(sample(np.ones((2, 3)), (0, 0), (0, 1)), ValueError, "different axes")],
    ),
    _case(
        ops.flip,
        [
            sample(normal(3, 4), axis=1),
            sample(normal(3, 4)),
            sample(normal(2, 3, 4), axis=(0, -1)),
            sample(normal(0, 2), axis=0),
        ],
        np.flip,
        bad=[
            Bad(sample(np.ones((2, 3)), 2), IndexError, "axis 2"),
            Bad(sample(np.ones((2, 3)), (0, 0)), ValueError, "axis 0 twice"),
        ],
    ),
    _case(ops.fliplr, [sample(normal(2, 3))], np.fliplr),
    _case(ops.flipud, [sample(normal(2, 3))], np.flipud),
    _case(
        ops.rot90,
        [sample(normal(3, 4), k) for k in (0, 1, 2, 3, -1)] + [sample(normal(2, 3, 4), 1, (2, 0))],
        np.rot90,
        bad=[Bad(sample(np.ones((2, 3)), 1, (0, 0)), ValueError, "two different axes")],
    ),
    _case(
        ops.broadcast_to,
        [
            sample(normal(3, 1), (2, 3, 4)),
            sample(normal(), (2, 2)),
            sample(normal(3), (3,)),
            sample(normal(1, 3), (0, 3)),
        ],
        np.broadcast_to,
        bad=[Bad(sample(np.ones((2, 3)), (2, 4)), ValueError, r"\(2, 3\).*\(2, 4\)")],
    ),
    _case(
        ops.broadcast_arrays,
        [sample(normal(3, 1), normal(4)), sample(normal(), normal(2, 3), normal(2, 1))],
        lambda *arrays: list(np.broadcast_arrays(*arrays)),
        bad=[Bad(sample(np.ones(2), np.ones(3)), ValueError, r"\(2,\), \(3,\)")],
    ),
    OpCase(
        ops.sum_to_shape,
        [
            sample(normal(2, 3, 4), (3, 1)),
            sample(normal(2, 3), (2, 3)),
            sample(normal(2, 3), ()),
            sample(normal(2, 3), (1, 1)),
        ],
        _sum_to_shape,
        reduction=_terms,
        bad=[
            Bad(sample(np.ones(3), (2, 3)), ValueError, r"\(2, 3\) does not broadcast"),
            Bad(sample(np.ones((2, 3)), (2,)), ValueError, r"\(2,\) does not broadcast"),
        ],
    ),
    _case(
        ops.tile,
        [
            sample(normal(2, 3), (2, 1, 3)),
            sample(normal(3), 3),
            sample(normal(2, 3), (2,)),
            sample(normal(), (2, 2)),
            sample(normal(2, 3), (0, 1)),
        ],
        np.tile,
        bad=[Bad(sample(np.ones(2), -1), ValueError, "negative")],
    ),
    _case(
        ops.repeat,
        [
            sample(normal(2, 3), 2, axis=1),
            sample(normal(2, 3), 2),
            sample(normal(3), np.array([2, 0, 1])),
            sample(normal(2, 3), [1, 3], axis=0),
            sample(normal(2, 3), 0, axis=-1),
        ],
        np.repeat,
        bad=[Bad(sample(np.ones(3), [1, 2]), ValueError, "3 slices")],
    ),
    _case(
        ops.roll,
        [
            sample(normal(3, 4), 2, axis=1),
            sample(normal(3, 4), -5),
            sample(normal(3, 4), (1, -1), axis=(0, 1)),
            sample(normal(3, 4), 1, axis=(0, 1)),
            sample(normal(0, 2), 1, axis=0),
        ],
        np.roll,
        bad=[Bad(sample(np.ones(3), (1, 2), axis=0), ValueError, "2 shifts.*1 axes")],
    ),
    _case(
        ops.meshgrid,
        [
            sample(normal(2), normal(3)),
            sample(normal(2), normal(3), indexing="ij"),
            sample(normal(2), normal(3), normal(4)),
            sample(normal(2)),
        ],
        lambda *arrays, **options: list(np.meshgrid(*arrays, **options)),
        bad=[Bad(sample(np.ones(2), indexing="yx"), ValueError, "indexing.*yx")],
    ),
    _case(
        ops.diagonal,
        [
            sample(normal(3, 4)),
            sample(normal(3, 4), 1),
            sample(normal(3, 4), -2),
            sample(normal(3, 4), 9),
            sample(normal(3, 4, 2), axis1=1, axis2=2),
            sample(normal(3, 4, 2), -1, axis1=-1, axis2=0),
        ],
        np.diagonal,
        bad=[
            Bad(sample(np.ones(3)), ValueError, "2 axes"),
            Bad(sample(np.ones((3, 3)), 0, 1, 1), ValueError, "both axis 1"),
        ],
    ),
    _case(
        ops.diag,
        [
            sample(normal(4)),
            sample(normal(3), 1),
            sample(normal(3), -2),
            sample(normal(3, 4), 1),
            sample(normal(3, 4), -1),
        ],
        _diag,
        bad=[Bad(sample(np.ones((2, 2, 2))), ValueError, r"\(2, 2, 2\)")],
    ),
    OpCase(
        ops.trace,
        [sample(normal(3, 4)), sample(normal(3, 4, 2), 1, axis1=0, axis2=2)],
        np.trace,
        integer_dtypes=("int64",),
        reduction=lambda x, *rest, **axes: 4,
        bad=[Bad(sample(np.ones(3)), ValueError, "2 axes")],
    ),
    _case(
        ops.tril,
        [
            sample(normal(4, 3)),
            sample(normal(4, 3), -1),
            sample(normal(3, 4), 2),
            sample(normal(2, 3, 3), 9),
            sample(normal(3, 3), -9),
            sample(normal(0, 3)),
        ],
        np.tril,
        bad=[Bad(sample(np.ones(3)), ValueError, "tril.*2 axes")],
    ),
    _case(
        ops.triu,
        [
            sample(normal(4, 3)),
            sample(normal(4, 3), -1),
            sample(normal(3, 4), 2),
            sample(normal(2, 3, 3), 9),
            sample(normal(3, 3), -9),
        ],
        np.triu,
        bad=[Bad(sample(np.ones(3)), ValueError, "triu.*2 axes")],
    ),
]
