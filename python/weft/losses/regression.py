"""Losses of real-valued predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft import ops
from weft.losses.loss import FUSED_MEANS, LossFunctionWrapper, same_shapes
from weft.tensor import Tensor

_EPSILON = 1e-7


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """``mean((y_true - y_pred)^2)`` over the last axis.

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
        >>> weft.losses.mean_squared_error([[0.0, 2.0]], [[1.0, 1.0]]).tolist()
        [1.0]

    Follows keras.losses.mean_squared_error.
    """
    return _pointwise("mean_squared_error", "squared_error", y_true, y_pred)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """``mean(|y_true - y_pred|)`` over the last axis.

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
        >>> weft.losses.mean_absolute_error([[0.0, 3.0]], [[1.0, 1.0]]).tolist()
        [1.5]

    Follows keras.losses.mean_absolute_error.
    """
    return _pointwise("mean_absolute_error", "absolute_error", y_true, y_pred)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Half the squared error up to `delta`, linear beyond it; the mean over the last axis.

    Args:
        y_true: Targets (..., C).
        y_pred: Predictions (..., C).
        delta: Where the parabola ends and the line begins.

    Returns:
        Tensor (...): one loss for each row.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.

    Example:
        >>> import weft
        >>> weft.losses.huber([[0.0]], [[3.0]]).tolist()
        [2.5]

    Follows keras.losses.huber.
    """
    return _pointwise("huber", "huber", y_true, y_pred, delta)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """``mean(log(cosh(y_pred - y_true)))`` over the last axis.

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
        >>> weft.losses.log_cosh([[1.0]], [[1.0]]).tolist()
        [0.0]

    Follows keras.losses.log_cosh.
    """
    return _pointwise("log_cosh", "log_cosh", y_true, y_pred)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """``mean(y_pred - y_true * log(y_pred))`` over the last axis.

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
        >>> [round(x, 4) for x in weft.losses.poisson([[1.0]], [[1.0]]).tolist()]
        [1.0]

    Follows keras.losses.poisson.
    """
    return _pointwise("poisson", "poisson", y_true, y_pred, _EPSILON)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """``100 * mean(|y_true - y_pred| / |y_true|)`` over the last axis.

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
        >>> weft.losses.mean_absolute_percentage_error([[2.0]], [[1.0]]).tolist()
        [50.0]

    Follows keras.losses.mean_absolute_percentage_error.
    """
    y, x = same_shapes("mean_absolute_percentage_error", y_true, y_pred)
    return 100.0 * _row_mean(ops.abs((y - x) / ops.maximum(ops.abs(y), _EPSILON)))


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """``mean((log(1 + y_true) - log(1 + y_pred))^2)`` over the last axis; negatives count as 0.

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
        >>> weft.losses.mean_squared_logarithmic_error([[1.0]], [[1.0]]).tolist()
        [0.0]

    Follows keras.losses.mean_squared_logarithmic_error.
    """
    y, x = same_shapes("mean_squared_logarithmic_error", y_true, y_pred)
    difference = ops.log(ops.maximum(x, _EPSILON) + 1.0) - ops.log(ops.maximum(y, _EPSILON) + 1.0)
    return _row_mean(ops.square(difference))


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between targets and predictions: -1 is the best.

    Args:
        y_true: Targets (..., C).
        y_pred: Predictions (..., C).
        axis: The axis of the vectors.

    Returns:
        Tensor (...): minus the cosine for each vector.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> weft.losses.cosine_similarity([[0.0, 2.0]], [[0.0, 1.0]]).tolist()
        [-1.0]

    Follows keras.losses.cosine_similarity.
    """
    y, x = same_shapes("cosine_similarity", y_true, y_pred)
    return -ops.sum(_unit(y, axis) * _unit(x, axis), axis=axis)


def _unit(x: Tensor, axis: int) -> Tensor:
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-24))


def _row_mean(x: Tensor) -> Tensor:
    return ops.mean(x, axis=-1) if x.ndim else x


def _pointwise(
    name: str, kind: str, y_true: Any, y_pred: Any, number: float = 0.0, mean: bool = False
) -> Tensor:
    y, x = same_shapes(name, y_true, y_pred)
    return ops.pointwise_loss(kind, y, x, number, rows=x.ndim > 0, mean=mean and x.ndim > 0)


def _mean_of(name: str, kind: str, number: float = 0.0) -> Callable[..., Tensor]:
    def mean(y_true: Any, y_pred: Any, delta: float = number) -> Tensor:
        return _pointwise(name, kind, y_true, y_pred, delta, mean=True)

    return mean


FUSED_MEANS[mean_squared_error] = _mean_of("mean_squared_error", "squared_error")
FUSED_MEANS[mean_absolute_error] = _mean_of("mean_absolute_error", "absolute_error")
FUSED_MEANS[huber] = _mean_of("huber", "huber", 1.0)
FUSED_MEANS[log_cosh] = _mean_of("log_cosh", "log_cosh")
FUSED_MEANS[poisson] = _mean_of("poisson", "poisson", _EPSILON)


class MeanSquaredError(LossFunctionWrapper):
    """The mean of squared errors.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]]))
        0.5

    Follows keras.losses.MeanSquaredError.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of absolute errors.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.MeanAbsoluteError()([[1.0], [-1.0]], [[0.0], [0.0]]))
        1.0

    Follows keras.losses.MeanAbsoluteError.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The mean of absolute errors in percent of the targets.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.MeanAbsolutePercentageError()([[2.0]], [[1.0]]))
        50.0

    Follows keras.losses.MeanAbsolutePercentageError.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The mean of squared differences of logarithms.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.MeanSquaredLogarithmicError()([[1.0]], [[1.0]]))
        0.0

    Follows keras.losses.MeanSquaredLogarithmicError.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """Squared for small errors, absolute for large ones: outliers count less.

    Args:
        delta: The error at which it becomes linear; positive.
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `delta` is not positive.

    Example:
        >>> import weft
        >>> float(weft.losses.Huber(delta=1.0)([[3.0]], [[0.0]]))
        2.5

    Follows keras.losses.Huber.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        if not delta > 0:
            raise ValueError(f"Huber: delta must be positive, got {delta!r}")
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(LossFunctionWrapper):
    """The mean of ``log(cosh(error))``: nearly squared, then nearly absolute.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.LogCosh()([[1.0]], [[1.0]]))
        0.0

    Follows keras.losses.LogCosh.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """The negative log-likelihood of counts, up to a constant.

    Args:
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> round(float(weft.losses.Poisson()([[0.0]], [[2.0]])), 4)
        2.0

    Follows keras.losses.Poisson.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)


class CosineSimilarity(LossFunctionWrapper):
    """Minus the cosine of the angle between targets and predictions.

    Args:
        axis: The axis along which the vectors lie.
        reduction: As in `Loss`.
        name: As in `Loss`.
        dtype: As in `Loss`.

    Raises:
        ValueError: If `reduction` is unknown; when called, if the shapes of targets and predictions
            differ.

    Example:
        >>> import weft
        >>> float(weft.losses.CosineSimilarity()([[0.0, 2.0]], [[0.0, 1.0]]))
        -1.0

    Follows keras.losses.CosineSimilarity.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)
