"""Focal losses: cross-entropies in which confident right answers count less."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.losses.crossentropy import check_smoothing, mean_along
from weft.losses.loss import LossFunctionWrapper, same_shapes
from weft.ops.loss import EPSILON
from weft.tensor import Tensor


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Binary cross-entropy in which confident right answers count less.

    Args:
        y_true: Targets (..., C), 0 or 1 as a rule.
        y_pred: Predictions (..., C).
        apply_class_balancing: Weight ones with `alpha` and zeros with ``1 - alpha``.
        alpha: That weight.
        gamma: The exponent with which the confident count less.
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
        >>> loss = weft.losses.binary_focal_crossentropy([[1.0]], [[0.5]])
        >>> [round(x, 4) for x in loss.tolist()]
        [0.1733]

    Source: Lin et al.: Focal loss for dense object detection, arXiv 1708.02002.
    """
    y, x = same_shapes("binary_focal_crossentropy", y_true, y_pred)
    if label_smoothing:
        y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        x = ops.sigmoid(x)
    entropy = ops.pointwise_loss("binary_cross_entropy", y, x, EPSILON, rows=False)
    right = y * x + (1.0 - y) * (1.0 - x)
    value = ops.power(1.0 - right, gamma) * entropy
    if apply_class_balancing:
        value = (y * alpha + (1.0 - y) * (1.0 - alpha)) * value
    return mean_along(value, axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Categorical cross-entropy in which confident right answers count less.

    Args:
        y_true: Targets (..., C), such as one-hot rows.
        y_pred: Predictions (..., C).
        alpha: Weight of the losses.
        gamma: The exponent with which the confident count less.
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
        >>> loss = weft.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> [round(x, 4) for x in loss.tolist()]
        [0.0433]

    Source: Lin et al.: Focal loss for dense object detection, arXiv 1708.02002.
    """
    y, x = same_shapes("categorical_focal_crossentropy", y_true, y_pred)
    if label_smoothing:
        y = y * (1.0 - label_smoothing) + label_smoothing / x.shape[axis]
    x = ops.softmax(x, axis=axis) if from_logits else x
    x = ops.clip(x / ops.sum(x, axis=axis, keepdims=True), EPSILON, 1.0 - EPSILON)
    return -ops.sum(alpha * ops.power(1.0 - x, gamma) * y * ops.log(x), axis=axis)


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Binary cross-entropy in which confident right answers count less.

    Args:
        apply_class_balancing: Weigh the classes by `alpha` and 1 - `alpha`.
        alpha: Weight of class 1.
        gamma: How much less confident answers count.
        from_logits: Whether predictions are logits.
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
        >>> round(float(weft.losses.BinaryFocalCrossentropy()([[1.0]], [[0.5]])), 4)
        0.1733

    Follows keras.losses.BinaryFocalCrossentropy (Lin et al., 2018).
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        check_smoothing("BinaryFocalCrossentropy", label_smoothing)
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Categorical cross-entropy in which confident right answers count less.

    Args:
        alpha: A factor for all classes, or one for each.
        gamma: How much less confident answers count.
        from_logits: Whether predictions are logits.
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
        >>> round(float(weft.losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.0433

    Follows keras.losses.CategoricalFocalCrossentropy (Lin et al., 2018).
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        check_smoothing("CategoricalFocalCrossentropy", label_smoothing)
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis
