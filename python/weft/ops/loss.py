"""Losses fused with their gradients: cross-entropies and pointwise losses, one value for each row.

The kernels of csrc/ops/cross_entropy.h and csrc/ops/loss.h do one pass forward and one backward.
When gradients are themselves recorded, the same gradients are composed of public operations, which
gives second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft import _C, ops
from weft.autograd.recording import Function, is_grad_enabled
from weft.errors import number as as_number
from weft.tensor import Tensor, as_tensor

__all__ = [
    "binary_crossentropy",
    "categorical_crossentropy",
    "pointwise_loss",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_categorical_crossentropy",
]

EPSILON = 1e-7


class SoftmaxCrossEntropy(Function):
    """Saves the logits (or probabilities), the labels and two numbers for each row.

    The mean over class numbers, which is what training asks for, computes its gradient along with
    the loss; the first walk takes it, and further ones compute it again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Any,
        y: Any,
        label_smoothing: float,
        ignore_class: Any,
        epsilon: float,
        mean: bool = False,
    ) -> Any:
        # Not in half precision, where a small gradient would vanish before a loss scale saves it.
        fused = mean and ctx.needs_grad[0] and y.ndim < x.ndim and x.dtype.itemsize >= 4
        loss, statistics, ctx.dx = _C.softmax_cross_entropy(
            x, y, label_smoothing, ignore_class, epsilon, mean, fused
        )
        ctx.save(x, y, statistics)
        ctx.options = (label_smoothing, ignore_class, epsilon)
        return loss

    @staticmethod
    def backward(ctx: Any, dloss: Tensor) -> Any:
        x, y, statistics = ctx.saved
        dx = dy = None
        recorded = is_grad_enabled()
        if dloss.ndim == 0 and x.ndim > 1 and (recorded or ctx.needs_grad[1]):
            rows = x.shape[:-1]  # the gradient of the mean is that of each row, divided
            dloss = ops.broadcast_to(dloss * (x.shape[-1] / x.size), rows)
        if ctx.needs_grad[1]:
            dy = _weights_gradient(dloss, x, *ctx.options)
        if ctx.needs_grad[0]:
            if recorded:
                dx = _composed_gradient(dloss, x, y, *ctx.options)
            elif ctx.dx is not None:
                slope, ctx.dx = ctx.dx, None
                if not dloss._is_one:
                    slope = _C.multiply(slope, dloss._data)
                dx = Tensor(slope)
            else:
                dx = Tensor(
                    _C.softmax_cross_entropy_backward(
                        dloss._data, x._data, y._data, statistics._data, *ctx.options
                    )
                )
        return dx, dy


def _target(x: Tensor, y: Tensor, label_smoothing: float, ignore_class: int | None) -> Tensor:
    """The weights of all classes, from class numbers or weights."""
    classes = x.shape[-1]
    if y.shape == x.shape:
        target = ops.cast(y, x.dtype)
    else:
        target = ops.one_hot(ops.cast(y, "int64"), classes, dtype=x.dtype)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    if ignore_class is not None:
        kept = ops.expand_dims(ops.not_equal(y, ignore_class), -1)
        target = ops.where(kept, target, ops.zeros_like(target))
    return target


def _share(x: Tensor) -> Tensor:
    return x / ops.sum(x, axis=-1, keepdims=True)


def _composed_gradient(
    dloss: Tensor,
    x: Tensor,
    y: Tensor,
    label_smoothing: float,
    ignore_class: int | None,
    epsilon: float,
) -> Tensor:
    target = _target(x, y, label_smoothing, ignore_class)
    if epsilon:
        share = _share(x)
        inside = (share.detach() >= epsilon) & (share.detach() <= 1 - epsilon)
        target = ops.where(inside, target, ops.zeros_like(target))
        total = ops.sum(target, axis=-1, keepdims=True)
        slope = total / ops.sum(x, axis=-1, keepdims=True)
        slope = slope - ops.where(inside, target / x, ops.zeros_like(x))
    else:
        slope = ops.softmax(x) * ops.sum(target, axis=-1, keepdims=True) - target
    return ops.expand_dims(dloss, -1) * slope


