"""Losses as metrics: their means over all rows seen."""

from __future__ import annotations

from typing import Any

from weft import losses, ops
from weft.autograd import no_grad
from weft.metrics.metric import MeanMetricWrapper
from weft.tensor import as_tensor


class MeanSquaredError(MeanMetricWrapper):
    """The mean of squared errors.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]])), 4)
        0.5

    Follows keras.metrics.MeanSquaredError.
    """

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of absolute errors.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.MeanAbsoluteError()([[0.0, 1.0]], [[1.0, 1.0]])), 4)
        0.5

    Follows keras.metrics.MeanAbsoluteError.
    """

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of absolute errors in percent of the targets.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.MeanAbsolutePercentageError()([[2.0]], [[1.0]])), 4)
        50.0

    Follows keras.metrics.MeanAbsolutePercentageError.
    """

    def __init__(
        self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None
    ) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of squared differences of logarithms.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.MeanSquaredLogarithmicError()([[1.0]], [[1.0]])), 4)
        0.0

    Follows keras.metrics.MeanSquaredLogarithmicError.
    """

    def __init__(
        self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None
    ) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """The mean of ``log(cosh(error))``.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.LogCoshError()([[1.0]], [[1.0]])), 4)
        0.0

    Follows keras.metrics.LogCoshError.
    """

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


class Hinge(MeanMetricWrapper):
    """The mean of ``max(1 - y_true * y_pred, 0)``.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.Hinge()([[1.0, -1.0]], [[0.5, -2.0]])), 4)
        0.25

    Follows keras.metrics.Hinge.
    """

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """The mean of ``max(1 - y_true * y_pred, 0)^2``.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.SquaredHinge()([[1.0, -1.0]], [[0.5, -2.0]])), 4)
        0.125

    Follows keras.metrics.SquaredHinge.
    """

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The mean of the categorical hinge loss.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.25]])), 4)
        1.25

    Follows keras.metrics.CategoricalHinge.
    """

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)


class KLDivergence(MeanMetricWrapper):
    """The mean of the Kullback-Leibler divergences.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]])), 4)
        0.0

    Follows keras.metrics.KLDivergence.
    """

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """The mean of ``y_pred - y_true * log(y_pred)``.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.Poisson()([[0.0]], [[2.0]])), 4)
        2.0

    Follows keras.metrics.Poisson.
    """

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.poisson, name, dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy of yes-or-no predictions.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.
        from_logits: Whether predictions are logits.
        label_smoothing: Pulls targets towards 1/2.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.BinaryCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931

    Follows keras.metrics.BinaryCrossentropy.
    """

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )
        self.from_logits, self.label_smoothing = from_logits, label_smoothing


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy between one-hot rows and predictions.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.
        from_logits: Whether predictions are logits.
        label_smoothing: Share of each target that is spread over all classes.
        axis: The axis of the classes.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931

    Follows keras.metrics.CategoricalCrossentropy.
    """

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross-entropy between class numbers and predictions.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.
        from_logits: Whether predictions are logits.
        ignore_class: Class number whose rows do not count.
        axis: The axis of the classes.

    Raises:
        ValueError: When called, if each target is not one class number below C.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4)
        0.6931

    Follows keras.metrics.SparseCategoricalCrossentropy.
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the values of a batch, with a weight for each row."""
        if self.ignore_class is not None:
            y = as_tensor(y_true, near=y_pred)
            y = ops.squeeze(y, -1) if y.ndim > 1 and y.shape[-1] == 1 else y
            kept = ops.cast(ops.not_equal(y, self.ignore_class), "float32")
            sample_weight = (
                kept if sample_weight is None else kept * as_tensor(sample_weight, near=kept)
            )
        super().update_state(y_true, y_pred, sample_weight)
