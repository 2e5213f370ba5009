"""Losses with a margin."""

from __future__ import annotations

from typing import Any

from weft import ops
from weft.losses.loss import LossFunctionWrapper, same_shapes
from weft.tensor import Tensor


def _signs(y: Tensor) -> Tensor:
    """Labels 0 and 1 as -1 and 1; anything else as it is."""
    binary = ops.all(ops.equal(y, 0.0) | ops.equal(y, 1.0))
    return ops.where(binary, 2.0 * y - 1.0, y)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """``mean(max(1 - y_true * y_pred, 0))`` over the last axis; labels -1 and 1, or 0 and 1.

    Args:
        y_true: Targets (..., C): -1 or 1; 0 and 1 are read as these.
        y_pred: Predictions (..., C).

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.losses.hinge([[1.0, -1.0]], [[0.5, -2.0]]).tolist()
        [0.25]

    Follows keras.losses.hinge.
    """
    y, x = same_shapes("hinge", y_true, y_pred)
    return ops.pointwise_loss("hinge", _signs(y), x, rows=x.ndim > 0)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """``mean(max(1 - y_true * y_pred, 0)^2)`` over the last axis; labels -1 and 1, or 0 and 1.

    Args:
        y_true: Targets (..., C): -1 or 1; 0 and 1 are read as these.
        y_pred: Predictions (..., C).

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.losses.squared_hinge([[1.0, -1.0]], [[0.5, -2.0]]).tolist()
        [0.125]

    Follows keras.losses.squared_hinge.
    """
    y, x = same_shapes("squared_hinge", y_true, y_pred)
    return ops.pointwise_loss("squared_hinge", _signs(y), x, rows=x.ndim > 0)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """``max(1 + largest wrong score - right score, 0)`` for one-hot targets.

    Args:
        y_true: Targets (..., C), such as one-hot rows.
        y_pred: Predictions (..., C).

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.25]]).tolist()
        [1.25]

    Follows keras.losses.categorical_hinge.
    """
    y, x = same_shapes("categorical_hinge", y_true, y_pred)
    right = ops.sum(y * x, axis=-1)
    wrong = ops.max((1.0 - y) * x, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


class Hinge(LossFunctionWrapper):
    """The mean of ``max(1 - y_true * y_pred, 0)``.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.Hinge()([[1.0, -1.0]], [[0.5, -2.0]]))
        0.25

    Follows keras.losses.Hinge.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """The mean of ``max(1 - y_true * y_pred, 0)^2``.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.SquaredHinge()([[1.0, -1.0]], [[0.5, -2.0]]))
        0.125

    Follows keras.losses.SquaredHinge.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """The right class's score should exceed every other by 1.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.25]]))
        1.25

    Follows keras.losses.CategoricalHinge.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)
