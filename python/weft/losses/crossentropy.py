"""Losses of predicted probabilities."""

from __future__ import annotations

from functools import partial
from typing import Any

from weft import ops
from weft.losses.loss import FUSED_MEANS, LossFunctionWrapper, same_shapes
from weft.ops.loss import EPSILON, SoftmaxCrossEntropy
from weft.tensor import Tensor, as_tensor


def mean_along(x: Tensor, axis: int) -> Tensor:
    """The mean along an axis; a single number is its own."""
    return ops.mean(x, axis=axis) if x.ndim else x


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """The mean cross-entropy of yes-or-no predictions along an axis.

    Args:
        y_true: Targets (..., C), 0 or 1 as a rule.
        y_pred: Predictions (..., C).
        from_logits: Whether the predictions are logits instead of probabilities.
        label_smoothing: How far targets are moved towards 0.5, in [0, 1].
        axis: The axis to average over.

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> loss = weft.losses.binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> [round(x, 4) for x in loss.tolist()]
        [0.6931]

    Follows keras.losses.binary_crossentropy.
    """
    return _binary(y_true, y_pred, from_logits, label_smoothing, axis)


def _binary(
    y_true: Any,
    y_pred: Any,
    from_logits: bool,
    label_smoothing: float,
    axis: int,
    mean: bool = False,
) -> Tensor:
    y, x = same_shapes("binary_crossentropy", y_true, y_pred)
    if label_smoothing:
        y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    kind = "sigmoid_cross_entropy" if from_logits else "binary_cross_entropy"
    if x.ndim and (mean or axis in (-1, x.ndim - 1)):
        return ops.pointwise_loss(kind, y, x, EPSILON, mean=mean)
    return mean_along(ops.pointwise_loss(kind, y, x, EPSILON, rows=False), axis)


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """The cross-entropy between one-hot rows (or probabilities) and predictions.

    Args:
        y_true: Targets (..., C), such as one-hot rows.
        y_pred: Predictions (..., C).
        from_logits: Whether the predictions are logits instead of probabilities.
        label_smoothing: Share of each target that is spread over all classes, in [0, 1].
        axis: The axis of the classes.

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> loss = weft.losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> [round(x, 4) for x in loss.tolist()]
        [0.6931]

    Follows keras.losses.categorical_crossentropy.
    """
    return _categorical(y_true, y_pred, from_logits, label_smoothing, axis)


def _categorical(
    y_true: Any,
    y_pred: Any,
    from_logits: bool,
    label_smoothing: float,
    axis: int,
    mean: bool = False,
) -> Tensor:
    x, y = as_tensor(y_pred, near=y_true), as_tensor(y_true, near=y_pred)
    if y.shape != x.shape:
        classes = x.shape[axis] if x.ndim else 0
        raise ValueError(
            f"categorical_crossentropy: the targets have shape {y.shape} but the predictions "
            f"{x.shape}: each target must be a row of {classes} weights, such as a one-hot row. "
            "For class numbers use sparse_categorical_crossentropy, or make rows with "
            f"weft.utils.to_categorical(y, {classes})"
        )
    if axis not in (-1, x.ndim - 1):
        x, y = ops.moveaxis(x, axis, -1), ops.moveaxis(y, axis, -1)
    x = x if x.dtype.is_floating else x.astype("float32")
    y = y if y.dtype == x.dtype else y.astype(x.dtype)
    epsilon = 0.0 if from_logits else EPSILON
    return SoftmaxCrossEntropy.apply(x, y, float(label_smoothing), None, epsilon, mean)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Tensor:
    """The cross-entropy between class numbers and predictions.

    Args:
        y_true: Class numbers (...), or (..., 1).
        y_pred: Predictions (..., C).
        from_logits: Whether the predictions are logits instead of probabilities.
        ignore_class: Class number whose rows have loss 0 and no gradient.
        axis: The axis of the classes.

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes do not fit, or a label is no integer from 0 to C - 1.
        TypeError: If one of them does not hold numbers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> loss = weft.losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        >>> [round(x, 4) for x in loss.tolist()]
        [0.6931]

    Follows keras.losses.sparse_categorical_crossentropy.
    """
    return _sparse(y_true, y_pred, from_logits, ignore_class, axis)


