"""Cases of weft.ops.normalization."""

import math
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, normal, sample, uniform


def _affine(*shape: int) -> Any:
    return uniform(*shape, low=0.5, high=1.5, seed=1), normal(*shape, seed=2)


_LAYER = [
    sample(normal(4, 6)),
    sample(normal(4, 6), *_affine(6)),
    sample(normal(3, 4), gamma=_affine(4)[0]),
    sample(normal(3, 4), beta=_affine(4)[1], epsilon=0.5),
    sample(normal(2, 3, 4), *_affine(3, 4), axis=(1, 2)),
    sample(normal(2, 3, 4), *_affine(3), axis=1),
    sample(normal(2, 3, 4), *_affine(2, 4), axis=[-1, 0]),
    sample(normal(5), *_affine(5), axis=0),
    sample(normal(0, 5), *_affine(5)),
    sample(normal(70, 64), *_affine(64)),
    sample(normal(9, 1000) + 64, *_affine(1000)),
    sample(normal(3, 2500), *_affine(2500)),
]
_BATCH = [
    sample(normal(6, 4)),
    sample(normal(6, 3), *_affine(3)),
    sample(normal(2, 2, 3, 4), *_affine(4)),
    sample(normal(6, 3), beta=_affine(3)[1], epsilon=0.5),
    sample(normal(3, 4, 2), *_affine(4), axis=1),
    sample(normal(4, 3), gamma=_affine(4)[0], axis=0),
    sample(normal(5), *_affine(5)),
    sample(normal(40, 5, 5, 17) + 64, *_affine(17)),
    sample(normal(3000, 3), *_affine(3)),
    sample(normal(70, 300), *_affine(300)),
    sample(normal(1500, 64), *_affine(64)),
]


def _layer_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float = 1e-3
) -> Any:
    axes = tuple(sorted(int(a) % x.ndim for a in np.atleast_1d(axis)))
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)
    y = y if gamma is None else y * gamma.reshape(shape)
    return y if beta is None else y + beta.reshape(shape)


def _inference(
    x: Any,
    mean: Any,
    variance: Any,
    axis: Any = -1,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    shape = [1] * x.ndim
    shape[axis] = -1
    y = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + epsilon)
    y = y if scale is None else y * scale.reshape(shape)
    return y if offset is None else y + offset.reshape(shape)


def _batch_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float = 1e-3
) -> list[Any]:
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    mean, variance = x.mean(others), x.var(others)
    return [_inference(x, mean, variance, axis, beta, gamma, epsilon), mean, variance]


def _torch_layer_norm(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float = 1e-3
) -> Any:
    import torch

    axes = [axis] if isinstance(axis, int) else axis
    axes = sorted(a % x.ndim for a in axes)
    order = [a for a in range(x.ndim) if a not in axes] + axes
    shape = [x.shape[a] for a in axes]
    y = torch.nn.functional.layer_norm(x.permute(order), shape, gamma, beta, epsilon)
    return y.permute([order.index(a) for a in range(x.ndim)])


def _torch_inference(
    x: Any,
    mean: Any,
    variance: Any,
    axis: Any = -1,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    import torch

    moved = x.movedim(axis, -1)
    y = torch.nn.functional.batch_norm(
        moved.reshape(-1, moved.shape[-1]), mean, variance, scale, offset, False, 0.0, epsilon
    )
    return y.reshape(moved.shape).movedim(-1, axis)


def _norm(x: Any, order: Any, axis: Any) -> Any:
    size, axes = np.abs(x), tuple(axis) if isinstance(axis, list) else axis
    if order == math.inf:
        return np.max(size, axis=axes, keepdims=True)
    return np.sum(size**order, axis=axes, keepdims=True) ** (1 / order)


CASES = [
    OpCase(
        ops.layer_norm,
        _LAYER,
        _layer_norm,
        dtypes=FLOATS + HALVES,
        oracle=_torch_layer_norm,
        reduction=lambda x, *_, **__: x.size,
        bad=[
            Bad(sample(np.ones((2, 3)), np.ones(2)), ValueError, r"gamma.*\(2,\).*\(3,\)"),
            Bad(sample(np.ones((2, 3)), None, np.ones(2)), ValueError, r"beta.*\(2,\).*\(3,\)"),
            Bad(sample(np.ones((2, 3)), axis=2), IndexError, "axis 2"),
            Bad(sample(np.ones((2, 3)), epsilon=-1.0), ValueError, "epsilon.*-1"),
            Bad(sample(np.ones((2, 3), "int32")), TypeError, "floating-point.*int32"),
            Bad(sample(np.ones((2, 0))), ValueError, "no features"),
        ],
        bench=[
            sample(normal(128, 10), *_affine(10)),
            sample(normal(512, 64), *_affine(64)),
            sample(normal(4096, 1000), *_affine(1000)),
        ],
        covers=("layer_normalization",),
    ),
    OpCase(
        ops.batch_norm,
        _BATCH,
        _batch_norm,
        dtypes=FLOATS,
        reduction=lambda x, *_, **__: x.size,
        bad=[
            Bad(sample(np.ones((2, 3)), np.ones(2)), ValueError, r"gamma.*\(3,\).*\(2,\)"),
            Bad(sample(np.ones((2, 3)), axis=2), IndexError, "axis 2"),
            Bad(sample(np.ones((0, 3))), ValueError, r"\(0, 3\) has no samples"),
            Bad(sample(np.ones((2, 3), "int32")), TypeError, "floating-point.*int32"),
        ],
        bench=[
            sample(normal(32, 28, 28, 64), *_affine(64)),
            sample(normal(32, 14, 14, 256), *_affine(256)),
        ],
    ),
    OpCase(
        ops.batch_normalization,
        [
            sample(normal(6, 3), *_affine(3)[::-1]),
            sample(normal(6, 3), normal(3), uniform(3), -1, normal(3, seed=5), normal(3, seed=6)),
            sample(normal(2, 3, 4), normal(3), uniform(3), 1, normal(3, seed=5)),
            sample(normal(0, 3), normal(3), uniform(3)),
            sample(normal(20, 30, 70), normal(70), uniform(70), -1, normal(70), normal(70)),
            sample(normal(700, 5), normal(5), uniform(5), -1, None, normal(5), 0.5),
        ],
        _inference,
        dtypes=FLOATS + HALVES,
        oracle=_torch_inference,
        reduction=lambda x, *_, **__: 16,
        bad=[
            Bad(sample(np.ones((2, 3)), np.ones(2), np.ones(3)), ValueError, r"mean.*\(3,\)"),
            Bad(sample(np.ones((2, 3)), np.ones(3), np.ones(3), 2), IndexError, "axis 2"),
        ],
        bench=[sample(normal(32, 28, 28, 64), normal(64), uniform(64))],
    ),
    OpCase(
        ops.normalize,
        [
            sample(normal(3, 5)),
            sample(normal(3, 5), axis=0),
            sample(normal(2, 3, 4), axis=(0, 2)),
            sample(normal(3, 5) + 4, order=1),
            sample(normal(3, 5) + 4, axis=0, order=3),
        ],
        lambda x, axis=-1, order=2: x / np.maximum(_norm(x, order, axis), 1e-12),
        integer_dtypes=("int32",),
        reduction=lambda x, **_: x.size,
        bad=[Bad(sample(np.ones(3), axis=1), IndexError, "axis 1")],
    ),
]
