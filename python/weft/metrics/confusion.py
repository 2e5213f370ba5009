"""Counts of right and wrong yes-or-no answers, and what is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import ops
from weft.autograd import no_grad
from weft.device import gpu_in_use
from weft.losses.loss import same_shapes
from weft.metrics.metric import Metric, add_to
from weft.tensor import Tensor, as_tensor

_EPSILON = 1e-7


def even_thresholds(count: int) -> list[float]:
    """`count` thresholds from just below 0 to just above 1."""
    inner = [(i + 1) / (count - 1) for i in range(count - 2)]
    return [-_EPSILON, *inner, 1.0 + _EPSILON]


def safe_divide(a: Any, b: Any) -> np.ndarray[Any, Any]:
    """``a / b``, and 0 where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    quotient: np.ndarray[Any, Any] = np.divide(a, b, out=np.zeros(a.shape), where=b != 0)
    return quotient


class ConfusionMetric(Metric):
    """Keeps the four counts for each threshold (and, for several labels, each label)."""

    def __init__(
        self,
        name: str | None,
        dtype: Any,
        thresholds: list[float],
        top_k: int | None = None,
        class_id: int | None = None,
        labels: int | None = None,
    ) -> None:
        super().__init__(dtype, name)
        self.top_k, self.class_id, self._labels = top_k, class_id, labels
        # Compared with float32 predictions, so the thresholds are float32 numbers themselves.
        self._limits = as_tensor(np.asarray(thresholds, np.float32))
        self._create((len(thresholds),) if labels is None else (len(thresholds), labels))

    def _create(self, shape: tuple[int, ...]) -> None:
        self.true_positives = self._sum("true_positives", shape)
        self.false_positives = self._sum("false_positives", shape)
        # What was true or false at all does not depend on the threshold.
        self._positives = self._sum("positives", shape[1:])
        self._negatives = self._sum("negatives", shape[1:])

    @property
    def false_negatives(self) -> np.ndarray[Any, Any]:
        """How many true ones were missed, at each threshold."""
        missed: np.ndarray[Any, Any] = self._positives.numpy() - self.true_positives.numpy()
        return np.maximum(missed, 0.0)

    @property
    def true_negatives(self) -> np.ndarray[Any, Any]:
        """How many false ones were refused, at each threshold."""
        refused: np.ndarray[Any, Any] = self._negatives.numpy() - self.false_positives.numpy()
        return np.maximum(refused, 0.0)

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, with a weight for each row."""
        x = self._tensor(y_pred)
        y, x = same_shapes(self.name, as_tensor(y_true, near=x), x)
        if gpu_in_use():
            self._limits = self._limits.to(x.device)
        weight = ops.ones_like(x) if sample_weight is None else self._weights(sample_weight, x)
        if self.top_k is not None:
            x = self._keep_top(x)
        if self.class_id is not None:
            x, y, weight = (t[..., self.class_id] for t in (x, y, weight))
        true = ops.cast(ops.not_equal(y, 0.0), x.dtype)
        if self._labels is None:
            x, true, weight = (ops.reshape(t, (-1,)) for t in (x, true, weight))
            above = ops.cast(ops.expand_dims(x, 0) > ops.expand_dims(self._limits, 1), x.dtype)
            axis: Any = -1
        else:
            limits = ops.reshape(self._limits, (-1, 1, 1))
            above = ops.cast(ops.expand_dims(x, 0) > limits, x.dtype)
            axis = 1
        positive, negative = true * weight, (1.0 - true) * weight
        whole = None if self._labels is None else 0
        add_to(
            [self.true_positives, self.false_positives, self._positives, self._negatives],
            [
                ops.sum(above * positive, axis=axis),
                ops.sum(above * negative, axis=axis),
                ops.sum(positive, axis=whole),
                ops.sum(negative, axis=whole),
            ],
        )

    def _weights(self, sample_weight: Any, x: Tensor) -> Tensor:
        weight = self._tensor(sample_weight, near=x).astype(x.dtype, copy=False)
        given = weight.shape
        while weight.ndim < x.ndim:
            weight = ops.expand_dims(weight, -1)
        try:
            return ops.broadcast_to(weight, x.shape)
        except ValueError:
            raise ValueError(
                f"{self.name}: sample_weight has shape {given}, the predictions {x.shape}; give "
                "one weight for each row"
            ) from None

    def _keep_top(self, x: Tensor) -> Tensor:
        assert self.top_k is not None
        _, best = ops.top_k(x, self.top_k)
        kept = ops.sum(ops.one_hot(best, x.shape[-1]), axis=-2) > 0.0
        return ops.where(kept, x, float("-inf"))


def _listed(thresholds: Any, default: float) -> tuple[list[float], bool]:
    """Thresholds as a list, and whether the result is one number."""
    single = thresholds is None or isinstance(thresholds, (int, float))
    values = [default if thresholds is None else thresholds] if single else list(thresholds)
    for value in values:
        if value is None or (np.isfinite(value) and not 0 <= value <= 1):
            raise ValueError(f"thresholds must lie in [0, 1], got {thresholds!r}")
    return [float(v) for v in values], single


class _Count(ConfusionMetric):
    counted = ""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        self.thresholds, self._single = thresholds, True
        limits, self._single = _listed(thresholds, 0.5)
        super().__init__(name, dtype, limits)

    def result(self) -> Tensor:
        """The count: a number, or one for each threshold."""
        value = np.asarray(getattr(self, self.counted))
        return self._result(value[0] if self._single else value)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        return {**super().get_config(), "thresholds": self.thresholds}


class TruePositives(_Count):
    """How many predictions above the threshold are right.

    Args:
        thresholds: A number or several; 0.5 by default.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1]; when called, if the shapes of targets and
            predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.TruePositives()([0, 1, 1, 1], [1, 0, 1, 1]))
        2.0

    Follows keras.metrics.TruePositives.
    """

    counted = "true_positives"


class TrueNegatives(_Count):
    """How many predictions not above the threshold are right.

    Args:
        thresholds: A number or several; 0.5 by default.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1]; when called, if the shapes of targets and
            predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0]))
        2.0

    Follows keras.metrics.TrueNegatives.
    """

    counted = "true_negatives"


class FalsePositives(_Count):
    """How many predictions above the threshold are wrong.

    Args:
        thresholds: A number or several; 0.5 by default.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1]; when called, if the shapes of targets and
            predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.FalsePositives()([0, 1, 0, 0], [0, 0, 1, 1]))
        2.0

    Follows keras.metrics.FalsePositives.
    """

    counted = "false_positives"


class FalseNegatives(_Count):
    """How many predictions not above the threshold are wrong.

    Args:
        thresholds: A number or several; 0.5 by default.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1]; when called, if the shapes of targets and
            predictions differ.

    Example:
        >>> import weft
        >>> float(weft.metrics.FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0]))
        2.0

    Follows keras.metrics.FalseNegatives.
    """

    counted = "false_negatives"


class _Ratio(ConfusionMetric):
    """True positives as a share of something."""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.thresholds = thresholds
        limits, self._single = _listed(thresholds, 0.5 if top_k is None else float("-inf"))
        super().__init__(name, dtype, limits, top_k, class_id)

    def _share(self, wrong: Any) -> Tensor:
        right = self.true_positives.numpy()
        value = safe_divide(right, right + np.asarray(wrong))
        return self._result(value[0] if self._single else value)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        own = {"thresholds": self.thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


class Precision(_Ratio):
    """The share of right ones among those predicted true.

    Args:
        thresholds: A number or several; 0.5 by default.
        top_k: Only the `top_k` largest scores of a row count as predicted.
        class_id: Only this column counts.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1]; when called, if the shapes of targets and
            predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.Precision()([0, 1, 1, 1], [1, 0, 1, 1])), 4)
        0.6667

    Follows keras.metrics.Precision.
    """

    def result(self) -> Tensor:
        """The precision: a number, or one for each threshold."""
        return self._share(self.false_positives.numpy())


class Recall(_Ratio):
    """The share of true ones that were predicted true.

    Args:
        thresholds: A number or several; 0.5 by default.
        top_k: Only the `top_k` largest scores of a row count as predicted.
        class_id: Only this column counts.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1]; when called, if the shapes of targets and
            predictions differ.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.Recall()([0, 1, 1, 1], [1, 0, 1, 1])), 4)
        0.6667

    Follows keras.metrics.Recall.
    """

    def result(self) -> Tensor:
        """The recall: a number, or one for each threshold."""
        return self._share(self.false_negatives)
