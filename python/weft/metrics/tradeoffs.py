"""One rate at the threshold at which another one is still reached."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.metrics.confusion import ConfusionMetric, even_thresholds, safe_divide
from weft.tensor import Tensor


class _Tradeoff(ConfusionMetric):
    """The best of one share where another reaches a value."""

    argument = ""

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if not 0 <= value <= 1:
            raise ValueError(
                f"{type(self).__name__}: {self.argument} must lie in [0, 1], got {value!r}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                f"{type(self).__name__}: num_thresholds must be positive, got {num_thresholds!r}"
            )
        self.value, self.num_thresholds = value, num_thresholds
        limits = [0.5] if num_thresholds == 1 else even_thresholds(num_thresholds)
        super().__init__(name, dtype, limits, None, class_id)
        setattr(self, self.argument, value)

    def _shares(self) -> dict[str, np.ndarray[Any, Any]]:
        right, wrong = self.true_positives.numpy(), self.false_positives.numpy()
        refused = self.true_negatives
        return {
            "recall": safe_divide(right, right + self.false_negatives),
            "precision": safe_divide(right, right + wrong),
            "specificity": safe_divide(refused, refused + wrong),
        }

    def _best(self, wanted: str, limited: str) -> Tensor:
        shares = self._shares()
        feasible = shares[limited] >= np.float64(self.value)
        return self._result(np.max(np.where(feasible, shares[wanted], 0.0), initial=0.0))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        own = {"num_thresholds": self.num_thresholds, "class_id": self.class_id}
        return {**super().get_config(), **own, self.argument: self.value}


class PrecisionAtRecall(_Tradeoff):
    """The best precision at a recall of at least `recall`.

    Args:
        recall: In [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If `recall` is not in [0, 1] or `num_thresholds` not positive; when called, if
            the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.PrecisionAtRecall(0.5)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
        1.0

    Follows keras.metrics.PrecisionAtRecall.
    """

    argument = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self) -> Tensor:
        """The best precision; 0 if the recall is never reached."""
        return self._best("precision", "recall")


class RecallAtPrecision(_Tradeoff):
    """The best recall at a precision of at least `precision`.

    Args:
        precision: In [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If `precision` is not in [0, 1] or `num_thresholds` not positive; when called,
            if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.RecallAtPrecision(0.8)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
        0.5

    Follows keras.metrics.RecallAtPrecision.
    """

    argument = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self) -> Tensor:
        """The best recall; 0 if the precision is never reached."""
        return self._best("recall", "precision")


class SensitivityAtSpecificity(_Tradeoff):
    """The best sensitivity (recall) at a specificity of at least `specificity`.

    Args:
        specificity: In [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If `specificity` is not in [0, 1] or `num_thresholds` not positive; when called,
            if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> metric = weft.metrics.SensitivityAtSpecificity(0.5)
        >>> float(metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.5

    Follows keras.metrics.SensitivityAtSpecificity.
    """

    argument = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self) -> Tensor:
        """The best sensitivity; 0 if the specificity is never reached."""
        return self._best("recall", "specificity")


class SpecificityAtSensitivity(_Tradeoff):
    """The best specificity at a sensitivity (recall) of at least `sensitivity`.

    Args:
        sensitivity: In [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If `sensitivity` is not in [0, 1] or `num_thresholds` not positive; when called,
            if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> metric = weft.metrics.SpecificityAtSensitivity(0.5)
        >>> round(float(metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])), 4)
        0.6667

    Follows keras.metrics.SpecificityAtSensitivity.
    """

    argument = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self) -> Tensor:
        """The best specificity; 0 if the sensitivity is never reached."""
        return self._best("specificity", "recall")
