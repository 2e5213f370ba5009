"""Cases of weft.ops.loss."""

from collections.abc import Callable
from typing import Any

import numpy as np

from weft import ops
from weft.testing.opcase import FLOATS, HALVES, Bad, OpCase, normal, rng, sample, uniform

_EPSILON = 1e-7


def _labels(classes: Any, *shape: int, dtype: Any = "int64") -> Any:
    return rng(classes).integers(0, classes, shape).astype(dtype)


def _probabilities(*shape: int, seed: int = 0) -> Any:
    return uniform(*shape, low=0.05, high=1.0, seed=seed)


def _log_softmax(x: Any) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _one_hot(y: Any, x: Any, axis: Any = -1) -> Any:
    return np.moveaxis(np.eye(x.shape[axis])[y.astype(int)], -1, axis)


def _softmax_cross_entropy(
    x: Any, y: Any, label_smoothing: float = 0.0, ignore_class: Any = None
) -> Any:
    target = y if y.shape == x.shape else _one_hot(np.clip(y, 0, x.shape[-1] - 1), x)
    target = target * (1 - label_smoothing) + label_smoothing / x.shape[-1]
    loss = -(target * _log_softmax(x)).sum(-1)
    return loss if ignore_class is None else np.where(y == ignore_class, 0.0, loss)


def _cross_entropy(target: Any, x: Any, from_logits: Any, axis: Any) -> Any:
    if from_logits:
        logarithm = np.moveaxis(_log_softmax(np.moveaxis(x, axis, -1)), -1, axis)
    else:
        share = x / x.sum(axis=axis, keepdims=True)
        logarithm = np.log(np.clip(share, _EPSILON, 1 - _EPSILON))
    return -(target * logarithm).sum(axis)


def _sparse(y: Any, x: Any, from_logits: bool = False, axis: Any = -1) -> Any:
    y = y.squeeze(axis) if y.ndim == x.ndim else y
    return _cross_entropy(_one_hot(y, x, axis), x, from_logits, axis)


def _categorical(y: Any, x: Any, from_logits: bool = False, axis: Any = -1) -> Any:
    return _cross_entropy(y, x, from_logits, axis)


def _sigmoid_cross_entropy(x: Any, y: Any) -> Any:
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def _binary(y: Any, x: Any, from_logits: bool = False) -> Any:
    if from_logits:
        return _sigmoid_cross_entropy(x, y)
    p = np.clip(x, _EPSILON, 1 - _EPSILON)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def _huber(y: Any, x: Any, delta: Any) -> Any:
    e = np.abs(x - y)
    return np.where(e > delta, delta * (e - delta / 2), e * e / 2)


def _kl(y: Any, x: Any, epsilon: Any) -> Any:
    y, x = np.clip(y, epsilon, 1), np.clip(x, epsilon, 1)
    return y * np.log(y / x)


_POINTWISE: dict[str, Callable[..., Any]] = {
    "squared_error": lambda y, x, _: (x - y) ** 2,
    "absolute_error": lambda y, x, _: np.abs(x - y),
    "huber": _huber,
    "log_cosh": lambda y, x, _: np.logaddexp(x - y, y - x) - np.log(2),
    "hinge": lambda y, x, _: np.maximum(1 - y * x, 0),
    "squared_hinge": lambda y, x, _: np.maximum(1 - y * x, 0) ** 2,
    "sigmoid_cross_entropy": lambda y, x, _: _sigmoid_cross_entropy(x, y),
    "binary_cross_entropy": lambda y, x, _: _binary(y, x),
    "kl_divergence": _kl,
    "poisson": lambda y, x, e: x - y * np.log(x + e),
}


def _pointwise(
    kind: Any, y: Any, x: Any, number: float = 0.0, rows: bool = True, mean: bool = False
) -> Any:
    value = _POINTWISE[kind](y, x, number)
    if rows:
        value = value.sum(-1) if kind == "kl_divergence" else value.mean(-1)
    return np.asarray(value.mean()) if mean else value


def _pointwise_samples() -> Any:
    samples = []
    for kind in _POINTWISE:
        positive = kind in ("binary_cross_entropy", "kl_divergence", "poisson")
        number = 0.7 if kind == "huber" else _EPSILON if positive else 0.0
        draw = _probabilities if positive else normal
        for shape in [(1, 1), (7, 3), (2, 3, 5), (3, 65), (0, 4), (1, 5000)]:
            # Scaled so that rounding to few digits meets no kink of a loss.
            y = draw(*shape) * 0.9 + 0.01
            samples.append(sample(kind, y, draw(*shape, seed=1) * 0.97, number))
        samples.append(sample(kind, draw(33), draw(33, seed=1) * 0.97, number, rows=False))
        for shape in [(1, 1), (7, 3), (300, 60)]:
            y, x = draw(*shape) * 0.9 + 0.01, draw(*shape, seed=1) * 0.97
            samples.append(sample(kind, y, x, number, mean=True))
    return samples


_CLASSES = [(5, 3), (1, 1), (37, 10), (3, 65), (2, 3, 16), (0, 4), (2, 1000)]
# The one probability of a single class is cut to 1 - 1e-7, which float32 cannot hold.
_SEVERAL = [s for s in _CLASSES if s[-1] > 1]