def _sparse(
    y_true: Any,
    y_pred: Any,
    from_logits: bool,
    ignore_class: int | None,
    axis: int,
    mean: bool = False,
) -> Tensor:
    x, y = as_tensor(y_pred, near=y_true), as_tensor(y_true, near=y_pred)
    if axis not in (-1, x.ndim - 1):
        x = ops.moveaxis(x, axis, -1)
        y = ops.moveaxis(y, axis, -1) if y.ndim == x.ndim else y
    x = x if x.dtype.is_floating else x.astype("float32")
    rows, given = x.shape[:-1], y.shape
    if given != rows and given == (*rows, 1):
        y = ops.squeeze(y, -1)
    elif given != rows:
        hint = ""
        if y.shape == x.shape:
            hint = (
                "; the targets look like one-hot rows: use categorical_crossentropy, or "
                "weft.argmax(y, axis=-1)"
            )
        raise ValueError(
            f"sparse_categorical_crossentropy: the targets have shape {y.shape} but the "
            f"predictions {x.shape}: each target must be one class number{hint}"
        )
    epsilon = 0.0 if from_logits else EPSILON
    return SoftmaxCrossEntropy.apply(x, y, 0.0, ignore_class, epsilon, mean)


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """``sum(y_true * log(y_true / y_pred))`` over the last axis.

    Args:
        y_true: Targets (..., C).
        y_pred: Predictions (..., C).

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.losses.kl_divergence([[0.5, 0.5]], [[0.5, 0.5]]).tolist()
        [0.0]

    Follows keras.losses.kl_divergence.
    """
    y, x = same_shapes("kl_divergence", y_true, y_pred)
    return ops.pointwise_loss("kl_divergence", y, x, EPSILON, rows=x.ndim > 0)


def _kl_mean(y_true: Any, y_pred: Any) -> Tensor:
    y, x = same_shapes("kl_divergence", y_true, y_pred)
    return ops.pointwise_loss("kl_divergence", y, x, EPSILON, rows=x.ndim > 0, mean=x.ndim > 0)


FUSED_MEANS[binary_crossentropy] = partial(_binary, mean=True)
FUSED_MEANS[categorical_crossentropy] = partial(_categorical, mean=True)
FUSED_MEANS[sparse_categorical_crossentropy] = partial(_sparse, mean=True)
FUSED_MEANS[kl_divergence] = _kl_mean


def check_smoothing(name: str, label_smoothing: float) -> float:
    """`label_smoothing` if it lies in [0, 1], else a ValueError that begins with `name`."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must lie in [0, 1], got {label_smoothing!r}")
    return label_smoothing


class BinaryCrossentropy(LossFunctionWrapper):
    """The cross-entropy of yes-or-no predictions.

    Args:
        from_logits: Whether predictions are logits; else probabilities, cut to [1e-7, 1 - 1e-7].
        label_smoothing: Pulls targets towards 1/2.
        axis: The axis over which the mean is taken.
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown or `label_smoothing` not in [0, 1]; when called, if
            the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> loss = weft.losses.BinaryCrossentropy(from_logits=True)
        >>> round(float(loss([0.0, 1.0, 0.0, 0.0], [-18.6, 0.51, 2.94, -12.8])), 6)
        0.865458

    Follows keras.losses.BinaryCrossentropy.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        check_smoothing("BinaryCrossentropy", label_smoothing)
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalCrossentropy(LossFunctionWrapper):
    """The cross-entropy between one-hot rows and predictions.

    Args:
        from_logits: Whether predictions are logits; else probabilities, which are scaled to sum 1
            and cut to [1e-7, 1 - 1e-7].
        label_smoothing: Share of each target that is spread over all classes.
        axis: The axis of the classes.
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown or `label_smoothing` not in [0, 1]; when called, if
            the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931

    Follows keras.losses.CategoricalCrossentropy.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        check_smoothing("CategoricalCrossentropy", label_smoothing)
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """The cross-entropy between class numbers and predictions.

    Args:
        from_logits: Whether predictions are logits; else probabilities, which are scaled to sum 1
            and cut to [1e-7, 1 - 1e-7].
        ignore_class: Class number whose rows do not count.
        reduction: As in `Loss`.
        axis: The axis of the classes.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes do not fit, or a label is
            no class.

    Example:
        >>> import weft
        >>> loss = weft.losses.SparseCategoricalCrossentropy(from_logits=True)
        >>> round(float(loss([1, 0], [[0.0, 0.0], [0.0, 0.0]])), 4)
        0.6931

    Follows keras.losses.SparseCategoricalCrossentropy.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def mask(self, y_true: Any) -> Tensor | None:
        """Which rows are not of the ignored class."""
        if self.ignore_class is None:
            return None
        kept = ops.not_equal(y_true, self.ignore_class)
        return ops.squeeze(kept, -1) if kept.ndim > 1 and kept.shape[-1] == 1 else kept


class KLDivergence(LossFunctionWrapper):
    """The Kullback-Leibler divergence of predicted from true distributions.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]))
        0.0

    Follows keras.losses.KLDivergence.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)
