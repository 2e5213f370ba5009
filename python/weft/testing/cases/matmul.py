"""Cases of weft.ops.matmul and weft.ops.einsum."""

from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, INTEGERS, Bad, OpCase, Sample, normal, sample


def _inner(x: Any, y: Any, *_: Any, **__: Any) -> int:
    return int(np.shape(x)[-1]) if np.ndim(x) else 1


def _products() -> list[Sample]:
    """Vectors, matrices with sizes around every tile, batches; swapped axes as views."""
    shapes = [
        ((3,), (3,)),
        ((0,), (0,)),
        ((4,), (4, 5)),
        ((4, 5), (5,)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 3)),
        ((1, 1), (1, 1)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((2, 3), (3, 0)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (3, 4, 2)),
        ((1, 2, 3), (4, 3, 2)),
        ((0, 2, 3), (3, 4)),
        ((2, 3, 1, 4), (1, 4, 1)),
    ]
    samples = [sample(normal(*a), normal(*b, seed=1)) for a, b in shapes]
    edges = [5, 6, 7, 13, 14, 15, 16, 17, 31, 32, 33]
    for i, m in enumerate(edges):
        n, k = edges[-1 - i], edges[(3 * i + 5) % len(edges)]
        x, y = normal(m, k), normal(k, n, seed=1)
        samples.append(sample(x, y))
        samples.append(sample(normal(k, m).T, normal(n, k, seed=1).T))
    for m, n, k in [(113, 1, 70), (1, 113, 70), (113, 113, 33), (29, 3, 600), (43, 33, 17)]:
        samples.append(sample(normal(m, k), normal(k, n, seed=1)))
        samples.append(sample(normal(k, m).T, normal(k, n, seed=1)))
        samples.append(sample(normal(m, k), normal(n, k, seed=1).T))
    batch, columns = normal(3, 9, 8), normal(3, 7, 9, seed=1).swapaxes(1, 2)
    samples.append(sample(batch.swapaxes(1, 2), columns))
    samples.append(sample(normal(8, 3, 9).transpose(1, 0, 2), columns))
    return samples


def _linear(x: Any, kernel: Any, bias: Any = None, activation: Any = None) -> Any:
    y = x @ kernel if bias is None else x @ kernel + bias
    return np.maximum(y, 0) if activation == "relu" else y


def _oracle_linear(x: Any, kernel: Any, bias: Any = None, activation: Any = None) -> Any:
    import torch

    y = torch.nn.functional.linear(x, kernel.mT, bias)
    return torch.relu(y) if activation == "relu" else y


def _linears() -> list[Sample]:
    samples = []
    for lead, k, n in [((), 4, 3), ((5,), 4, 3), ((2, 3), 5, 17), ((0,), 4, 3), ((3,), 0, 2)]:
        x, kernel, bias = normal(*lead, k), normal(k, n, seed=1), normal(n, seed=2)
        for activation in (None, "linear", "relu"):
            samples.append(sample(x, kernel, bias, activation))
        samples.append(sample(x, kernel, activation="relu"))
        samples.append(sample(x, kernel))
    samples.append(sample(normal(33, 70), normal(70, 10, seed=1), normal(10, seed=2), "relu"))
    samples.append(sample(normal(4, 6), normal(3, 6, seed=1).T, normal(3, seed=2)))
    return samples