def _torch_softmax(x: Any, y: Any, label_smoothing: float = 0.0, ignore_class: Any = None) -> Any:
    import torch

    if y.dtype.is_floating_point and y.shape == x.shape:
        y = torch.moveaxis(y, -1, 1) if x.ndim > 2 else y
    x = torch.moveaxis(x, -1, 1) if x.ndim > 2 else x
    ignored = -100 if ignore_class is None else ignore_class
    return torch.nn.functional.cross_entropy(
        x, y, reduction="none", label_smoothing=label_smoothing, ignore_index=ignored
    )


CASES = [
    OpCase(
        ops.softmax_cross_entropy,
        [
            *[sample(normal(*s), _labels(s[-1], *s[:-1])) for s in _CLASSES],
            *[sample(normal(*s), _probabilities(*s), label_smoothing=0.1) for s in _CLASSES],
            sample(normal(6, 5) * 100, _labels(5, 6), label_smoothing=0.3),
            sample(normal(4, 5), np.array([1, 4, 0, 4]), ignore_class=4),
        ],
        _softmax_cross_entropy,
        dtypes=FLOATS + HALVES,
        oracle=_torch_softmax,
        reduction=lambda x, y, **_: x.shape[-1],
        bad=[
            Bad(
                sample(np.zeros((4, 3)), np.array([0, 1, 3, 0])),
                ValueError,
                "label 3 at row 2.*3",
                "label 3 is not.*with 3 classes",
            ),
            Bad(
                sample(np.zeros((4, 3)), np.array([0, -1, 1, 0])),
                ValueError,
                "label -1 at row 1",
                "label -1 is not",
            ),
            Bad(
                sample(np.zeros((2, 3)), np.array([0.0, 1.5])),
                ValueError,
                r"1\.5 at row 1.*integ",
                "label.*integers from 0 to 2",
            ),
            Bad(sample(np.zeros((2, 3)), np.zeros(3, int)), ValueError, r"\(2, 3\).*\(3,\)"),
            Bad(sample(np.zeros((2, 3)), np.zeros(2, int), label_smoothing=2.0), ValueError, "2"),
        ],
        bench=[
            sample(normal(4096, 1000), _labels(1000, 4096)),
            sample(normal(128, 10), _labels(10, 128)),
        ],
    ),
    OpCase(
        ops.sparse_categorical_crossentropy,
        [
            *[sample(_labels(s[-1], *s[:-1]), _probabilities(*s)) for s in _SEVERAL],
            *[sample(_labels(s[-1], *s[:-1]), normal(*s), from_logits=True) for s in _CLASSES],
            sample(_labels(3, 5, 1), _probabilities(5, 3)),
            sample(_labels(3, 5, dtype="uint8"), _probabilities(5, 3)),
            sample(_labels(3, 2, 4), _probabilities(2, 3, 4), axis=1),
        ],
        _sparse,
        dtypes=FLOATS + HALVES,
        reduction=lambda y, x, **_: x.shape[-1],
        bad=[
            Bad(
                sample(np.array([3]), np.ones((1, 3))),
                ValueError,
                "label 3 at row 0",
                "label 3 is not",
            ),
            Bad(sample(np.ones((2, 3)), np.ones((2, 3))), ValueError, r"one-hot.*categorical_c"),
        ],
    ),
    OpCase(
        ops.categorical_crossentropy,
        [
            *[sample(_probabilities(*s), _probabilities(*s, seed=1)) for s in _SEVERAL],
            *[sample(_probabilities(*s), normal(*s), from_logits=True) for s in _CLASSES],
            sample(_probabilities(2, 3, 4), _probabilities(2, 3, 4, seed=1), axis=1),
        ],
        _categorical,
        dtypes=FLOATS + HALVES,
        reduction=lambda y, x, **_: x.shape[-1],
        bad=[Bad(sample(np.array([1]), np.ones((1, 3))), ValueError, r"\(1, 3\).*\(1,\).*sparse")],
    ),
    OpCase(
        ops.pointwise_loss,
        _pointwise_samples,
        _pointwise,
        dtypes=FLOATS + HALVES,
        reduction=lambda kind, y, x, *_, mean=False, **__: x.size if mean else x.shape[-1],
        bad=[
            Bad(sample("huber", np.ones(3), np.ones((3, 1))), ValueError, r"\(3,\).*\(3, 1\)"),
            Bad(sample("hubert", np.ones(3), np.ones(3)), ValueError, "did you mean 'huber'"),
        ],
        bench=[sample("squared_error", normal(4096, 1000), normal(4096, 1000, seed=1))],
    ),
    OpCase(
        ops.sigmoid_cross_entropy,
        [
            sample(np.asarray(normal(*s) * 3), uniform(*s))
            for s in [(), (0,), (7,), (3, 65), (2, 3, 5)]
        ],
        _sigmoid_cross_entropy,
        dtypes=FLOATS + HALVES,
        oracle=lambda x, y: __import__("torch").nn.functional.binary_cross_entropy_with_logits(
            x, y, reduction="none"
        ),
        bad=[Bad(sample(np.ones(3), np.ones(2)), ValueError, r"\(2,\).*\(3,\)")],
    ),
    OpCase(
        ops.binary_crossentropy,
        [
            *[sample(uniform(*s), _probabilities(*s)) for s in [(), (0,), (7,), (3, 65)]],
            sample(uniform(4, 5), normal(4, 5), from_logits=True),
        ],
        _binary,
        dtypes=FLOATS + HALVES,
        bad=[Bad(sample(np.ones(3), np.ones(2)), ValueError, r"\(3,\).*\(2,\)")],
    ),
]
