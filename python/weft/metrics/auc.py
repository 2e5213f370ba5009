"""Areas under curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import ops
from weft.autograd import no_grad
from weft.errors import did_you_mean
from weft.metrics.confusion import _EPSILON, ConfusionMetric, even_thresholds, safe_divide
from weft.tensor import Tensor

_CURVES = ("ROC", "PR", "PRGAIN")
_METHODS = ("interpolation", "minoring", "majoring")


class AUC(ConfusionMetric):
    """The area under the ROC or the precision-recall curve, approximated by thresholds.

    Args:
        num_thresholds: How many thresholds, evenly spaced over [0, 1].
        curve: ``"ROC"``, ``"PR"`` or ``"PRGAIN"``.
        summation_method: ``"interpolation"``, or ``"minoring"`` and ``"majoring"`` for bounds.
        name: As in `Metric`.
        dtype: As in `Metric`.
        thresholds: Thresholds of your own in [0, 1]; 0 and 1 are added.
        multi_label: Average the areas of the columns instead of pooling all predictions.
        num_labels: The number of columns; taken from the first batch by default.
        label_weights: Weights of the columns.
        from_logits: Whether predictions are logits.

    Raises:
        ValueError: For an unknown curve or method, or impossible thresholds.

    Example:
        >>> import weft
        >>> round(float(weft.metrics.AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])), 4)
        0.75

    Follows keras.metrics.AUC (Davis and Goadrich, 2006, for the precision-recall curve).
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        for word, known in ((curve, _CURVES), (summation_method, _METHODS)):
            if word not in known:
                raise ValueError(f"AUC: unknown {word!r}{did_you_mean(word, known)}")
        if thresholds is None:
            if num_thresholds <= 1:
                raise ValueError(f"AUC: num_thresholds must be above 1, got {num_thresholds!r}")
            limits = even_thresholds(num_thresholds)
        else:
            own = sorted(float(t) for t in thresholds)
            if any(not 0 <= t <= 1 for t in own):
                raise ValueError(f"AUC: thresholds must lie in [0, 1], got {thresholds!r}")
            limits = [-_EPSILON, *own, 1.0 + _EPSILON]
        self._own_thresholds = thresholds is not None
        self.curve, self.summation_method = curve, summation_method
        self.multi_label, self.num_labels = bool(multi_label), num_labels
        self.label_weights, self.from_logits = label_weights, bool(from_logits)
        self._made = False
        super().__init__(name, dtype, limits, labels=num_labels if multi_label else None)

    def _create(self, shape: tuple[int, ...]) -> None:
        if self.multi_label and len(shape) == 1:
            return  # until the first batch tells the number of labels
        self._made = True
        super()._create(shape)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds."""
        return [float(t) for t in self._limits.numpy()]

    @property
    def num_thresholds(self) -> int:
        """How many thresholds there are."""
        return int(self._limits.shape[0])

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch, with a weight for each row."""
        x = self._tensor(y_pred)
        if self.multi_label and not self._made:
            if x.ndim != 2:
                raise ValueError(
                    f"{self.name}: with multi_label the predictions must be (rows, labels), got "
                    f"shape {x.shape}"
                )
            self._labels = x.shape[-1]
            self._create((self.num_thresholds, self._labels))
        super().update_state(y_true, ops.sigmoid(x) if self.from_logits else x, sample_weight)

    def result(self) -> Tensor:
        """The area."""
        if not self._made:
            return self._result(0.0)
        right, wrong = self.true_positives.numpy(), self.false_positives.numpy()
        missed, refused = self.false_negatives, self.true_negatives
        if self.curve == "PR" and self.summation_method == "interpolation":
            pieces = _interpolated_pr(right, wrong, missed)
        else:
            pieces = self._pieces(*self._curve(right, wrong, missed, refused))
        area = pieces.sum(axis=0)
        if not self.multi_label:
            return self._result(area)
        if self.label_weights is None:
            return self._result(area.mean())
        weights = np.asarray(self.label_weights, np.float64)
        return self._result(safe_divide((area * weights).sum(), weights.sum()))

    def _curve(self, right: Any, wrong: Any, missed: Any, refused: Any) -> tuple[Any, Any]:
        recall = safe_divide(right, right + missed)
        if self.curve == "ROC":
            return safe_divide(wrong, wrong + refused), recall
        if self.curve == "PR":
            return recall, safe_divide(right, right + wrong)
        # Gains rescale both so that guessing "true" always is 0 (Flach and Kull, 2015).
        odds = safe_divide(right + missed, refused + wrong)
        recall_gain = np.where(right == 0, 0.0, 1 - odds * safe_divide(missed, right))
        precision_gain = np.where(right == 0, 1.0, 1 - odds * safe_divide(wrong, right))
        return np.maximum(recall_gain, 0.0), precision_gain

    def _pieces(self, x: Any, y: Any) -> Any:
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2
        else:
            choose = np.minimum if self.summation_method == "minoring" else np.maximum
            heights = choose(y[:-1], y[1:])
        return (x[:-1] - x[1:]) * heights

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }
        if self._own_thresholds:
            config["thresholds"] = self.thresholds[1:-1]
        return config


def _interpolated_pr(right: Any, wrong: Any, missed: Any) -> Any:
    """Areas between neighbouring thresholds when right answers grow linearly with answers.

    Between two thresholds the precision is (slope * p + offset) / p for p answers, whose integral
    over the recall has a logarithm.
    """
    answers = right + wrong
    gained, more = right[:-1] - right[1:], answers[:-1] - answers[1:]
    slope = safe_divide(gained, np.maximum(more, 0))
    offset = right[1:] - slope * answers[1:]
    both = (answers[:-1] > 0) & (answers[1:] > 0)
    ratio = np.where(both, safe_divide(answers[:-1], answers[1:]), 1.0)
    return safe_divide(slope * (gained + offset * np.log(ratio)), right[1:] + missed[1:])
