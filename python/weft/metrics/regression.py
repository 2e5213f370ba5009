"""Metrics of real-valued predictions that are no plain means."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from weft import losses, ops
from weft.autograd import no_grad
from weft.errors import did_you_mean
from weft.losses.loss import same_shapes
from weft.metrics.metric import Mean, MeanMetricWrapper, Metric, add_to, count_of
from weft.tensor import Tensor


class RootMeanSquaredError(Mean):
    """The root of the mean squared error.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.RootMeanSquaredError()([0.0, 0.0], [2.0, 2.0]))
        2.0

    Follows keras.metrics.RootMeanSquaredError.
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, with a weight for each row."""
        y, x = same_shapes(self.name, y_true, self._tensor(y_pred))
        super().update_state(ops.square(x - y), sample_weight)

    def result(self) -> Tensor:
        """The root mean squared error."""
        return self._result(np.sqrt(super().result().item()))


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The cosine of the angle between targets and predictions: 1 is the best.

    Args:
        y_true: Targets (..., C).
        y_pred: Predictions (..., C).
        axis: The axis of the vectors.

    Returns:
        Tensor (...): the cosine for each vector.

    Raises:
        ValueError: If the shapes differ.
        TypeError: If one of them does not hold numbers.
        IndexError: If `axis` is out of range.

    Example:
        >>> import weft
        >>> metric = weft.metrics.CosineSimilarity()
        >>> float(metric([[0.0, 2.0]], [[0.0, 1.0]]))
        1.0

    Follows keras.metrics.CosineSimilarity.
    """
    return -losses.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine of the angles between targets and predictions.

    Args:
        name: As in `Metric`.
        dtype: As in `Metric`.
        axis: The axis along which the vectors lie.

    Raises:
        ValueError: When called, if the shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.CosineSimilarity()([[0.0, 2.0]], [[0.0, 1.0]]))
        1.0

    Follows keras.metrics.CosineSimilarity.
    """

    def __init__(
        self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)


_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """The share of the targets' variance that predictions explain: 1 is the best.

    Args:
        class_aggregation: ``"uniform_average"`` over the columns, ``"variance_weighted_average"``,
            or None for one score a column.
        num_regressors: Number of inputs, for the adjusted score; 0 for the plain one.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: For an unknown aggregation or a negative number of regressors.

    Example:
        >>> import weft
        >>> float(weft.metrics.R2Score()([[1.0], [3.0]], [[1.0], [2.0]]))
        0.5

    Follows keras.metrics.R2Score.
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation not in _AGGREGATIONS:
            known = [a for a in _AGGREGATIONS if a]
            raise ValueError(
                f"R2Score: unknown class_aggregation {class_aggregation!r}"
                f"{did_you_mean(class_aggregation, known)}"
            )
        if num_regressors < 0:
            raise ValueError(f"R2Score: num_regressors must be at least 0, got {num_regressors!r}")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self._sum("num_samples")
        self._built = False

    def _build(self, columns: int) -> None:
        self.squared_sum = self._sum("squared_sum", (columns,))
        self.sum = self._sum("sum", (columns,))
        self.total_mse = self._sum("residual", (columns,))
        self.count = self._sum("count", (columns,))
        self._built = True

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch of shape (rows, columns), with a weight for each row."""
        y, x = same_shapes(self.name, y_true, self._tensor(y_pred))
        if x.ndim == 1:
            y, x = ops.expand_dims(y, -1), ops.expand_dims(x, -1)
        if x.ndim != 2:
            raise ValueError(
                f"{self.name}: predictions must be (rows, columns), got shape {x.shape}"
            )
        if not self._built:
            self._build(x.shape[1])
        # Squares of large targets cancel in the variance, so they are summed in float64.
        y, x = y.astype("float64"), x.astype("float64")
        weight = ops.ones_like(y)
        if sample_weight is not None:
            given = self._tensor(sample_weight, near=y).astype("float64")
            given = ops.expand_dims(given, -1) if given.ndim == 1 else given
            weight = weight * given
        weighted = y * weight
        add_to(
            [self.sum, self.squared_sum, self.total_mse, self.count, self.num_samples],
            [
                ops.sum(weighted, axis=0),
                ops.sum(y * weighted, axis=0),
                ops.sum(ops.square(y - x) * weight, axis=0),
                ops.sum(weight, axis=0),
                count_of(y.size),
            ],
        )

    def result(self) -> Tensor:
        """The score, or one for each column; NaN before the first batch."""
        if not self._built:
            return self._result(np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = self.squared_sum.numpy() - self.sum.numpy() ** 2 / self.count.numpy()
            scores = 1 - self.total_mse.numpy() / total
        scores = np.where(np.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation == "variance_weighted_average":
            scores = (total * scores).sum() / total.sum()
        return self._result(self._adjusted(scores))

    def _adjusted(self, scores: Any) -> Any:
        n, p = self.num_samples.item(), self.num_regressors
        if p and 0 < n <= p + 1:
            warnings.warn(
                f"R2Score: {p} regressors need more than {p + 1} samples for the adjusted score, "
                f"there are {n:.0f}; this is the plain score",
                stacklevel=3,
            )
            return scores
        return 1 - (1 - scores) * (n - 1) / (n - p - 1) if p else scores

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}