def _weights_gradient(
    dloss: Tensor, x: Tensor, label_smoothing: float, ignore_class: int | None, epsilon: float
) -> Tensor:
    logarithm = (
        ops.log(ops.clip(_share(x), epsilon, 1 - epsilon)) if epsilon else ops.log_softmax(x)
    )
    return ops.expand_dims(dloss, -1) * logarithm * (label_smoothing - 1.0)


def softmax_cross_entropy(
    logits: Any, labels: Any, label_smoothing: float = 0.0, ignore_class: int | None = None
) -> Tensor:
    """The cross-entropy between labels and the softmax of logits, for each row.

    Args:
        logits: (..., C), floating-point.
        labels: Class numbers of shape (...) and any dtype, or weights of the shape of `logits`.
        label_smoothing: Share of each target that is spread over all classes, in [0, 1].
        ignore_class: Class number whose rows have loss 0 and no gradient.

    Returns:
        Losses (...). Largest error: 4 ULP of the largest exponential's logarithm, at any size of
        the logits.

    Raises:
        ValueError: If the shapes do not fit, or a label is no integer from 0 to C - 1; the message
            has the label and its row.
        TypeError: If `logits` are not floating, or `ignore_class` is no integer.

    Example:
        >>> import weft
        >>> loss = weft.softmax_cross_entropy(weft.tensor([[0.0, 0.0], [0.0, 100.0]]), [0, 1])
        >>> [round(x, 4) for x in loss.tolist()]
        [0.6931, 0.0]

    Follows tf.nn.softmax_cross_entropy_with_logits, and of class numbers its sparse form.
    """
    x = as_tensor(logits, near=labels)
    smoothing = as_number("softmax_cross_entropy", "label_smoothing", label_smoothing)
    return SoftmaxCrossEntropy.apply(x, _labels(labels, x), smoothing, ignore_class, 0.0)


def _labels(labels: Any, x: Tensor) -> Tensor:
    y = as_tensor(labels, near=x)
    return y.astype(x.dtype) if y.shape == x.shape and y.dtype != x.dtype else y


def _to_last(x: Tensor, axis: int) -> Tensor:
    return x if axis in (-1, x.ndim - 1) else ops.moveaxis(x, axis, -1)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """The cross-entropy between class numbers and predictions.

    Args:
        target: Class numbers, of the shape of `output` without its `axis` (or with length 1 there).
        output: Probabilities, which are scaled to sum 1 and cut to [1e-7, 1 - 1e-7]; or logits.
        from_logits: Whether `output` are logits.
        axis: The axis of the classes.

    Returns:
        Losses of the shape of `output` without `axis`.

    Raises:
        ValueError: As `softmax_cross_entropy`.
        TypeError: If `axis` is no integer, or an operand does not hold numbers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> weft.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).shape
        (1,)

    Follows keras.ops.sparse_categorical_crossentropy.
    """
    x = as_tensor(output, near=target)
    x = _to_last(x, axis)
    y = as_tensor(target, near=x)
    if y.ndim == x.ndim and y.shape[axis] == 1:
        y = ops.squeeze(y, axis)
    if y.shape != x.shape[:-1]:
        raise ValueError(
            f"sparse_categorical_crossentropy: predictions of shape {x.shape} need class numbers "
            f"of shape {x.shape[:-1]}, got shape {y.shape}; for one-hot rows use "
            "categorical_crossentropy"
        )
    return SoftmaxCrossEntropy.apply(x, y, 0.0, None, 0.0 if from_logits else EPSILON)


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """The cross-entropy between rows of weights (such as one-hot labels) and predictions.

    Args:
        target: Weights of the classes, of the shape of `output`.
        output: As in `sparse_categorical_crossentropy`.
        from_logits: Whether `output` are logits.
        axis: The axis of the classes.

    Returns:
        Losses of the shape of `output` without `axis`.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If `axis` is no integer, or an operand does not hold numbers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> loss = weft.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> [round(x, 4) for x in loss.tolist()]
        [0.6931]

    Follows keras.ops.categorical_crossentropy.
    """
    x, y = as_tensor(output, near=target), as_tensor(target, near=output)
    if y.shape != x.shape:
        raise ValueError(
            f"categorical_crossentropy: predictions of shape {x.shape} need targets of the same "
            f"shape, got {y.shape}; for class numbers use sparse_categorical_crossentropy"
        )
    x, y = _to_last(x, axis), _to_last(y, axis)
    y = y if y.dtype == x.dtype else y.astype(x.dtype)
    return SoftmaxCrossEntropy.apply(x, y, 0.0, None, 0.0 if from_logits else EPSILON)


