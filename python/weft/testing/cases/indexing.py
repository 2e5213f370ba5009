"""Cases of weft.ops.indexing, weft.ops.along_axis and weft.ops.scatter."""

from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, INTEGERS, Bad, OpCase, Sample, normal, sample

_ALL = FLOATS + HALVES
_I = np.array


def _keys() -> list[Sample]:
    x = normal(5, 4, 3)
    mask = x > 0
    keys: list[Any] = [
        2,
        -1,
        (1, 2),
        (1, 2, 0),
        np.s_[1:4],
        np.s_[::-2],
        np.s_[:, ::2],
        np.s_[..., 1],
        np.s_[4:1],
        np.s_[:, None, 1],
        _I([0, 3, 3, -1]),
        _I([[0, 1], [2, 4]]),
        (_I([0, 2]), _I([1, 3])),
        (np.s_[:], _I([2, 0, 2])),
        (np.s_[:], _I([1, 0]), _I([2, 2])),
        (_I([1, 0]), np.s_[:], _I([2, 1])),
        (0, np.s_[:], _I([2, 1])),
        (np.s_[1:3], 0, _I([2, 1])),
        (_I([0, 1]), None, _I([[0], [1]])),
        (np.s_[:], np.s_[::-1], _I([0, 2, 0])),
        mask[:, 0, 0],
        mask[:, :, 1],
        mask,
        (np.s_[:], mask[0, :, 1], np.s_[::2]),
        _I([], "int64"),
        True,
    ]
    return [sample(x, k) for k in keys] + [
        sample(normal(0, 3), np.s_[:, 1]),
        sample(normal(33, 65), _I([7, 0, 32])),
        sample(normal(3), 1),
    ]


def _update(x: Any, key: Any, value: Any, accumulate: bool = False) -> Any:
    y = np.array(x)
    if accumulate:
        np.add.at(y, key, value)
    else:
        y[key] = value
    return y


def _setitem(x: Any, key: Any, value: Any) -> Any:
    """`setitem` on a copy, so that it can be tested as a function of x and the value."""
    y = ops.copy(x)
    ops.setitem(y, key, value)
    return y


def _index_add(x: Any, indices: Any, updates: Any, axis: int = 0) -> Any:
    return _update(x, (np.s_[:],) * (axis % x.ndim) + (indices,), updates, accumulate=True)


def _put_along_axis(x: Any, indices: Any, values: Any, axis: int) -> Any:
    y = np.array(x)
    np.put_along_axis(y, indices, values, axis)
    return y


def _scatter(indices: Any, values: Any, shape: Any) -> Any:
    return _update(np.zeros(shape), tuple(np.moveaxis(indices, -1, 0)), values, accumulate=True)


def _scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    key = tuple(np.moveaxis(indices, -1, 0))
    return _update(inputs, key, updates, accumulate=reduction == "add")


def _slice(x: Any, starts: Any, shape: Any) -> Any:
    return x[tuple(np.s_[i : i + n] for i, n in zip(starts, shape, strict=True))]


def _slice_update(x: Any, starts: Any, updates: Any) -> Any:
    return _update(
        x, tuple(np.s_[i : i + n] for i, n in zip(starts, updates.shape, strict=True)), updates
    )


