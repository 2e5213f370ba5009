"""F scores: precision and recall in one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft import ops
from weft.autograd import no_grad
from weft.errors import did_you_mean
from weft.losses.loss import same_shapes
from weft.metrics.metric import Metric, add_to
from weft.tensor import Tensor

_EPSILON = 1e-7
_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(Metric):
    """The weighted harmonic mean of precision and recall of each class.

    Args:
        average: None for one score a class, ``"micro"``, ``"macro"`` or ``"weighted"``.
        beta: How much more recall counts than precision; positive.
        threshold: Scores above it mean 1; by default the largest score of a row does.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: For an impossible argument, which is named.

    Example:
        >>> import weft
        >>> metric = weft.metrics.FBetaScore(beta=2.0, threshold=0.5)
        >>> [round(s, 4) for s in metric([[1.0], [1.0]], [[0.9], [0.1]]).tolist()]
        [0.5556]

    Follows keras.metrics.FBetaScore.
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if average not in _AVERAGES:
            known = [a for a in _AVERAGES if a]
            raise ValueError(
                f"FBetaScore: unknown average {average!r}{did_you_mean(average, known)}"
            )
        if not isinstance(beta, (int, float)) or not beta > 0:
            raise ValueError(f"FBetaScore: beta must be a positive number, got {beta!r}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"FBetaScore: threshold must lie in (0, 1], got {threshold!r}")
        self.average, self.beta, self.threshold = average, float(beta), threshold
        self._built = False

    def _build(self, classes: int) -> None:
        shape = () if self.average == "micro" else (classes,)
        self.true_positives = self._sum("true_positives", shape)
        self.false_positives = self._sum("false_positives", shape)
        self.false_negatives = self._sum("false_negatives", shape)
        self.intermediate_weights = self._sum("intermediate_weights", shape)
        self._built = True

    @no_grad()
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch of shape (rows, classes), with a weight for each row."""
        y, x = same_shapes(self.name, y_true, self._tensor(y_pred))
        if x.ndim != 2:
            raise ValueError(
                f"{self.name}: predictions must be (rows, classes), got shape {x.shape}"
            )
        if not self._built:
            self._build(x.shape[1])
        if self.threshold is None:
            best = ops.max(x, axis=-1, keepdims=True)
            chosen = (x >= best) & (ops.abs(x) > 1e-9)
        else:
            chosen = x > self.threshold
        chosen = ops.cast(chosen, x.dtype)
        weight = (
            1.0 if sample_weight is None else ops.expand_dims(self._tensor(sample_weight, x), -1)
        )
        axis = None if self.average == "micro" else 0
        values = [chosen * y, chosen * (1.0 - y), (1.0 - chosen) * y, y]
        add_to(self._variables, [ops.sum(v * weight, axis=axis) for v in values])

    def result(self) -> Tensor:
        """The score, or one for each class."""
        if not self._built:
            return self._result(0.0)
        right, wrong, missed, weights = (v.numpy() for v in self._variables)
        precision = right / (right + wrong + _EPSILON)
        recall = right / (right + missed + _EPSILON)
        square = self.beta**2
        score = (1 + square) * precision * recall / (square * precision + recall + _EPSILON)
        if self.average == "weighted":
            return self._result((score * weights / (weights.sum() + _EPSILON)).sum())
        return self._result(score if self.average is None else np.mean(score))

    def reset_state(self) -> None:
        """Forget all batches."""
        if self._built:
            super().reset_state()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall of each class.

    Args:
        average: As in `FBetaScore`.
        threshold: As in `FBetaScore`.
        name: As in `Metric`.
        dtype: As in `Metric`.

    Raises:
        ValueError: If `average` is unknown or the threshold not in (0, 1]; when called, if the
            shapes of targets and predictions differ.

    Example:
        >>> import weft
        >>> metric = weft.metrics.F1Score(average="macro", threshold=0.5)
        >>> round(float(metric([[1.0], [1.0]], [[0.9], [0.1]])), 4)
        0.6667

    Follows keras.metrics.F1Score.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same metric again."""
        config = super().get_config()
        del config["beta"]
        return config