# --- pointwise losses ----------------------------------------------------------------------------


def _cut(x: Tensor, low: float, high: float) -> Tensor:
    """1 where `x` is inside, 0 where a cut removed it: the slope of a clip."""
    return ops.cast((x >= low) & (x <= high), x.dtype)


def _huber_slope(y: Tensor, x: Tensor, delta: float) -> Tensor:
    return ops.clip(x - y, -delta, delta)


def _hinge_slope(y: Tensor, x: Tensor, _: float) -> Tensor:
    return -y * ops.cast(1.0 - y * x > 0.0, x.dtype)


def _binary_slope(y: Tensor, x: Tensor, epsilon: float) -> Tensor:
    p = ops.clip(x, epsilon, 1 - epsilon)
    return _cut(x, epsilon, 1 - epsilon) * (p - y) / (p * (1.0 - p))


def _kl_slope(y: Tensor, x: Tensor, epsilon: float) -> Tensor:
    p = ops.clip(x, epsilon, 1.0)
    return -_cut(x, epsilon, 1.0) * ops.clip(y, epsilon, 1.0) / p


# df/dx and df/dy of each kind, composed of public operations.
_SLOPES: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "squared_error": (lambda y, x, _: 2.0 * (x - y), lambda y, x, _: 2.0 * (y - x)),
    "absolute_error": (lambda y, x, _: ops.sign(x - y), lambda y, x, _: ops.sign(y - x)),
    "huber": (_huber_slope, lambda y, x, d: -_huber_slope(y, x, d)),
    "log_cosh": (lambda y, x, _: ops.tanh(x - y), lambda y, x, _: ops.tanh(y - x)),
    "hinge": (_hinge_slope, lambda y, x, d: _hinge_slope(x, y, d)),
    "squared_hinge": (
        lambda y, x, _: -2.0 * y * ops.maximum(1.0 - y * x, 0.0),
        lambda y, x, _: -2.0 * x * ops.maximum(1.0 - y * x, 0.0),
    ),
    "sigmoid_cross_entropy": (lambda y, x, _: ops.sigmoid(x) - y, lambda y, x, _: -x),
    "binary_cross_entropy": (
        _binary_slope,
        lambda y, x, e: ops.log((1.0 - (p := ops.clip(x, e, 1 - e))) / p),
    ),
    "kl_divergence": (
        _kl_slope,
        lambda y, x, e: (
            _cut(y, e, 1.0) * (1.0 + ops.log(ops.clip(y, e, 1.0) / ops.clip(x, e, 1.0)))
        ),
    ),
    "poisson": (lambda y, x, e: 1.0 - y / (x + e), lambda y, x, e: -ops.log(x + e)),
}


class PointwiseLoss(Function):
    """Saves targets and predictions."""

    @staticmethod
    def forward(ctx: Any, y: Any, x: Any, kind: str, number: float, reduction: str) -> Any:
        ctx.save(y, x)
        ctx.options = (kind, number, reduction)
        return _C.pointwise_loss(kind, y, x, number, reduction)

    @staticmethod
    def backward(ctx: Any, dloss: Tensor) -> Any:
        y, x = ctx.saved
        kind, number, reduction = ctx.options
        dy = dx = None
        if ctx.needs_grad[0]:
            dy = _pointwise_gradient(dloss, y, x, kind, number, reduction, 1)
        if ctx.needs_grad[1]:
            if is_grad_enabled():
                dx = _pointwise_gradient(dloss, y, x, kind, number, reduction, 0)
            else:
                dx = Tensor(
                    _C.pointwise_loss_backward(
                        kind, dloss._data, y._data, x._data, number, reduction
                    )
                )
        return dy, dx