_EINSUMS = [
    ("i->", (4,)),
    ("ij->ji", (2, 3)),
    ("ij", (2, 3)),
    ("ba", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->ji", (3, 3, 2)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("i,i", (5,), (5,)),
    ("i,j->ij", (3,), (4,)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,ij->i", (2, 3), (2, 3)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("...ij,...jk->...ik", (2, 2, 3), (3, 4)),
    ("...ij,jk->...k", (2, 2, 3), (3, 2)),
    ("...,...", (2, 3), (3,)),
    ("i...->...", (3, 2)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("a,b,c->cab", (2,), (3,), (2,)),
    ("ijk,ilm,jl->km", (2, 3, 2), (2, 2, 3), (3, 2)),
    ("ij,kj->i", (2, 3), (4, 3)),
    ("ij,kl->", (2, 3), (2, 2)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)),
    (" i j , j k -> i k ", (2, 3), (3, 2)),
    (",i->i", (), (3,)),
    ("i->i", (1,)),
]


def _einsum_samples() -> list[Sample]:
    return [
        sample(text, *(normal(*shape, seed=i) for i, shape in enumerate(shapes)))
        for text, *shapes in _EINSUMS
    ]


def _einsum_reduction(*args: Any) -> int:
    letters = {c for c in args[0].partition("->")[0] if c.isalpha()}
    return 4 ** len(letters)


CASES = [
    OpCase(
        ops.matmul,
        _products,
        np.matmul,
        dtypes=FLOATS + HALVES,
        integer_dtypes=INTEGERS,
        oracle=lambda x, y: x @ y,
        reduction=_inner,
        bad=[
            Bad(
                sample(normal(2, 16), normal(10, 4)),
                ValueError,
                r"matmul: x has shape \(2, 16\) and y has shape \(10, 4\): axis 1 of x \(16\) and "
                r"axis 0 of y \(10\) must be equal",
            ),
            Bad(sample(normal(2, 3), normal(4, 3)), ValueError, "transpose y"),
            Bad(sample(normal(3, 2), normal(3, 4)), ValueError, "transpose x"),
            Bad(sample(normal(3), normal(4)), ValueError, r"axis 0 of y \(4\)"),
            Bad(sample(normal(), normal(4)), ValueError, "at least one axis"),
            Bad(sample(normal(2, 3, 4), normal(3, 4, 5)), ValueError, "matmul.*broadcast"),
        ],
        bench=[
            sample(normal(128, 784), normal(784, 128)),
            sample(normal(32, 784), normal(128, 784).T),
            sample(normal(32, 784).T, normal(32, 128)),
            sample(normal(256, 256), normal(256, 256)),
            sample(normal(512, 512), normal(512, 512)),
        ],
    ),
    OpCase(
        ops.linear,
        _linears,
        _linear,
        dtypes=FLOATS + HALVES,
        oracle=_oracle_linear,
        reduction=_inner,
        bad=[
            Bad(sample(normal(2, 3), normal(4, 5)), ValueError, r"linear: .*\(3\).*\(4\)"),
            Bad(sample(normal(2, 3), normal(5, 3)), ValueError, "transpose the kernel"),
            Bad(sample(normal(2, 3), normal(3)), ValueError, r"\(inputs, outputs\)"),
            Bad(sample(normal(2, 3), normal(3, 4), normal(3)), ValueError, r"needs \(4,\)"),
            Bad(sample(normal(2, 3), normal(3, 4), None, "relo"), ValueError, "relo.*relu"),
            Bad(sample(np.ones((2, 3), int), np.ones((3, 4), int)), TypeError, "astype"),
        ],
        bench=[sample(normal(32, 784), normal(784, 128), normal(128), "relu")],
    ),
    OpCase(
        ops.dot,
        [
            sample(normal(*a), normal(*b, seed=1))
            for a, b in [
                ((), ()),
                ((), (3,)),
                ((2, 3), ()),
                ((4,), (4,)),
                ((2, 4), (4,)),
                ((2, 3), (3, 4)),
                ((2, 2, 3), (3, 2)),
                ((2, 3), (2, 3, 2)),
                ((2, 2, 3), (2, 3, 2)),
            ]
        ],
        np.dot,
        integer_dtypes=INTEGERS,
        reduction=_inner,
        bad=[Bad(sample(normal(2, 3), normal(2, 4, 5)), ValueError, r"\[3\].*\[4\]")],
    ),
    OpCase(
        ops.inner,
        [
            sample(normal(*a), normal(*b, seed=1))
            for a, b in [((), ()), ((), (2,)), ((4,), (4,)), ((2, 3), (4, 3)), ((2, 2, 3), (3,))]
        ],
        np.inner,
        reduction=_inner,
        bad=[Bad(sample(normal(3), normal(4)), ValueError, "sizes")],
    ),
    OpCase(
        ops.outer,
        [
            sample(normal(*a), normal(*b, seed=1))
            for a, b in [((3,), (4,)), ((0,), (4,)), ((2, 2), (3,)), ((), (3,))]
        ],
        np.outer,
        integer_dtypes=INTEGERS,
    ),
    OpCase(
        ops.vdot,
        [
            sample(normal(*a), normal(*b, seed=1))
            for a, b in [((), ()), ((5,), (5,)), ((2, 3), (3, 2)), ((0,), (0, 2)), ((113,), (113,))]
        ],
        np.vdot,
        reduction=lambda x, y: int(np.size(x)),
        bad=[Bad(sample(normal(3), normal(4)), ValueError, "3 elements.* 4")],
    ),
    OpCase(
        ops.vecdot,
        [
            sample(normal(4), normal(4, seed=1)),
            sample(normal(2, 3, 4), normal(4, seed=1)),
            sample(normal(2, 3), normal(2, 3, seed=1), axis=0),
            sample(normal(2, 1, 4), normal(3, 4, seed=1)),
            sample(normal(2, 3, 4), normal(2, 3, 4, seed=1), axis=-2),
            sample(normal(3, 0), normal(3, 0)),
        ],
        lambda x, y, axis=-1: (np.moveaxis(x, axis, -1) * np.moveaxis(y, axis, -1)).sum(-1),
        reduction=lambda x, y, axis=-1: int(np.shape(x)[axis]),
        bad=[
            Bad(sample(normal(3), normal(4)), ValueError, "last sizes"),
            Bad(sample(normal(3), normal(3), axis=1), IndexError, "axis 1"),
        ],
    ),
    OpCase(
        ops.tensordot,
        [
            sample(normal(2, 3), normal(2, 3, seed=1)),
            sample(normal(2, 3), normal(3, 4, seed=1), 1),
            sample(normal(2), normal(3, seed=1), 0),
            sample(normal(2, 3, 4), normal(4, 3, 2, seed=1), ([1, 2], [1, 0])),
            sample(normal(2, 3, 4), normal(3, 2, seed=1), ((0, 1), (1, 0))),
            sample(normal(2, 3), normal(4, 3, seed=1), (1, -1)),
            sample(normal(2, 0), normal(0, 3), 1),
        ],
        np.tensordot,
        reduction=lambda x, y, axes=2: int(np.size(x)) + 1,
        bad=[
            Bad(sample(normal(2, 3), normal(2, 3), 1), ValueError, r"\[3\].*\[2\]"),
            Bad(sample(normal(2, 3), normal(2, 3), 3), ValueError, "3 axes"),
            Bad(sample(normal(2, 3), normal(2, 3), ([2], [0])), IndexError, "axis 2.* x"),
            Bad(sample(normal(2, 2), normal(2, 2), ([0, 0], [0, 1])), ValueError, "twice"),
            Bad(sample(normal(2, 2), normal(2, 2), "ij"), TypeError, "integer or two lists"),
        ],
    ),
    OpCase(
        ops.einsum,
        _einsum_samples,
        np.einsum,
        integer_dtypes=("int8", "int32", "int64"),
        oracle=None,
        reduction=_einsum_reduction,
        bad=[
            Bad(sample("ij,jk->ik", normal(2, 3)), ValueError, "2 operands, but 1"),
            Bad(sample("ij,jk->ik", normal(2, 3), normal(4, 5)), ValueError, "'j'.* 3 .* 4"),
            Bad(sample("ij->k", normal(2, 3)), ValueError, "'k'"),
            Bad(sample("ij->ii", normal(2, 3)), ValueError, "twice"),
            Bad(sample("ijk", normal(2, 3)), ValueError, "3 axes"),
            Bad(sample("i", normal(2, 3)), ValueError, "1 axes"),
            Bad(sample("i.j", normal(2, 3)), ValueError, "letters"),
            Bad(sample("ii", normal(2, 3)), ValueError, "diagonal"),
            Bad(sample("...i->i", normal(2, 3)), ValueError, r"'\.\.\.'"),
            Bad(sample(normal(2, 3), "ij"), TypeError, "string"),
        ],
    ),
]