CASES = [
    OpCase(
        ops.getitem,
        _keys,
        lambda x, key: x[key],
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[
            Bad(sample(np.ones(3), 5), IndexError, "index 5 .* axis 0 with size 3"),
            Bad(sample(np.ones(3), -4), IndexError, "index -4 .* axis 0 with size 3"),
            Bad(sample(np.ones((4, 3)), np.s_[:, [0, 7]]), IndexError, "7 .* axis 1 with size 3"),
            Bad(sample(np.ones((4, 3)), (0, 0, 0)), IndexError, r"too many.*2 axes.*3"),
            Bad(sample(np.ones(3), _I([True, False])), IndexError, "mask.*3.*2"),
            Bad(sample(np.ones(3), 1.5), IndexError, "float"),
            Bad(sample(np.ones(3), _I([0.5])), IndexError, "integers"),
            Bad(sample(np.ones(3), "a"), IndexError, "str"),
            Bad(sample(np.ones(3), (..., ...)), IndexError, "one ellipsis"),
            Bad(sample(np.ones((3, 3)), ([0, 1], [0, 1, 2])), IndexError, r"\(2,\).*\(3,\)"),
        ],
        bench=[sample(normal(10000, 64), np.arange(0, 10000, 7))],
    ),
    OpCase(
        _setitem,
        [
            sample(normal(4, 3), 1, normal(3)),
            sample(normal(4, 3), np.s_[::-2], normal(2, 3)),
            sample(normal(4, 3), np.s_[:, 1], normal(1)),
            sample(normal(4, 3), np.s_[1:3], normal(1, 1, 3)),
            sample(normal(4, 3), _I([0, 2]), normal(2, 3)),
            sample(normal(4, 3), (np.s_[:], _I([2, 0])), normal(4, 2)),
            sample(normal(4, 3), (_I([1, 3]), _I([0, 2])), normal(2)),
            sample(normal(4, 3), normal(4, 3) > 0, normal(1)),
            sample(normal(4, 3), np.s_[2:2], normal(3)),
            sample(normal(4, 3), ..., normal()),
        ],
        _update,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[
            Bad(sample(np.ones(3), 5, 0.0), IndexError, "index 5 .* axis 0 with size 3"),
            Bad(sample(np.ones(3), np.s_[:2], np.ones(3)), ValueError, r"\(3,\).*\(2,\)"),
        ],
        covers=("setitem",),
        name="setitem",
    ),
    OpCase(
        ops.take,
        [
            sample(normal(5), _I([3, 0, 3, -1])),
            sample(normal(5, 3), _I([[0, 4], [1, 1]]), axis=0),
            sample(normal(5, 3), _I([2, 0]), axis=1),
            sample(normal(2, 5, 3), _I(4), axis=-2),
            sample(normal(2, 3), _I([5, 0])),
            sample(normal(5, 3), _I([], "int32"), axis=0),
            sample(normal(0, 3), _I([1]), axis=1),
            sample(normal(70, 33), _I([69, 1, 1], "uint8"), axis=0),
            sample(normal(5, 300), _I([4, -5]), axis=0),
            sample(normal(3, 5, 16), _I([4, 0, 2]), axis=1),
            sample(normal(3, 4, 5), _I(2)),
        ],
        np.take,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[
            Bad(sample(np.ones(3), [3]), IndexError, "index 3 .* axis 0 with size 3"),
            Bad(sample(np.ones((3, 2)), [0], axis=2), IndexError, "take.*axis 2"),
            Bad(sample(np.ones(3), [0.5]), TypeError, "take.*integers"),
        ],
        bench=[sample(normal(10000, 64), np.arange(0, 10000, 7), axis=0)],
    ),
    OpCase(
        ops.take_along_axis,
        [
            sample(normal(5), _I([3, 0, 3, -1]), axis=0),
            sample(normal(3, 4), _I([[0, 2], [1, 1], [3, 0]]), axis=1),
            sample(normal(3, 4), _I([[2, 0, 1, 1]]), axis=0),
            sample(normal(2, 3, 4), _I([[[0], [2], [1]]]), axis=-1),
            sample(normal(3, 4), np.zeros((3, 0), "int64"), axis=1),
            sample(normal(3, 4), _I([11, 0]), axis=None),
        ],
        np.take_along_axis,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[
            Bad(sample(np.ones((2, 3)), _I([[3], [0]]), 1), IndexError, "3 .* axis 1 with size 3"),
            Bad(sample(np.ones((2, 3)), _I([0]), 1), ValueError, r"\(1,\).*\(2, 3\)"),
            Bad(sample(np.ones(3), [0.5], 0), TypeError, "take_along_axis.*integers"),
        ],
    ),
    OpCase(
        ops.put_along_axis,
        [
            sample(normal(5), _I([3, 0]), normal(2), axis=0),
            sample(normal(3, 4), _I([[0, 2], [1, 3], [3, 0]]), normal(3, 2), axis=1),
            sample(normal(3, 4), _I([[2, 0, 1, 1]]), normal(1), axis=0),
        ],
        _put_along_axis,
        dtypes=_ALL,
        integer_dtypes=INTEGERS,
        ulps=0,
        bad=[Bad(sample(np.ones(3), _I([3]), 1.0, 0), IndexError, "index 3 .* axis 0")],
    ),
    OpCase(
        ops.index_add,
        [
            sample(normal(5), _I([3, 0, 3]), normal(3)),
            sample(normal(5, 3), _I([4, 4, 1, 4]), normal(4, 3)),
            sample(normal(5, 3), _I([[0, 2], [2, 2]]), normal(5, 2, 2), axis=1),
            sample(normal(5, 3), _I([0, 0]), normal(1), axis=-1),
            sample(normal(65, 40), np.arange(100) % 7, normal(100, 40)),
        ],
        _index_add,
        dtypes=_ALL,
        integer_dtypes=("int32", "int64", "uint8"),
        reduction=lambda x, indices, updates, axis=0: indices.size,
        bad=[Bad(sample(np.ones(3), [3], [1.0]), IndexError, "index 3 .* axis 0 with size 3")],
        bench=[sample(normal(10000, 64), np.arange(0, 10000, 7), normal(1429, 64))],
    ),
    OpCase(
        ops.scatter,
        [
            sample(_I([[0], [2], [2]]), normal(3, 2), (4, 2)),
            sample(_I([[0, 1], [3, 0]]), normal(2), (4, 2)),
            sample(_I([[[1], [0]], [[1], [1]]]), normal(2, 2, 3), (2, 3)),
        ],
        _scatter,
        bad=[
            Bad(sample(_I([[4]]), np.ones(1), (3,)), IndexError, "index 4 .* axis 0 with size 3"),
            Bad(sample(_I([[0, 0]]), np.ones(1), (3,)), ValueError, r"scatter.*\(1, 2\)"),
        ],
    ),
    OpCase(
        ops.scatter_update,
        [
            sample(normal(4, 2), _I([[1], [3]]), normal(2, 2)),
            sample(normal(4, 2), _I([[1, 0], [3, 1]]), normal(2)),
            sample(normal(4), _I([[1], [1]]), normal(2), reduction="add"),
        ],
        _scatter_update,
        bad=[Bad(sample(np.ones(3), _I([[0]]), [1.0], "mul"), ValueError, "reduction.*mul")],
    ),
    OpCase(
        ops.slice,
        [sample(normal(4, 5), (1, 2), (2, 3)), sample(normal(4), (0,), (0,))],
        _slice,
        ulps=0,
        bad=[Bad(sample(np.ones((2, 3)), (0,), (1,)), ValueError, "slice.*2 axes")],
    ),
    OpCase(
        ops.slice_update,
        [sample(normal(4, 5), (1, 2), normal(2, 2))],
        _slice_update,
        ulps=0,
        bad=[Bad(sample(np.ones(2), (0,), np.ones(3)), ValueError, r"\(3,\).*\(2,\)")],
    ),
    OpCase(
        ops.nonzero,
        [
            sample(normal(3, 4) > 0),
            sample(_I([0, 5, 0, 7])),
            sample(np.zeros((2, 0))),
            sample(np.zeros((2, 3))),
            sample(normal(33, 65)),
        ],
        np.nonzero,
        differentiable=False,
        bad=[Bad(sample(_I(3)), ValueError, "nonzero.*without axes")],
    ),
    OpCase(
        ops.one_hot,
        [
            sample(_I([0, 2, 1]), 3),
            sample(_I([[0, 2], [1, 1]]), 4, axis=0),
            sample(_I(2, "uint8"), 3),
            sample(np.zeros((2, 0), "int32"), 3),
            sample(_I([[0, 2], [1, 1]]), 4, axis=1, dtype="int64"),
        ],
        lambda x, n, axis=-1, dtype="float32": np.moveaxis(np.eye(n)[x], -1, axis),
        differentiable=False,
        bad=[
            Bad(sample(_I([0, 7]), 5), ValueError, "label 7 .* 5 classes"),
            Bad(sample(_I([-1]), 5), ValueError, "label -1 .* 5 classes"),
            Bad(sample(np.ones(2), 5), TypeError, "integers"),
            Bad(sample(_I([0]), 0), ValueError, "num_classes"),
        ],
    ),
]