def _pointwise_gradient(
    dloss: Tensor, y: Tensor, x: Tensor, kind: str, number: float, reduction: str, which: int
) -> Tensor:
    slope = _SLOPES[kind][which](y, x, number)
    if not x.size:
        return slope  # as empty as the gradient
    if reduction == "elements":
        return dloss * slope
    counted = x.shape[-1] if reduction == "rows" else x.size
    if kind == "kl_divergence":  # summed over the row
        counted //= x.shape[-1]
    slope = slope * (1 / counted)
    return dloss * slope if reduction == "mean" else ops.expand_dims(dloss, -1) * slope


def pointwise_loss(
    kind: str,
    targets: Any,
    predictions: Any,
    number: float = 0.0,
    rows: bool = True,
    mean: bool = False,
) -> Tensor:
    """A loss of each prediction against its target, averaged over the last axis.

    Args:
        kind: ``"squared_error"``, ``"absolute_error"``, ``"huber"``, ``"log_cosh"``, ``"hinge"``,
            ``"squared_hinge"``, ``"sigmoid_cross_entropy"`` (of logits),
            ``"binary_cross_entropy"`` (of probabilities), ``"kl_divergence"`` (summed instead of
            averaged) or ``"poisson"``.
        targets: (..., C).
        predictions: (..., C), floating-point.
        number: The huber loss's delta; where probabilities are cut, or the poisson loss's epsilon.
        rows: False keeps the losses of all elements.
        mean: Give one number, the mean over the rows.

    Returns:
        Losses (...), or (..., C) if not `rows`, or a number.

    Raises:
        ValueError: If the kind is unknown or the shapes differ.
        TypeError: If an operand does not hold numbers, or `kind` is no string.

    Example:
        >>> import weft
        >>> weft.pointwise_loss("squared_error", [[1.0, 2.0]], [[1.0, 4.0]]).tolist()
        [2.0]

    Follows keras.losses: the functions of these names.
    """
    x = as_tensor(predictions, near=targets)
    y = as_tensor(targets, near=x)
    if not x.dtype.is_floating:
        x = x.astype("float32")
    y = y if y.dtype == x.dtype else y.astype(x.dtype)
    reduction = "mean" if mean else "rows" if rows else "elements"
    return PointwiseLoss.apply(y, x, kind, as_number("pointwise_loss", "number", number), reduction)


def sigmoid_cross_entropy(logits: Any, labels: Any) -> Tensor:
    """The binary cross-entropy between labels and the sigmoid of logits, for each element.

    Args:
        logits: (...), floating-point.
        labels: Probabilities (0 or 1 as a rule), of the same shape.

    Returns:
        Losses (...), finite for any finite logit.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> weft.sigmoid_cross_entropy([1000.0, -1000.0], [1.0, 1.0]).tolist()
        [0.0, 1000.0]

    Follows tf.nn.sigmoid_cross_entropy_with_logits.
    """
    return pointwise_loss("sigmoid_cross_entropy", labels, logits, rows=False)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """The binary cross-entropy of each element.

    Args:
        target: Probabilities (0 or 1 as a rule).
        output: Probabilities, which are cut to [1e-7, 1 - 1e-7]; or logits. Same shape.
        from_logits: Whether `output` are logits.

    Returns:
        Losses of the same shape.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If an operand does not hold numbers.

    Example:
        >>> import weft
        >>> [round(x, 4) for x in weft.binary_crossentropy([1.0], [0.5]).tolist()]
        [0.6931]

    Follows keras.ops.binary_crossentropy.
    """
    kind = "sigmoid_cross_entropy" if from_logits else "binary_cross_entropy"
    return pointwise_loss(kind, target, output, EPSILON, rows=False)
